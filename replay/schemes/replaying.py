"""How a subject is replayed from the ledger: plain or from columns, out of what another replay knows; what it takes."""

from contextlib import nullcontext
from importlib import import_module
from typing import Any

from replay.columnar.size import ROWS_TO_AN_EVENT, are_many
from replay.history.timeline import Moment
from replay.policies.catalog import DEFAULT, Choice
from replay.replaying.base import Origin, Policies, Replay
from replay.replaying.records import Lend
from replay.schemes.loading import loaded_beside
from replay.schemes.registry import SCHEMES, check_holds_all, check_whole, choose, in_room, judging_subject
from replay.store.base.store import Store
from replay.store.queries import length_at, length_of
from replay.store.reading.asked import EVERYTHING


def replay_subject(
    store: Store,
    subject: str,
    moment: Moment,
    scheme: str | None = None,
    choice: Choice = DEFAULT,
    beside: Replay | None = None,
) -> Replay:
    """Replay a subject at a moment, under the policies in force at its `as_of` or the one that was chosen.

    `beside` is another replay of the subject, as in `replay_of`. Raises UsageError for a subject that no scheme judges
    or the ledger does not know, and for a policy that is not there; LevelbookError for a scheme that is not whole.
    """
    judging = judging_subject(store, subject, scheme)
    check_whole(SCHEMES[judging.scheme])
    policies = choose(store, judging, moment, choice)
    return replay_of(lent(store), judging, subject, moment, policies, beside, choice)


def lent(store: Store) -> Lend:
    """Lends a store that stays open for as long as anything is asked of what it was lent to."""
    return lambda: nullcontext(store)


def replay_of(
    lend: Lend,
    judging: type[Replay],
    subject: str,
    moment: Moment,
    policies: Policies,
    beside: Replay | None = None,
    choice: Choice = DEFAULT,
) -> Replay:
    """The replay of a subject: of few records plain, of many by compiled rules over columns.

    `beside` is another replay of it out of the same store: where that knows as much or more, nothing is read again.
    By `choice` the policies were chosen, and those of earlier moments are.

    Which of the two is a matter of all records that it rests on, also those behind the moment, so that replays of one
    subject at several moments are of one kind. Both give the same answers.
    """
    found = _replayed(lend, judging, subject, moment, policies, beside)
    found.origin = Origin(lend, choice)
    return found


def _replayed(
    lend: Lend, judging: type[Replay], subject: str, moment: Moment, policies: Policies, beside: Replay | None
) -> Replay:
    with lend() as store:
        check_holds_all(store, SCHEMES[judging.scheme])
        if not _is_large(store, judging, subject):
            return judging(subject, judging.load(store, subject, moment.position), moment, policies)
    from replay.replaying.known import LargeKnown

    known: Any = None if beside is None else beside.known
    if isinstance(known, LargeKnown) and beside is not None and _serves(beside, moment.position):
        assert beside.subject == subject, "it is a replay of the same subject"
        known = known.upto(moment.position)
    else:
        large, read = large_of(judging), known_of(judging.scheme)
        with loaded_beside(large.load_loops) as loaded:
            known = read(lend, subject, moment.position, loaded)
    found: Replay = large_of(judging)(subject, known, moment, policies)
    return found


def _serves(beside: Replay, position: int) -> bool:
    """Whether what a large replay knows says what was known at a position: of several subjects it says so only at its
    own, for earlier there may have been fewer.
    """
    if SCHEMES[beside.scheme].reads_others:
        return beside.moment.position == position
    return beside.moment.position >= position


def known_of(scheme: str) -> Any:
    """What reads the columns of a large subject of a scheme."""
    if SCHEMES[scheme].reads_others:
        return in_room(scheme, "known").known_of
    return import_module("replay.replaying.known").known_of


def large_of(judging: type[Replay]) -> Any:
    """The scheme's replay of a large subject."""
    return in_room(judging.scheme, "large").Large


def weight_under(store: Store, judging: type[Replay], subject: str, position: int) -> int:
    """On how many events in memory a replay up to a position would rest, of every stream that it reads."""
    records = sum(length_at(store, stream, position) for stream in judging.streams(store, subject, position))
    return records // ROWS_TO_AN_EVENT if _is_large(store, judging, subject) else records


def peak_under(store: Store, judging: type[Replay], subject: str, position: int) -> int:
    """The memory of how many events it takes, about, to make a replay: of many records, more than it then rests on.

    Measured of a million records: 320 MB where they are sealed, 600 MB where not, for a second process reads those.
    """
    streams = judging.streams(store, subject, position)
    records = sum(length_at(store, stream, position) for stream in streams)
    if not _is_large(store, judging, subject):
        return records
    from replay.columnar.archive import open_archive

    last = min(open_archive(store, store.segments_path()).position, position)
    sealed = sum(length_at(store, stream, last) for stream in streams)
    return sealed // 3 + (records - sealed) * 3 // 5


def _is_large(store: Store, judging: type[Replay], subject: str) -> bool:
    if not SCHEMES[judging.scheme].large:
        return False
    return are_many(sum(length_of(store, stream) for stream in judging.streams(store, subject, EVERYTHING)))


def plain_of(store: Store, found: Replay) -> Replay:
    """The same replay with every event in memory, whatever its size."""
    judging = SCHEMES[found.scheme].replay
    if type(found) is judging:
        return found
    known = judging.load(store, found.subject, found.moment.position)
    return judging(found.subject, known, found.moment, found.policies)
