"""The desk as a person uses it: a real browser on a really running service, over a ledger with a disputed level.

What the browser saw is kept in `.screenshots/`. Debian's chromium is used, or what LEVELBOOK_BROWSER names; where that
is empty, these tests are left out.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from projections.http.scopes import SCOPES
from projections.http.token_store import open_keeping
from replay.store.buyers import KEY_VARIABLE
from replay.store.opening import open_store
from tests import ROOT
from tests.support.disputes import disputed_ledger
from tests.support.running import run

BROWSER = os.environ.get("LEVELBOOK_BROWSER", "/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not BROWSER, reason="LEVELBOOK_BROWSER names none")
SCREENSHOTS = ROOT / ".screenshots"
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)
TIMEOUT_MS = 15_000
SUBJECT = "/subjects/merchant/tea-house"
ALIKE = {"exclude": [["tbody tr:nth-child(n + 4)"], [".clauses > div:nth-child(n + 3)"]]}
"""Rows of one table are alike: axe-core need not look at each."""
OPTIONS = {
    "resultTypes": ["violations"],
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
}
PAGES = {
    "rules": "/rules",
    "rules of agencies": "/rules/mcn-level",
    "two versions": "/rules/creator-level?against=2021",
    "find": "/",
    "standing": SUBJECT,
    "timeline": f"{SUBJECT}/timeline",
    "timeline-tier": f"{SUBJECT}/timeline?scheme=merchant-tier",
    "timeline-creator": "/subjects/creator/lin/timeline?as_of=2023-07-10",
    "why": f"{SUBJECT}/why",
    "why-month": f"{SUBJECT}/why?month=2022-11",
    "why-tier": f"{SUBJECT}/why?scheme=merchant-tier&month=2022-09",
    "why-agency": "/subjects/mcn/harbour/why?month=2023-04&as_of=2023-07-10",
    "differences": f"{SUBJECT}/differences",
    "what-if": f"{SUBJECT}/what-if?as_of=2022-12-16&suppose=good_reviews&count=3&to=2023-01-31",
    "what-if-creator": "/subjects/creator/lin/what-if?as_of=2023-05-05&suppose=good_sales&count=20000&to=2023-06-02",
    "differences-creator": "/subjects/creator/lin/differences",
    "appeal": f"{SUBJECT}/appeal?period=2022-11",
    "operations": "/operations",
    "lab": "/lab",
    "login": "/login",
    "error": "/subjects/merchant/nobody",
}
SEEN_IN_CHINESE = ("lab", "find", "standing", "what-if", "timeline", "why-month", "differences", "operations")
A4_PIXELS = 1_000
"""So high is what a sheet holds, about, in the browser's pixels."""
HEADINGS = {"en": "Find a subject", "zh": "查找主体"}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("desk")
    disputed_ledger(str(folder / "ledger.db"), folder)
    (lab := folder / "ledger.db.lab").mkdir()
    shutil.copy(ROOT / "domain" / "merchant_reputation" / "policies" / "2022-10-26.toml", lab / "candidate.toml")
    return str(folder / "ledger.db")


@pytest.fixture(scope="module")
def desk(ledger: str) -> Iterator[str]:
    """The address of a running service."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = [sys.executable, "-m", "cli", "serve", "--store", ledger, "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}
    with subprocess.Popen(serve, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            await_service(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def await_service(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with urlopen(f"{address}/healthz"):
                return
        except OSError:
            assert time.monotonic() < deadline and process.poll() is None, "the service does not start"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not Path(BROWSER).exists():
        pytest.fail(f"there is no browser at {BROWSER}; install Debian's chromium, or name one by LEVELBOOK_BROWSER")
    SCREENSHOTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=list(ARGUMENTS))
        yield opened
        opened.close()


class Desk:
    """A window of the browser, and whatever went wrong in it."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        context.set_default_timeout(TIMEOUT_MS)
        self.page: Page = context.new_page()
        self.address = address
        self.wrong: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("requestfailed", lambda request: self.wrong.append(f"{request.url} failed"))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"{message.type}: {message.text}")

    def open(self, path: str) -> None:
        self.page.goto(self.address + path)

    def shot(self, name: str) -> None:
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    def text(self) -> str:
        return self.page.inner_text("main")


@pytest.fixture
def window(browser: Browser, desk: str) -> Iterator[Desk]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    found = Desk(context, desk)
    yield found
    context.close()
    assert found.wrong == []


