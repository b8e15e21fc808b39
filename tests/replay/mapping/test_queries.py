"""Rows of SQL queries: of SQLite, of PostgreSQL, and of files that are the query's tables."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from replay.errors import FaultyMapping, UsageError
from replay.intake.parallel import decode_block
from replay.mapping.asking import to_read
from replay.mapping.mapped import blocks_of_query
from replay.mapping.queries import QUERY_BYTES_MAX, RowQuery
from replay.parsing.unpacking import STANDARD_INPUT, BrokenInput
from tests.support.tables import COLUMNS, mapping, plain_events, rows_of, write_table

ROWS = rows_of(40)
TEXT = f"SELECT {', '.join(f'''{chr(34)}{name}{chr(34)}''' for name in COLUMNS)} FROM orders ORDER BY 1"
BY = mapping(format="query")


def events_of(query: RowQuery) -> list[dict[str, Any]]:
    blocks = list(blocks_of_query(BY, query))
    assert [decode_block(block).refused for block in blocks] == [[] for _ in blocks]
    return [msgspec.json.decode(line) for block in blocks for line in block.lines if line]


def written(folder: Path, text: str = TEXT) -> str:
    (folder / "orders.sql").write_text(text, "utf-8")
    return str(folder / "orders.sql")


def database(folder: Path) -> str:
    """Money as a number, nothing as null: what a database has in the place of texts."""
    with closing(sqlite3.connect(folder / "shop.db")) as made:
        made.execute(f"CREATE TABLE orders ({', '.join(f'{chr(34)}{name}{chr(34)}' for name in COLUMNS)})")
        rows = [[*row[:3], float(row[3]), *(value or None for value in row[4:])] for row in ROWS]
        made.executemany(f"INSERT INTO orders VALUES ({', '.join('?' * len(COLUMNS))})", rows)
        made.commit()
    return str(folder / "shop.db")


EXPECTED = plain_events(sorted(ROWS))


def test_rows_of_sqlite_are_events(tmp_path: Path) -> None:
    assert events_of(RowQuery(written(tmp_path), database(tmp_path))) == EXPECTED


def test_files_are_tables_of_a_query(tmp_path: Path) -> None:
    """Which can join them: a table is named as its file is."""
    write_table(tmp_path / "orders.part.csv", ROWS)
    (tmp_path / "shops.csv").write_text("shop,open\nm-0,yes\nm-1,yes\nm-2,no\n", "utf-8")
    text = TEXT.replace("FROM orders", "FROM orders JOIN shops USING (shop) WHERE open = 'yes'")
    tables = (str(tmp_path / "orders.part.csv"), str(tmp_path / "shops.csv"))
    found = events_of(RowQuery(written(tmp_path, text), None, tables))
    assert found == plain_events(row for row in sorted(ROWS) if row[1] != "m-2")


def test_rows_of_postgresql_are_events(postgres_location: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres_location) as connection:
        kinds = ["text", "text", "text", "numeric", "text", "timestamp", "timestamp", "text"]
        columns = ", ".join(f'"{name}" {kind}' for name, kind in zip(COLUMNS, kinds, strict=True))
        connection.execute(f"CREATE TABLE orders ({columns})".encode())
        with connection.cursor() as cursor:
            marks = ", ".join(["%s"] * len(COLUMNS))
            cursor.executemany(f"INSERT INTO orders VALUES ({marks})".encode(), [[v or None for v in r] for r in ROWS])
    text = TEXT.replace("ORDER BY 1", 'ORDER BY "order" COLLATE "C"')
    assert events_of(RowQuery(written(tmp_path, text), postgres_location)) == EXPECTED
    with pytest.raises(BrokenInput, match="the query fails at postgresql"):
        events_of(RowQuery(written(tmp_path, "DELETE FROM orders"), postgres_location))
    with pytest.raises(BrokenInput, match="the query fails at postgresql"):
        events_of(RowQuery(written(tmp_path, "SELECT * FROM none"), postgres_location))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("SELECT * FROM nowhere", "no such table"),
        ("DELETE FROM orders", "readonly"),
        ("SELECT 1 AS a", 'has no column "shop"'),
        ("", 'has no column "shop"'),
        (TEXT.replace("FROM", ", 1 AS raw FROM"), 'of which orders.toml says nothing: "raw"'),
    ],
)
def test_a_query_that_fails_is_told(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(BrokenInput) as refused:
        events_of(RowQuery(written(tmp_path, text), database(tmp_path)))
    assert told in str(refused.value)


def test_a_value_that_is_no_text_is_refused(tmp_path: Path) -> None:
    text = TEXT.replace('"buyer"', "x'00' AS buyer").replace("ORDER", "LIMIT 2 --")
    (found,) = blocks_of_query(BY, RowQuery(written(tmp_path, text), database(tmp_path)))
    refused = decode_block(found).refused
    assert [where for where, _, _ in refused] == [f"{tmp_path}/orders.sql:row:1", f"{tmp_path}/orders.sql:row:2"]
    assert "column buyer: found \"b'" in refused[0][1].message and "which is no single value" in refused[0][1].message


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(BrokenInput, match="there is no database"):
        events_of(RowQuery(written(tmp_path), str(tmp_path / "none.db")))
    assert not (tmp_path / "none.db").exists()


def test_a_table_of_a_query_must_be_whole(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("a,b\n1,2\n3\n", "utf-8")
    (tmp_path / "empty.csv").touch()
    for file, told in (("orders.csv", "row:2: found 1 values in a row of 2"), ("empty.csv", "has no header")):
        with pytest.raises(BrokenInput, match=told):
            events_of(RowQuery(written(tmp_path), None, (str(tmp_path / file),)))


def test_what_is_asked_must_fit_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    document = (
        'source = "u"\nzone = "Z"\nevent = [{type = "merchant.closed", subject = "{a}", id = "{a}", time = "{a}"}]\n'
    )
    for form in ("csv", "query"):
        Path(f"{form}.toml").write_text(f'format = "{form}"\n{document}', "utf-8")
    Path("q.sql").write_bytes(b"\xff")
    Path("orders").mkdir()
    for form, files, url, query, told in (
        ("csv", ("a.csv",), None, "q.sql", "takes rows of files in the format csv"),
        ("csv", ("a.csv",), "x.db", None, "there is no query"),
        ("csv", (), None, None, "no FILE is named"),
        ("csv", ("orders",), None, None, "names no file"),
        ("csv", ("*.csv",), None, None, "names no file"),
        ("csv", ("a.csv",), None, None, "there is no file a.csv"),
        ("query", (), None, "q.sql", "--query needs either"),
        ("query", ("a.csv",), "x.db", "q.sql", "--query needs either"),
        ("query", (), "x.db", STANDARD_INPUT, "it cannot come from '-'"),
    ):
        with pytest.raises(UsageError, match=told):
            to_read(Path(f"{form}.toml"), files, url, query)
    asked = to_read(Path("query.toml"), (), "x.db", "q.sql")
    with pytest.raises(UsageError, match="is not UTF-8; save it as UTF-8"):
        list(asked.read("q.sql"))


def test_a_query_that_is_too_long_is_not_cut(tmp_path: Path) -> None:
    """What is cut off may be the very condition that rows are chosen by."""
    whole = TEXT.replace("ORDER BY 1", "--").ljust(QUERY_BYTES_MAX)
    asked = RowQuery(written(tmp_path, whole), database(tmp_path))
    assert len(events_of(asked)) == len(EXPECTED)
    written(tmp_path, whole + "\nLIMIT 1")
    with pytest.raises(UsageError, match=r"orders\.sql is longer than 1048576 bytes; make it shorter"):
        events_of(asked)


def test_folders_and_globs_are_their_files(tmp_path: Path) -> None:
    made = [write_table(tmp_path / f"{name}.csv", ROWS[:2]) for name in ("b", "a")]
    write_table(tmp_path / ".hidden.csv", ROWS[:2])
    (tmp_path / "m.toml").write_text("")
    with pytest.raises(FaultyMapping):
        to_read(tmp_path / "m.toml", made, None, None)
    (tmp_path / "m.toml").unlink()
    from replay.parsing.unpacking import files_of

    assert files_of([str(tmp_path)]) == tuple(sorted(made))
    assert files_of([str(tmp_path / "*.csv")]) == (str(tmp_path / ".hidden.csv"), *sorted(made))
