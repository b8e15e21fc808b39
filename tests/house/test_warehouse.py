"""The SQL views as a source of dbt: made from the contract, of a form that dbt takes, and true of the demo's views."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from docs.dbt_sources import TOGETHER, sources
from docs.view_columns import about, said_of_nothing
from projections.exporting.columns import exported_views
from projections.views.tables import columns_of
from tests import ROOT
from tests.support.serving import demo_ledger

PACKAGE: Final = ROOT / "integrations" / "dbt"
FILE: Final = PACKAGE / "models" / "sources.yml"
OF_SOURCE: Final = {"name", "description", "schema", "tables"}
OF_TABLE: Final = {"name", "description", "data_tests", "columns"}
OF_COLUMN: Final = {"name", "description", "data_type", "data_tests"}
"""What dbt reads of a source, a table and a column, as far as it is used here."""


def tables() -> list[dict[str, Any]]:
    (source,) = yaml.safe_load(FILE.read_text("utf-8"))["sources"]
    found: list[dict[str, Any]] = source["tables"]
    return found


def test_the_file_is_what_the_program_makes() -> None:
    assert FILE.read_text("utf-8") == sources(), "run python -m docs.dbt_sources > integrations/dbt/models/sources.yml"


def test_every_column_of_the_contract_is_described_and_no_other() -> None:
    for view in exported_views():
        assert all(about(view, name) for name in columns_of(view)), view
    assert said_of_nothing() == []
    assert [table["name"] for table in tables()] == [*exported_views()]
    for table in tables():
        assert [column["name"] for column in table["columns"]] == [*columns_of(table["name"])]


def test_it_has_the_form_of_a_source() -> None:
    whole = yaml.safe_load(FILE.read_text("utf-8"))
    assert whole.keys() == {"version", "sources"} and whole["version"] == 2
    (source,) = whole["sources"]
    assert source.keys() == OF_SOURCE and source["schema"].startswith("{{ var('levelbook_schema', ")
    for table in source["tables"]:
        assert table.keys() <= OF_TABLE and table["description"] and "](" not in table["description"]
        assert all(column.keys() <= OF_COLUMN and column["description"] for column in table["columns"])
        for name, arguments in every_test(table):
            assert (name, [*arguments]) in (
                *(("not_null", ["column"]), ("unique", ["column"]), ("accepted_values", ["column", "values"])),
                (TOGETHER, ["columns"]),
            )
    project = yaml.safe_load((PACKAGE / "dbt_project.yml").read_text("utf-8"))
    package, _, macro = TOGETHER.partition(".")
    assert project["name"] == package
    assert f"{{% test {macro}(model, columns) %}}" in (PACKAGE / "macros" / f"{macro}.sql").read_text("utf-8")


def every_test(table: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Its tests by name, each with its arguments, as dbt hands them to the test."""
    places = [({}, table), *(({"column": column["name"]}, column) for column in table["columns"])]
    for given, place in places:
        for test in place.get("data_tests", ()):
            if isinstance(test, str):
                yield test, given
            else:
                ((name, said),) = test.items()
                yield name, given | said["arguments"]


def offending(table: str, name: str, said: dict[str, Any]) -> tuple[str, list[Any]]:
    """The query that counts the rows for which a test fails, and its parameters."""
    if name == "not_null":
        return f"SELECT count(*) FROM {table} WHERE {said['column']} IS NULL", []
    if name == "accepted_values":
        marks = ", ".join("?" * len(said["values"]))
        return f"SELECT count(*) FROM {table} WHERE {said['column']} NOT IN ({marks})", said["values"]
    columns = ", ".join(said.get("columns") or [said["column"]])
    return f"SELECT count(*) FROM (SELECT 1 FROM {table} GROUP BY {columns} HAVING count(*) > 1)", []


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's views, as SQLite holds them."""
    folder = tmp_path_factory.mktemp("demo")
    demo_ledger(str(folder / "ledger.db"), folder)
    return folder / "ledger.db.views"


@pytest.mark.slow
def test_what_it_says_of_the_views_is_so(shown: Path) -> None:
    tried = 0
    with closing(sqlite3.connect(shown)) as connection:
        for table in tables():
            for name, said in every_test(table):
                query, given = offending(table["name"], name, said)
                assert connection.execute(query, given).fetchone() == (0,), query
                tried += 1
    assert tried > 150


@pytest.mark.slow
def test_what_is_otherwise_is_found(shown: Path) -> None:
    with closing(sqlite3.connect(shown)) as connection:
        connection.execute("CREATE TABLE spoilt AS SELECT * FROM v1_levels")
        connection.execute("INSERT INTO spoilt SELECT * FROM v1_levels LIMIT 1")
        connection.execute("UPDATE spoilt SET state = 'splendid', policy = NULL")
        levels = next(table for table in tables() if table["name"] == "v1_levels")
        failing = []
        for name, said in every_test(levels):
            query, given = offending("spoilt", name, said)
            if connection.execute(query, given).fetchone() != (0,):
                failing.append((name, said.get("column")))
    assert failing == [(TOGETHER, None), ("accepted_values", "state"), ("not_null", "policy")]
