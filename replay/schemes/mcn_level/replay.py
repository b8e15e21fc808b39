"""An agency's level replayed: its phase, its scores row by row, and the creators that they rest on."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import ClassVar, NamedTuple

from domain.calendar import month_of, month_start
from domain.events import BINDING_TYPES, Event, SaleSettled
from domain.keys import bindings_key, retracts_key, stream_key
from domain.mcn_level.contributions import CUMULATIVE, contributed, joined_by, sums_of
from domain.mcn_level.facts import (
    VERDICTS,
    History,
    Verdict,
    evaluated_at,
    figures_of,
    held_at_close,
    history_of,
    rules_of,
)
from domain.mcn_level.rule import SCHEME, Evaluation, Rules, State, evaluate, score_on, trials
from domain.policy import Policy, Term, start_of_month, term_at, terms_of
from domain.rules.comparison import Trial
from domain.rules.contributions import Contribution, FigureSum
from replay.history.timeline import RETRACTED, Moment, events_of, taking_part
from replay.policies.benefits import BENEFIT_PREFIX
from replay.replaying.base import Policies
from replay.replaying.monthly import MonthlyReplay
from replay.replaying.values import SCORE, Judged, Measure, Standing
from replay.schemes.creator_level.replay import CreatorReplay
from replay.schemes.creator_level.replay import Month as CreatorMonth
from replay.store.base.store import Store
from replay.store.decode import read_record
from replay.store.queries import refs_of_types, rows_about
from replay.store.searching.across import binding_rows


class Month(NamedTuple):
    """One month's evaluation, by which policy, and the levels of the creators held at its close."""

    policy: Policy
    rules: Rules
    found: Evaluation
    creators: dict[str, str | None]
    """By id: the level code; None for no level."""

    @property
    def month(self) -> int:
        return self.found.figures.month

    @property
    def level(self) -> str | None:
        """The level's code; None unless rated."""
        rated = self.found.state is State.RATED and self.found.level > 0
        return self.rules.level_codes[self.found.level - 1] if rated else None

    @property
    def at(self) -> int:
        """00:00 of the 3rd of the month after."""
        return evaluated_at(self.month, self.rules)

    @property
    def trials(self) -> list[Trial]:
        return trials(self.found, self.rules)

    @property
    def standing(self) -> Standing:
        return Standing(str(self.found.state), self.level)

    @property
    def decided_figures(self) -> list[int]:
        """The figures that the digest of a decision covers."""
        found, figures = self.found, self.found.figures
        return [
            self.month,
            figures.credit,
            *(found.operating, found.growth, found.service, found.bonus, found.total),
            *(found.settled_fen, figures.orders, figures.top_creators, figures.live_minutes),
            *(found.showcase_fen, figures.showcase_creators, found.good_fen),
            *(figures.reputation_sum, figures.reputation_creators, figures.worry_free),
        ]


def decided_at(month: int, policy: Policy) -> tuple[int, int]:
    """As of when a month is decided, and from when on: its evaluation."""
    at = evaluated_at(month, rules_of(policy))
    return at, at


