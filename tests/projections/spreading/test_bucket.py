"""The rows of buckets, and what is worked out of all of them, are the rows of the views."""

import pickle
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pytest

from domain.buckets import BUCKETS
from projections.exporting.columns import exported_views, file_columns
from projections.projector import rebuild as building
from projections.spreading.across import Across, begun_across
from projections.spreading.bucket import (
    of_agencies,
    rows_of_bucket,
    shown,
    subjects_in,
    table_of,
)
from projections.views.database import LIVE, open_views
from replay.columnar import ledger_columns
from replay.columnar.seal import seal
from replay.decisions.application import Ledger
from replay.decisions.decide import decide, period_of
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.support.exports import Rows, rows_in
from tests.support.exports import shown as shown_by_views
from tests.support.making import event, ingest_events
from tests.support.records import CUT, damage, some_of
from tests.support.views import filled
from tests.worlds.ledgers import World, revised

NEVER_HELD = {"v1_set_aside", "v1_shadow_levels", "v1_shadow_drift"}


def spread(across: Across) -> dict[str, list[pa.Table]]:
    """By view, all rows, each bucket's by what can be sent elsewhere."""
    across.keep()
    ground = pickle.loads(pickle.dumps(across.ground()))
    found, subjects = defaultdict[str, list[pa.Table]](list), set[str]()
    for bucket in range(BUCKETS):
        for part in rows_of_bucket(ground, across.reader.parts_of(bucket)):
            across.take(of_agencies(part, ground.slots))
            subjects |= subjects_in(part.tables["levels"])
            for view, name in ((view, table_of(view)) for view in exported_views()):
                if name is not None:
                    found[view].append(shown(view, part.tables[name]))
    across.fill(subjects)
    with across.shown() as reader:
        for view in exported_views():
            found[view] += reader.rows(view)
    return found


def rows_of(tables: dict[str, list[pa.Table]]) -> dict[str, Rows]:
    return {
        view: sorted((row for table in some for row in rows_in(table, file_columns(view))), key=repr)
        for view, some in tables.items()
    }


def assert_spread_alike(store: Store, segments: Path | None) -> set[str]:
    """All rows are those of views that are filled by plain rules, and by compiled ones; which views hold any."""
    with open_views(store, make=True) as views:
        as_of = filled(views, 1, LIVE).as_of
        with views.moving() as connection:
            views.show(connection, 1)
        with begun_across(store, segments, as_of) as across:
            found, expected = rows_of(spread(across)), shown_by_views(views)
    for view in expected.keys() | found.keys():
        assert found[view] == expected[view], view
    return {view for view, rows in found.items() if rows}


@pytest.fixture(params=[True, False], ids=["plain", "bulk"], autouse=True)
def views_in_bulk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How the views are filled that are compared; here in parts of few rows."""
    monkeypatch.setattr(ledger_columns, "PART_ROWS", 100)
    if not request.param:
        monkeypatch.setattr(building, "RECORDS_BEFORE_BULK", 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SOAK))
def test_all_views_are_those_of_a_rebuild(seed: int, store: Store, tmp_path: Path) -> None:
    """Most records sealed and some not, other policies adopted, and a period decided."""
    world, ledger = World(90 + seed), Ledger(store)
    for name, count in (("first", 400), ("second", 150)):
        (tmp_path / name).mkdir()
        ingest_events(store, world.events(count), tmp_path / name)
        if name == "first":
            ledger.adopt(revised("merchant-reputation", seed))
            seal(store, tmp_path / "segments")
    ledger.adopt(revised("creator-level", seed))
    decide(store, "merchant-reputation", period_of(store, "merchant-reputation", 2022 * 12 + 10, None))
    held = assert_spread_alike(store, tmp_path / "segments")
    assert seed or {*exported_views()} - held == NEVER_HELD


@pytest.mark.slow
@pytest.mark.parametrize(("subject", "types", "change"), CUT.values(), ids=list(CUT))
def test_whose_records_cannot_be_read_is_set_aside(
    subject: str, types: tuple[str, ...], change: tuple[bytes, bytes], tmp_path: Path
) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store:
        ingest_events(store, World(71).events(501), tmp_path)
        with damage(tmp_path / "ledger.db", {some_of(store, subject, types): change}):
            assert "v1_set_aside" in assert_spread_alike(store, None)


@pytest.mark.slow
def test_subjects_of_whom_no_rule_reads_anything_have_their_rows(store: Store, tmp_path: Path) -> None:
    announced = event(
        "level.announced", "a", "2022-12-01T00:00:00+08:00", subject="merchant/quiet", scheme="merchant-tier",
        period="2022-11", level="LV1",
    )  # fmt: skip
    ingest_events(store, [announced], tmp_path)
    assert "v1_levels" in assert_spread_alike(store, None)
