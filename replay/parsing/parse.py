"""A line of a file → a candidate for the ledger, or a refusal that says what to do.

The common case takes the fast reader; whatever that one does not accept goes to the careful one,
which alone refuses. A property test holds them equal: what the fast reader accepts, the careful
one accepts with the same outcome.
"""

from typing import TYPE_CHECKING, Any, Final

import msgspec

from domain.events import CATALOGUE, Envelope
from domain.limits import LINE_BYTES_MAX
from replay.parsing.checked import checked
from replay.parsing.envelope import Undocumented, as_texts, own_and_extensions
from replay.parsing.fast import read_fast
from replay.parsing.refusals import Listing, Reason, Refusal, RefusalError, listing
from replay.store.record import Candidate

if TYPE_CHECKING:
    from replay.parsing.schemas import Fault

_EXTERNAL: Final = [name for name, row in CATALOGUE.items() if not row.internal]
FAULTS_SHOWN_MAX: Final = 8


def read_line(line: bytes, undocumented: Undocumented = Undocumented.REFUSE) -> Candidate:
    """The candidate in a line (without its line end).

    Raises RefusalError when the line holds no well-formed event of the catalogue.
    """
    if (fast := read_fast(line)) is not None:
        return fast
    return read_careful(line, undocumented)


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
    own, extensions = own_and_extensions(value | kept)
    return checked(Envelope(**own), extensions, data)


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
        near = get_close_matches(name, _EXTERNAL, n=1)
        text = f"type: found {shown(name)}, which is not in the catalogue; "
        if near:
            raise RefusalError(Reason.UNKNOWN_TYPE, f"{text}did you mean '{near[0]}'?")
        known = listing("types", _EXTERNAL)
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
