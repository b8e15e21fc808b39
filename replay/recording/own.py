"""Events that the ledger itself records: their source, their form, and the reasons that people give for them."""

from domain.events import Data, Envelope
from domain.limits import TEXT_CHARS_MAX
from domain.texts import invisible_character
from replay.errors import UsageError
from replay.store.base.store import Store
from replay.store.record import OWN_SOURCE, Candidate, candidate


def own_source(store: Store) -> str:
    """The `source` of events that the ledger itself records."""
    return own_source_of(store.identity.id)


def own_source_of(ledger_id: str) -> str:
    """The same, of a ledger that is known by its id alone."""
    return f"{OWN_SOURCE}{ledger_id}"


def own_candidate(
    stream: str,
    event_type: str,
    source: str,
    event_id: str,
    occurred_at: int,
    data: Data,
    causation: str | None = None,
) -> Candidate:
    """An event of the ledger itself, in the form of events from outside."""
    envelope = Envelope(id=event_id, source=source, specversion="1.0", subject=stream, time="", type=event_type)
    if causation is not None:
        envelope.causationid = causation
    return candidate(envelope, data, occurred_at, None)


def check_reason(reason: str) -> None:
    """Raises UsageError for a reason that is not one short text in which every character shows."""
    if not (reason.isprintable() and invisible_character(reason) is None and 1 <= len(reason) <= TEXT_CHARS_MAX):
        raise UsageError(f"--reason must be 1 to {TEXT_CHARS_MAX} printable characters")
