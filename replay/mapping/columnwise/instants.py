"""Times of a column → instants with an offset: all of one form at once, of the days in it each once."""

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from domain.calendar import parse_instant
from replay.mapping.columnwise.values import Coded, CodedColumn, Doubts, EvenColumn, Piece, TextColumn, by_value, joined
from replay.mapping.language.zones import OFFSET, TIME, Zone, with_offset

_MINUTES: Final = len("2022-11-01T10:02")
_SECONDS: Final = len("2022-11-01T10:02:11")
_DAY: Final = len("2022-11-01")
_HOUR: Final = 11
_YEARS: Final = (1000, 9998)
"""Of what lies beyond them an offset might leave the calendar."""
_DAYS_APART_MAX: Final = 200_000
_QUARTER: Final = timedelta(minutes=15)
_QUARTERS_OF_DAY: Final = 96
_PLACES: Final = [(5, 7), (8, 10), (11, 13), (14, 16)]
"""Where month, day, hour and minute stand."""
_TENS_MAX: Final = {5: "1", 8: "3", 11: "2", 14: "5", 17: "5"}
"""By its place in a time, the greatest first digit of month, day, hour, minute and second."""

Bytes = NDArray[np.uint8]


class _TimesForm(NamedTuple):
    """What all times of a column have in common."""

    low: Bytes
    """The least byte that may stand at each place."""
    span: Bytes
    """By how much it may be more."""
    decimals: slice | None
    """Where decimals of the second stand, their point before them."""
    offset: str | None
    """None where times bear none."""


def instants(column: TextColumn, zone: Zone, doubts: Doubts, *, proving: bool) -> TextColumn:
    """The times of a column, of which none is empty, as RFC 3339 has them; what is none is in doubt."""
    made = _of_one_form(column, zone)
    if made is not None:
        return made

    def make(text: str) -> str | None:
        try:
            found = with_offset(text, zone)
            if proving:
                parse_instant(found)
        except ValueError:
            return None
        return found

    return by_value(column, make, doubts)


def _of_one_form(column: TextColumn, zone: Zone) -> TextColumn | None:
    """None where there are several forms, or one has to be looked at by itself."""
    form = _form_of(column.array[0].as_py())
    width = int(column.lengths[0])
    if form is None or (column.lengths != width).any():
        return None
    if ((column.data - np.tile(form.low, len(column))) > np.tile(form.span, len(column))).any():
        return None
    times = column.data.reshape(len(column), width)
    if (_number(times, _HOUR, 2) > 23).any():
        return None
    offsets = _offsets(times, form, zone)
    if offsets is None:
        return None
    return joined([_local(times, form), offsets], len(column))


def _form_of(text: str) -> _TimesForm | None:
    """The form of the first of all times, if it is one of those with two digits in month, day and hour."""
    found = TIME.fullmatch(text)
    if found is None or [found.span(group) for group in (3, 4, 5, 6)] != _PLACES:
        return None
    low = np.frombuffer(text.encode(), np.uint8).copy()
    span = np.zeros(len(text), np.uint8)
    for group in (1, 3, 4, 5, 6, 7, 8):
        start, end = found.span(group)
        low[start:end] = ord("0")
        span[start:end] = 9
    for place, most in _TENS_MAX.items():
        if place < min(len(text), _SECONDS) and span[place]:
            span[place] = int(most)
    offset = found[9]
    if offset is not None and ":" not in offset and len(offset) > 1:
        offset = f"{offset[:3]}:{offset[3:]}"
    if offset is not None and offset != "Z" and OFFSET.fullmatch(offset) is None:
        return None
    if found[7] is None and found[8] is not None:
        return None
    return _TimesForm(low, span, slice(*found.span(8)) if found[8] else None, offset)


def _number(times: Bytes, start: int, digits: int) -> NDArray[np.int32]:
    found = np.zeros(len(times), np.int32)
    for place in range(start, start + digits):
        found = found * 10 + (times[:, place] - np.uint8(ord("0")))
    return found


def _offsets(times: Bytes, form: _TimesForm, zone: Zone) -> Piece | None:
    """Of each time; None where a day does not exist, or clocks are changed on it."""
    days = _number(times, 0, 4) * 10_000 + _number(times, 5, 2) * 100 + _number(times, 8, 2)
    first = int(days.min())
    if int(days.max()) - first > _DAYS_APART_MAX:
        return None
    seen = np.zeros(int(days.max()) - first + 1, bool)
    seen[days - first] = True
    distinct = np.flatnonzero(seen) + first
    found = [_offset_on(int(day), zone, form.offset) for day in distinct]
    if None in found:
        return None
    if len(set(found)) == 1:
        return found[0]
    return CodedColumn(Coded([str(offset) for offset in found], pa.array(np.searchsorted(distinct, days))))


@lru_cache(65_536)
def _offset_on(day: int, zone: Zone, offset: str | None) -> str | None:
    """On a day as YYYYMMDD; None where it does not exist, or an offset has to be asked at the minute."""
    year, rest = divmod(day, 10_000)
    if not _YEARS[0] <= year <= _YEARS[1]:
        return None
    try:
        start = date(year, *divmod(rest, 100))
    except ValueError:
        return None
    if offset is not None:
        return offset
    return zone.name if zone.zone is None else _offset_all_day(start, zone.zone)


def _offset_all_day(day: date, zone: ZoneInfo) -> str | None:
    """The one offset of a day; None where clocks are changed on it. No clock is changed twice within a quarter."""
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    last = start + timedelta(days=1) - timedelta(microseconds=1)
    moments = [*(start + number * _QUARTER for number in range(_QUARTERS_OF_DAY)), last]
    found = {moment.replace(fold=fold).utcoffset() for moment in moments for fold in (0, 1)}
    offset = start.isoformat()[_SECONDS:]
    return offset if len(found) == 1 and OFFSET.fullmatch(offset) else None


def _local(times: Bytes, form: _TimesForm) -> TextColumn:
    """What clocks show, as RFC 3339 has it, decimals without zeros at their end."""
    count, decimals = len(times), form.decimals
    made = np.empty((count, _SECONDS if decimals is None else decimals.stop), np.uint8)
    if times.shape[1] < _SECONDS or form.low[_MINUTES] != ord(":"):
        made[:, :_MINUTES] = times[:, :_MINUTES]
        made[:, _MINUTES:_SECONDS] = np.frombuffer(b":00", np.uint8)
    else:
        made[:] = times[:, : made.shape[1]]
    made[:, (4, 7)] = ord("-")
    made[:, _DAY] = ord("T")
    column = EvenColumn(made)
    return column if decimals is None else TextColumn(pc.utf8_rtrim(pc.utf8_rtrim(column.array, "0"), "."))
