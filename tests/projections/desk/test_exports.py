"""Every table of the desk is had as a file: a link beneath it, and as many rows as it has, or more where it is cut."""

import csv
import re
from collections.abc import Iterator
from functools import partial
from html import unescape
from io import BytesIO, StringIO
from typing import Any

import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from projections.desk import overview_pages
from projections.desk.exporting.tables import TABLES
from projections.http.settings import Settings
from projections.worklist.answers import totals_json
from tests.support.disputes import disputed_ledger
from tests.support.serving import serving

HTML = {"Accept": "text/html"}
TEA_HOUSE, LIN, HARBOUR = "/subjects/merchant/tea-house", "/subjects/creator/lin", "/subjects/mcn/harbour"
SHOWN = (
    "/",
    "/?q=tea",
    "/worklist",
    "/worklist?list=changed&period=2022-11",
    "/worklist?list=totals",
    "/boards",
    "/boards/comprehensive?month=2023-04",
    "/events?id=rev-ring-1",
    "/events/220",
    "/rules",
    "/rules/mcn-level",
    "/rules/creator-level?against=2021",
    "/operations",
    "/accesses",
    "/evidence",
    TEA_HOUSE,
    f"{TEA_HOUSE}?as_of=2022-12-16&known_at=2022-12-16",
    f"{TEA_HOUSE}/timeline",
    f"{TEA_HOUSE}/timeline?scheme=merchant-tier",
    f"{TEA_HOUSE}/why",
    f"{TEA_HOUSE}/why?month=2022-11",
    f"{TEA_HOUSE}/why?month=2022-11&verdict=flagged",
    f"{TEA_HOUSE}/why?scheme=merchant-tier&month=2022-09",
    f"{TEA_HOUSE}/differences",
    f"{TEA_HOUSE}/differences?as_of=2022-12-16&known_at=2022-12-16",
    f"{TEA_HOUSE}/appeal?period=2022-11",
    f"{LIN}/timeline?as_of=2023-07-10",
    f"{LIN}/why?month=2023-04&as_of=2023-07-10",
    f"{LIN}/differences",
    f"{HARBOUR}?as_of=2023-07-10",
    f"{HARBOUR}/why?month=2023-04&as_of=2023-07-10",
)
TABLE = re.compile(r"<table.*?</table>(?:</div>)?\s*(<p class=\"hint files\">.*?</p>)?", re.S)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("exports")
    disputed_ledger(str(folder / "ledger.db"), folder)
    with serving(Settings(str(folder / "ledger.db"))) as found:
        yield found


def page(client: TestClient, path: str) -> str:
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 200, (path, answer.text)
    return answer.text


def rows_behind(client: TestClient, links: str) -> list[dict[str, str]]:
    """The rows of a table's CSV, which are as many as its JSON has."""
    of_csv, of_json, *of_parquet = (unescape(link) for link in re.findall(r'href="([^"]+)"', links))
    sheet, answer = client.get(of_csv, headers=HTML), client.get(of_json, headers=HTML)
    assert (sheet.status_code, answer.status_code) == (200, 200), (of_csv, sheet.text)
    assert sheet.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(StringIO(sheet.text, newline="")))
    body: dict[str, Any] = answer.json()
    noted = int(of_csv.startswith("/accesses"))  # that it was asked for
    assert len(body["events" if "events" in body else "rows"]) == len(rows) + noted
    for link in of_parquet:
        table = pq.read_table(BytesIO(client.get(link, headers=HTML).content))
        assert table.num_rows == len(rows) + 2 * noted
        objects = tuple(f"{name}." for name in table.schema.names)  # which a sheet has in columns of their own
        assert all(name in table.schema.names or name.startswith(objects) for name in (rows[0] if rows else ()))
    return rows


@pytest.mark.parametrize("shown", SHOWN)
def test_every_table_of_a_page_is_had_as_a_file(shown: str, client: TestClient) -> None:
    text = page(client, shown)
    assert len(TABLE.findall(text)) == text.count("<table")
    for found in TABLE.finditer(text):
        assert found[1], (shown, found[0][:300])
        body = found[0].partition("<tbody>")[2].partition("</tbody>")[0]
        assert len(rows_behind(client, found[1])) >= body.count("<tr"), (shown, found[1])
    client.cookies.clear()


WALKED = (
    *("decisions", "changes", "marks", "periods", "verdicts", "notes", "sums", "rules", "creators", "indicators"),
    *("steps", "events", "versions", "views", "types", "accesses", "payload", "made", "places", "levels"),
    *("merchant-tier", "mcn-level"),
)


def test_no_table_of_a_page_is_passed_over(client: TestClient) -> None:
    """The lists of the worklist and of found events are those of the API."""
    named = {link.partition(".")[0] for path in SHOWN for link in files_of(page(client, path))}
    assert set(WALKED) <= named and len(TABLES) == 12


