"""The schemes that judge subjects: which there are, what each is made of, and how one is replayed from the ledger.

This is the one list of them. What a command needs of a scheme it asks of its record, or of `check_whole` beforehand.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, get_args

from domain.fields import Scheme as Catalogued
from domain.languages import LANGUAGES
from domain.policy import Policy
from replay.errors import LevelbookError, UsageError
from replay.history.browse import list_subjects
from replay.history.timeline import Moment, has_subject
from replay.policies.catalog import (
    DEFAULT,
    Adoptions,
    Choice,
    adopted_policies,
    adoptions_of,
    beside,
    previewed,
    shipped_schemes,
    versions,
)
from replay.policies.names import names_file
from replay.policies.parameters.finding import has_parameters
from replay.rendering.clauses import clauses_file
from replay.rendering.facet import SchemeAnswer
from replay.rendering.glance.form import OwnRules
from replay.rendering.glance.texts import Texts, glance_file
from replay.replaying.base import Policies, Replay
from replay.replaying.hypothetical import Overlay, Ways
from replay.replaying.periods import Daily, Monthly, first_of_the_next
from replay.schemes.creator_firefly import glance as creator_firefly_glance
from replay.schemes.creator_firefly import replay as creator_firefly
from replay.schemes.creator_firefly.answer import FireflyAnswer
from replay.schemes.creator_level import glance as creator_level_glance
from replay.schemes.creator_level import replay as creator_level
from replay.schemes.creator_level.answer import CreatorAnswer
from replay.schemes.mcn_level import glance as mcn_level_glance
from replay.schemes.mcn_level import replay as mcn_level
from replay.schemes.mcn_level.answer import McnAnswer
from replay.schemes.merchant_reputation import glance as merchant_reputation_glance
from replay.schemes.merchant_reputation import replay as reputation
from replay.schemes.merchant_reputation.answer import ReputationAnswer
from replay.schemes.merchant_tier import glance as merchant_tier_glance
from replay.schemes.merchant_tier import replay as tier
from replay.schemes.merchant_tier.answer import TierAnswer
from replay.store.base.store import Store
from replay.store.evidence.shard import shard_made

if TYPE_CHECKING:
    from replay.replaying.outcomes import FoldedOutcomes

LEADERBOARD: Final = "leaderboard"


@dataclass(frozen=True)
class Scheme:
    """One scheme, as far as replays and decisions go."""

    kind: str
    """The kind of subject that it judges."""
    replay: type[Replay]
    answer: type[SchemeAnswer[Any]]
    """How its replays are written in answers."""
    periods: Monthly | Daily
    glance: Callable[[Policy, Texts], OwnRules]
    """What only it says of its rules at a glance."""
    undecided: frozenset[str]
    """States that are no decision, unless there was another before."""
    rests_on: tuple[str, ...] = ()
    """Schemes whose levels its own rest on: their policies take part in its replays."""
    previews: bool = True
    """Whether a replay is judged by policies open for preview, too."""
    in_bulk: bool = False
    """Whether many subjects are judged at once, by `fold` in the module `outcomes` of its room."""
    folds_all: bool = False
    """Whether that takes all columns together, for a subject is judged by the records of others, too."""
    boards: str | None = None
    """What a run that decides the boards ranked by it is called."""
    large: bool = False
    """Whether a large subject is replayed from columns, by `Large` in the module `large` of its room."""
    reads_others: bool = False
    """Whether these hold other subjects' records, too, read by `known_of` in the module `known` of its room."""

    @property
    def code(self) -> str:
        return self.replay.scheme