class McnReplay(MonthlyReplay[Month]):
    """One replay of one agency; what is known includes its creators' streams and every binding of these."""

    scheme = SCHEME
    words = tuple(map(str, VERDICTS))
    figures_decided = 17
    thresholds: ClassVar[Mapping[str, Measure | None]] = {
        "levels/*/from": Measure(SCORE),
        "observation/service_min": Measure(4),
        "observation/credit_min": Measure(1),
        "settled_bands/*/from": Measure(7),
        "orders_bands/*/from": Measure(8),
        "top_creators/bands/*/from": Measure(9),
        "live_minutes_bands/*/from": Measure(10),
        "showcase_share_bands/*/from": Measure(11, 7, 100),
        "showcase_creators_bands/*/from": Measure(12),
        "good_share_bands/*/from": Measure(13, 7, 100),
        "service_bands/*/from": Measure(14, 15),
        "worry_free_bands/*/from": Measure(16),
    }
    unmeasured = frozenset({str(State.NOVICE)})

    def __init__(self, subject: str, known: list[Event], moment: Moment, policies: Policies) -> None:
        super().__init__(subject, known, moment, policies)
        self.terms = terms_of(policies.own, start_of_month)
        self.took_part = taking_part(known, moment.as_of)
        self.history, self._findings = history_of(self.took_part, subject)
        of_creators = self._creator_months if self.begun else {}
        self.months = evaluations(self.history, of_creators, self.terms, moment.as_of)

    @classmethod
    def load(cls, store: Store, subject: str, position: int, also: Collection[str] = ()) -> list[Event]:
        """The agency's own stream, the streams of the creators that it ever bound, and of other agencies the bindings
        of these with what retracts them. It grows with the agency's own creators, and with nobody else's.

        `also` are the ids of creators that are read as if it had bound them.
        """
        own = list(events_of(store, subject, position))
        found = {event.position: event for event in own}
        for creator in sorted({*also, *(event.data.creator for event in own if event.type in BINDING_TYPES)}):
            found |= {event.position: event for event in events_of(store, f"creator/{creator}", position)}
            for event in _bindings_of(store, creator, position):
                if event.originator_id != subject:
                    found |= {item.position: item for item in (event, *_retractions(store, event, position))}
        return [found[at] for at in sorted(found)]

    @classmethod
    def streams(cls, store: Store, subject: str, position: int) -> list[str]:
        return [subject, *(f"creator/{name}" for name in refs_of_types(store, subject, BINDING_TYPES, position))]

    @classmethod
    def keys(cls, store: Store, subject: str, position: int) -> list[str]:
        """Of its own stream, of the streams and bindings of the creators that it ever bound, and of what retracts the
        other agencies' bindings of these, or would.
        """
        creators = refs_of_types(store, subject, BINDING_TYPES, position)
        of_others = [
            item
            for creator in creators
            for event in _bindings_of(store, creator, position)
            if event.originator_id != subject
            for item in (event, *_retractions(store, event, position))
        ]
        return [
            *map(stream_key, cls.streams(store, subject, position)),
            *map(bindings_key, creators),
            *(retracts_key(event.source, event.id) for event in of_others),
        ]

    @classmethod
    def assumed_of(cls, policies: Policies) -> list[str]:
        """Of the creators' policies, what their levels rest on: no benefit plays a part here."""
        of_creators = {name for policy in policies.beside for name in policy.assumed}
        own = {name for policy in policies.own for name in policy.assumed}
        return sorted(own | {name for name in of_creators if not name.startswith(BENEFIT_PREFIX)})

    @cached_property
    def judged(self) -> Sequence[Judged]:
        return [Judged(found.at, found.position, str(found.verdict)) for found in self._findings]

    @property
    def score(self) -> int | None:
        return None if self.held is None else self.held.found.total

    @property
    def decided_figures(self) -> Sequence[int]:
        """Of the evaluation that holds; none where there is none."""
        return [] if self.held is None else self.held.decided_figures

    @property
    def begun(self) -> bool:
        return self.history.onboarded_at is not None

    @property
    def not_begun(self) -> str:
        return str(State.NOT_ONBOARDED)

    @classmethod
    def level_codes(cls, policy: Policy) -> Sequence[str]:
        return rules_of(policy).level_codes

    @classmethod
    def entitling_rank(cls, policy: Policy, standing: Standing) -> int | None:
        """Once onboarded -1, too: of no level, with which the benefits of every state are held."""
        none = None if standing.state == str(State.NOT_ONBOARDED) else -1
        return super().entitling_rank(policy, standing) if standing.level is not None else none

    def creator(self, creator: str) -> CreatorReplay:
        """The replay of one of its creators at the same moment, from what is known here."""
        if creator not in self._creators:
            subject = f"creator/{creator}"
            known = self._known_by_subject.get(subject, [])
            self._creators[creator] = CreatorReplay(subject, known, self.moment, Policies(self.policies.beside))
        return self._creators[creator]

    @cached_property
    def _known_by_subject(self) -> dict[str, list[Event]]:
        found: dict[str, list[Event]] = {}
        for event in self.known:
            found.setdefault(event.originator_id, []).append(event)
        return found

    @cached_property
    def _creators(self) -> dict[str, CreatorReplay]:
        return {}

    @cached_property
    def _creator_months(self) -> dict[tuple[str, int], CreatorMonth]:
        """By creator's id and month, its evaluation."""
        return {(name, month.month): month for name in self.history.slots for month in self.creator(name).months}

    def contribution(self, index: int) -> Sequence[Contribution]:
        judged = self.judged[index]
        if judged.verdict != Verdict.COUNTED or self.history.onboarded_at is None:
            return ()
        event, month = self.events[judged.position], month_of(judged.at)
        first = self._first_months[self.policy_at(month_start(month)).hash]
        is_evaluated = month >= max(month_of(self.history.onboarded_at), first)
        if not is_evaluated and event.type not in CUMULATIVE:
            return ()
        sale = self.sale_of(event) if event.type in ("sale.settled", "sale.refunded") else None
        is_binding = event.type in BINDING_TYPES
        joined = joined_by(self.history.slots[event.data.creator], event.position, self.subject) if is_binding else 0
        return contributed(event, sale, joined, month)

    @cached_property
    def _first_months(self) -> dict[str, int]:
        return {term.policy.hash: rules_of(term.policy).first_month for term in self.terms}

    def sale_of(self, event: Event) -> SaleSettled:
        """What was sold first of an order that is settled or refunded; of a settlement that counts, itself."""
        sold = event if event.type == "sale.settled" else self._first_sales[event.originator_id, event.data.order]
        sale: SaleSettled = sold.data
        return sale

    @cached_property
    def _first_sales(self) -> dict[tuple[str, str], Event]:
        sales = (event for event in reversed(self.took_part) if event.type == "sale.settled")
        return {(event.originator_id, event.data.order): event for event in sales}

    def month_sums(self, month: Month) -> Sequence[FigureSum]:
        return sums_of(month.found, self.history, month.rules)

    def is_top(self, creator: str, month: int, rules: Rules) -> bool:
        """Whether a creator's level of a month is high enough."""
        return _is_top(self._creator_months.get((creator, month)), rules)


