"""The lab on the desk and in the API: candidates with how they are tried, reports that were kept, one of them whole."""

import csv
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from html import unescape
from io import StringIO
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from projections.http.settings import Settings
from projections.http.token_store import open_keeping
from projections.reading import trial_reports, trying
from projections.reading.trial_reports import keep_report, kept_report, kept_reports, lab_folder
from replay.errors import StoreError, UsageError
from replay.lab.report import FORM, report_hash
from replay.store.beside import locked
from replay.store.opening import create_store, open_store
from tests import ROOT
from tests.support.making import ingest_events
from tests.support.running import run
from tests.support.serving import serving
from tests.worlds.ledgers import World

HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger, and a lab beside it with a good candidate, a bad one, and a report of a trial."""
    path = tmp_path_factory.mktemp("lab")
    create_store(str(path / "ledger.db"))
    with open_store(str(path / "ledger.db")) as store:
        ingest_events(store, World(8).events(200), path)
    run("rebuild", "--sample", "0", "--store", str(path / "ledger.db"))
    (lab := path / "ledger.db.lab").mkdir()
    text = (ROOT / "fixtures" / "errors" / "candidate.toml").read_text("utf-8")
    (lab / "candidate.toml").write_text(text.replace("from_points = 100 ", "from_points = 3 "), "utf-8")
    shutil.copy(ROOT / "fixtures" / "errors" / "broken-policy.toml", lab / "broken.toml")
    told = run("policy", "try", str(lab / "candidate.toml"), "--save", "--store", str(path / "ledger.db"))
    assert f"The report is kept in {lab / 'reports'}" in told
    return path


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    with serving(Settings(str(folder / "ledger.db"))) as found:
        yield found


def report_of(folder: Path) -> str:
    (found,) = (folder / "ledger.db.lab" / "reports").glob("*.json")
    return found.stem


def test_the_api_lists_reports_and_gives_one_whole(client: TestClient, folder: Path) -> None:
    name = report_of(folder)
    (head,) = client.get("/v1/lab/reports").json()["reports"]
    whole = client.get(f"/v1/lab/reports/{name}")
    assert head["report"] == name == whole.json()["report"]
    assert whole.json() == json.loads((folder / "ledger.db.lab" / "reports" / f"{name}.json").read_text("utf-8"))
    assert head["subjects"] == whole.json()["result"]["subjects"] and head["candidate"][0]["id"] == "candidate"
    missing = client.get(f"/v1/lab/reports/{'ab' * 32}")
    assert missing.status_code == 404 and missing.json()["detail"] == f"no report {'ab' * 32} is kept here"


def test_a_report_that_was_changed_is_none(client: TestClient, folder: Path) -> None:
    name = report_of(folder)
    place = folder / "ledger.db.lab" / "reports" / f"{name}.json"
    before = place.read_text("utf-8")
    changed = json.loads(before)
    changed["result"]["subjects_moving"] += 1
    for text in (json.dumps(changed), "{", "[]"):
        place.write_text(text, "utf-8")
        assert client.get(f"/v1/lab/reports/{name}").status_code == 404
        assert client.get("/v1/lab/reports").json()["reports"] == []
    place.write_text(before, "utf-8")
    assert client.get(f"/v1/lab/reports/{name}").status_code == 200


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_lab_shows_candidates_their_faults_and_how_they_are_tried(
    client: TestClient, folder: Path, lang: str
) -> None:
    page = client.get(f"/lab?lang={lang}", headers=HTML).text
    assert {"en": "<h1>Lab</h1>", "zh": "<h1>试算</h1>"}[lang] in page
    assert "levelbook policy try candidate.toml --save" in page and "broken.toml" in page
    assert "policy try broken.toml" not in page and str(folder) not in page
    assert f'href="/lab/{report_of(folder)}' in page
    client.cookies.clear()


def test_the_command_on_the_page_runs_as_printed(
    client: TestClient, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = client.get("/lab?lang=en", headers=HTML).text
    (printed,) = re.findall(r"<code>levelbook (policy try [^<]*)</code>", page)
    shutil.copytree(folder, tmp_path / "copy")
    location, named = str(tmp_path / "copy" / "ledger.db"), ("policy", "try", "elsewhere.toml")
    monkeypatch.chdir(tmp_path)
    told = run(*shlex.split(unescape(printed)), "--store", location)
    assert f"report is kept in {tmp_path / 'copy' / 'ledger.db.lab'}" in told
    (tmp_path / "other").mkdir()
    shutil.copy(folder / "ledger.db.lab" / "candidate.toml", tmp_path / "other" / "elsewhere.toml")
    options = ("--store", location, "--candidates", str(tmp_path / "other"))
    assert "elsewhere.toml" in run(*named, "--store", location, status=2)
    assert "Trial of" in run(*named, *options)
    shutil.copy(ROOT / "fixtures" / "errors" / "broken-policy.toml", tmp_path / "elsewhere.toml")
    assert "elsewhere.toml" in run(*named, *options, status=1), "what lies here goes first"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_report_as_a_page_and_its_tables_as_files(client: TestClient, folder: Path, lang: str) -> None:
    name = report_of(folder)
    page = client.get(f"/lab/{name}?lang={lang}", headers=HTML)
    whole = client.get(f"/v1/lab/reports/{name}").json()
    assert page.status_code == 200 and name in page.text and f'href="/v1/lab/reports/{name}"' in page.text
    links = [unescape(link) for link in re.findall(r'href="([^"]+)"', page.text)]
    (sheet,) = [link for link in links if "matrix" in link and "csv" in link]
    rows = list(csv.DictReader(StringIO(client.get(sheet, headers=HTML).text)))
    assert [int(row["cells"]) for row in rows] == [cell["cells"] for cell in whole["result"]["matrix"]]
    tables = [link for link in links if "/table/" in link]
    named = re.findall(r"<dt>([^<]+)</dt><dd><p class=\"hint files\">", page.text)
    assert len({*named}) == 7, "each table is named beside its links"
    assert len(tables) == 14 and any("verdict-counts.csv" in link for link in tables)
    for link in tables:
        assert client.get(link, headers=HTML).status_code == 200, link
    client.cookies.clear()


ASKED = {"candidate": "candidate.toml", "from": "2022-11", "to": "2022-12", "by": "level", "sample": "5"}


@pytest.mark.slow
def test_the_form_tries_a_candidate_as_the_command_does(client: TestClient, folder: Path) -> None:
    lab = folder / "ledger.db.lab"
    before = {*(lab / "reports").iterdir()}
    sent = {**ASKED, "scheme": "", "hindsight": "yes", "sensitivity": "yes"}
    with open_store(str(folder / "ledger.db")) as store, open_keeping(store) as keeping:
        noted = len(keeping.accesses(None))
        answer = client.post("/lab?lang=en", data=sent, headers=HTML)
        assert [item.what for item in keeping.accesses(None)[noted:]] == ["trial"]
    assert answer.status_code == 303, answer.text
    page = client.get(answer.headers["Location"], headers=HTML)
    assert page.status_code == 200 and "2022-11" in page.text and 'lang="en"' in page.text
    (kept,) = {*(lab / "reports").iterdir()} - before
    options = ("--from", "2022-11", "--to", "2022-12", "--by", "level", "--sample", "5", "--hindsight")
    location = str(folder / "ledger.db")
    told = run("policy", "try", str(lab / "candidate.toml"), *options, "--format", "json", "--store", location)
    assert json.loads(told)["report"] == kept.stem and answer.headers["Location"] == f"/lab/{kept.stem}?lang=en"
    kept.unlink()


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"to": "2022-10"}, 400, "from 2022-11 is after to 2022-10"),
        ({"to": "2022-13"}, 400, "to has another form"),
        ({"to": "2999-01"}, 400, "is not due before"),
        ({"candidate": "none.toml"}, 400, "candidate &#39;none.toml&#39; is no file in the folder of candidates"),
        ({"candidate": "../candidate.toml"}, 400, "candidate has another form"),
        ({"candidate": "broken.toml"}, 400, "broken.toml: "),
        ({"scheme": "creator-level", "candidate": "candidate.toml"}, 400, "on which no level of creator-level rests"),
        ({"sample": "0"}, 400, "sample must be from 1 to 1000000"),
        ({"other": "1"}, 400, "other is not known; known here are candidate, scheme, from"),
    ],
)
def test_what_cannot_be_tried_is_said_beside_the_form_as_it_was_sent(
    client: TestClient, folder: Path, changed: dict[str, str], status: int, said: str
) -> None:
    answer = client.post("/lab?lang=en", data=ASKED | changed, headers=HTML)
    assert (answer.status_code, said in answer.text) == (status, True), answer.text
    assert 'name="from" type="month" value="2022-11"' in answer.text and str(folder) not in answer.text
    client.cookies.clear()


def test_a_large_trial_is_left_to_the_command(folder: Path) -> None:
    with open_store(str(folder / "ledger.db")) as store:
        records = store.head().position
    with serving(Settings(str(folder / "ledger.db"), replay_events=2 * records - 1)) as client:
        answer = client.post("/lab?lang=zh", data=ASKED, headers=HTML)
        command = "levelbook policy try candidate.toml --from 2022-11 --to 2022-12 --by level --sample 5 --save"
        assert answer.status_code == 422 and command in answer.text
        asked = f"共需评定 {2 * records} 条记录（每个时点各计一次），而本服务每次至多重算 {2 * records - 1} 条"
        assert asked in answer.text
        small = client.post("/lab", data=ASKED | {"to": "2022-11"}, headers=HTML)
        assert small.status_code == 303, "one month is not"
    (folder / "ledger.db.lab" / "reports" / f"{small.headers['Location'][len('/lab/') :][:64]}.json").unlink()


def test_one_trial_goes_on_at_a_time_and_not_for_ever(
    client: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked(folder / "ledger.db.lab" / ".trial", RuntimeError("nobody else has it")):
        busy = client.post("/lab?lang=en", data=ASKED, headers=HTML)
    assert (busy.status_code, busy.headers["Retry-After"]) == (503, "10")
    assert "another trial is under way, and there is one at a time" in busy.text
    monkeypatch.setattr(trying, "TRIAL_SECONDS", 0)
    late = client.post("/lab?lang=en", data=ASKED, headers=HTML)
    assert late.status_code == 422 and "the trial took longer than 0 s and was ended, nothing was kept" in late.text
    client.cookies.clear()


def ended(_: Connection) -> None:
    """The process of a trial that somebody killed."""
    os._exit(9)


def test_a_trial_whose_process_was_killed_keeps_nothing(
    client: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {*(folder / "ledger.db.lab" / "reports").iterdir()}
    monkeypatch.setattr(trying, "serve_trial", ended)
    answer = client.post("/lab", data=ASKED)
    assert answer.status_code == 503
    assert "the process of the trial ended before it was done; nothing was kept" in answer.json()["detail"]
    assert {*(folder / "ledger.db.lab" / "reports").iterdir()} == before


def test_no_other_site_and_no_other_scope_can_have_anything_tried(client: TestClient, folder: Path) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert client.post("/lab", data=ASKED, headers=HTML | headers).status_code == 403
    assert 'levelbook_request_seconds_count{operation="tryOnPage",status="403"}' in client.get("/metrics").text
    location = str(folder / "ledger.db")
    scopes = ("levels:read", "explanations:read", "decisions:read", "evidence:read")
    made = [word for scope in scopes for word in ("--scope", scope)]
    told = run("token", "new", "--name", "y", *made, "--format", "json", "--store", location)
    with serving(Settings(location, token_required=True)) as other:
        bearer = {"Authorization": f"Bearer {json.loads(told)['secret']}"}
        assert other.post("/lab", data=ASKED, headers=bearer).status_code == 403
        assert other.post("/lab", data=ASKED).status_code == 401


def test_without_the_scope_nothing_of_the_lab_is_shown(folder: Path) -> None:
    location = str(folder / "ledger.db")
    told = run("token", "new", "--name", "x", "--scope", "levels:read", "--format", "json", "--store", location)
    bearer = {"Authorization": f"Bearer {json.loads(told)['secret']}"}
    with serving(Settings(location, token_required=True)) as client:
        for path in ("/lab", f"/lab/{report_of(folder)}", "/v1/lab/reports", f"/v1/lab/reports/{report_of(folder)}"):
            assert client.get(path, headers=bearer).status_code == 403, path


def test_where_reports_lie(folder: Path, tmp_path: Path) -> None:
    with open_store(str(folder / "ledger.db")) as store:
        assert lab_folder(store, None) == folder / "ledger.db.lab" and lab_folder(store, tmp_path) == tmp_path
        report = kept_report(lab_folder(store, None), report_of(folder))
    assert report is not None
    assert keep_report(tmp_path / "new", report) == tmp_path / "new" / "reports" / f"{report['report']}.json"
    with pytest.raises(UsageError, match="where reports are kept is not said; name a folder with --candidates"):
        keep_report(None, report)
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="the report cannot be kept in "):
        keep_report(tmp_path / "file", report)
    assert kept_report(tmp_path / "new", "../x") is None and kept_report(None, report["report"]) is None


def test_a_report_is_read_again_only_when_its_file_is_another(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = kept_report(folder / "ledger.db.lab", report_of(folder))
    assert report is not None
    place = keep_report(tmp_path, report)
    (head,) = kept_reports(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(trial_reports, "_report_at", lambda _: pytest.fail("read again"))
        assert kept_reports(tmp_path) == [head]
    place.write_text(place.read_text("utf-8").replace('"position"', '"Position"', 1), "utf-8")
    assert kept_reports(tmp_path) == [] and kept_report(tmp_path, report["report"]) is None


def test_what_is_no_report_or_too_large_or_of_another_form_is_left_out(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = kept_report(folder / "ledger.db.lab", report_of(folder))
    assert report is not None
    other = {**report, "form": FORM + 1}
    other["report"] = report_hash(other)
    place = keep_report(tmp_path, other)
    for number, text in enumerate(("[]", "{}", "3", "{")):
        (place.parent / f"{number:064}.json").write_text(text, "utf-8")
    assert kept_reports(tmp_path) == [] and kept_report(tmp_path, str(other["report"])) is None
    keep_report(tmp_path, report)
    assert [head["report"] for head in kept_reports(tmp_path)] == [report["report"]]
    monkeypatch.setattr(trial_reports, "REPORT_BYTES_MAX", 100)
    assert kept_reports(tmp_path) == [] and kept_report(tmp_path, report["report"]) is None
    with pytest.raises(UsageError, match="the report is larger than 100 bytes, and could not be shown; group by less"):
        keep_report(tmp_path, report)


def test_of_many_reports_those_written_last_are_listed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = kept_report(folder / "ledger.db.lab", report_of(folder))
    assert report is not None
    names = []
    for number in range(3):
        made = {**report, "program": f"{number}"}
        made["report"] = report_hash(made)
        os.utime(keep_report(tmp_path, made), ns=(number, number))
        names.append(made["report"])
    monkeypatch.setattr(trial_reports, "REPORTS_MAX", 2)
    assert [head["report"] for head in kept_reports(tmp_path)] == sorted(names[1:])
