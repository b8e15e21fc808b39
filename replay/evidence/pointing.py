"""What a file of evidence points at: a decision, an announcement, or a replay that nothing claims."""

from typing import NamedTuple

from domain.events import LevelAnnounced, LevelDecided
from replay.decisions.decide import decided_events, moment_of, period_of
from replay.errors import UsageError
from replay.evidence.contents import agreed, keys_read, link_of
from replay.history.browse import is_retracted
from replay.history.readers import EVERYTHING_SHOWN
from replay.history.timeline import Asked, Moment, has_subject, resolve
from replay.replaying.periods import Period
from replay.schemes.registry import judging_subject, scheme_of
from replay.store.base.store import Store
from replay.store.decode import read_record
from replay.store.key_chains import key_states
from replay.store.queries import row_at, rows_of_types


class Pointed(NamedTuple):
    """What a file points at."""

    subject: str
    scheme: str
    as_of: int
    position: int
    claim: int | None


class EvidenceAsked(NamedTuple):
    """What evidence is asked for of a subject: by a period, a decision or a moment; None where left out."""

    scheme: str | None = None
    """None is the first that judges the subject."""
    month: int | None = None
    day: int | None = None
    decision: int | None = None
    """The position of its record."""
    moment: Asked = Asked()


def pointed_at(store: Store, subject: str, size: int, asked: EvidenceAsked, option: str = "--") -> Pointed:
    """What evidence under a seal of a size points at; errors name options that begin with `option`.

    Raises UsageError for what is not there, and unless one thing is asked for.
    """
    scheme = judging_subject(store, subject, asked.scheme).scheme
    by_period = asked.month is not None or asked.day is not None
    if [by_period, asked.decision is not None, asked.moment != Asked()].count(True) != 1:
        raise UsageError(
            f"evidence is of one thing: give {option}period for what was decided or announced,"
            f" {option}decision for one decision, or {option}as-of for a replay that nothing claims"
        )
    if asked.decision is not None:
        return point_at_decision(store, subject, asked.decision)
    if by_period:
        return point_at_period(store, subject, scheme, period_of(store, scheme, asked.month, asked.day), size)
    return point_at_moment(store, subject, scheme, resolve(store, asked.moment, None, option), size)


def file_name(pointed: Pointed) -> str:
    """A name by what the file points at."""
    of = f"decision-{pointed.claim}" if pointed.claim is not None else f"position-{pointed.position}"
    return f"{pointed.subject.replace('/', '-')}-{pointed.scheme}-{of}.evidence"


def point_at_period(store: Store, subject: str, scheme: str, period: Period, size: int) -> Pointed:
    """The last decision on a period; where nothing was decided, what was announced of it last and not retracted.

    Raises UsageError where neither is recorded up to the seal's size.
    """
    _check_judges(store, subject, scheme)
    for position, decision in reversed(decided_events(store, subject, EVERYTHING_SHOWN)):
        if (decision.scheme, decision.period) == (scheme, period.text):
            return _of_decision(subject, position, decision)
    for row in rows_of_types(store, subject, ("level.announced",), size, latest_first=True):
        data: LevelAnnounced = read_record(row.type, row.record).data
        if (data.scheme, data.period) == (scheme, period.text) and not is_retracted(store, row):
            return Pointed(subject, scheme, period.as_of, _last_known(store, subject, scheme, size, size), row.position)
    raise UsageError(
        f"nothing was decided or announced of {subject} in {scheme} for {period.text}; with --as-of the evidence is of"
        " a replay that nothing claims"
    )


def point_at_decision(store: Store, subject: str, position: int) -> Pointed:
    """The decision that stands at a position. Raises UsageError where none of the subject does."""
    row = row_at(store, position)
    if row is None or row.stream != subject or row.type != "level.decided":
        raise UsageError(
            f"no decision on {subject} stands at position {position}; 'levelbook decided {subject}' lists them"
        )
    return _of_decision(subject, position, read_record(row.type, row.record).data)


def point_at_moment(store: Store, subject: str, scheme: str, moment: Moment, size: int) -> Pointed:
    """A replay that nothing claims. Its position is the last one up to the moment of which the file can say when it
    was recorded.
    """
    _check_judges(store, subject, scheme)
    return Pointed(subject, scheme, moment.as_of, _last_known(store, subject, scheme, moment.position, size), None)


def _check_judges(store: Store, subject: str, scheme: str) -> None:
    kind = scheme_of(scheme).kind
    if not subject.startswith(f"{kind}/"):
        raise UsageError(f"{scheme} does not judge {subject}; it judges {kind}/<id>")
    if not has_subject(store, subject):
        raise UsageError(f"the ledger knows no {subject}; 'levelbook subjects {kind}' lists them")


def _of_decision(subject: str, position: int, decision: LevelDecided) -> Pointed:
    moment = moment_of(decision)
    return Pointed(subject, decision.scheme, moment.as_of, moment.position, position)


def _last_known(store: Store, subject: str, scheme: str, position: int, size: int) -> int:
    """The last position up to one whose time a file says: of a record in it, or named by a run or decision in it.

    Raises UsageError where there is none.
    """
    keys = keys_read(store, subject, scheme, size)
    found = max(state.position for state in key_states(store, keys, position).values())
    links = agreed(
        link
        for row in rows_of_types(store, "ledger/decisions", ("decisions.run",), size)
        if (link := link_of(read_record(row.type, row.record).data)) is not None
    )
    found = max([found, *(link[0] for link in links if link[0] <= position)])
    if not found:
        raise UsageError(f"up to position {position} nothing that concerns {subject} was recorded; name a later one")
    return found
