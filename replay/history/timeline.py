"""A timeline: the events of one subject that take part in a replay, chosen on two clocks, in order.

`as_of` chooses by valid time what had happened, the position (to which a `known_at` resolves) by transaction time what
was known: bitemporal. No rule ever reads a recorded time.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw

from domain.calendar import LEDGER_START, parse_moment, shanghai_text
from domain.events import CATALOGUE, CORRECTION_TYPES, Event, EventRetracted
from replay.errors import UsageError, damaged
from replay.store.base.identity import Head
from replay.store.base.store import Store
from replay.store.decode import read_record
from replay.store.queries import (
    event_row_at,
    event_rows_about,
    event_rows_between,
    event_rows_of,
    event_rows_of_decisions,
    event_rows_of_decisions_on,
    event_rows_of_last_decisions,
    event_rows_of_types,
    first_position,
    recorded_at_each,
    recorded_up_to,
)
from replay.store.reading.asked import EVERYTHING
from replay.store.record import DATA_SINCE_V, RECORD_V

RETRACTED: Final = "event.retracted"
ANNOUNCED: Final = "level.announced"


class Moment(NamedTuple):
    """The moment of a replay: valid time (`as_of`), transaction time (`known_at`), and the prefix known by then."""

    as_of: int
    known_at: int
    position: int
    asked_known_at: int | None = None
    """The known_at that was asked for where it is still open: the last record is not later, so that what is stamped
    already and not yet committed, or backfilled, may still belong to it. Only the position then names what was known.
    """
    chain: str = ""
    """The ledger's chain hash at the position, where the answer is kept: a ledger that was restored from a backup may
    hold other records there. Empty where it is not.
    """

    @property
    def settled(self) -> "Moment":
        """The same moment, named by its position."""
        return self._replace(asked_known_at=None)


class Asked(NamedTuple):
    """A moment as it was asked for: texts as given, None where left out."""

    as_of: str | None = None
    known_at: str | None = None
    position: int | None = None


class Present(NamedTuple):
    """What is now: read once for replays that are compared."""

    now: int
    head: Head


def present_of(store: Store) -> Present:
    return Present(store.now(), store.head())


class _Body(msgspec.Struct):
    data: Raw


class _Outer(msgspec.Struct):
    event: _Body
    v: int


_decoder: Final = msgspec.json.Decoder(_Outer)
_data_decoders: Final = {name: msgspec.json.Decoder(row.data) for name, row in CATALOGUE.items()}


def resolve(store: Store, asked: Asked, present: Present | None = None, option: str = "--") -> Moment:
    """The moment that was asked for, in the terms of this ledger; errors name options that begin with `option`.

    Of a partial store, which knows only some positions, the moment is at the last of these.

    A known_at earlier than the last record names the same prefix for ever, whoever writes meanwhile: recorded times
    never fall. Any other one is resolved to the last record, and kept as `asked_known_at`.
    Raises UsageError for malformed, contradictory, future and too early instants.
    """
    now, head = present or present_of(store)
    if asked.known_at is not None and asked.position is not None:
        raise UsageError(f"{option}known-at and {option}position both say what was known; give one of them")
    given = asked_instant(f"{option}known-at", asked.known_at, now)
    known_at, position = _known(store, head, given, asked.position, option)
    as_of = asked_instant(f"{option}as-of", asked.as_of, now)
    if as_of is None:
        explicit = known_at if asked.position is not None else given
        as_of = now if explicit is None else min(explicit, now)
    elif given is not None and as_of > given:
        raise UsageError(
            f"{option}as-of {asked.as_of} is later than what was known at {shanghai_text(given)};"
            f" give an earlier {option}as-of, or a later {option}known-at"
        )
    elif as_of > now:
        raise UsageError(f"{option}as-of {asked.as_of} is in the future; it is {shanghai_text(now)}")
    if asked.as_of is not None and as_of < LEDGER_START:
        raise UsageError(f"{option}as-of {asked.as_of} is before 2020-06-01T00:00+08:00, when levels begin")
    is_open = given is not None and given >= head.recorded_at
    return Moment(as_of, known_at, position, given if is_open else None)


def events_of(store: Store, subject: str, position: int) -> Iterator[Event]:
    """A subject's events up to a position, as they were recorded, in the order of the ledger."""
    return map(event_of_row, event_rows_of(store, subject, position))


def events_of_types(store: Store, subject: str, types: Collection[str], position: int) -> Iterator[Event]:
    """Those of a subject's events up to a position that are of some types, in the order of the ledger."""
    return map(event_of_row, event_rows_of_types(store, subject, types, position))


def events_between(store: Store, subject: str, first: int, end: int, position: int) -> Iterator[Event]:
    """Those of a subject's events up to a position that occurred from one instant on and before another."""
    return map(event_of_row, event_rows_between(store, subject, first, end, position))


def events_about(
    store: Store, subject: str, names: Collection[str], position: int, end: int = EVERYTHING
) -> Iterator[Event]:
    """Those of a subject's events up to a position that are about one of these orders or violations.

    With `end` only those that occurred before that instant.
    """
    return map(event_of_row, event_rows_about(store, subject, names, position, end))


def decisions_on(store: Store, subject: str, scheme: str, position: int) -> Iterator[Event]:
    """The decisions on a subject in a scheme, up to a position."""
    return map(event_of_row, event_rows_of_decisions(store, subject, scheme, position))


