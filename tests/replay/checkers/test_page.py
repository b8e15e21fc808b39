"""The page beside evidence, as somebody uses it: opened from disk in a real browser, without a network."""

import base64
import gzip
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from replay.checkers.check_evidence import CHECKS
from replay.checkers.filled import PAGE, filled_checkers
from tests import ROOT
from tests.oracles.alterations import tried
from tests.oracles.bounds import at_bounds, bad_trust_files, good_trust_files
from tests.worlds.evidence import TRUST, Case, agency_case, cases, merchant_case

BROWSER = os.environ.get("LEVELBOOK_BROWSER", "/usr/bin/chromium")
pytestmark = [pytest.mark.skipif(not BROWSER, reason="LEVELBOOK_BROWSER names none"), pytest.mark.slow]
SCREENSHOTS = ROOT / ".screenshots"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
)
TIMEOUT_MS = 60_000
BATCH = 250
VERDICTS = """async ([files, trust]) => {
  const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0)), found = [];
  for (const file of files) {
    try { found.push((await checkEvidence(new Blob([bytes(file)]), bytes(trust))).check); }
    catch (error) { found.push(`thrown: ${error.stack}`); }
  }
  return found;
}"""
"""For each file the check that fails, null where it is accepted."""
UNTRUSTED = """text => {
  try { trustOf(Uint8Array.from(atob(text), letter => letter.charCodeAt(0))); return false; }
  catch (error) { return error instanceof Untrusted; }
}"""
HASHES = """([texts]) => texts.map(text => {
  const bytes = unhex(text);
  return [hex(sha256(bytes)), hex(shake128(400, bytes)), hex(shake256(400, bytes))];
})"""
SIGNATURE = """async ([kind, key, message, signature, context]) => {
  const parts = [key, message, signature].map(unhex);
  return kind === 1 ? await ed25519IsRight(...parts) : mlDsa44IsRight(...parts, unhex(context));
}"""
AXE = {
    "resultTypes": ["violations"],
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not Path(BROWSER).exists():
        pytest.fail(f"there is no browser at {BROWSER}; install Debian's chromium, or name one by LEVELBOOK_BROWSER")
    SCREENSHOTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / PAGE
    path.write_bytes(filled_checkers()[PAGE])
    return path.as_uri()


def opened(browser: Browser, address: str, wrong: list[str], **context: Any) -> Page:
    """The page; whatever goes wrong in it, or goes out of it, is added to `wrong`."""
    page = browser.new_context(**context).new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: wrong.append(request.url) if request.url != address else None)
    page.goto(address)
    return page


def verdicts(page: Page, files: list[bytes], trust: bytes = TRUST) -> list[str | None]:
    found: list[str | None] = []
    for begin in range(0, len(files), BATCH):
        asked = [base64.b64encode(file).decode() for file in files[begin : begin + BATCH]]
        found += page.evaluate(VERDICTS, [asked, base64.b64encode(trust).decode()])
    return found


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_every_altered_file_is_refused_by_the_right_check(browser: Browser, address: str, case: Case) -> None:
    wrong: list[str] = []
    page, good = opened(browser, address, wrong), case.file.written()
    assert verdicts(page, [good, gzip.compress(good), gzip.compress(good, 1)]) == [None] * 3
    files = tried(case, 100)
    assert len(files) > 300
    found = verdicts(page, [item.content for item in files])
    unlike = [
        f"{name}: {check_found} in place of {check}"
        for (name, _, check), check_found in zip(files, found, strict=True)
        if check_found not in CHECKS or check not in (None, check_found)
    ]
    page.context.close()
    assert (unlike, wrong) == ([], [])


def test_the_bounds_are_those_of_the_page(browser: Browser, address: str) -> None:
    page, case = opened(browser, address, []), merchant_case()
    good = case.file.written()
    assert verdicts(page, [content for _, content in at_bounds(case)]) == [None] * len(list(at_bounds(case)))
    for name, trust in good_trust_files():
        assert verdicts(page, [good], trust) == [None], name
    for name, trust in bad_trust_files():
        [found] = verdicts(page, [good], trust)
        assert found and found.startswith("thrown: Error: "), name
        told = page.evaluate(UNTRUSTED, base64.b64encode(trust).decode())
        assert told is True, name
    page.context.close()


def test_its_hashes_are_those_of_the_standard_library(browser: Browser, address: str) -> None:
    random = Random(1)
    texts = [random.randbytes(length) for length in (*range(150), 167, 168, 169, 335, 336, 1000, 5000)]
    page = opened(browser, address, [])
    found = page.evaluate(HASHES, [[text.hex() for text in texts]])
    page.context.close()
    for text, hashes in zip(texts, found, strict=True):
        shakes = [hashlib.shake_128(text).hexdigest(400), hashlib.shake_256(text).hexdigest(400)]
        assert hashes == [hashlib.sha256(text).hexdigest(), *shakes]


