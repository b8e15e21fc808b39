"""Instants, Shanghai days and months: the only place where dates are computed.

An instant is an integer: microseconds since 1970-01-01T00:00:00Z. Days and months are those of
Asia/Shanghai, which has been UTC+8 without summer time for the whole span of the ledger
(RULEBOOK §0, Calendar), so that they are arithmetic and need no time zone database.
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

from domain.limits import DAY_MICROS, HOUR_MICROS, SECOND_MICROS

SHANGHAI_MICROS: Final = 8 * HOUR_MICROS
LEDGER_START: Final = 1_590_940_800_000_000
"""2020-06-01T00:00+08:00: no replay is asked for an earlier instant."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND - SHANGHAI_MICROS
INSTANT_PATTERN: Final = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_INSTANT: Final = re.compile(INSTANT_PATTERN)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MONTH: Final = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])")


def parse_instant(text: str) -> int:
    """The instant that an RFC 3339 text with an offset names; decimals beyond microseconds are cut off.

    Raises ValueError, saying what is wrong, for another form, for more than nine decimals, for a
    date that does not exist and for one that falls outside the years 1 to 9999 in UTC.
    """
    if _INSTANT.fullmatch(text) is None:
        raise ValueError("is not of the form YYYY-MM-DDTHH:MM:SS[.fffffffff] followed by Z or an offset such as +08:00")
    try:
        instant = (datetime.fromisoformat(text.upper()) - _EPOCH) // _MICROSECOND
    except ValueError as error:
        raise ValueError(f"does not exist in the calendar ({error})") from None
    if not is_instant(instant):
        raise ValueError("does not exist in the calendar (its year in UTC or in Shanghai is not 1 to 9999)")
    return instant


def is_instant(instant: int) -> bool:
    """Whether a number of microseconds since 1970 falls in the years 1 to 9999, in UTC and in Shanghai."""
    return _FIRST <= instant <= _LAST


def is_cut(text: str) -> bool:
    """Whether the text of an instant has decimals beyond microseconds, which `parse_instant` cuts off."""
    return text[_MICROSECONDS_END : _MICROSECONDS_END + 1].isdigit()


_MICROSECONDS_END: Final = len("2022-11-05T00:00:00.000000")


def instant_text(instant: int) -> str:
    """An instant in UTC with six decimals, as the ledger stores it; raises OverflowError beyond the years 1 to 9999."""
    hour, in_hour = divmod(instant, HOUR_MICROS)
    second, micros = divmod(in_hour, SECOND_MICROS)
    millis, rest = divmod(micros, 1_000)
    return f"{_HOURS[hour]}{_IN_HOUR[second]}{_DIGITS[millis]}{_DIGITS[rest]}Z"


_IN_HOUR: Final = [f"{second // 60:02d}:{second % 60:02d}." for second in range(HOUR_MICROS // SECOND_MICROS)]
_DIGITS: Final = [f"{number:03d}" for number in range(1_000)]


class _Hours(dict[int, str]):
    """By hour, how the text of an instant in it begins: worked out once."""

    def __missing__(self, hour: int) -> str:
        moment = _EPOCH + timedelta(hours=hour)
        text = moment.replace(tzinfo=None).isoformat()[: len("2022-11-05T00:")]
        if len(self) < _HOURS_KEPT_MAX:
            self[hour] = text
        return text


_HOURS_KEPT_MAX: Final = 100_000
_HOURS: Final = _Hours()


def shanghai_text(instant: int) -> str:
    """An instant in Shanghai time, for people: decimals only where there are any."""
    moment = _EPOCH + timedelta(microseconds=instant + SHANGHAI_MICROS)
    return moment.replace(tzinfo=None).isoformat() + "+08:00"


def day_of(instant: int) -> int:
    """The Shanghai day, counted from 1970-01-01."""
    return (instant + SHANGHAI_MICROS) // DAY_MICROS


def day_start(day: int) -> int:
    """The instant at which a Shanghai day begins."""
    return day * DAY_MICROS - SHANGHAI_MICROS


def day_text(day: int) -> str:
    """A day as "2022-11-05"."""
    return date.fromordinal(day + _EPOCH_DAY).isoformat()


def month_of(instant: int) -> int:
    """The Shanghai month: year * 12 + (month - 1)."""
    return _known_month_of_day((instant + SHANGHAI_MICROS) // DAY_MICROS)


def month_of_day(day: int) -> int:
    """The month of a Shanghai day.

    This and `month_start` are arithmetic alone, so that compiled rules can call them: years that begin with March
    have their leap day last, and 400 of them always have the same number of days.
    """
    days = day + _FROM_MARCH_OF_0
    cycles, days = days // _DAYS_OF_400_YEARS, days % _DAYS_OF_400_YEARS
    years = (days - days // 1_460 + days // 36_524 - days // 146_096) // 365
    days -= 365 * years + years // 4 - years // 100
    return (400 * cycles + years) * 12 + (5 * days + 2) // 153 + 2


def month_start(month: int) -> int:
    """The instant at which a Shanghai month begins; the month before closes just before it."""
    years, months = (month - 2) // 12, (month - 2) % 12
    days = 365 * years + years // 4 - years // 100 + years // 400 + (153 * months + 2) // 5
    return (days - _FROM_MARCH_OF_0) * DAY_MICROS - SHANGHAI_MICROS


_DAYS_OF_400_YEARS: Final = 146_097
_FROM_MARCH_OF_0: Final = 719_468
"""Days from 1 March of the year 0 to 1970-01-01."""
_known_month_of_day: Final = lru_cache(maxsize=2**14)(month_of_day)
"""Asked of the same few thousand days again and again."""


def month_text(month: int) -> str:
    """A month as "2022-11"."""
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


@lru_cache(maxsize=2**12)
def parse_month(text: str) -> int:
    """The month that a text such as "2022-11" names. Raises ValueError, saying what is wrong."""
    if _MONTH.fullmatch(text) is None or text < "0001":
        raise ValueError("is not of the form YYYY-MM, or does not exist in the calendar")
    if text >= "9999":
        raise ValueError("is the last year of the calendar")
    return int(text[:4]) * 12 + int(text[5:]) - 1


def parse_day(text: str) -> int:
    """The Shanghai day that a text such as "2022-11-05" names. Raises ValueError, saying what is wrong."""
    found = _day(text)
    if text >= "9999":
        raise ValueError("is of the last year of the calendar")
    return found


def _day(text: str) -> int:
    if _DATE.fullmatch(text) is None:
        raise ValueError("is not of the form YYYY-MM-DD")
    try:
        return date.fromisoformat(text).toordinal() - _EPOCH_DAY
    except ValueError as error:
        raise ValueError(f"does not exist in the calendar ({error})") from None


def parse_moment(text: str, now: int) -> int:
    """An instant, or a bare date: the last microsecond of that Shanghai day, today's being `now`.

    Raises ValueError, saying what is wrong.
    """
    if _DATE.fullmatch(text) is None:
        return parse_instant(text)
    day = _day(text)
    if day == day_of(now):
        return now
    return day_start(day + 1) - 1
