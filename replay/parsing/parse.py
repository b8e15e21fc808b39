"""A line of a file → a candidate for the ledger, or a refusal that says what to do.

The common case takes the fast reader; whatever that one does not accept goes to the careful one,
which alone refuses. A property test holds them equal: what the fast reader accepts, the careful
one accepts with the same outcome.
"""

import re
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET

from domain.calendar import is_cut, parse_instant
from domain.events import CATALOGUE, Data, LevelAnnounced
from domain.limits import LINE_BYTES_MAX
from replay.parsing.envelope import Opened, Undocumented, as_texts, open_fast, open_given
from replay.parsing.refusals import Listing, Reason, Refusal, RefusalError, listing
from replay.store.record import OWN_SOURCE, Candidate, candidate

if TYPE_CHECKING:
    from replay.parsing.schemas import Fault

_data_decoders: Final = {name: msgspec.json.Decoder(row.data) for name, row in CATALOGUE.items() if not row.internal}
FAULTS_SHOWN_MAX: Final = 8
_KEYS: Final = re.compile(rb'"([^"]*)"\s*(:)?')
_QUOTE: Final = b'"'


def read_line(line: bytes, undocumented: Undocumented = Undocumented.REFUSE) -> Candidate:
    """The candidate in a line (without its line end).

    Raises RefusalError when the line holds no well-formed event of the catalogue.
    """
    if (fast := read_fast(line)) is not None:
        return fast
    return read_careful(line, undocumented)


def read_fast(line: bytes) -> Candidate | None:
    """The candidate in a line of plain ASCII without escapes, or None: then nothing is known yet."""
    if not line.isascii() or b"\\" in line or b"\x7f" in line or len(line) > LINE_BYTES_MAX:
        return None
    try:
        opened = open_fast(line)
        envelope = opened.envelope
        decoder = _data_decoders[envelope.type]
        raw = bytes(envelope.data) if envelope.data is not UNSET else b"{}"
        data = decoder.decode(raw if raw != b"null" else b"{}")
        if line.count(_QUOTE) != opened.quotes or _repeats_key(raw):
            return None
        return _checked(opened, data)
    except (msgspec.MsgspecError, RefusalError, KeyError, RecursionError):
        return None


def read_careful(line: bytes, undocumented: Undocumented = Undocumented.REFUSE) -> Candidate:
    """The candidate in a line; raises RefusalError naming every fault that was found."""
    from replay.parsing.strict_json import parse_object

    if len(line) > LINE_BYTES_MAX:
        raise RefusalError(
            Reason.LINE_TOO_LONG,
            f"found a line of more than {LINE_BYTES_MAX} bytes, which no event needs; write one event a line "
            "(such a line is not copied to the rejects file)",
        )
    value, kept = as_texts(parse_object(line), undocumented)
    row_type = _known_type(value)
    _refuse_faults(value, kept, row_type)
    data = CATALOGUE[row_type].data(**value.pop("data", {}))
    return _checked(open_given(value | kept), data)


def _repeats_key(raw: bytes) -> bool:
    keys = [name for name, colon in _KEYS.findall(raw) if colon]
    return len(keys) != len(set(keys))


def _known_type(value: dict[str, Any]) -> str:
    from difflib import get_close_matches

    from replay.parsing.strict_json import shown

    name = value.get("type")
    if not isinstance(name, str) or type(name) is not str:
        from replay.parsing.schemas import envelope_schema, faults

        _raise(faults(envelope_schema(), value))
        raise AssertionError("an event without a type has a fault")
    row = CATALOGUE.get(name)
    if row is not None and row.internal:
        raise RefusalError(
            Reason.RESERVED_TYPE,
            f"type: found {shown(name)}, which only the ledger itself records; it cannot be ingested",
        )
    if row is None:
        near = get_close_matches(name, _data_decoders, n=1)
        text = f"type: found {shown(name)}, which is not in the catalogue; "
        if near:
            raise RefusalError(Reason.UNKNOWN_TYPE, f"{text}did you mean '{near[0]}'?")
        known = listing("types", _data_decoders)
        raise RefusalError(Reason.UNKNOWN_TYPE, text + known.whole, (known,))
    return name


def _refuse_faults(value: dict[str, Any], kept: dict[str, Any], event_type: str) -> None:
    from replay.parsing.schemas import data_schema, envelope_schema, extension_faults, faults

    _refuse_data_elsewhere(value, event_type)
    found = faults(envelope_schema(), value) + extension_faults(kept)
    data = value.get("data", {})
    if type(data) is dict:
        found += faults(data_schema(event_type), data, "data.")
    _raise(found)


def _refuse_data_elsewhere(value: dict[str, Any], event_type: str) -> None:
    """Where `dataref` says that the data of an event, which its type needs, lies elsewhere: nothing is fetched."""
    from replay.parsing.strict_json import shown

    needed = [field.encode_name for field in msgspec.structs.fields(CATALOGUE[event_type].data) if field.required]
    if needed and "dataref" in value and not value.get("data"):
        raise RefusalError(
            Reason.MISSING_FIELD,
            f"data: is missing, and dataref says that it lies at {shown(value['dataref'])}; the ledger fetches nothing:"
            f" send the event with its data ({', '.join(needed)}) in it",
        )


def _raise(found: "list[Fault]") -> None:
    if not found:
        return
    more = f"; and {len(found) - FAULTS_SHOWN_MAX} more faults" if len(found) > FAULTS_SHOWN_MAX else ""
    listed: set[Listing] = set()
    texts = []
    for fault in found[:FAULTS_SHOWN_MAX]:
        listings = () if fault.listing is None else (fault.listing,)
        texts.append(Refusal(fault.reason, fault, listings).shortened_after(listed))
    raise RefusalError(found[0].reason, "; ".join(texts) + more, tuple(sorted(listed)))


def _checked(opened: Opened, data: Data) -> Candidate:
    """The checks that neither reader's types express: source, subject, times, days."""
    envelope = opened.envelope
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
    claimed = envelope.recordedtime
    claimed_at = None if claimed is UNSET else _instant("recordedtime", str(claimed))
    cut = is_cut(envelope.time) or (claimed is not UNSET and is_cut(str(claimed)))
    return candidate(envelope, data, occurred_at, claimed_at, opened.extensions, cut=cut)


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
