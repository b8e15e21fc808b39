"""Rows come out of a database as blocks of lines, and stand in files as they stand in the views."""

import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, text, update

from projections.exporting import parts, reading
from projections.exporting.columns import Kind, file_columns
from projections.exporting.export import ExportAsked, export
from projections.exporting.lines import COPIED, JSON_ARRAYS, LineForm, table_of
from projections.exporting.places import FolderPlace
from projections.views.database import DamagedViews, Views, open_views
from projections.views.tables import TABLE_NAMES
from replay.errors import StoreError
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.support.exports import exported, held, manifest_in, rows_in, shown
from tests.support.exports import table_of as table_in
from tests.support.views import empty_live

ODD_TEXTS = (
    "",
    "null",
    "NULL",
    "\\N",
    "\\.",
    '"',
    '""',
    "a,b",
    'say "so"',
    "back\\slash",
    "two\nlines",
    "end\r\n",
    "\ttab",
    "],[",
    "0",
    " spaces ",
    "'",
    "店铺",
    "\u2028",
    "😀",
    "\x7f\x1f",
)
BIG = 2**62
COMMON = {"policy": "2022-10-26", "policy_hash": "5c" * 32, "assumed": True}


@pytest.fixture
def views(store: Store) -> Iterator[Views]:
    with open_views(store, make=True) as opened:
        empty_live(opened)
        yield opened


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Views]:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as opened:
        empty_live(opened)
        yield opened


def put(views: Views, table: str, rows: list[dict[str, Any]]) -> None:
    with views.moving() as connection:
        connection.execute(insert(views.tables(1)[table]), rows)


def levels(subjects: list[str]) -> list[dict[str, Any]]:
    return [
        {
            **COMMON,
            "subject": subject,
            "scheme": scheme,
            "state": ODD_TEXTS[place % len(ODD_TEXTS)],
            "level": (None, *ODD_TEXTS)[place % (len(ODD_TEXTS) + 1)],
            "score": (None, 0, -1, 2**53 + 1, -(2**53) - 1, BIG, -BIG)[place % 7],
            "effective_state": "rated",
            "effective_level": None,
            "effective_since": (None, 0, 1_667_232_000_000_001)[place % 3],
            "assumed": place % 2 == 0,
        }
        for place, subject in enumerate(subjects)
        for scheme in ("merchant-reputation", "merchant-tier")
    ]


def histories(count: int) -> list[dict[str, Any]]:
    return [
        {
            **COMMON,
            "subject": f"merchant/{place // 7}-{'店' * (place % 3)}",
            "scheme": "merchant-reputation",
            "number": place % 7,
            "from_at": 1_640_000_000_000_000 + place % 5 * 2_700_000_000_000,
            "to_at": None,
            "state": "rated",
            "level": None,
            "score": place,
            "cause": "counted",
            "cause_position": None,
        }
        for place in range(count)
    ]