def last_decisions(store: Store, subjects: Collection[str], scheme: str, period: str) -> Iterator[Event]:
    """Of each of some subjects the decisions in a scheme on the last period up to one that has any, in their order."""
    rows = event_rows_of_last_decisions(store, subjects, scheme, period)
    return map(event_of_row, sorted(rows, key=lambda row: row[1]))


def decisions_on_many(store: Store, subjects: Collection[str], scheme: str, period: str | None) -> Iterator[Event]:
    """The decisions on some subjects in a scheme, on a period or on all, in no order."""
    return map(event_of_row, event_rows_of_decisions_on(store, subjects, scheme, period))


def event_at(store: Store, position: int) -> Event:
    """The event at a position of the ledger."""
    return event_of_row(event_row_at(store, position))


def event_of_row(row: Sequence[Any]) -> Event:
    """The event in a row of EVENT_COLUMNS. Raises DamagedError for a record that cannot be read."""
    stream, at, version, event_type, source, event_id, occurred_at, recorded_at, record = row
    try:
        outer = _decoder.decode(record)
        data = _data_decoders[event_type].decode(outer.event.data) if DATA_SINCE_V <= outer.v <= RECORD_V else None
    except (msgspec.MsgspecError, KeyError, RecursionError, UnicodeDecodeError):
        raise damaged(f"the record at position {at}") from None
    if data is None:
        return read_record(event_type, record)
    return Event(stream, version, at, occurred_at, recorded_at, source, event_id, event_type, data)


def taking_part(known: list[Event], as_of: int) -> list[Event]:
    """Those of a subject's known events that take part in a replay, by (`occurred_at`, position)."""
    retracted = retracted_positions(known)
    part = [
        event
        for event in known
        if (event.occurred_at <= as_of or event.type in CORRECTION_TYPES) and event.position not in retracted
    ]
    part.sort(key=lambda event: (event.occurred_at, event.position))
    return part


def retracted_positions(known: list[Event]) -> dict[int, int]:
    """Positions of the events that a known retraction takes out, each with that of the latest such retraction.

    A retraction reaches back: to an event recorded before it, of the same subject, of any type but
    `level.decided`. One that is itself retracted by a later one takes out nothing.
    """
    retractions = sorted((event for event in known if event.type == RETRACTED), key=lambda event: event.position)
    if not retractions:
        return {}
    positions = {(event.source, event.id): event for event in known}
    retracted: dict[int, int] = {}
    for retraction in reversed(retractions):
        data: EventRetracted = retraction.data
        named = positions.get((data.source, data.event))
        if retraction.position in retracted or named is None or named.type == "level.decided":
            continue
        if named.position < retraction.position and named.originator_id == retraction.originator_id:
            retracted.setdefault(named.position, retraction.position)
    return retracted


def has_subject(store: Store, subject: str, position: int = EVERYTHING) -> bool:
    """Whether the ledger holds any record of a subject up to a position.

    Raises UsageError where a partial store cannot tell.
    """
    store.check_holds(subject)
    first = first_position(store, subject)
    return first is not None and first <= position


def asked_instant(option: str, text: str | None, now: int) -> int | None:
    """The instant that an option was given; None where it was not. Raises UsageError for a malformed one."""
    if text is None:
        return None
    try:
        return parse_moment(text, now)
    except ValueError as error:
        raise UsageError(
            f"{option} {text!r} {error}; give a date such as 2022-11-30 or an instant such as 2022-11-30T12:00:00+08:00"
        ) from None


def _known(store: Store, head: Head, known_at: int | None, position: int | None, option: str) -> tuple[int, int]:
    if position is not None:
        if not 1 <= position <= head.position:
            raise UsageError(
                f"{option}position {position} is not in the ledger, whose positions go from 1 to {head.position}"
            )
        found = recorded_up_to(store, position)
        if found is None:  # of a partial store
            raise UsageError(f"{store.name} holds no record up to position {position}; name a later one")
        return found
    if known_at is None or known_at >= head.recorded_at:
        return head.recorded_at, head.position
    return recorded_up_to(store, last_known(store, known_at, 0, head.position)) or (known_at, 0)


def last_known_each(store: Store, instants: Sequence[int], high: int) -> list[int]:
    """For each of some rising instants the last position up to another that was recorded by it; 0 before the first.

    What `last_known` finds of one, found of all together: with each query the stretch of each grows smaller by many
    times, so that a few queries do.
    """
    lows, highs = [0] * len(instants), [high] * len(instants)
    while wanted := _between(lows, highs):
        recorded = recorded_at_each(store, wanted)
        for place, instant in enumerate(instants):
            inside = [at for at in wanted if lows[place] < at <= highs[place]]
            known = bisect_right(inside, instant, key=lambda at: recorded.get(at, instant))
            if known:
                lows[place] = inside[known - 1]
            if known < len(inside):
                highs[place] = inside[known] - 1
    return lows


_STRETCHES: Final = 32


def _between(lows: Sequence[int], highs: Sequence[int]) -> list[int]:
    """Positions that part what lies between, into stretches of one length."""
    found: set[int] = set()
    for low, high in {*zip(lows, highs, strict=True)}:
        step = max((high - low) // _STRETCHES, 1)
        found.update(range(low + step, high + 1, step))
    return sorted(found)


def last_known(store: Store, instant: int, low: int, high: int) -> int:
    """The last position between two that was recorded by an instant, where the lower one was: recorded times never
    fall, so that it is found by halving.
    """
    while low < high:
        middle = (low + high + 1) // 2
        found = recorded_up_to(store, middle)
        if found is None or found.recorded_at <= instant:
            low = middle
        else:
            high = middle - 1
    return low
