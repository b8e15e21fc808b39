"""The schemes that judge subjects: which there are, and how one of them is replayed from the ledger."""

from typing import Final

from replay.errors import UsageError
from replay.policies import DEFAULT, Choice, versions
from replay.replays import Policies, Replay
from replay.reputation_replay import ReputationReplay
from replay.store import Store
from replay.timeline import Moment, events_of, has_subject

SCHEMES: Final[dict[str, tuple[type[Replay], ...]]] = {"merchant": (ReputationReplay,)}
"""By kind of subject, the replays of the schemes that judge it."""


def replay_subject(
    store: Store, subject: str, moment: Moment, scheme: str | None = None, choice: Choice = DEFAULT
) -> Replay:
    """Replay a subject at a moment, under the policies in force at its `as_of` or the one that was chosen.

    Raises UsageError for a subject that no scheme judges or the ledger does not know, where it must be said which of
    several schemes is meant, and for a policy that is not there.
    """
    judging = _judging(store, subject, scheme)
    own = versions(store, judging.scheme, choice, moment.as_of, moment.position)
    return judging(subject, list(events_of(store, subject, moment.position)), moment, Policies(own))


def _judging(store: Store, subject: str, asked: str | None) -> type[Replay]:
    kind, slash, _ = subject.partition("/")
    found = SCHEMES.get(kind, ()) if slash else ()
    if not found:
        raise UsageError(f"no scheme judges {subject}; replays are of {', '.join(f'{kind}/<id>' for kind in SCHEMES)}")
    names = {judging.scheme: judging for judging in found}
    if asked is not None and asked not in names:
        raise UsageError(f"{asked} does not judge {subject}; {' and '.join(names)} does")
    if not has_subject(store, subject):
        raise UsageError(f"the ledger knows no {subject}; 'levelbook subjects {kind}' lists them")
    return names[asked or next(iter(names))]