def test_odd_values_stand_in_files_as_in_the_views(
    views: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In blocks of few rows, so that some hold what must be escaped and others do not."""
    monkeypatch.setattr(reading, "BLOCK_ROWS", 2)
    put(views, "levels", levels([*(f"merchant/{odd}" for odd in ODD_TEXTS), "", "merchant/last"]))
    aside = {"scheme": "merchant-tier", "position": 1, "at": 0, "trace": None}
    put(views, "set_aside", [{**aside, "subject": f"merchant/{odd}", "reason": odd} for odd in ODD_TEXTS])
    exported(views, tmp_path / "out")
    found = held(tmp_path / "out")
    assert found == shown(views)
    assert len(found["v1_levels"]) == 2 * (len(ODD_TEXTS) + 2) and len(found["v1_set_aside"]) == len(ODD_TEXTS)


def test_a_text_that_ends_nowhere_in_c_is_whole(on_sqlite: Views, tmp_path: Path) -> None:
    """PostgreSQL has no text with a zero in it."""
    put(on_sqlite, "levels", levels(["merchant/a\0b"]))
    exported(on_sqlite, tmp_path / "out")
    assert held(tmp_path / "out") == shown(on_sqlite)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
COLUMNS = tuple(item for item in file_columns("v1_history") if item.name in ("subject", "level", "score", "assumed"))
ROWS = st.lists(st.tuples(TEXTS, TEXTS | st.none(), st.integers(-(2**63), 2**63 - 1) | st.none(), st.booleans()))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(ROWS.filter(bool))
def test_arrow_reads_what_sqlite_writes(rows: list[tuple[Any, ...]]) -> None:
    import sqlite3

    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE some (subject TEXT, level TEXT, score INTEGER, assumed BOOLEAN)")
        connection.executemany("INSERT INTO some VALUES (?, ?, ?, ?)", rows)
        sql = "SELECT CAST(group_concat(json_array(0, subject, level, score, assumed, 0), char(10)) AS BLOB) FROM some"
        (block,) = connection.execute(sql).fetchone()
    connection.close()
    assert [item.name for item in COLUMNS] == ["subject", "level", "score", "assumed"]
    assert rows_in(table_of(block, JSON_ARRAYS, COLUMNS, "some"), COLUMNS) == rows


@pytest.mark.slow
def test_rows_are_found_wherever_they_lie_and_stand_in_order(
    views: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that were put in any order, with gaps between them, give the bytes of those that lie in order."""
    monkeypatch.setattr(reading, "BLOCK_ROWS", 7)
    monkeypatch.setattr(parts, "ONE_FILE_ROWS", 20)
    monkeypatch.setattr(parts, "RANGE_ROWS", 5)
    history, some = histories(100), levels([f"merchant/{number}" for number in range(20)])
    put(views, "history", history)
    put(views, "levels", some)
    exported(views, tmp_path / "out")
    ordered = manifest_in(tmp_path / "out")["tables"]
    for seed in range(3):
        Random(seed).shuffle(history)
        Random(seed).shuffle(some)
        with views.moving() as connection:
            for table in ("history", "levels"):
                connection.execute(delete(views.tables(1)[table]))
        more = [{**row, "subject": f"other/{row['subject']}"} for row in history]
        put(views, "history", [row for pair in zip(history, more, strict=True) for row in pair])
        put(views, "levels", some)
        with views.moving() as connection:
            columns = views.tables(1)["history"].c
            connection.execute(delete(views.tables(1)["history"]).where(columns.subject.like("other/%")))
        exported(views, tmp_path / f"out-{seed}")
        assert held(tmp_path / f"out-{seed}") == shown(views)
        assert manifest_in(tmp_path / f"out-{seed}")["tables"] == ordered
    for told in ordered:
        for file in told["files"]:
            table = table_in(tmp_path / "out", file, file_columns(told["view"]))
            assert table.equals(parts.in_order(table, told["order"]))
            keys = list(zip(*(table[name].to_pylist() for name in told["order"]), strict=True))
            assert keys == sorted(keys, key=lambda row: [_bytes(value) for value in row])


def _bytes(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


@pytest.mark.parametrize(
    ("column", "value"), [("score", "'many'"), ("score", "1.5"), ("subject", "CAST(x'ff' AS TEXT)"), ("assumed", "7")]
)
@pytest.mark.parametrize("odd", ["", "\\"])
def test_what_is_no_value_of_its_column_is_named(
    on_sqlite: Views, tmp_path: Path, column: str, value: str, odd: str
) -> None:
    put(on_sqlite, "history", histories(3))
    with on_sqlite.moving() as connection:
        connection.execute(update(on_sqlite.tables(1)["history"]).values(cause=odd))
        connection.execute(text(f"UPDATE b1_history SET {column} = {value} WHERE score = 1"))
    with pytest.raises(DamagedViews, match=r"v1_history holds what is no value of its column \(.*") as raised:
        exported(on_sqlite, tmp_path / "out")
    end = "): nothing was exported; 'levelbook rebuild' makes the views anew from the ledger"
    assert str(raised.value).endswith(end)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_an_export_that_fails_half_way_leaves_its_connections_well(
    views: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing goes on behind it, and what went wrong is told, not what came of it."""
    monkeypatch.setattr(reading, "BLOCK_ROWS", 1)
    put(views, "history", histories(40))
    asked = ExportAsked(("v1_history",))
    for stop in (StoreError("the disk is full"), KeyboardInterrupt()):
        told = iter([None] * 3)

        def stopped(*_: Any, told: Iterator[None] = told, stop: BaseException = stop) -> None:
            if next(told, stop) is stop:
                raise stop

        before = threading.active_count()
        with pytest.raises(type(stop)) as raised:
            export(views, FolderPlace(tmp_path / "out"), asked, stopped)
        assert raised.value is stop and threading.active_count() == before
        with views.reading() as connection:
            assert views.live(connection).build == 1
    export(views, FolderPlace(tmp_path / "out"), asked)
    assert held(tmp_path / "out")["v1_history"] == shown(views)["v1_history"]


@pytest.mark.parametrize("form", [JSON_ARRAYS, COPIED])
def test_truths_are_read_of_either_database(form: LineForm) -> None:
    (truth,) = (item for item in file_columns("v1_shadow_levels") if item.kind is Kind.TRUTH)
    block = "\n".join(f"0,{value},0" for value in (form.true, form.null, form.false)).encode()
    assert table_of(block, form, [truth], "v1_shadow_levels")["differs"].to_pylist() == [True, None, False]


@pytest.mark.postgres
def test_a_role_that_may_read_views_alone_exports_them(postgres_location: str, tmp_path: Path) -> None:
    """No table of a build is named to the server but by the views."""
    create_store(postgres_location)
    with open_store(postgres_location) as store, open_views(store, make=True) as opened:
        empty_live(opened)
        put(opened, "history", histories(5))
        put(opened, "levels", levels(["merchant/a"]))
        expected = shown(opened)
    with psycopg.connect(postgres_location, autocommit=True) as owner:
        owner.execute("CREATE ROLE reads_views LOGIN")
        owner.execute("GRANT USAGE ON SCHEMA levelbook, levelbook_views TO reads_views")
        owner.execute("GRANT SELECT ON ALL TABLES IN SCHEMA levelbook, levelbook_views TO reads_views")
        for name in TABLE_NAMES:
            owner.execute(f"REVOKE SELECT ON levelbook_views.b1_{name} FROM reads_views".encode())
    try:
        reads = postgres_location.replace("//postgres:", "//reads_views:", 1)
        with open_store(reads) as store, open_views(store, only_read=True) as opened:
            exported(opened, tmp_path / "out")
        assert held(tmp_path / "out") == expected
    finally:
        with psycopg.connect(postgres_location, autocommit=True) as owner:
            owner.execute("DROP OWNED BY reads_views; DROP ROLE reads_views")
