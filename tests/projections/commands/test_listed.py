"""Lists of the commands as CSV and Parquet: the rows and columns that the service gives, and those of their own."""

import csv
import json
from io import BytesIO, StringIO
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from starlette.testclient import TestClient

from cli import main
from projections.http.settings import Settings
from tests.support.disputes import disputed_ledger
from tests.support.serving import serving
from tests.support.terminals import on_terminal

MERCHANT = "merchant/tea-house"
MOMENT = ("--as-of", "2022-12-16", "--position", "430")
ASKED_MOMENT = {"as_of": "2022-12-16", "position": "430"}
OF_THE_SERVICE: dict[tuple[str, ...], tuple[str, dict[str, str]]] = {
    ("worklist", "differing"): ("/v1/worklist/differing", {}),
    ("worklist", "announced"): ("/v1/worklist/announced", {}),
    ("worklist", "set-aside"): ("/v1/worklist/set-aside", {}),
    ("worklist", "changed", "--period", "2022-10"): ("/v1/worklist/changed", {"period": "2022-10"}),
    ("worklist", "totals"): ("/v1/worklist/totals", {}),
    ("worklist", "distribution", "--period", "2022-11"): ("/v1/levels/distribution", {"period": "2022-11"}),
    ("find", "--order", "ring-1"): ("/v1/events", {"about": "ring-1"}),
    ("decided", MERCHANT): (f"/v1/subjects/{MERCHANT}/decisions", {}),
    ("history", MERCHANT, *MOMENT): (f"/v1/subjects/{MERCHANT}/history", ASKED_MOMENT),
    ("explain", MERCHANT, *MOMENT): (f"/v1/subjects/{MERCHANT}/explanation", ASKED_MOMENT),
    ("events", MERCHANT, *MOMENT): (f"/v1/subjects/{MERCHANT}/events", ASKED_MOMENT | {"limit": "1000"}),
    ("diff", MERCHANT, *MOMENT, "--to-position", "100"): (
        f"/v1/subjects/{MERCHANT}/diff",
        ASKED_MOMENT | {"to_position": "100"},
    ),
}
BOARD = ("leaderboard", "comprehensive", "--month", "2023-04")
OWN = (("subjects",), ("accesses",), ("audit",), ("policies",), ("rules", "creator-level", "--against", "2021"))


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("listed")
    disputed_ledger(str(folder / "ledger.db"), folder)
    return str(folder / "ledger.db")


def printed(location: str, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--store", location])


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text, newline="")))


@pytest.mark.parametrize("words", OF_THE_SERVICE, ids=" ".join)
def test_a_list_is_the_file_that_the_service_gives(words: tuple[str, ...], location: str) -> None:
    path, asked = OF_THE_SERVICE[words]
    with serving(Settings(location)) as client:
        theirs = fetched(client, path, asked | {"format": "csv"}).text
        table = pq.read_table(BytesIO(fetched(client, path, asked | {"format": "parquet"}).content))
    found = printed(location, *words, "--format", "csv")
    assert found.exit_code == 0 and found.stdout_bytes == theirs.encode()
    bytes_of = printed(location, *words, "--format", "parquet").stdout_bytes
    assert pq.read_table(BytesIO(bytes_of)).equals(table)


def fetched(client: TestClient, path: str, asked: dict[str, str]) -> Any:
    found = client.get(path, params=asked)
    assert found.status_code == 200, found.text
    return found


def test_a_board_has_the_columns_and_ranks_of_the_services(location: str) -> None:
    with serving(Settings(location)) as client:
        theirs = rows_of(fetched(client, "/v1/leaderboards/comprehensive/2023-04", {"format": "csv"}).text)
    found = rows_of(printed(location, *BOARD, "--format", "csv").stdout)
    assert found[0].keys() == theirs[0].keys()  # its moment is that of the month, the views' the latest
    assert [(row["rank"], row["subject"], row["score"]) for row in found] == [
        (row["rank"], row["subject"], row["score"]) for row in theirs
    ]


@pytest.mark.parametrize("words", OWN, ids=" ".join)
def test_lists_of_the_commands_own_have_one_row_an_item_and_equal_columns(
    words: tuple[str, ...], location: str
) -> None:
    found = printed(location, *words, "--format", "csv")
    assert found.exit_code in (0, 1), found.output
    rows = rows_of(found.stdout)
    table = pq.read_table(BytesIO(printed(location, *words, "--format", "parquet").stdout_bytes))
    header = next(csv.reader(StringIO(found.stdout, newline="")))
    assert table.schema.names == header and table.num_rows == len(rows)
    listed = json.loads(printed(location, *words, "--format", "json").stdout)
    assert len(rows) == counted(words[0], listed)


