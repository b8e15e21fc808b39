"""Numbers and times of a column are those of its values one by one; what is doubted may be right, and nothing else."""

from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import available_timezones
from zoneinfo._zoneinfo import ZoneInfo as OpenZone  # type: ignore[import-not-found]

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.calendar import parse_instant
from replay.mapping.columnwise.instants import instants
from replay.mapping.columnwise.numbers import scaled_column, whole_column
from replay.mapping.columnwise.values import Doubts, TextColumn, joined
from replay.mapping.language.compiling import WHOLE
from replay.mapping.language.texts import scaled
from replay.mapping.language.zones import with_offset, zone_of

ZONES = ["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "+08:00", "Z"]


def column(values: list[str]) -> TextColumn:
    return TextColumn(pa.array(["before", *values, "behind"], pa.string()).slice(1, len(values)))


def doubted(doubts: Doubts, count: int) -> list[bool]:
    return [False] * count if doubts.found is None else doubts.found.tolist()


def held_against(made: TextColumn, doubts: Doubts, expected: list[str | None]) -> None:
    """Of every value the same, or a doubt; and a doubt of those alone of which nothing is made."""
    found = made.array.to_pylist()
    assert doubted(doubts, len(expected)) == [value is None for value in expected]
    assert [found[at] for at, value in enumerate(expected) if value is not None] == [
        v for v in expected if v is not None
    ]


def or_none(make: Any, *arguments: Any) -> str | None:
    try:
        return str(make(*arguments))
    except ValueError:
        return None


digits = st.integers(0, 99_999).map(str)
numbers = digits | st.builds("{}.{:02}".format, digits, st.integers(0, 99)) | st.builds("{}.{}".format, digits, digits)
odd_numbers = st.sampled_from(
    ["-1", "+1.5", "1e3", "1E-2", ".5", "5.", ".", "1.2.3", "007", "00.10", "9" * 19, "1." + "0" * 20, "x", "1 ", "٣"]
)


@given(
    st.lists(numbers, min_size=1), st.lists(odd_numbers, max_size=2), st.sampled_from([1, 3, 10, 100, 999_999_999])
)  # fmt: skip
@example(["0.10", "10.05", "7"], [], 100)
@example(["161.97", "240.82"], [], 100)
@example(["0161.97"], [], 100)
def test_numbers_are_scaled_as_they_are_one_by_one(plain: list[str], odd: list[str], times: int) -> None:
    values = plain + odd
    doubts = Doubts(len(values))
    held_against(scaled_column(column(values), times, doubts), doubts, [or_none(scaled, one, times) for one in values])


@given(st.lists(digits | odd_numbers | st.sampled_from(["0", "00", "-0", "-7", "9" * 18]), min_size=1))
def test_whole_numbers_are_read_as_they_are_one_by_one(values: list[str]) -> None:
    doubts = Doubts(len(values))
    expected = [str(int(value)) if WHOLE.fullmatch(value) else None for value in values]
    held_against(whole_column(column(values), doubts), doubts, expected)


QUARTER_S = 900
moments = st.datetimes(datetime(2021, 1, 1), datetime(2023, 1, 1))
FORMS = ["%Y-%m-%d %H:%M:%S", "%Y/%m/%dT%H:%M", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S+0800", "%Y-%m-%dt%H:%M Z"]
odd_times = st.sampled_from(
    [
        *(
            "2022-02-30 10:00:00",
            "2022-11-01 24:00:00",
            "2022-11-01 10:60:00",
            "2022-11-01 10:00:60",
            "2022-11-01",
            "x",
        ),
        *("2022-1-01  10:02", "2022-11-01 10:00:00+24:00", "2022-11-01 10:02.5", "1890-01-01 10:00:00"),
        *("0000-01-01 10:00:00", "2022-13-01 10:00:00", "9999-12-31 23:59:59", "x"),
    ]
)


@given(st.sampled_from(FORMS), st.lists(moments, min_size=1), st.lists(odd_times, max_size=1), st.sampled_from(ZONES))
@example(FORMS[0], [datetime(2022, 10, 30, 2, 30), datetime(2022, 10, 30, 3, 30)], [], "Europe/Berlin")
@example(FORMS[0], [datetime(2022, 1, 30, 2, 30), datetime(2022, 7, 30, 3, 30)], [], "Europe/Berlin")
@example(FORMS[1], [datetime(2022, 3, 13, 0, 5)], [], "America/St_Johns")
def test_times_are_read_as_they_are_one_by_one(
    form: str, times: list[datetime], odd: list[str], zone_name: str
) -> None:
    values, zone = [*(moment.strftime(form) for moment in times), *odd], zone_of(zone_name)
    doubts = Doubts(len(values))
    expected = [or_none(with_offset, value, zone) for value in values]
    held_against(joined([instants(column(values), zone, doubts, proving=False)], len(values)), doubts, expected)


@given(st.lists(odd_times, min_size=1), st.sampled_from(ZONES))
def test_times_that_are_proven_are_instants(values: list[str], zone_name: str) -> None:
    doubts = Doubts(len(values))
    made = instants(column(values), zone_of(zone_name), doubts, proving=True).array.to_pylist()
    for text, is_doubted in zip(made, doubted(doubts, len(values)), strict=True):
        if not is_doubted:
            parse_instant(text)


@pytest.mark.slow
def test_no_zone_changes_its_clocks_twice_within_a_quarter() -> None:
    """Or a day on which they are changed might not be noticed, since it is looked at by the quarter."""
    looked_at = 0
    for name in sorted(available_timezones()):
        if name == "localtime" or name.startswith(("posix", "right")):
            continue
        zone = OpenZone(name)
        for changes in zone._trans_local:
            assert all(later - earlier > QUARTER_S for earlier, later in pairwise(changes)), name
        looked_at += len(zone._trans_utc)
    assert looked_at > 10_000
