"""Agencies that are judged in groups, apart from the ledger, come to what they come to among the views."""

import pickle
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pytest

from domain.buckets import BUCKETS
from projections.spreading.across import PASSING, Across, begun_across
from projections.spreading.agencies import (
    JUDGED,
    GroupRows,
    creators_by_group,
    groups_of,
    is_agency,
    judged,
    kept_by_group,
)
from projections.spreading.bucket import of_agencies, rows_in, rows_of_bucket, subjects_in
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.support.making import ingest_events
from tests.support.records import CUT, damage, some_of
from tests.worlds.ledgers import World

OTHERS = ("leaderboards",)
"""What is worked out over all agencies."""


def judged_in_groups(across: Across, count: int) -> None:
    across.keep()
    ground, kept = across.ground(), across.kept()
    groups = groups_of(kept["bindings"], count)
    sent = defaultdict[int, dict[str, list[pa.Table]]](lambda: defaultdict(list))

    def send(rows: GroupRows) -> None:
        sent[rows.group][rows.table].append(rows.rows)

    for rows in kept_by_group(kept, across.agencies(), groups):
        send(rows)
    filled = set[str]()
    for bucket in range(BUCKETS):
        for part in rows_of_bucket(ground, across.reader.parts_of(bucket)):
            filled |= subjects_in(part.tables["levels"])
            for rows in creators_by_group(of_agencies(part, ground.slots), groups):
                send(rows)
    for tables in sent.values():
        across.take_judged(judged(ground, {name: pa.concat_tables(some) for name, some in tables.items()}))
    across.fill(filled, are_agencies_judged=True)


def judged_at_once(across: Across) -> None:
    across.keep()
    ground, filled = across.ground(), set[str]()
    for bucket in range(BUCKETS):
        for part in rows_of_bucket(ground, across.reader.parts_of(bucket)):
            filled |= subjects_in(part.tables["levels"])
            across.take(of_agencies(part, ground.slots))
    across.fill(filled)


def rows_of(across: Across) -> dict[str, list[str]]:
    with across.views.reading() as connection:
        tables = across.views.tables(PASSING)
        found = {name: rows_in(connection, tables, name).to_pylist() for name in (*JUDGED, *OTHERS)}
    return {
        name: sorted(repr(row) for row in rows if name in OTHERS or is_agency(row["subject"]))
        for name, rows in found.items()
    }


def assert_judged_alike(location: Path, number: int) -> dict[str, list[str]]:
    with open_store(str(location)) as store:
        as_of = store.now()
        with begun_across(store, None, as_of) as across:
            judged_at_once(across)
            expected = rows_of(across)
        with begun_across(store, None, as_of) as across:
            judged_in_groups(across, number)
            found = rows_of(across)
    assert found == expected
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2 * SOAK))
def test_agencies_in_groups_come_to_the_same(seed: int, tmp_path: Path) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store:
        ingest_events(store, World(40 + seed).events(800), tmp_path)
    for number in (1, 3):
        found = assert_judged_alike(tmp_path / "ledger.db", number)
        assert found["mcn_months"] and found["levels"] and not found["set_aside"]


@pytest.mark.slow
@pytest.mark.parametrize(("subject", "types", "change"), CUT.values(), ids=list(CUT))
def test_an_agency_that_rests_on_what_is_set_aside_is_set_aside(
    subject: str, types: tuple[str, ...], change: tuple[bytes, bytes], tmp_path: Path
) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store:
        ingest_events(store, World(71).events(501), tmp_path)
        damaged = some_of(store, subject, types)
    with damage(tmp_path / "ledger.db", {damaged: change}):
        found = assert_judged_alike(tmp_path / "ledger.db", 3)
    assert bool(found["set_aside"]) == (not subject.startswith("merchant/"))


def test_a_creator_goes_to_the_group_of_each_agency_that_ever_bound_it() -> None:
    rows = {"creator": ["a", "a", "b"], "mcn": ["mcn/x", "mcn/y", "mcn/x"]}
    groups = groups_of(pa.table(rows), 1_000)
    assert {*groups.of("creator/a")} == {*groups.of("mcn/x"), *groups.of("mcn/y")}
    assert groups.of("creator/b") == groups.of("mcn/x") and len(groups.of("mcn/x")) == 1
    assert {*groups.of_life("mcn/x")} == {*groups.of("mcn/x"), *groups.of("mcn/y")}
    assert groups.of_life("mcn/z") == groups.of("mcn/z")
    assert groups.of("creator/c") == groups.of("merchant/a") == groups.of_creator("c") == ()
    assert pickle.loads(pickle.dumps(groups)) == groups
