"""What of an event neither reader's types express: its source, the kind of its subject, times and days."""

from collections.abc import Mapping
from datetime import date

from msgspec import UNSET

from domain.calendar import is_cut, parse_instant
from domain.events import CATALOGUE, Data, Envelope, LevelAnnounced
from replay.parsing.refusals import Reason, RefusalError
from replay.store.record import OWN_SOURCE, Candidate, candidate


def checked(envelope: Envelope, extensions: Mapping[str, str], data: Data) -> Candidate:
    """The candidate that a well-formed event makes, its envelope used up; raises RefusalError for what cannot be."""
    if envelope.source[: len(OWN_SOURCE)].lower() == OWN_SOURCE:
        raise RefusalError(
            Reason.RESERVED_SOURCE,
            f"source: found '{envelope.source}', but sources that begin with '{OWN_SOURCE}' name what ledgers record"
            " themselves; give the event the source that it comes from",
        )
    kind = envelope.subject.partition("/")[0]
    kinds = CATALOGUE[envelope.type].kinds
    if kind not in kinds:
        raise RefusalError(
            Reason.WRONG_SUBJECT,
            f"subject: found '{envelope.subject}', but '{envelope.type}' is about "
            f"{' or '.join(f'{k}/<id>' for k in kinds)}",
        )
    if isinstance(data, LevelAnnounced):
        _check_period(data.period)
    occurred_at = _instant("time", envelope.time)
    cut = is_cut(envelope.time)
    claimed, claimed_at = envelope.recordedtime, None
    if claimed is not UNSET:
        claimed_at = _instant("recordedtime", str(claimed))
        cut = cut or is_cut(str(claimed))
    return candidate(envelope, data, occurred_at, claimed_at, extensions, cut=cut)


def _check_period(period: str) -> None:
    try:
        date.fromisoformat(period if len(period) > len("2022-11") else f"{period}-01")
    except ValueError as error:
        text = f"data.period: found '{period}', which does not exist in the calendar ({error})"
        raise RefusalError(Reason.IMPOSSIBLE_TIME, text) from None


def _instant(name: str, text: str) -> int:
    try:
        return parse_instant(text)
    except ValueError as error:
        impossible = "does not exist" in str(error)
        reason = Reason.IMPOSSIBLE_TIME if impossible else Reason.MALFORMED_TIME
        raise RefusalError(reason, f"{name}: found '{text[:40]}', which {error}") from None
