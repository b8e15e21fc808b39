"""Errors in other languages: every sentence is one that the program says, and whoever audits is told in his own."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from domain.languages import LANGUAGES
from projections.http.settings import Settings
from projections.text.words import error_words
from projections.text.words.error_words import error_text
from tests import ROOT
from tests.support.running import run
from tests.support.serving import demo_ledger, serving

OTHERS = [language for language in LANGUAGES if language != "en"]
PLACE = re.compile(r"\{([a-z_]+)\}")
HALF_WIDTH = re.compile(r"[\u4e00-\u9fff）”][;,:?!]|[;,] ?[\u4e00-\u9fff]|\([^()]*[\u4e00-\u9fff][^()]*\)")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
BEFORE = ("", "x ", "x 'x' ", "x x ", "x is not known; ")
"""What is told of a parameter stands behind its name, and perhaps what was given."""
FOR_AUDITORS = (
    *("replay/history/timeline.py", "replay/history/browse.py", "replay/history/search.py"),
    *("replay/policies/catalog.py", "replay/schemes/registry.py", "replay/hypothetical/asking.py"),
    *("replay/decisions/appeal.py", "replay/decisions/audit.py", "replay/decisions/decide.py"),
    *("projections/reading/budget.py", "projections/reading/trying.py"),
)
FOLDERS_FOR_AUDITORS = ("replay/answers", "projections/desk")
FOR_OPERATORS = (
    *("x holds no record", "the ledger may only", "PNG needs a library", "x names no form of a drawing"),
    *("x is in force from the same instant", "x and x are in force from the same instant"),
    *("the scheme x is registered", "--again asks for", "the streams of x", "another run is deciding"),
    *("x holds a policy of", "x is more than ten years ahead; give it an earlier time", "to replay x takes"),
    *("the process of the trial ended", "the report cannot be kept in"),
)
"""Errors in those modules that only who runs the ledger meets, or who writes policies and events."""


def said(node: ast.expr) -> str | None:
    """A text of the program with an "x" wherever it differs."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(said(part) or "x" for part in node.values)
    return None


@cache
def told_in(path: Path) -> list[str]:
    found = (said(node) for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.expr))
    return [text for text in found if text and " " in text]


