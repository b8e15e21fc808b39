"""Instants, Shanghai days and months against the standard library's own time zone arithmetic."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import calendar

SHANGHAI = ZoneInfo("Asia/Shanghai")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(calendar.LEDGER_START, 4_102_444_800_000_000)


def moment(instant: int) -> datetime:
    return EPOCH + timedelta(microseconds=instant)


@given(INSTANTS)
def test_days_and_months_are_those_of_shanghai(instant: int) -> None:
    local = moment(instant).astimezone(SHANGHAI)
    assert calendar.month_text(calendar.month_of(instant)) == f"{local:%Y-%m}"
    start = moment(calendar.day_start(calendar.day_of(instant))).astimezone(SHANGHAI)
    assert start == local.replace(hour=0, minute=0, second=0, microsecond=0)
    month = moment(calendar.month_start(calendar.month_of(instant))).astimezone(SHANGHAI)
    assert month == start.replace(day=1)


@given(st.integers(1, 9_999), st.integers(1, 12), st.integers(0, 30))
def test_months_are_those_of_the_calendar_of_every_year(year: int, month: int, day: int) -> None:
    number, first = year * 12 + month - 1, date(year, month, 1)
    days = (first - date(1970, 1, 1)).days
    assert calendar.month_start(number) == calendar.day_start(days)
    assert calendar.month_of_day(days) == calendar.month_of(calendar.day_start(days)) == number
    later = first.toordinal() + day
    if later <= date.max.toordinal():
        found = date.fromordinal(later)
        assert calendar.month_of_day(days + day) == found.year * 12 + found.month - 1
    assert calendar.month_of_day(days - 1) == number - 1


@given(INSTANTS)
def test_texts_name_the_instant(instant: int) -> None:
    assert calendar.parse_instant(calendar.instant_text(instant)) == instant
    assert calendar.parse_instant(calendar.shanghai_text(instant)) == instant


@given(st.datetimes())
def test_an_instant_is_stored_in_utc_with_six_decimals(utc: datetime) -> None:
    instant = (utc.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    assert calendar.instant_text(instant) == f"{utc.isoformat(timespec='microseconds')}Z"


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (3_599_000_001, "1970-01-01T00:59:59.000001Z"),
        (-62_135_596_800_000_000, "0001-01-01T00:00:00.000000Z"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_instants_as_they_are_stored(instant: int, text: str) -> None:
    assert calendar.instant_text(instant) == text
    with pytest.raises(OverflowError):
        calendar.instant_text(instant + (10**18 if instant > 0 else -(10**18)))


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.integers(-1439, 1439))
def test_offsets_are_taken_off(local: datetime, minutes: int) -> None:
    sign = "-" if minutes < 0 else "+"
    text = f"{local.isoformat()}{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    expected = (local.replace(tzinfo=UTC) - timedelta(minutes=minutes) - EPOCH) // timedelta(microseconds=1)
    assert calendar.parse_instant(text) == expected


@pytest.mark.parametrize(
    "text",
    ["2022-11-01", "2022-11-01T00:00Z", "2022-11-01T00:00:00", "2022-11-01T00:00:00+8:00",
     "2022-11-01T00:00:00+24:00", "2022-11-01T00:00:00+08:60", "2022-11-01T00:00:00.1234567890Z",
     "２022-11-01T00:00:00Z", "2022-02-29T00:00:00Z", "2022-11-01T24:00:00Z", "2022-11-01T00:00:60Z",
     "0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59-08:00", "2022-11-01T00:00:00Z\n", ""],
)  # fmt: skip
def test_other_texts_name_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"form|exist"):
        calendar.parse_instant(text)


def test_a_bare_date_is_its_last_microsecond_and_today_is_now() -> None:
    now = calendar.parse_instant("2022-11-30T10:00:00+08:00")
    assert calendar.shanghai_text(calendar.parse_moment("2022-11-29", now)) == "2022-11-29T23:59:59.999999+08:00"
    assert calendar.parse_moment("2022-11-30", now) == now
    assert calendar.parse_moment("2022-12-01", now) > now
    assert calendar.parse_moment("9999-12-31", now) > now
    assert calendar.shanghai_text(calendar.LEDGER_START) == "2020-06-01T00:00:00+08:00"


def test_a_period_of_the_last_year_is_refused_for_nothing_could_follow_it() -> None:
    for parse, text in ((calendar.parse_day, "9999-12-31"), (calendar.parse_month, "9999-01")):
        with pytest.raises(ValueError, match=r"last year of the calendar$"):
            parse(text)
    with pytest.raises(ValueError, match=r"is not of the form YYYY-MM-DD$"):
        calendar.parse_day("99999-12-31")
    assert calendar.day_text(calendar.parse_day("9998-12-31") + 1) == "9999-01-01"
