"""Times of tables: what bears no offset is in the zone of the mapping."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calendar import parse_instant
from replay.mapping.language.zones import with_offset, zone_of

SHANGHAI = zone_of("Asia/Shanghai")
BERLIN = zone_of("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "zone", "found"),
    [
        ("2022-11-01 10:02:11", "Asia/Shanghai", "2022-11-01T10:02:11+08:00"),
        ("2022/11/1 9:05", "+08:00", "2022-11-01T09:05:00+08:00"),
        ("2022-11-01T10:02:11.120000000", "Z", "2022-11-01T10:02:11.12Z"),
        ("2022-11-01 10:02:11.000", "UTC", "2022-11-01T10:02:11Z"),
        ("2022-11-01 10:02:11Z", "+08:00", "2022-11-01T10:02:11Z"),
        ("2022-11-01 10:02:11 +0530", "+08:00", "2022-11-01T10:02:11+05:30"),
        ("2022-07-01 12:00:00", "Europe/Berlin", "2022-07-01T12:00:00+02:00"),
        ("2022-12-01 12:00:00", "Europe/Berlin", "2022-12-01T12:00:00+01:00"),
    ],
)
def test_a_time_becomes_an_instant_with_its_offset(text: str, zone: str, found: str) -> None:
    assert with_offset(text, zone_of(zone)) == found


@pytest.mark.parametrize(
    "text",
    ["2022-11-01", "01/11/2022 10:00", "2022-11/01 10:00", "20221101 10:00:00", "2022-11-01 10", "now", "1667"],
)
def test_what_may_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not of the form"):
        with_offset(text, SHANGHAI)


@pytest.mark.parametrize("text", ["2022-10-30 02:30:00", "2022-03-27 02:30:00"])
def test_an_hour_that_clocks_show_twice_or_never_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="twice or not at all in Europe/Berlin"):
        with_offset(text, BERLIN)


def test_a_day_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="does not exist in the calendar"):
        with_offset("2022-11-31 10:00:00", SHANGHAI)


@pytest.mark.parametrize("name", ["", "Mars/Base", "+8", "CST+8", "../etc/passwd", "+24:00"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no zone known here"):
        zone_of(name)


@given(st.datetimes(datetime(2020, 6, 1), datetime(2040, 1, 1)))
def test_shanghai_is_eight_hours_ahead_in_either_way_of_naming_it(moment: datetime) -> None:
    text = moment.isoformat(" ")
    there = moment.replace(tzinfo=timezone(timedelta(hours=8)))
    expected = (there - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert parse_instant(with_offset(text, SHANGHAI)) == expected
    assert parse_instant(with_offset(text, zone_of("+08:00"))) == expected
