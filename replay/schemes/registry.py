"""The schemes that judge subjects: which there are, and how one of them is replayed from the ledger."""

from typing import Final

from domain.policy import Policy
from replay.errors import UsageError
from replay.history.timeline import Moment, has_subject
from replay.policies.catalog import DEFAULT, Choice, adopted_policies, beside, previewed, versions
from replay.replaying.base import Policies, Replay
from replay.schemes.creator_level.replay import CreatorReplay
from replay.schemes.mcn_level.replay import McnReplay
from replay.schemes.merchant_reputation.replay import ReputationReplay
from replay.schemes.merchant_tier.replay import TierReplay
from replay.store.base import Store

SCHEMES: Final[dict[str, tuple[type[Replay], ...]]] = {
    "merchant": (ReputationReplay, TierReplay),
    "creator": (CreatorReplay,),
    "mcn": (McnReplay,),
}
"""By kind of subject, the replays of the schemes that judge it; the first is meant where none is named."""


def replay_subject(
    store: Store, subject: str, moment: Moment, scheme: str | None = None, choice: Choice = DEFAULT
) -> Replay:
    """Replay a subject at a moment, under the policies in force at its `as_of` or the one that was chosen.

    Raises UsageError for a subject that no scheme judges or the ledger does not know, and for a policy that is not
    there.
    """
    judging = judging_subject(store, subject, scheme)
    return judging(
        subject, judging.load(store, subject, moment.position), moment, choose(store, judging, moment, choice)
    )


def choose(store: Store, judging: type[Replay], moment: Moment, choice: Choice = DEFAULT) -> Policies:
    """The policies that judge at a moment, and those that are judged beside or previewed."""
    at = (moment.as_of, moment.position)
    own = versions(store, judging.scheme, choice, *at)
    if judging is McnReplay:
        return Policies(own, creators=versions(store, CreatorReplay.scheme, beside(choice, CreatorReplay.scheme), *at))
    return Policies(own, previewed=previewed(store, judging.scheme, choice, *at))


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

    return Policies(of(judging.scheme), of(CreatorReplay.scheme) if judging is McnReplay else ())


def judging_subject(store: Store, subject: str, asked: str | None) -> type[Replay]:
    """The replay of the scheme that was asked for, or of the first that judges a subject.

    Raises UsageError for a subject that no scheme judges or the ledger does not know, and for a scheme that does not
    judge it.
    """
    kind, slash, _ = subject.partition("/")
    found = SCHEMES.get(kind, ()) if slash else ()
    if not found:
        raise UsageError(f"no scheme judges {subject}; replays are of {', '.join(f'{kind}/<id>' for kind in SCHEMES)}")
    names = {judging.scheme: judging for judging in found}
    if asked is not None and asked not in names:
        verb = "does" if len(names) == 1 else "do"
        raise UsageError(f"{asked} does not judge {subject}; {' and '.join(names)} {verb}")
    if not has_subject(store, subject):
        raise UsageError(f"the ledger knows no {subject}; 'levelbook subjects {kind}' lists them")
    return names[asked or next(iter(names))]
