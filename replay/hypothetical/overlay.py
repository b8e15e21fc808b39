"""Hypothetical events laid over a replay: the same subject, known up to the same position, and what did not happen."""

from collections.abc import Collection, Sequence

from domain.policy import Policy
from replay.history.timeline import Moment
from replay.hypothetical.bearing import reach
from replay.hypothetical.laid import Laid, Supposed, laid, supposed
from replay.policies.catalog import Choice
from replay.replaying.base import Origin, Policies, Replay
from replay.replaying.hypothetical import Hypothetical
from replay.replaying.records import Lend
from replay.schemes.registry import SCHEMES, choose
from replay.schemes.replaying import known_of, large_of
from replay.store.base.store import Store


def laid_over(replay: Replay, events: Sequence[Hypothetical], as_of: int) -> Replay:
    """The replay of the same subject with hypothetical events, at an instant that may be in the future.

    What is known stays what it was; policies are chosen for the later instant as they were for the replay. Events
    later than `as_of` take no part, corrections among them. Buyers are new ones. Nothing is recorded.
    Raises UsageError for an event that is not well formed, or of a subject on which the replay does not rest.
    """
    return overlaid(replay, supposed(events), as_of)


def overlaid(
    replay: Replay,
    events: Sequence[Supposed],
    as_of: int,
    key: bytes | None = None,
    judged_by: Choice | Policy | None = None,
) -> Replay:
    """The same of events that were read: with the key for buyers those are recognised whom the ledger knows.

    `judged_by` is another choice of policies than the replay's, or the one policy that judges, which nobody need have
    adopted. Raises UsageError for an event that is recorded, too.
    """
    origin, judging = replay.origin, SCHEMES[replay.scheme].replay
    assert origin is not None, "it was made out of a ledger"
    chosen = judged_by if isinstance(judged_by, Choice) else origin.choice
    moment = replay.moment._replace(as_of=as_of)
    with origin.lend() as store:
        new = reach(store, replay, events).new
        added = laid(store, events, as_of, moment.known_at, key)
        policies = choose(store, judging, moment, chosen)
        if isinstance(judged_by, Policy):
            policies = Policies([judged_by], policies.beside)
        if type(replay) is judging:
            found = _plain(store, replay, added, new, moment, policies)
        else:
            found = _large(store, origin.lend, replay, added, new, moment, policies)
    found.origin = Origin(origin.lend, chosen)
    found.reader = replay.reader
    return found


def _plain(
    store: Store, replay: Replay, added: Laid, new: Collection[str], moment: Moment, policies: Policies
) -> Replay:
    known = replay.load(store, replay.subject, moment.position, new) if new else replay.known
    return type(replay)(replay.subject, [*known, *added.events], moment, policies)


def _large(
    store: Store, lend: Lend, replay: Replay, added: Laid, new: Collection[str], moment: Moment, policies: Policies
) -> Replay:
    """Of a large replay: the hypothetical events are one more tail of its columns."""
    from replay.hypothetical.in_columns import laid_into
    from replay.hypothetical.records import LaidRecords
    from replay.replaying.known import LargeKnown

    below, large = replay.known, large_of(SCHEMES[replay.scheme].replay)
    if new:
        below = known_of(replay.scheme)(lend, replay.subject, moment.position, large.load_loops, new)
    assert isinstance(below, LargeKnown), "a large replay rests on columns"
    columns = laid_into(store, below.columns, added, moment.position)
    records = LaidRecords(replay.subject, below.records, added.events)
    found: Replay = large(replay.subject, LargeKnown(columns, records), moment, policies)
    return found