def findings_of(page: Page) -> list[str]:
    """Serious and critical findings of axe-core."""
    found: list[dict[str, Any]] = Axe().run(page, ALIKE, OPTIONS).response["violations"]
    return [
        f"{item['id']}: {node['target']} {node['failureSummary']}"
        for item in found
        if item["impact"] in ("serious", "critical")
        for node in item["nodes"]
    ]


@pytest.mark.slow
def test_what_nobody_could_read_would_be_found(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content(
        '<html lang="en"><title>x</title><main><h1 style="color:#999;background:#aaa">pale</h1><input></main>'
    )
    found = findings_of(page)
    page.close()
    assert [item.partition(":")[0] for item in found] == ["color-contrast", "label"]


# --- every page -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_page_is_whole_and_can_be_read_by_everyone(browser: Browser, desk: str) -> None:
    """No error in the console, nothing serious for axe-core, one heading, no width beyond the window; in English."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    window = Desk(context, desk)
    for name, path in PAGES.items():
        window.open(path)
        assert findings_of(window.page) == [], name
        assert window.page.locator("h1").count() == 1, name
        assert window.page.get_attribute("html", "lang") == "en"
        assert window.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), name
        window.shot(f"{name}.en")
    context.close()
    allowed = [text for text in window.wrong if "404 (Not Found)" in text]
    assert window.wrong == allowed and len(allowed) == 1, "the page of an unknown subject is a 404, and nothing else"


@pytest.mark.slow
def test_the_same_in_chinese_in_the_dark_on_a_phone(browser: Browser, desk: str) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, color_scheme="dark", locale="zh-CN", reduced_motion="reduce"
    )
    window = Desk(context, desk)
    for name in SEEN_IN_CHINESE:
        window.open(PAGES[name])
        assert findings_of(window.page) == [], name
        assert window.page.get_attribute("html", "lang") == "zh-CN"
        assert window.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), name
        window.shot(f"{name}.zh")
    window.open(PAGES["timeline"])
    chart = window.page.locator(".chart.small")
    assert chart.is_visible() and not window.page.locator(".chart.wide").is_visible()
    box = chart.bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390, "the drawing is as wide as the screen"
    assert "订单已被标记" in page_text(window, "why-month") and "按现在所知" in page_text(window, "differences")
    context.close()
    assert window.wrong == []


def page_text(window: Desk, name: str) -> str:
    window.open(PAGES[name])
    return window.text()


# --- as a person would ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_dispute_is_followed_from_the_search_to_the_appeal_file(window: Desk, tmp_path: Path) -> None:
    page = window.page
    window.open("/")
    assert page.evaluate("() => document.activeElement.id") == "q", "the keyboard begins in the field"
    page.evaluate("() => { window.isTheSamePage = true }")
    page.keyboard.type("tea-h", delay=20)
    page.wait_for_function("() => document.querySelectorAll('.subjects li').length === 1")
    assert page.evaluate("() => window.isTheSamePage") is True, "results come without loading the page again"
    page.click(".subjects a")
    assert page.inner_text(".card:has(#s-merchant-reputation) .big") == "Bronze Lv1 bronze-1"
    assert "50.7 points" in window.text() and "0.3 points missing to Bronze Lv2 (bronze-2)" in window.text()

    page.click(".tabs >> text=Timeline")
    kinds = page.eval_on_selector_all(".chart.wide .sign:not(.hollow)", "all => all.map(one => one.classList[1])")
    assert sorted(set(kinds)) == ["announced", "corrected", "decided", "published", "published_then"]
    assert page.locator(".chart.wide .hollow title").text_content() == "Decided · 2022-11: 55.7"

    read_the_verdicts(page)
    read_the_differences(page)

    page.click("text=Appeal file for 2022-11")
    found = json.loads(downloaded(page, "For programs (JSON)", tmp_path))
    assert [item["level"] for item in found["announced"]] == ["bronze-2"]
    assert (found["decided"]["points"], found["now"]["points"], found["difference"]["points"]) == (
        "55.7",
        "50.7",
        "-5.0",
    )
    assert all(not str(item["event"]["data"].get("buyer", "")).startswith("ring-") for item in found["events"])
    printable = downloaded(page, "Printable page (HTML)", tmp_path)
    assert printable.startswith("<!DOCTYPE html>") and "<svg" in printable and "corrections learned" in printable
    assert "merchant/tea-house" in downloaded(page, "Plain text", tmp_path)


def read_the_verdicts(page: Page) -> None:
    """November, what adds up in it, and only the flagged; and back."""
    page.click(".tabs >> text=Why")
    page.click(".periods >> text=2022-11")
    assert page.inner_text(".sum").split() == ["Opening", "44.0", "+", "verdicts", "6.7", "=", "Closing", "50.7"]
    page.evaluate("() => { window.isTheSamePage = true }")
    page.click(".filters >> text=order flagged")
    page.wait_for_function("() => location.search.includes('verdict=flagged')")
    page.wait_for_function("() => document.querySelectorAll('.verdicts tbody tr').length === 6")
    assert page.evaluate("() => window.isTheSamePage") is True
    assert "case case-7731" in page.inner_text(".verdicts")
    assert "fake trade" in page.inner_text(".clauses")
    page.go_back()
    page.wait_for_function("() => document.querySelectorAll('.verdicts tbody tr').length === 16")


def read_the_differences(page: Page) -> None:
    """Announced and decided one level higher than known now, by the corrections alone."""
    page.click(".tabs >> text=Differences")
    levels = page.locator(".four .big").all_inner_texts()
    assert levels == ["Bronze Lv2 bronze-2"] * 3 + ["Bronze Lv1 bronze-1"], "announced, known then, decided, known now"
    steps = [row.split("\t") for row in page.locator(".steps tbody tr").all_inner_texts()]
    assert [(row[0], row[1]) for row in steps] == [
        *(("events learned", "+0.0"), ("corrections learned", "-5.0")),
        *(("as_of moved", "+0.0"), ("policy", "+0.0")),
    ]
    assert page.inner_text(".steps tfoot").split()[:3] == ["In", "all", "-5.0"]
    assert "this decision comes out again as it was decided" in page.inner_text("main")


def downloaded(page: Page, link: str, folder: Path) -> str:
    with page.expect_download() as waiting:
        page.click(f"text={link}")
    file = waiting.value
    assert file.suggested_filename.startswith("appeal-merchant-tea-house-merchant-reputation-2022-11.")
    file.save_as(folder / file.suggested_filename)
    return (folder / file.suggested_filename).read_text("utf-8")


@pytest.mark.slow
def test_a_link_shows_the_same_to_somebody_else_at_another_time(window: Desk) -> None:
    page = window.page
    window.open(f"{SUBJECT}/timeline")
    page.click("text=Another moment or policy")
    page.fill("#as_of", "2022-12-16")
    page.fill("#known_at", "2022-12-16")
    page.click("text=Show")
    assert page.url.endswith("/timeline?as_of=2022-12-16&known_at=2022-12-16"), "the address holds what was asked"
    assert "Bronze Lv2" in page.inner_text(".moment + section ~ section") and "a replay of the ledger" in window.text()
    drawn = page.inner_html(".chart")
    page.click("text=Permanent link to this view")
    assert "as_of=2022-12-16T23%3A59%3A59.999999%2B08%3A00" in page.url
    assert "position=220" in page.url, "all that was recorded before the decision"
    assert page.inner_html(".chart") == drawn
    window.shot("timeline-as-known-then.en")


@pytest.mark.slow
def test_all_of_it_works_by_keyboard_and_without_scripts(browser: Browser, desk: str) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(desk)
    page.wait_for_selector("#q:focus")
    page.keyboard.type("merchant/tea-house")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=merchant%2Ftea-house")
    assert page.locator(".subjects li").count() == 1
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{SUBJECT}")
    page.goto(f"{desk}{SUBJECT}/why?month=2022-11")
    page.click(".filters >> text=order flagged")
    assert page.locator(".verdicts tbody tr").count() == 6
    context.close()


@pytest.mark.slow
def test_the_language_stays_where_it_was_chosen(window: Desk) -> None:
    page = window.page
    window.open("/")
    assert page.inner_text("h1") == HEADINGS["en"]
    page.click(".languages >> text=中文")
    assert page.inner_text("h1") == HEADINGS["zh"] and page.get_attribute("html", "lang") == "zh-CN"
    page.click(".subjects >> text=tea-house")
    assert page.inner_text(".tabs [aria-current]") == "现状"
    window.open("/operations")
    assert page.inner_text("h1") == "运行状况"


@pytest.mark.slow
def test_a_page_is_printed_without_what_is_only_for_screens(window: Desk) -> None:
    page = window.page
    window.open(f"{SUBJECT}/differences")
    page.emulate_media(media="print")
    for name in (".top", ".tabs", ".fields"):
        assert not any(one.is_visible() for one in page.locator(name).all())
    assert page.locator(".steps").is_visible()
    printed = page.inner_text(".printed")
    assert "Merchant reputation" in printed and f"{window.address}{SUBJECT}/differences?scheme=" not in printed
    assert f"{window.address}{SUBJECT}/differences?period=2022-11&run=run-" in printed, "the address is whole"
    page.pdf(path=SCREENSHOTS / "differences.pdf")
    window.shot("differences.print")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["why-month", "timeline"])
def test_a_long_page_is_printed_from_its_first_sheet_on(window: Desk, name: str) -> None:
    """What is longer than a sheet begins on the one on which it stands, and is not moved whole to the next."""
    window.open(PAGES[name])
    window.page.emulate_media(media="print")
    kept = "all => all.filter(one => getComputedStyle(one).breakInside === 'avoid').map(one => one.offsetHeight)"
    whole = window.page.eval_on_selector_all("section, article, table, tbody, figure, tr, div", kept)
    assert whole and max(whole) < A4_PIXELS
    window.page.pdf(path=SCREENSHOTS / f"{name}.pdf", prefer_css_page_size=True)


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_an_appeal_file_is_a_document_that_everyone_can_read_and_print(
    browser: Browser, ledger: str, tmp_path: Path, lang: str
) -> None:
    path = tmp_path / "appeal.html"
    asked = ("appeal", "merchant/tea-house", "--scheme", "merchant-reputation", "--period", "2022-11")
    path.write_text(run(*asked, "--format", "html", "--lang", lang, "--store", ledger), "utf-8")
    context = browser.new_context(viewport={"width": 390, "height": 844})
    window = Desk(context, path.as_uri())
    window.open("")
    assert findings_of(window.page) == [] and window.wrong == []
    assert window.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    window.page.click(".contents a >> nth=5")
    assert window.page.evaluate("() => location.hash") == "#explanation"
    window.shot(f"appeal-document.{lang}")
    printed = window.page.pdf(path=SCREENSHOTS / f"appeal-document.{lang}.pdf", prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) > 3
    assert re.search(rb"/MediaBox \[0 0 59[456][.0-9]* 84[123]", printed), "sheets of A4"
    context.close()


@pytest.mark.slow
def test_a_moment_is_picked_as_a_day_and_a_time(window: Desk) -> None:
    page = window.page
    window.open(f"{SUBJECT}/timeline?scheme=merchant-reputation")
    page.click("text=Another moment or policy")
    assert page.get_attribute("#as_of", "type") == "date"
    page.fill("#as_of", "2022-12-16")
    page.get_by_label("Time of day: As of").fill("12:00:00")
    page.click("text=Show")
    assert page.url.endswith("/timeline?scheme=merchant-reputation&as_of=2022-12-16T12%3A00%3A00%2B08%3A00")
    assert page.input_value("#as_of") == "2022-12-16"
    assert page.get_by_label("Time of day: As of").input_value() in ("12:00", "12:00:00")
    window.open(f"{SUBJECT}/why")
    page.fill("#month", "2022-11")
    page.click("text=Explain")
    assert page.url.endswith("/why?scheme=merchant-reputation&month=2022-11")


@pytest.mark.slow
def test_who_signs_in_is_led_back_to_the_page(browser: Browser, desk: str, ledger: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{desk}/login?next={SUBJECT}/why")
    page.fill("#token", "levelbook_wrong")
    page.keyboard.press("Enter")
    assert page.get_by_role("alert").inner_text().startswith("This token is unknown")
    with open_store(ledger) as store, open_keeping(store) as keeping:
        _, token = keeping.new_token("desk", SCOPES, 600, 1)
    page.fill("#token", token)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{SUBJECT}/why")
    page.click("text=Sign out")
    page.wait_for_url("**/login")
    context.close()


@pytest.mark.slow
def test_a_candidate_is_tried_by_hand(window: Desk) -> None:
    page = window.page
    window.open("/lab?lang=en")
    page.fill("#from", "2022-11")
    page.fill("#to", "2022-11")
    page.check("#hindsight")
    page.click("form.fields button")
    page.wait_for_url("**/lab/*", timeout=60_000)
    assert page.inner_text("h1").startswith("Trial") and "2022-11" in window.text()
    assert findings_of(page) == []
    window.open("/lab?lang=en")
    page.fill("#from", "2022-12")
    page.fill("#to", "2022-11")
    page.click("form.fields button")
    assert "from 2022-12 is after to 2022-11" in page.inner_text('[role="alert"]')
    assert page.input_value("#from") == "2022-12", "the form stands as it was sent"
    window.wrong = [text for text in window.wrong if "400 (Bad Request)" not in text]
