"""The desk's pages as they are sent: links, languages, refusals, scopes, and what never runs in a browser."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from starlette.testclient import TestClient

from projections.desk import timeline_page as timeline
from projections.desk.framing.links import LEFT_OFF, Address
from projections.desk.framing.page import Page
from projections.desk.pages import PAGES
from projections.http.settings import Settings
from projections.http.token_store import open_keeping
from projections.projector.rebuild import Asked, rebuild
from projections.reading.reader import Reading
from projections.views.database import open_views
from replay.schemes.registry import SCHEMES
from replay.store.opening import create_store, open_store
from tests.support.disputes import disputed_ledger
from tests.support.making import event, ingest_events
from tests.support.serving import serving
from tests.worlds.ledgers import World

HTML = {"Accept": "text/html"}
TEA_HOUSE = "/subjects/merchant/tea-house"


@pytest.fixture(scope="module")
def disputed(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("desk")
    disputed_ledger(str(folder / "ledger.db"), folder)
    return str(folder / "ledger.db")


@pytest.fixture(scope="module")
def client(disputed: str) -> Iterator[TestClient]:
    with serving(Settings(disputed)) as found:
        yield found


def page(client: TestClient, path: str, status: int = 200, headers: dict[str, str] | None = None) -> str:
    answer = client.get(path, headers=HTML | (headers or {}))
    assert answer.status_code == status, answer.text
    return answer.text


def permanent_link(text: str) -> str:
    found = re.search(r'<a href="([^"]+)" rel="bookmark">', text)
    assert found is not None
    return found[1].replace("&amp;", "&")


@pytest.mark.parametrize(
    "path",
    ["", "/timeline", "/why?month=2022-11", "/differences", "/differences?as_of=2022-12-16&known_at=2022-12-16"],
)
def test_a_permanent_link_shows_the_same_for_ever(client: TestClient, path: str) -> None:
    shown = page(client, TEA_HOUSE + path)
    link = permanent_link(shown)
    again = page(client, link)
    assert permanent_link(again) == link and "position=" in link and "lang=en" in link
    assert main_of(again) == main_of(shown)


def main_of(text: str) -> list[str]:
    """The tables and figures of a page, without the form for another moment."""
    return re.findall(r"<table.*?</table>|<p class=\"big\">.*?</p>|<svg class=.*?</svg>", re.sub(_HREF, "", text), re.S)


_HREF = re.compile(r' (?:href|aria-current)="[^"]*"')


@pytest.mark.slow
@pytest.mark.parametrize("path", ["", "/timeline", "/why", "/differences"])
def test_every_link_of_a_page_at_an_old_moment_leads_somewhere(client: TestClient, path: str) -> None:
    text = page(client, f"{TEA_HOUSE}{path}?as_of=2022-12-16&known_at=2022-12-16&policy=2022-10-26&lang=zh")
    links = {link.replace("&amp;", "&") for link in re.findall(r'<a [^>]*href="(/[^"]*)"', text)}
    assert len(links) > 8
    for link in sorted(links):
        page(client, link)
    client.cookies.clear()


def test_fields_that_a_form_sent_empty_leave_the_address(client: TestClient) -> None:
    answer = client.get(f"{TEA_HOUSE}/timeline?as_of=2022-12-16&known_at=&policy=", headers=HTML)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{TEA_HOUSE}/timeline?as_of=2022-12-16")


GIVEN = {
    "q": "tea",
    "kind": "merchant",
    "after": "creator/a",
    "lang": "zh",
    "as_of": "2022-12-16T12:00:00+08:00",
    "known_at": "2022-12-17",
    "position": "220",
    "policy": "2022-10-26",
    "against": "2022-10-26",
    "scheme": "merchant-reputation",
    "month": "2022-11",
    "day": "2022-11-30",
    "event": "rev-ring-1",
    "verdict": "flagged",
    "page": "1",
    "period": "2022-11",
    "run": "run-1",
    "to_position": "300",
    "list": "set-aside",
    "state": "rated",
    "level": "bronze-2",
    "cursor": "x",
    "id": "rev-ring-1",
    "source": "urn:demo:shop",
    "about": "ring-1",
    "case": "case-7731",
    "alias": "0" * 32,
    "subject": "merchant/tea-house",
    "before": "9",
    "suppose": "good_reviews",
    "count": "3",
    "to": "2022-12-20T12:00:00+08:00",
}
"""A value of every parameter that a page takes."""
WITHOUT_FORMS = ("/evidence", "/operations", "/rules", "/boards", "/events/220", "/lab")


OF_FORMS = [item for item in PAGES if "{form}" not in item.path and "{report}" not in item.path]


@pytest.mark.parametrize("shown", OF_FORMS, ids=lambda item: item.path)
def test_no_form_drops_a_parameter_of_the_address(client: TestClient, shown: Page) -> None:
    path = shown.path.replace("{kind}/{id}", "merchant/tea-house").replace("{board}", "comprehensive")
    path = path.replace("{recorded}", "220").replace("{scheme}", "merchant-reputation")
    for name in shown.query().fields:
        beside = {"day": {"scheme": "merchant-tier"}, "to": {"as_of": "2022-12-16"}}.get(name, {})
        answer = client.get(f"{path}?{urlencode({name: GIVEN[name], **beside})}", headers=HTML)
        if answer.status_code != 200:
            assert answer.status_code in (400, 404) and name in ("run", "policy", "cursor"), answer.text
            continue
        forms = re.findall(r'<form method="get".*?</form>', answer.text, re.S)
        assert forms or path in WITHOUT_FORMS
        for form in forms:  # two moments are compared in place of a decision, which has its own
            if name not in LEFT_OFF and not (name in ("period", "run") and 'name="to_position"' in form):
                assert sent_by(form).get(name) == GIVEN[name], (path, name, form)
    client.cookies.clear()


def sent_by(form: str) -> dict[str, str]:
    """What a form would send, as a browser fills it in."""
    sent = {}
    for field in re.findall(r"<input [^>]*>", form):
        name, value = (re.search(rf' {key}="([^"]*)"', field) for key in ("name", "value"))
        if name is not None:
            assert name[1] not in sent, f"{name[1]} is sent twice"
            sent[name[1]] = html.unescape(value[1]) if value else ""
    for name, options in re.findall(r'<select [^>]*name="(\w+)"[^>]*>(.*?)</select>', form, re.S):
        chosen = re.search(r'<option(?: value="([^"]*)")? selected>([^<]*)', options)
        sent[name] = "" if chosen is None else chosen[2] if chosen[1] is None else chosen[1]
    joined = Address("", sent).tidied()
    return sent if joined is None else dict(parse_qsl(joined.partition("?")[2]))


def test_the_language_is_chosen_by_link_cookie_and_browser(client: TestClient) -> None:
    assert '<html lang="zh-CN">' in page(client, "/?lang=zh")
    assert '<html lang="zh-CN">' in page(client, "/"), "the cookie is kept"
    client.cookies.clear()
    assert '<html lang="en">' in page(client, "/")
    assert '<html lang="zh-CN">' in page(client, "/", headers={"Accept-Language": "zh-TW,en;q=0.5"})
    assert "没有以此开头的主体" in page(client, "/?q=nobody&lang=zh")
    client.cookies.clear()


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        (f"{TEA_HOUSE}?as_of=yesterday", 400, "as_of &#39;yesterday&#39; "),
        (f"{TEA_HOUSE}?as-of=2022-11-30", 400, "as-of is not known; known here are "),
        (f"{TEA_HOUSE}/timeline?scheme=creator-level", 404, "scheme creator-level does not judge merchant"),
        (f"{TEA_HOUSE}/why?month=2022-13", 400, "month has another form"),
        (f"{TEA_HOUSE}/why?event=nothing", 400, "has no event nothing"),
        (f"{TEA_HOUSE}/differences?period=2022-10", 400, "; compare two moments instead"),
        (f"{TEA_HOUSE}/differences?period=2022-11&run=run-1", 400, "; leave it out for the latest"),
        (
            f"{TEA_HOUSE}/differences?period=2022-11&as_of=2022-12-16",
            400,
            "period names a decision with its own moment; leave out",
        ),
        (f"{TEA_HOUSE}/appeal/file.html", 400, "period is missing; name the month or day"),
        (f"{TEA_HOUSE}/appeal/file.pdf?period=2022-11", 404, "form &#39;pdf&#39; is not one of html, json, txt"),
        ("/subjects/merchant/nobody", 404, "the ledger knows no merchant/nobody"),
        ("/subjects/merchant/nobody/appeal/file.txt?period=2022-11", 404, "the ledger knows no merchant/nobody"),
        ("/subjects/shop/tea-house", 404, "kind &#39;shop&#39; is not one of merchant, creator, mcn"),
        ("/static/nothing.js", 404, "there is nothing at /static/nothing.js"),
    ],
)
def test_what_cannot_be_shown_is_told_by_name(client: TestClient, path: str, status: int, told: str) -> None:
    assert told in page(client, path, status)


def test_ids_and_texts_from_outside_are_shown_and_never_run(client: TestClient) -> None:
    for path in ("/?q=%3Cscript%3Ealert(1)%3C/script%3E", f"{TEA_HOUSE}/appeal?period=2022-11&run=%22%3E%3Cscript%3E"):
        text = page(client, path)
        assert "<script>" not in text.lower() and "&lt;script&gt;" in text
    inside = re.compile(r"<style|\bstyle=|<script(?! src=)|\bon\w+=|javascript:|hx-on", re.I)
    for path in ("/", TEA_HOUSE, f"{TEA_HOUSE}/timeline", f"{TEA_HOUSE}/why?month=2022-11", f"{TEA_HOUSE}/differences"):
        assert inside.findall(page(client, path)) == []


@pytest.mark.parametrize("path", ["//evil.example/x", "/%5Cevil.example/x", "///evil.example"])
def test_no_link_of_an_error_leads_to_another_site(client: TestClient, path: str) -> None:
    links = re.findall(r'href="([^"]*)"', page(client, f"http://127.0.0.1:8020{path}", 404))
    assert len(links) > 6 and [link for link in links if link.startswith(("//", "/\\")) or "://" in link] == []


def test_the_desk_keeps_to_the_scopes_of_a_token_and_notes_who_asked(disputed: str) -> None:
    subject = "merchant/tea-house"
    with open_store(disputed) as store, open_keeping(store) as keeping, serving(Settings(disputed)) as client:
        before = len(keeping.accesses(subject))
        _, reader = keeping.new_token("levels", ["levels:read"], 600, 1)
        number, auditor = keeping.new_token("auditor", ["levels:read", "explanations:read"], 600, 1)
        as_reader, as_auditor = ({"Authorization": f"Bearer {token}"} for token in (reader, auditor))
        shown = page(client, f"{TEA_HOUSE}/timeline", headers=as_reader)
        assert "Decisions are left out" in shown and "run-" not in shown
        assert "Decided last" not in page(client, "/", headers=as_reader)
        for path in ("why", "differences", "appeal", "appeal/file.txt?period=2022-11"):
            assert "explanations:read" in page(client, f"{TEA_HOUSE}/{path}", 403, headers=as_reader)
        for path in ("differences", "appeal"):
            assert "run-" in page(client, f"{TEA_HOUSE}/{path}")
            hidden = page(client, f"{TEA_HOUSE}/{path}", headers=as_auditor)
            assert "Decisions are left out" in hidden and "run-" not in hidden
        before = len(keeping.accesses(subject))
        for path in ("why?month=2022-11", "why", "appeal/file.txt?period=2022-11"):
            page(client, f"{TEA_HOUSE}/{path}", headers=as_auditor)
        noted = [(access.token, access.what) for access in keeping.accesses(subject)[before:]]
        assert noted == [(number, "explanation"), (number, "explanation"), (number, "appeal")]


def test_without_views_levels_are_replayed_and_search_says_what_is_missing(tmp_path: Path) -> None:
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [event("merchant.onboarded", "open", category="fresh")], tmp_path)
    with serving(Settings(location)) as client:
        assert "a replay of the ledger" in page(client, "/subjects/merchant/m-1")
        assert "levelbook follow" in page(client, "/", 503)
        assert "There are no views yet" in page(client, "/operations")


def test_a_level_set_aside_is_shown_as_such(disputed: str, tmp_path: Path) -> None:
    reading = Reading(disputed)
    with reading.snapshot() as at:
        aside = at.tables["set_aside"]
        values = {
            "subject": "merchant/tea-stall",
            "scheme": "merchant-tier",
            "position": 1,
            "at": 1,
            "reason": "broken",
        }
    with open_store(disputed) as store, open_views(store) as views, views.moving() as connection:
        connection.execute(aside.insert().values(values))
    try:
        with serving(Settings(disputed)) as client:
            assert page(client, "/subjects/merchant/tea-stall").count("Set aside.") == 1
            assert "broken" in page(client, "/subjects/merchant/tea-stall/why?scheme=merchant-tier")
            assert "1 levels could not be worked out" in page(client, "/operations")
            assert "Set aside" in page(client, "/?q=tea-stall")
    finally:
        with open_store(disputed) as store, open_views(store) as views, views.moving() as connection:
            connection.execute(aside.delete())
        reading.close()


def rows_of(text: str, *words: str) -> list[str]:
    """The rows of tables that hold all these words, without their tags."""
    plain = (" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in re.findall(r"<tr.*?</tr>", text, re.DOTALL))
    return [row for row in plain if all(word in row for word in words)]


def test_the_timeline_tells_what_was_published_then_beside_what_is_known_now(client: TestClient) -> None:
    text = page(client, f"{TEA_HOUSE}/timeline")
    (published,) = rows_of(text, " Published 2022-11 ")
    assert published.startswith("2022-12-16 12:00") and "differs" in published
    assert published.index("bronze-2 55.7") < published.index("bronze-1 50.7"), "as known then, and then as known now"
    (decided,) = rows_of(text, " Decided 2022-11 ")
    assert "2022-11-30 23:59" in decided and not decided.startswith("2022-"), "it was made when it was recorded"
    assert decided.index("bronze-2") < decided.index("bronze-1")
    (announced,) = rows_of(text, " Announced 2022-11 ")
    assert announced.startswith("2022-12-16 12:00") and "2022-11-30 23:59" in announced
    assert 'class="sign published_then differs"' in text
    assert len(rows_of(text, " Published ")) == 3, "what was shown month after month is told once"
    then = page(client, f"{TEA_HOUSE}/timeline?as_of=2022-12-16&known_at=2022-12-16")
    (published,) = rows_of(then, " Published 2022-11 ")
    assert published.count("bronze-2 55.7") == 2 and "differs" not in published


def test_only_what_knows_everything_is_headed_as_known_now(client: TestClient) -> None:
    for path in ("", "/timeline"):
        assert "As known at position" not in page(client, TEA_HOUSE + path)
    early = page(client, f"{TEA_HOUSE}/timeline?position=220&as_of=2022-12-16")
    assert "As known at position 220" in early and "As known now" not in early
    assert "As known now" in page(client, f"{TEA_HOUSE}/differences?period=2022-11")
    earlier = page(client, f"{TEA_HOUSE}/differences?period=2022-11&to_position=300")
    assert "As known at position 300" in earlier and "As known now" not in earlier


def test_a_dispute_is_named_where_a_subject_is_found_and_stands(client: TestClient) -> None:
    text = re.sub(r"<[^>]+>", "", page(client, TEA_HOUSE))
    assert "Disputed: what was told is not what is known." in text
    for kind in ("Decided", "Announced"):
        assert f"2022-11 {kind}: Bronze Lv2 bronze-2 · As known now: Bronze Lv1 bronze-1" in text
    assert "disputed: 2022-11" in page(client, "/?q=tea-house") and "disputed" not in page(client, "/?q=tea-stall")
    assert "Disputed" not in page(client, f"{TEA_HOUSE}?as_of=2022-12-16&known_at=2022-12-16"), "it was right then"
    chinese = {"Accept-Language": "zh"}
    assert "有争议" in page(client, "/?q=tea-house", headers=chinese)
    assert "有争议：展示或认定的等级与按现在所知的不同。" in page(client, TEA_HOUSE, headers=chinese)


def test_differences_hold_an_announcement_against_what_was_known_then(client: TestClient) -> None:
    text = page(client, f"{TEA_HOUSE}/differences?period=2022-11")
    assert "As known when it was announced" in text
    assert "Bronze Lv2 was announced: what the rules give by what was known then" in text
    assert "Nothing that bears on this level was learned between the announcement and the decision." in text


def test_verdicts_and_notes_are_counted_apart(client: TestClient) -> None:
    text = page(client, f"{TEA_HOUSE}/why?month=2022-11")
    (caption,) = re.findall(r"<caption>(.*?)</caption>", text)
    verdicts = text.count('<td><span class="tally ')
    assert caption.startswith(f"verdicts: {verdicts}; notes without one, below: ") and "in all" not in caption


def test_a_long_stream_opens_without_being_walked(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "SCANNED_EVENTS", 10)

    def never(*_: Any) -> None:
        raise AssertionError("the pages of the views' own moment replay nothing")

    monkeypatch.setattr(Reading, "replay", never)
    assert "too long to be searched" in page(client, f"{TEA_HOUSE}/timeline")
    for path in ("", "/why", "/why?month=2022-11", "/why?month=2022-11&verdict=flagged"):
        page(client, TEA_HOUSE + path)


# --- every scheme -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def peopled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service over a ledger of every kind of subject, with its views."""
    folder = tmp_path_factory.mktemp("peopled")
    location = str(folder / "ledger.db")
    create_store(location)
    with open_store(location) as store, open_views(store, make=True) as views:
        ingest_events(store, World(11).events(400), folder)
        rebuild(views, Asked())
    with serving(Settings(location)) as found:
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_page_of_each_scheme_says_what_there_is_and_never_none(
    peopled: TestClient, scheme: str, lang: str
) -> None:
    subject = {"merchant": "merchant/m-1", "creator": "creator/c-1", "mcn": "mcn/a-1"}[SCHEMES[scheme].kind]
    tables = 0
    of_scheme = f"scheme={scheme}&lang={lang}"
    for path in (
        f"?lang={lang}",
        f"/timeline?{of_scheme}",
        f"/why?{of_scheme}",
        f"/why?month=2022-12&{of_scheme}",
        f"/differences?as_of=2023-06-20&position=60&{of_scheme}",
    ):
        text = page(peopled, f"/subjects/{subject}{path}")
        tables += text.count("<table")
        places = re.findall(r' id="([^"]+)"', text)
        assert len(places) == len(set(places)), "an id names one place"
        assert set(re.findall(r' href="#([^"]+)"', text)) <= set(places)
        for clause in re.findall(r'id="clause-([^"]+)"', text):
            assert f'href="#clause-{clause}" id="from-{clause}"' in text and f'href="#from-{clause}"' in text
        assert not re.search(r">[^<]*\bNone\b[^<]*<", text), re.findall(r">[^<]*\bNone\b[^<]*<", text)[:3]
    assert tables >= 2