_ALL: Final = (
    Scheme(
        kind="merchant",
        replay=reputation.ReputationReplay,
        answer=ReputationAnswer,
        glance=merchant_reputation_glance.own,
        periods=Monthly(reputation.decided_at),
        undecided=frozenset({"not_onboarded"}),
        in_bulk=True,
        large=True,
    ),
    Scheme(
        kind="merchant",
        replay=tier.TierReplay,
        answer=TierAnswer,
        glance=merchant_tier_glance.own,
        periods=Daily(),
        undecided=frozenset({"not_onboarded", "out_of_scope"}),
        in_bulk=True,
        large=True,
    ),
    Scheme(
        kind="creator",
        replay=creator_level.CreatorReplay,
        answer=CreatorAnswer,
        glance=creator_level_glance.own,
        large=True,
        periods=Monthly(first_of_the_next),
        undecided=frozenset({"not_registered", "no_evaluation_yet"}),
        in_bulk=True,
    ),
    Scheme(
        kind="creator",
        replay=creator_firefly.FireflyReplay,
        answer=FireflyAnswer,
        glance=creator_firefly_glance.own,
        large=True,
        periods=Monthly(first_of_the_next),
        undecided=frozenset({"not_registered"}),
        previews=False,
        in_bulk=True,
    ),
    Scheme(
        kind="mcn",
        replay=mcn_level.McnReplay,
        answer=McnAnswer,
        glance=mcn_level_glance.own,
        periods=Monthly(mcn_level.decided_at),
        undecided=frozenset({"not_onboarded", "no_evaluation_yet"}),
        rests_on=(creator_level.CreatorReplay.scheme,),
        previews=False,
        in_bulk=True,
        folds_all=True,
        boards=LEADERBOARD,
        large=True,
        reads_others=True,
    ),
)
SCHEMES: Final[dict[str, Scheme]] = {scheme.code: scheme for scheme in _ALL}
"""By code. Of those that judge one kind of subject, the first is meant where none is named; what a scheme rests on
stands before it."""


def kinds() -> tuple[str, ...]:
    """The kinds of subject that are judged."""
    return tuple(dict.fromkeys(scheme.kind for scheme in SCHEMES.values()))


def schemes_of(kind: str) -> tuple[Scheme, ...]:
    """The schemes that judge a kind of subject; none where none does."""
    return tuple(scheme for scheme in SCHEMES.values() if scheme.kind == kind)


def scheme_of(code: str) -> Scheme:
    """The scheme of a code. Raises UsageError where there is none."""
    if code not in SCHEMES:
        raise UsageError(f"there is no scheme {code!r} of subjects; known are {', '.join(SCHEMES)}")
    return SCHEMES[code]


def answer_of(replay: Replay) -> SchemeAnswer[Any]:
    """A replay as its scheme's answers tell it."""
    return scheme_of(replay.scheme).answer(replay)


def records_of(store: Store, scheme: Scheme) -> int:
    """How many records replays of all subjects of a scheme rest on: by them many are told from few."""
    return sum(records_of_kind(store, kind) for kind in kinds_read(scheme))


def records_of_kind(store: Store, kind: str) -> int:
    return sum(item["events"] for item in list_subjects(store, kind))


def kinds_read(scheme: Scheme) -> set[str]:
    """The kinds of subject whose records a scheme's replays read."""
    return {scheme.kind, *(SCHEMES[code].kind for code in scheme.rests_on)}


def fold_of(code: str) -> "Callable[[Any, Policies, Moment], FoldedOutcomes]":
    """What judges all subjects of some columns by a scheme at once, or of a list of all; loads the compiled rules."""
    found: Callable[[Any, Policies, Moment], FoldedOutcomes] = in_room(code, "outcomes").fold
    return found


def fold_each_of(scheme: Scheme) -> "Callable[[Any, Sequence[Policies], Moment], list[FoldedOutcomes]]":
    """What does so under each of some policies; what these have in common is folded once."""
    if scheme.folds_all:
        found: Callable[[Any, Sequence[Policies], Moment], list[FoldedOutcomes]]
        found = in_room(scheme.code, "outcomes").fold_each
        return found
    fold = fold_of(scheme.code)
    return lambda columns, many, moment: [fold(columns, policies, moment) for policies in many]


def ways_of(code: str) -> "Callable[[Any, Overlay[Any]], Ways]":
    """What proposes the ways of a scheme's subjects to the next level."""
    found: Callable[[Any, Overlay[Any]], Ways] = in_room(code, "ways").ways
    return found


def _room_of(code: str) -> str:
    return SCHEMES[code].replay.__module__.rpartition(".")[0]


def in_room(code: str, module: str) -> Any:
    """A module of a scheme's room that is heavy to load."""
    return import_module(f"{_room_of(code)}.{module}")


def ranking(boards: str) -> Scheme | None:
    """The scheme by which the boards of a run are ranked; None where no run of boards is called so."""
    return next((scheme for scheme in SCHEMES.values() if scheme.boards == boards), None)