def counted(command: str, listed: Any) -> int:
    """How many rows an answer has."""
    if command == "audit":
        return sum(len(listed[name]) for name in ("decisions", "boards", "announced"))
    if command == "policies":
        return sum(len(item["parameters"]) for item in listed)
    if command == "rules":
        rows = [row for section in listed["sections"] for row in section["rows"]]
        return sum((row["change"] != "gone") + (cell["against"] is not None) for row in rows for cell in row["cells"])
    return len(listed)


def test_rows_of_the_audit_and_of_rules_say_what_the_answers_say(location: str) -> None:
    audited = rows_of(printed(location, "audit", "--format", "csv").stdout)
    (house,) = (row for row in audited if row["subject"] == MERCHANT and row["audited"] == "decision")
    assert (house["decided.level"], house["now.level"], house["restated"]) == ("bronze-2", "bronze-1", "true")
    rules = rows_of(printed(location, "rules", "creator-level", "--against", "2021", "--format", "csv").stdout)
    weights = {row["version"] for row in rules if row["policy"] == "2021"}
    assert weights == {"against"} and {row["policy"] for row in rules if row["version"] == "shown"} == {"2022-07-19"}


def test_what_a_scheme_made_of_events_is_a_column_in_both_forms(location: str) -> None:
    words = ("events", MERCHANT, "--scheme", "merchant-reputation", "--order", "ring-1")
    rows = rows_of(printed(location, *words, "--format", "csv").stdout)
    table = pq.read_table(BytesIO(printed(location, *words, "--format", "parquet").stdout_bytes))
    assert "flagged" in {row["made.verdict"] for row in rows}
    assert [row["made.verdict"] or None for row in rows] == table.column("made.verdict").to_pylist()


def test_a_page_that_is_not_the_last_says_where_to_go_on(location: str) -> None:
    words = ("worklist", "changed", "--period", "2022-09", "--format", "csv")
    first = printed(location, *words, "--limit", "1")
    assert "there are more rows: --cursor " in first.stderr and len(rows_of(first.stdout)) == 1
    cursor = first.stderr.strip().rpartition(" ")[2]
    rest = printed(location, *words, "--cursor", cursor)
    assert rows_of(first.stdout) + rows_of(rest.stdout) == rows_of(printed(location, *words).stdout)


def test_parquet_is_not_written_to_a_terminal(location: str) -> None:
    told = "parquet is no text; write it to a file: --format parquet > rows.parquet"
    words = ["subjects", "--store", location, "--format", "parquet"]
    program = f"import contextlib\nwith contextlib.suppress(SystemExit): from cli import main; main({words!r})"
    assert told in " ".join(on_terminal(program, stdout=True, stderr=False).stderr.split())


def test_events_that_are_found_stand_under_their_subjects_page_by_page(location: str) -> None:
    found = printed(location, "find", "--order", "ring-1")
    assert found.exit_code == 0 and found.stdout.splitlines()[0] == MERCHANT
    assert "rev-ring-1" in found.stdout and "order.flagged" in found.stdout and "case" in found.stdout
    every = json.loads(printed(location, "find", "--order", "ring-1", "--format", "json").stdout)
    cases = {item["event"]["data"]["case"] for item in every["events"] if "case" in item["event"]["data"]}
    for case in cases:
        of_case = json.loads(printed(location, "find", "--case", case, "--format", "json").stdout)["events"]
        assert {item["event"]["data"]["case"] for item in of_case} == {case} and len(of_case) > 1
    first = printed(location, "find", "--case", *cases, "--limit", "1")
    assert "--cursor" in first.stdout and len(first.stdout.splitlines()) == 3
    nothing = printed(location, "find", "--case", "no-such-case", "--lang", "zh")
    assert nothing.exit_code == 0 and nothing.stdout == "账本中没有这样的事件\n"
    wrong = printed(location, "find", "--case", *cases, "--cursor", "x")
    assert wrong.exit_code == 2 and "--cursor is none that this service gave" in wrong.output
    assert "name one thing to be sought" in printed(location, "find").output