def test_any_day_of_a_tier_can_be_asked_on_the_page_and_of_the_service(client: TestClient) -> None:
    asked = "scheme=merchant-tier&day=2022-09-10"
    answer = client.get(f"{TEA_HOUSE}/why?{asked}", headers=HTML)
    assert answer.status_code == 200 and "2022-08-12 to 2022-09-10" in answer.text, answer.text
    assert 'name="day" type="date" value="2022-09-10"' in answer.text
    found = client.get(f"/v1{TEA_HOUSE}/explanation?{asked}").json()
    (evaluation,), (sums,) = found["evaluations"], found["sums"]
    assert (found["part"]["day"], evaluation["at"], sums["period"]) == ("2022-09-10",) * 3
    assert evaluation["unchanged"][0]["why"] == "waiting"
    refused = client.get(f"/v1{TEA_HOUSE}/explanation?scheme=merchant-tier&day=2022-02-30")
    assert refused.status_code == 400 and "does not exist in the calendar" in refused.text
    months = client.get(f"/v1{TEA_HOUSE}/explanation?day=2022-09-10")
    assert months.status_code == 400 and "not evaluated by the day" in months.text


def test_a_level_that_an_event_tells_bears_its_name(client: TestClient) -> None:
    (announced,) = rows_of(page(client, "/events/220?lang=zh"), "bronze-2")
    assert "铜Lv2 bronze-2" in announced
    client.cookies.clear()