def check_whole(scheme: Scheme) -> None:
    """Raises LevelbookError with everything that a scheme lacks by which levels are judged, explained and recorded."""
    code = scheme.code
    there = {
        "policies that come with the program": code in shipped_schemes(),
        "names of its levels in each language": all(names_file(code, language).is_file() for language in LANGUAGES),
        "clauses": clauses_file(code).is_file(),
        "its rules at a glance": glance_file(code).is_file(),
        "a schema of its policies' parameters": has_parameters(code),
        "a place in the event catalogue": code in get_args(Catalogued),
        "ways to its next level": find_spec(f"{_room_of(code)}.ways") is not None,
        "what it rests on": all(name in SCHEMES for name in scheme.rests_on),
    }
    missing = [name for name, found in there.items() if not found]
    if missing:
        raise LevelbookError(
            f"the scheme {code} is registered and not whole, so that nothing was begun: missing are"
            f" {'; '.join(missing)}. Add them, or take it out of replay/schemes/registry.py"
        )


def check_holds_all(store: Store, scheme: Scheme) -> None:
    """Raises UsageError for a shard of a set where a scheme judges by subjects that other shards hold."""
    made = shard_made(store) if scheme.reads_others else None
    if made is not None:
        raise UsageError(
            f"{store.name} is shard {made.number} of a set of {made.of}, and {scheme.code} judges by subjects of all"
            " shards; ask the set, with --store SET.shards"
        )


def choose(store: Store, judging: type[Replay], moment: Moment, choice: Choice = DEFAULT) -> Policies:
    """The policies that judge at a moment, and those that are judged beside or previewed."""
    return choose_of(adoptions_of(store), judging, moment, choice)


def choose_of(adopted: Adoptions, judging: type[Replay], moment: Moment, choice: Choice = DEFAULT) -> Policies:
    """The same, given what the ledger has adopted, for whoever chooses at many moments."""
    return _chosen(adopted, SCHEMES[judging.scheme], moment, choice, choice)


def choose_where_given(store: Store, judging: type[Replay], moment: Moment, choice: Choice) -> Policies:
    """As `choose`, but of schemes of which the set that is chosen has no policy, those that judge by default."""
    scheme = SCHEMES[judging.scheme]
    return _chosen(adoptions_of(store), scheme, moment, beside(choice, judging.scheme), choice)


def _chosen(adopted: Adoptions, scheme: Scheme, moment: Moment, own: Choice, others: Choice) -> Policies:
    at = (moment.as_of, moment.position)
    judging = versions(adopted, scheme.code, own, *at)
    judged_beside = [
        policy for name in scheme.rests_on for policy in versions(adopted, name, beside(others, name), *at)
    ]
    return Policies(judging, judged_beside, previewed(adopted, scheme.code, own, *at) if scheme.previews else ())


def adopted_then(store: Store, judging: type[Replay], moment: Moment) -> Policies:
    """The policies that a decision used: of those adopted up to its position, the ones in force at its `as_of`.

    Files that came later play no part. Raises UsageError where nothing was adopted.
    """

    def of(scheme: str) -> list[Policy]:
        latest = {
            item.policy.id: item.policy for item in adopted_policies(store, scheme) if item.position <= moment.position
        }
        by_date = sorted(latest.values(), key=lambda policy: (policy.in_force_from, policy.id))
        if not by_date:
            raise UsageError(f"no policy of {scheme} was adopted up to position {moment.position}")
        return [policy for policy in by_date if policy.in_force_from <= moment.as_of] or by_date[:1]

    rests_on = SCHEMES[judging.scheme].rests_on
    return Policies(of(judging.scheme), [policy for name in rests_on for policy in of(name)])


def judging_subject(store: Store, subject: str, asked: str | None) -> type[Replay]:
    """The replay of the scheme that was asked for, or of the first that judges a subject.

    Raises UsageError for a subject that no scheme judges or the ledger does not know, and for a scheme that does not
    judge it.
    """
    kind, slash, _ = subject.partition("/")
    found = schemes_of(kind) if slash else ()
    if not found:
        raise UsageError(f"no scheme judges {subject}; replays are of {', '.join(f'{kind}/<id>' for kind in kinds())}")
    names = {scheme.code: scheme.replay for scheme in found}
    if asked is not None and asked not in names:
        verb = "does" if len(names) == 1 else "do"
        raise UsageError(f"{asked} does not judge {subject}; {' and '.join(names)} {verb}")
    if not has_subject(store, subject):
        raise UsageError(f"the ledger knows no {subject}; 'levelbook subjects {kind}' lists them")
    judging = names[asked or next(iter(names))]
    check_holds_all(store, SCHEMES[judging.scheme])
    return judging