def evaluations(
    history: History,
    creator_months: Mapping[tuple[str, int], CreatorMonth],
    terms: Sequence[Term],
    as_of: int,
    since: int | None = None,
) -> list[Month]:
    """Every month of an agency up to the last that is evaluated at an instant, by its creators' evaluations, which are
    given by id and month; with `since` that month and later ones alone.
    """
    if history.onboarded_at is None:
        return []
    by_policy = {term.policy.hash: rules_of(term.policy) for term in terms}
    found, onboarded = [], month_of(history.onboarded_at)
    for month in range(max(onboarded, since or onboarded), month_of(as_of) + 1):
        policy = term_at(terms, month_start(month)).policy
        rules = by_policy[policy.hash]
        if month >= rules.first_month and evaluated_at(month, rules) <= as_of:
            held = {name: creator_months.get((name, month)) for name in held_at_close(history, month)}
            levels = {name: evaluated and evaluated.level for name, evaluated in held.items()}
            top = sum(1 for evaluated in held.values() if _is_top(evaluated, rules))
            found.append(Month(policy, rules, evaluate(figures_of(history, month, top, rules), rules), levels))
    return found


def _is_top(found: CreatorMonth | None, rules: Rules) -> bool:
    """Whether the level of an evaluation is high enough, by the levels of the version that judged it."""
    if found is None or found.level is None or rules.top_level not in found.rules.levels:
        return False
    return found.found.level >= found.rules.levels.index(rules.top_level)


def _bindings_of(store: Store, creator: str, position: int) -> list[Event]:
    return [read_record(event_type, record) for event_type, record, _ in binding_rows(store, creator, position)]


def _retractions(store: Store, event: Event, position: int) -> list[Event]:
    """The retractions of an event, and those of these in turn."""
    naming = rows_about(store, event.originator_id, f"{event.source} {event.id}")
    found = [read_record(row.type, row.record) for row in naming if row.type == RETRACTED and row.position <= position]
    return [*found, *(further for item in found for further in _retractions(store, item, position))]


class JudgedAgency(NamedTuple):
    """An agency and its evaluations, the earliest first: what boards are ranked from."""

    subject: str
    months: Sequence[Month]


def ranked(agencies: Sequence[JudgedAgency], month: int, ranks_by: str) -> list[tuple[str, Month]]:
    """The rated agencies of a month, best first: ties by the larger settled amount, then by id."""
    rated = [
        (agency.subject, found)
        for agency in agencies
        for found in agency.months
        if found.month == month and found.found.state is State.RATED
    ]
    return sorted(rated, key=lambda pair: (-score_on(ranks_by, pair[1].found), -pair[1].found.settled_fen, pair[0]))