def test_its_signatures_agree_with_published_vectors(browser: Browser, address: str) -> None:
    page = opened(browser, address, [])
    [key, signature] = RFC_8032
    assert page.evaluate(SIGNATURE, [1, key, "af82", signature, ""]) is True
    assert page.evaluate(SIGNATURE, [1, key, "af83", signature, ""]) is False
    for vector in json.loads((ROOT / "tests/replay/checkers/ml_dsa_44.json").read_text("utf-8"))["vectors"]:
        told = [vector[name] for name in ("public", "message", "signature", "context")]
        assert page.evaluate(SIGNATURE, [6, *told]) is True
        assert page.evaluate(SIGNATURE, [6, *told[:3], ""]) is False
    page.context.close()


RFC_8032 = (
    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    (
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    ),
)
"""7.1, the third: key and signature."""


def findings_of(page: Page) -> list[str]:
    found: list[dict[str, Any]] = Axe().run(page, options=AXE).response["violations"]
    return [f"{item['id']}: {node['target']}" for item in found for node in item["nodes"]]


def chosen(page: Page, evidence: bytes, trust: bytes = TRUST) -> str:
    """Choose both files as a person does; gives what the page says then."""
    page.set_input_files(
        "#evidence", {"name": "a.evidence", "mimeType": "application/octet-stream", "buffer": evidence}
    )
    page.set_input_files("#trust", {"name": "keys", "mimeType": "text/plain", "buffer": trust})
    page.wait_for_selector("#verdict.good, #verdict.bad")
    return page.inner_text("#result")


@pytest.mark.parametrize(
    ("name", "context"),
    [
        ("en", {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light", "locale": "en-GB"}),
        ("zh", {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "locale": "zh-CN"}),
    ],
)
def test_the_page_can_be_read_by_everyone(browser: Browser, address: str, name: str, context: dict[str, Any]) -> None:
    wrong: list[str] = []
    page = opened(browser, address, wrong, **context)
    file = merchant_case().again()
    file.header["position"] += 1
    told = []
    for content, look in ((merchant_case().file.written(), "accepted"), (file.written(), "refused")):
        told.append(chosen(page, gzip.compress(content)))
        assert findings_of(page) == []
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        page.screenshot(path=SCREENSHOTS / f"evidence-{look}.{name}.png", full_page=True)
    assert [text.splitlines()[0] for text in told] == [
        ["Accepted: every check holds.", "Refused: nothing in this file counts."],
        ["通过：各项核验均成立。", "不通过：文件中的任何内容都不作数。"],
    ][name == "zh"]
    assert page.locator("li.good").count() == CHECKS.index("claim") and page.locator("li.bad").count() == 1
    page.context.close()
    assert wrong == []


def test_it_is_used_by_keyboard_and_says_what_is_wrong_with_a_trust_file(browser: Browser, address: str) -> None:
    page = opened(browser, address, [], locale="en-GB")
    reached = []
    for _ in range(4):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("() => document.activeElement.id || document.activeElement.dataset.language"))
    assert reached == ["en", "zh", "evidence", "trust"]
    told = chosen(page, merchant_case().file.written(), b"quorum nobody\n")
    assert told.startswith("The trust file cannot be used: line 1 of the trust file: quorum with 1 words")
    page.focus("[data-language=zh]")
    page.keyboard.press("Enter")
    assert page.inner_text("#result").startswith("信任文件无法使用：信任文件第 1 行")
    page.context.close()


def test_the_moment_and_the_seal_are_told(browser: Browser, address: str) -> None:
    page = opened(browser, address, [], locale="en-GB")
    assert "what was recorded after the last position that is sealed (the seal)" in page.inner_text("#limits")
    for case, is_bound in ((merchant_case(), True), (agency_case(), False)):
        told = chosen(page, case.file.written())
        assert f"UTC, known up to position {case.header['position']}" in told
        assert ("whoever made the file chose this moment" in told) != is_bound
        assert f"what was recorded after position {case.seal - 1} (the seal)" in page.inner_text("#limits")
    micros = (-62_135_596_800_000_000, -1, 253_402_271_999_999_999)
    assert [page.evaluate(f"() => instantText({number}n)") for number in micros] == [
        "0001-01-01 00:00:00.000000",
        "1969-12-31 23:59:59.999999",
        "9999-12-31 15:59:59.999999",
    ]
    page.context.close()


def test_nothing_can_be_loaded_sent_or_run(browser: Browser, address: str) -> None:
    page = opened(browser, address, [])
    assert page.evaluate("() => fetch('https://example.org').then(() => 'sent', error => error.name)") == "TypeError"
    put = "() => { const script = made('script', 'ran = 1'); document.body.append(script); return typeof ran; }"
    assert page.evaluate(put) == "undefined"
    page.context.close()


def test_words_are_whole_in_both_languages(browser: Browser, address: str) -> None:
    page = opened(browser, address, [])
    told = page.evaluate("() => Object.values(WORDS).map(words => [Object.keys(words).join(), words.limits.length])")
    assert len(told) == 2 and told[0] == told[1]
    source = filled_checkers()[PAGE].decode()
    assert {*re.findall('data-word="([a-zA-Z]+)"', source)} <= {*told[0][0].split(",")}
    page.context.close()