def sources() -> Iterator[Path]:
    for room in ("domain", "replay", "projections"):
        yield from sorted((ROOT / room).rglob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("language", OTHERS)
def test_every_sentence_is_one_that_the_program_says(language: str) -> None:
    samples = {f"{before}{text}" for path in sources() for text in told_in(path) for before in BEFORE}
    patterns = {english: error_words._pattern_of(english) for english in error_words.error_words(language)}
    assert len(patterns) > 80
    assert [english for english, pattern in patterns.items() if not any(map(pattern.fullmatch, samples))] == []


@pytest.mark.parametrize("language", OTHERS)
def test_the_words_name_no_part_that_the_sentence_has_not(language: str) -> None:
    for english, words in error_words.error_words(language).items():
        assert {*PLACE.findall(words)} <= {*PLACE.findall(english)}, english
        assert CHINESE.search(words) and not HALF_WIDTH.search(words), words


def raised(path: Path) -> Iterator[str]:
    """What errors of a module say: the text of an error, or the longest of a problem's."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            texts = [text for item in node.args if (text := said(item))]
            if node.func.id in ("UsageError", "LevelbookError", "StoreError") and texts:
                yield texts[0]
            elif node.func.id == "Problem" and len(texts) == 3:
                yield texts[2]
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "detail":
            yield said(node.value) or ""


@pytest.mark.parametrize("language", OTHERS)
def test_whatever_an_auditor_is_told_has_words(language: str) -> None:
    paths = [ROOT / name for name in FOR_AUDITORS]
    paths += [path for folder in FOLDERS_FOR_AUDITORS for path in sorted((ROOT / folder).rglob("*.py"))]
    texts = {text: path.name for path in paths for text in raised(path) if not text.startswith(FOR_OPERATORS)}
    assert len(texts) > 50
    assert {text: name for text, name in texts.items() if error_text(language, text) is None} == {}


def test_what_is_said_twice_is_said_by_the_sentence_with_more_words() -> None:
    text = "--as-of 'soon' is not of the form YYYY-MM-DD; give a day such as 2022-11-05"
    assert error_text("zh", text) == "--as-of 'soon' 不是日期；请写日期，如 2022-11-05"
    same = "period 2022-11 names a decision with its own moment; leave out as_of, known_at and position"
    assert error_text("zh", same.replace(" 2022-11", "")) == "期间所指的认定自有其时点；请去掉截至、按何时所知与位置"
    assert error_text("zh", "the disk of x is full") is None and error_text("en", text) is None


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("told")
    demo_ledger(str(folder / "ledger.db"), folder)
    return str(folder / "ledger.db")


ASKED = {
    "replay merchant/nobody": "账本中没有 merchant/nobody；“levelbook subjects merchant”可列出此类主体",
    "replay shop/x": "没有体系评定 shop/x；可以重算的是 merchant/<id>, creator/<id>, mcn/<id>",
    "replay creator/lin --scheme mcn-level": "mcn-level 不评定 creator/lin；",
    "replay merchant/tea-house --as-of soon": "--as-of 'soon' 不是日期",
    "replay merchant/tea-house --as-of 2022-02-30": "--as-of '2022-02-30' 在历法中不存在；",
    "replay merchant/tea-house --as-of 2999-01-01": "--as-of 2999-01-01 在将来；",
    "replay merchant/tea-house --as-of 2019-01-01": "--as-of 2019-01-01 早于 2020-06-01",
    "replay merchant/tea-house --position 9999": "位置 9999 不在账本中；",
    "replay merchant/tea-house --known-at 2022-12-16 --position 9": "请只填一项",
    "replay merchant/tea-house --as-of 2022-12-16 --known-at 2022-12-01": "晚于所知的时点",
    "replay merchant/tea-house --policy none": "没有规则版本 'none'；已知的有：",
    "explain merchant/tea-house --event none": "没有已知的事件 none；",
    "explain merchant/tea-house --month 2022-13": "不是月份，或在历法中不存在；",
    "events merchant/nobody": "账本中没有 merchant/nobody；",
    "event urn:demo:shop none": "账本中没有来源为 'urn:demo:shop'、标识为 'none' 的事件",
    "decided merchant/nobody": "账本中没有 merchant/nobody；",
    "appeal merchant/tea-house --scheme merchant-reputation --period 2022-11 --run run-1": "批次 run-1 没有认定",
    "leaderboard none --month 2023-04": "没有榜单 'none'；",
    "ways merchant/nobody": "账本中没有 merchant/nobody；",
}


@pytest.mark.slow
@pytest.mark.parametrize("asked", ASKED)
def test_a_command_tells_an_error_in_its_language(asked: str, ledger: str) -> None:
    told = run(*asked.split(), "--lang", "zh", "--store", ledger, status=2)
    assert told.startswith("错误：") and ASKED[asked] in told
    assert run(*asked.split(), "--store", ledger, status=2).startswith("Error: ")


SUBJECT = "/subjects/merchant/tea-house"
PAGES = {
    "/subjects/merchant/nobody": "账本中没有 merchant/nobody；请检查拼写",
    "/subjects/shop/x": "kind 'shop' 不是下列之一",
    "/nowhere": "/nowhere 处没有内容",
    f"{SUBJECT}?as_of=soon": "as_of 'soon' 不是日期",
    f"{SUBJECT}?as_of=2999-01-01": "as_of 2999-01-01 在将来",
    f"{SUBJECT}?position=9999": "位置 9999 不在账本中",
    f"{SUBJECT}?policy=none&as_of=2022-12-16": "没有规则版本 'none'",
    f"{SUBJECT}?other=1": "没有参数 other；此处可用的有",
    f"{SUBJECT}/timeline?scheme=creator-level": "creator-level 不评定 merchant/…",
    f"{SUBJECT}/why?event=none": "没有已知的事件 none",
    f"{SUBJECT}/differences?period=2022-10": "既无认定也无平台展示",
    f"{SUBJECT}/appeal/file.html": "未填写期间",
    "/boards/none?month=2023-04": "没有榜单 'none'",
    f"/lab/{'ab' * 32}": "此处没有保存报告",
    "/events?id=x&run=y": "请填写且只填写一项",
}


@pytest.mark.slow
def test_a_page_tells_an_error_in_its_language_and_programs_are_told_in_english(ledger: str) -> None:
    with serving(Settings(ledger)) as client:
        for path, words in PAGES.items():
            text = page_of(client, path, "zh")
            assert words in text.replace("&#39;", "'"), path
            assert not re.search(r"<(?:p|h1)[^>]* lang=\"en\"", text), path
            assert not CHINESE.search(re.sub(r"<a [^>]*lang=\"zh-CN\".*?</a>", "", page_of(client, path, "en"))), path
        detail = client.get("/v1/ways/merchant/nobody?lang=zh").json()["detail"]
        assert detail.startswith("the ledger knows no merchant/nobody; ")


def page_of(client: TestClient, path: str, language: str) -> str:
    asked = f"{path}{'&' if '?' in path else '?'}lang={language}"
    answer = client.get(asked, headers={"Accept": "text/html"})
    assert answer.status_code in (200, 400, 404), answer.text
    return answer.text
