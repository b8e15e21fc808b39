"""The appeal file: everything of one disputed level, as text, JSON and one page that needs nothing else."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from fixtures.demo import HARBOUR, LIN, MERCHANT, story
from replay.store.opening import create_store, open_store
from tests.support.making import event, ingest_events
from tests.support.running import run

DISPUTES = {
    "merchant-reputation": (MERCHANT, "--month", "2022-11"),
    "merchant-tier": (MERCHANT, "--day", "2022-11-30"),
    "creator-level": (LIN, "--month", "2023-04"),
    "mcn-level": (HARBOUR, "--month", "2023-04"),
}
VOID = {"meta", "circle", "polyline", "br"}


def ask(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("appeal", *words, "--format", "json"))
    return found


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, story(), tmp_path, backfill=True)
    monkeypatch.setenv("LEVELBOOK_STORE", location)
    return location


class Page(HTMLParser):
    """Checks that tags are closed in order, and gathers what is shown and what would be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.led_to: set[str] = set()
        self.places: set[str] = set()
        self.classes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        led_to = [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]
        self.fetched += [value for value in led_to if not value.startswith("#")]
        self.led_to |= {value[1:] for value in led_to if value.startswith("#")}
        self.places |= {value or "" for name, value in attrs if name == "id"}
        self.classes |= {value or "" for name, value in attrs if name == "class"}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.slow
@pytest.mark.parametrize("scheme", DISPUTES)
def test_the_file_of_a_level_holds_everything_in_each_form(scheme: str, demo: str) -> None:
    subject, option, period = DISPUTES[scheme]
    asked = (subject, "--scheme", scheme, option, period)
    undecided = ask(*asked)
    assert (undecided["decided"], undecided["difference"], undecided["announced"]) == (None, None, [])
    run("decide", scheme, option, period)
    found = ask(*asked)
    assert (found["decided"]["outcome"], found["decided"]["level"]) == ("reproduced", found["now"]["level"])
    bearing = {item["position"] for item in (*found["now"]["verdicts"], *found["now"]["notes"])}
    assert bearing <= {item["position"] for item in found["events"]}
    for language in ("en", "zh"):
        text = run("appeal", *asked, "--lang", language)
        page = Page(run("appeal", *asked, "--lang", language, "--format", "html"))
        assert page.open == [] and page.fetched == [] and "script" not in page.tags
        assert page.led_to and page.led_to <= page.places, "the contents lead to places of the page"
        assert "pre" not in page.tags and page.tags.count("table") > 2
        for clause in found["now"]["clauses"]:
            assert clause["name"] in text
        for item in found["events"]:
            assert item["event"]["id"] in text and item["event"]["id"] in page.text
    assert "svg" in page.tags and {"band", "band even"} <= page.classes


def test_a_file_says_of_which_ledger_it_is_when_was_decided_and_how_to_check_it(demo: str) -> None:
    run("decide", "merchant-reputation", "--month", "2022-11")
    asked = (MERCHANT, "--scheme", "merchant-reputation", "--month", "2022-11")
    found, head = ask(*asked), json.loads(run("head", "--format", "json"))
    decided, (listed, *_) = found["decided"], json.loads(run("decided", MERCHANT, "--format", "json"))
    assert found["ledger"] | {"known_at": ""} == {
        "id": head["ledger"],
        "position": head["position"],
        "known_at": "",
        "chain": head["chain"],
    }
    assert (decided["position_of_decision"], decided["run"]) == (listed["position_of_decision"], listed["run"])
    (event,) = json.loads(run("events", MERCHANT, "--type", "level.decided", "--format", "json"))
    assert decided["decided_at"] == event["recorded_at"]
    text, page = run("appeal", *asked), run("appeal", *asked, "--format", "html")
    for told in (text, Page(page).text):
        assert head["chain"] in told and found["ledger"]["id"] in told and decided["run"] in told
        assert "no decision is recorded" not in told and "nothing was decided" not in told
    commands = re.findall(r'<code class="command">([^<]*)', page)
    assert [line.split()[1] for line in commands[:-1]] == [
        *("verify", "replay", "audit", "explain", "appeal", "evidence"),
    ]
    for line in commands[:5]:
        run(*line.split()[1:])


def test_an_agency_s_file_explains_the_month_that_is_disputed_not_that_of_its_evaluation(demo: str) -> None:
    found = ask(HARBOUR, "--scheme", "mcn-level", "--month", "2023-04")["now"]
    assert found["part"]["month"] == "2023-04" and [item["month"] for item in found["evaluations"]] == ["2023-04"]
    assert {item["at"][:7] for item in found["verdicts"]} == {"2023-04"}


def test_without_a_decision_the_document_has_no_section_on_one(demo: str) -> None:
    page = Page(run("appeal", MERCHANT, "--scheme", "merchant-reputation", "--month", "2022-11", "--format", "html"))
    assert "nothing was decided" in page.text and not {"decision", "difference"} & page.places
    assert {"levels", "chart", "explanation", "check", "terms"} <= page.places