def test_long_tables_alone_are_had_as_parquet(client: TestClient) -> None:
    why = page(client, f"{TEA_HOUSE}/why?month=2022-11")
    assert "/table/verdicts.parquet" in why and "/table/rules.parquet" not in why
    assert client.get(f"{TEA_HOUSE}/why/table/rules.parquet", headers=HTML).status_code == 404


def files_of(text: str) -> list[str]:
    return re.findall(r'href="[^"]*/table/([^"]+)"', text)


def test_a_file_is_exact_and_says_of_what_and_when_it_is(client: TestClient) -> None:
    at = "as_of=2022-12-16&known_at=2022-12-16&lang=zh"
    (first, *_) = csv.DictReader(StringIO(client.get(f"{TEA_HOUSE}/timeline/table/periods.csv?{at}").text))
    assert first["closing_tenths"].lstrip("-").isdigit() and first["month"] == "2022-11"
    assert (first["answer.subject"], first["answer.scheme"]) == ("merchant/tea-house", "merchant-reputation")
    assert first["answer.as_of"].endswith("+08:00") and first["answer.position"].isdigit()
    changes = csv.DictReader(StringIO(client.get(f"{TEA_HOUSE}/timeline/table/changes.csv?{at}").text))
    assert all(row["from_at"].endswith("+08:00") for row in changes)
    client.cookies.clear()


def test_the_verdicts_of_a_month_are_whole_whatever_page_is_shown(client: TestClient) -> None:
    path = f"{TEA_HOUSE}/why/table/verdicts.json?month=2022-11"
    whole = client.get(path).json()["rows"]
    told = client.get("/v1" + TEA_HOUSE + "/explanation?month=2022-11").json()
    assert whole == told["verdicts"] and client.get(f"{path}&page=2").json()["rows"] == whole


def test_what_is_too_much_for_a_file_is_had_from_the_api(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.desk.why_page.FILE_ROWS_MAX", 3)
    answer = client.get(f"{TEA_HOUSE}/why/table/verdicts.csv?month=2022-11")
    assert answer.status_code == 400
    detail = answer.json()["detail"]
    assert "verdicts and notes, and a file of the desk holds 3; " in detail
    assert "the API's explanation gives them a page at a time" in detail
    assert client.get(f"{TEA_HOUSE}/why?month=2022-11", headers=HTML).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        f"{TEA_HOUSE}/timeline/table/nothing.csv",
        f"{TEA_HOUSE}/timeline/table/marks.xlsx",
        f"{TEA_HOUSE}/why/table/verdicts.csv",
        "/boards/table/places.csv",
    ],
)
def test_a_table_that_a_page_has_not_is_not_found(path: str, client: TestClient) -> None:
    answer = client.get(path)
    assert answer.status_code == 404 and answer.json()["type"] == "urn:levelbook:problem:no-such-page"
    assert client.get(path, headers=HTML).status_code == 404


def test_totals_say_that_there_may_be_more_where_not_all_was_looked_at(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = page(client, "/worklist?list=totals&lang=en")
    monkeypatch.setattr(overview_pages, "totals_json", partial(totals_json, looked_at=1))
    part = page(client, "/worklist?list=totals&lang=en")
    client.cookies.clear()
    assert "at least <a" in part and "only the latest 100,000 decisions" in part
    assert "at least" not in whole and "only the latest" not in whole


def test_under_a_day_the_totals_link_to_the_list_of_that_day(client: TestClient) -> None:
    first = client.get("/v1/worklist/changed?period=2022-11").json()["rows"][-1]
    day, scheme = first["at"][:10], first["scheme"]
    listed = client.get(f"/v1/worklist/changed?period={day}&scheme={scheme}").json()["rows"]
    assert listed and {row["at"][:10] for row in listed} == {day}
    totals = page(client, f"/worklist?list=totals&lang=en&scheme={scheme}&period={day}")
    found = re.search(rf'href="([^"]*list=changed[^"]*scheme={scheme}[^"]*)"[^>]*>(\d+)</a>', totals)
    assert found is not None and int(found[2]) == len(listed)
    shown = page(client, unescape(found[1]))
    client.cookies.clear()
    assert shown.count('<th scope="row" class="figure">') == len(listed)


@pytest.mark.parametrize("asked", ["count=1", "suppose=good_reviews"])
def test_what_if_asks_for_what_is_missing(client: TestClient, asked: str) -> None:
    said = "Give the time to which it moves on; or what is supposed, and how many of it."
    shown = page(client, f"{TEA_HOUSE}/what-if?lang=en&{asked}")
    assert said in shown and "Hypothetical.</strong>" in shown and 'id="beside"' not in shown
    for other in ("", "&suppose=good_reviews&count=1"):
        assert said not in page(client, f"{TEA_HOUSE}/what-if?lang=en{other}")
    assert "以下为假设。</strong>" in page(client, f"{TEA_HOUSE}/what-if?lang=zh")
    client.cookies.clear()