def test_a_dispute_from_announcement_to_what_is_known_now(demo: str, tmp_path: Path) -> None:
    told = event("level.announced", "told", "2022-12-16T12:00:00+08:00", subject=MERCHANT)
    told["data"] = {"scheme": "merchant-reputation", "period": "2022-11", "level": "bronze-2"}
    with open_store(demo) as store:
        ingest_events(store, [told], tmp_path)
    asked = (MERCHANT, "--scheme", "merchant-reputation", "--month", "2022-11")
    run("decide", "merchant-reputation", "--month", "2022-11")
    first = ask(*asked)["decided"]["run"]
    clear = event("order.cleared", "clear-1", "2023-06-01T00:00:00+08:00", subject=MERCHANT, order="ring-1")
    with open_store(demo) as store:
        ingest_events(store, [clear], tmp_path)
    found = ask(*asked)
    assert [item["level"] for item in found["announced"]] == ["bronze-2"]
    assert (found["decided"]["level"], found["now"]["level"]) == ("bronze-1", "bronze-2")
    steps = {step["step"]: step["points"] for step in found["difference"]["steps"]}
    assert steps == {"events_learned": "+0.0", "corrections_learned": "+1.0", "as_of_moved": "+0.0", "policy": "+0.0"}
    assert {"clear-1", "flag-ring-1", "pay-ring-1"} <= {item["event"]["id"] for item in found["events"]}
    run("decide", "merchant-reputation", "--month", "2022-11", "--again", "--reason", "ring-1 cleared")
    assert ask(*asked)["decided"]["level"] == "bronze-2"
    assert ask(*asked, "--run", first)["decided"]["level"] == "bronze-1"


def test_an_announcement_is_held_against_what_was_known_when_it_was_made(demo: str, tmp_path: Path) -> None:
    """Everything adds up: from what was known when it was announced, over the decision, to what is known now."""
    told = event("level.announced", "told", "2022-12-16T12:00:00+08:00", subject=MERCHANT)
    told["data"] = {"scheme": "merchant-reputation", "period": "2022-11", "level": "bronze-2"}
    clear = event("order.cleared", "clear-1", "2023-06-01T00:00:00+08:00", subject=MERCHANT, order="ring-1")
    again = event("order.flagged", "flag-again", "2023-06-02T00:00:00+08:00", subject=MERCHANT, order="ring-1")
    again["data"]["reason"] = "fake_trade"
    asked = (MERCHANT, "--scheme", "merchant-reputation", "--month", "2022-11")
    with open_store(demo) as store:
        ingest_events(store, [clear], tmp_path)
        ingest_events(store, [told], tmp_path)
    undecided = ask(*asked)
    assert undecided["announced_difference"]["points"] == "+0.0"
    with open_store(demo) as store:
        ingest_events(store, [again], tmp_path)
    run("decide", "merchant-reputation", "--month", "2022-11")
    found = ask(*asked)
    (announced,) = found["announced"]
    known, between = announced["as_known_then"], found["announced_difference"]
    assert (known["level"], known["points"], known["position"]) == ("bronze-2", "51.7", announced["position"])
    assert announced["agrees"] is True
    assert (between["from"]["points"], between["to"]["points"]) == (known["points"], found["decided"]["points"])
    assert [step["points"] for step in between["steps"]] == ["+0.0", "-1.0", "+0.0", "+0.0"]
    assert (found["difference"]["from"]["points"], found["difference"]["points"]) == (between["to"]["points"], "+0.0")
    text = run("appeal", *asked)
    assert "As known when it was announced" in text and "Bronze Lv2 (bronze-2) was announced: what the rules" in text
    assert "Between the announcement and the decision" in text
    wrong = event("level.announced", "wrong", "2022-12-17T12:00:00+08:00", subject=MERCHANT)
    wrong["data"] = told["data"] | {"level": "gold-1"}
    with open_store(demo) as store:
        ingest_events(store, [wrong], tmp_path)
    found = ask(*asked)
    assert [item["agrees"] for item in found["announced"]] == [True, False]
    assert "is NOT what the rules give" in run("appeal", *asked)
    assert (found["announced_difference"]["from"]["position"], found["announced_difference"]["steps"][1]["points"]) == (
        found["decided"]["position"],
        "+0.0",
    ), "what knew less comes first"
    between, difference = found["announced_difference"], found["difference"]
    assert between["to"]["position"] == found["announced"][-1]["position"] > found["decided"]["position"]
    assert difference["from"] == between["to"], "decided, announced, known now: by when each knew what it knew"
    assert difference["to"]["points"] == found["now"]["points"]


def test_a_page_escapes_what_it_shows(demo: str, tmp_path: Path) -> None:
    flag = event("order.flagged", "flag-x", "2023-06-01T00:00:00+08:00", subject=MERCHANT, order="honest-1")
    flag["data"] |= {"reason": "fake_trade", "case": "<script>alert(1)</script>"}
    with open_store(demo) as store:
        ingest_events(store, [flag], tmp_path)
    page = run("appeal", MERCHANT, "--scheme", "merchant-reputation", "--month", "2022-09", "--format", "html")
    assert "<script" not in page and "&lt;script&gt;" in page


def test_what_cannot_be_appealed_is_said(demo: str) -> None:
    month = ("--month", "2023-04")
    assert "it judges creator/<id>" in run("appeal", MERCHANT, "--scheme", "creator-level", *month, status=2)
    assert "the ledger knows no creator/x" in run("appeal", "creator/x", "--scheme", "creator-level", *month, status=2)
    wrong = run("appeal", LIN, "--scheme", "creator-level", *month, "--run", "run-0", status=2)
    assert re.search("the run run-0 decided nothing of creator/lin for 2023-04", wrong)
    assert " decided nothing of " in wrong and " does not judge " not in wrong
