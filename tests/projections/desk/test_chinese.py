"""No code stands alone in Chinese: every page of the desk and every answer of the demo names what it shows."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from cli import main
from domain.events import CATALOGUE
from projections.contract.parts.vocabulary import NOTES, STATES, VERDICTS
from projections.http.settings import Settings
from replay.policies.catalog import shipped
from replay.schemes.registry import SCHEMES
from replay.store.opening import open_store
from tests.support.commands import commands
from tests.support.disputes import disputed_ledger
from tests.support.making import event, line
from tests.support.running import run
from tests.support.serving import serving

SUBJECTS = ("merchant/tea-house", "merchant/tea-stall", "creator/lin", "creator/wu", "mcn/harbour", "mcn/quay")
HTML = {"Accept": "text/html"}
PARAMETERS = {name for scheme in SCHEMES for policy in shipped(scheme) for name in policy.parameters}
FIGURES = {name for scheme in SCHEMES.values() for name in scheme.answer.figure_names}
CODES = {*VERDICTS, *NOTES, *STATES, *PARAMETERS, *FIGURES, *CATALOGUE, *SCHEMES, "fake_trade"}
ANY = "|".join(map(re.escape, sorted(CODES, key=len, reverse=True)))
CODE = re.compile(rf"(?<![\w./:#-])(?:{ANY}|[a-z]+_[a-z_]*[a-z])(?![\w/:-])")
UNSEEN = re.compile(
    r"<(style|script|svg|select|pre)\b.*?</\1>|<[a-z0-9]+ [^>]*\blang=\"en\".*?</"
    r"|<code class=\"(?:code|command|hash)\".*?</code>|<td class=\"id\">.*?</td>|<[^>]*>|https?://[^\s<]+",
    re.DOTALL,
)
"""What is not read, not Chinese and says so, a code behind its name, what is to be typed, ids, addresses; and tags."""
BESIDE = re.compile(r"（[a-z][a-z0-9_.-]*）")
"""A code behind its name."""
HALF_WIDTH = re.compile(
    r"[\u4e00-\u9fff）”][;,:?!][^\n]{0,12}|[;,] ?[\u4e00-\u9fff]+|\([^()\n]*[\u4e00-\u9fff][^()\n]*\)"
)
"""A sign of English in a sentence of Chinese."""
LINK = re.compile(r'href="(/[^"]*)"')
NOT_WALKED = re.compile(r"/(v1|static|docs|openapi|logout)|[^?]*\.(csv|json|parquet|svg)(\?|$)|.*lang=en")
"""What links lead to beside Chinese pages: what programs read, and English."""


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("chinese")
    disputed_ledger(str(folder / "ledger.db"), folder)
    return str(folder / "ledger.db")


@pytest.fixture(scope="module")
def client(ledger: str) -> Iterator[TestClient]:
    with serving(Settings(ledger)) as found:
        yield found


def alone(text: str) -> set[str]:
    """The codes that stand in a text without a name."""
    return set(CODE.findall(text))


def half_width(text: str) -> set[str]:
    """Where Chinese has signs of English."""
    return set(HALF_WIDTH.findall(text))


def seen(page: str) -> str:
    """What people read of a page."""
    return BESIDE.sub("", unescape(UNSEEN.sub(" ", page)))


def in_chinese(path: str) -> str:
    return path if "lang=" in path else f"{path}{'&' if '?' in path else '?'}lang=zh"


def shape(path: str) -> tuple[str, tuple[str, ...]]:
    """What makes two addresses pages of one kind about one subject and scheme; all records are of one kind."""
    place, _, query = path.partition("?")
    place = re.sub(r"^/events/\d+$", "/events/N", place)
    asked = [item for item in query.split("&") if item and not item.startswith("lang=")]
    kept = [item if item.startswith("scheme=") else item.partition("=")[0] for item in asked]
    return place, tuple(sorted(kept))


def walked(client: TestClient, begin: list[str]) -> Iterator[tuple[str, str]]:
    """Every kind of page of every subject and scheme that links lead to, once."""
    waiting, known = list(begin), {shape(path) for path in begin}
    while waiting:
        path = waiting.pop()
        answer = client.get(in_chinese(path), headers=HTML)
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        yield path, answer.text
        for link in map(unescape, LINK.findall(answer.text)):
            if shape(link) not in known and not NOT_WALKED.match(link):
                known.add(shape(link))
                waiting.append(link)


def of_each_type(ledger: str) -> list[int]:
    """The first and the last record of each type of event."""
    with open_store(ledger) as store:
        sql = "SELECT min(position), max(position) FROM records GROUP BY type"
        return sorted({position for ends in store._query(sql) for position in ends})


@pytest.mark.slow
def test_no_code_stands_alone_on_a_chinese_page(client: TestClient, ledger: str) -> None:
    begin = ["/", "/operations", "/evidence", "/nowhere", "/subjects/merchant/none", "/?after=%00"]
    begin += [f"/subjects/{subject}" for subject in SUBJECTS]
    begin += [f"/events/{position}" for position in of_each_type(ledger)]
    found = {}
    pages = 0
    for path, text in walked(client, begin):
        pages += 1
        assert 'lang="zh-CN"' in text, path
        if wrong := alone(seen(text)) | half_width(seen(text)):
            found[path] = sorted(wrong)
    assert found == {} and pages > 60


ASKED = (
    *(f"{command} {subject}" for subject in SUBJECTS for command in ("replay", "explain", "history", "decided")),
    *(f"explain merchant/tea-house --scheme merchant-tier --as-of {day}" for day in ("2022-10-15", "2022-12-01")),
    "explain creator/lin --month 2023-05 --as-of 2023-06-05 --exact",
    "explain mcn/harbour --month 2023-04 --as-of 2023-05-05 --exact",
    "explain creator/lin --scheme creator-firefly",
    "diff merchant/tea-house --as-of 2022-12-16 --known-at 2022-12-16",
    "diff creator/lin --as-of 2023-05-05 --position 380",
    "diff mcn/harbour --as-of 2023-05-05 --to-as-of 2023-06-05",
    "diff merchant/tea-house --scheme merchant-tier --as-of 2022-10-15 --to-as-of 2022-12-01",
    *(f"ways {subject} --as-of 2022-12-16" for subject in SUBJECTS),
    *(f"what-if {subject} --as-of 2022-12-16 --to 2023-02-01" for subject in SUBJECTS),
    "ways merchant/tea-house --scheme merchant-tier --as-of 2022-12-16",
    "ways creator/lin --scheme creator-firefly --as-of 2022-12-16",
    "audit",
    "decide merchant-reputation --period 2022-11",
    "events merchant/tea-house --scheme merchant-reputation",
    "events creator/lin",
    "find --order ring-1",
    "find --case case-7731",
    "find --about no-such-thing",
    "event urn:demo:shop rev-ring-1",
    "event urn:demo:shop settle-lin-4-1",
    "policies",
    "rules",
    *(f"worklist {name}" for name in ("differing", "announced", "changed", "set-aside", "totals", "distribution")),
    "appeal merchant/tea-house --scheme merchant-reputation --period 2022-11",
    "appeal creator/lin --scheme creator-level --period 2023-04",
    "leaderboard comprehensive --month 2023-04",
    "status",
    "doctor",
    "verify",
    "verify --list",
    "ingest --dry-run sent.jsonl",
    "seal",
    "shard plan --of 4",
    "shard make sets.shards --of 2",
    "rebuild --dry-run --seed 1",
    "follow --once",
    "export --to exported",
    "retry",
    "backup copy.db",
    "backup --to . --keep 1",
    "upgrade",
    "erase-buyer --due",
    "token list",
    "deliver list",
    "deliver status",
    "deliver run --once",
    "accesses",
    "policy adopt 2022-10-26",
)
NO_WORDS = {
    *("head", "subjects", "asyncapi", "openapi", "completion", "answers", "map new"),
    *(
        "shard key",
        "shard prove",
        "key new",
        "key show",
        "key rotate",
        "witness new",
        "witness keys",
        "witness add",
        "witness request",
    ),
    *("serve", "witness serve", "grants"),
}
"""What they print is copied or read by programs, or a log."""


@pytest.mark.slow
@pytest.mark.parametrize("asked", ASKED)
def test_no_code_stands_alone_in_a_chinese_answer(
    asked: str, ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEVELBOOK_STORE", ledger)
    Path("sent.jsonl").write_bytes(line(event("merchant.onboarded", "sent", category="fresh")))
    told = run(*asked.split(), "--lang", "zh")
    data = re.compile(r'\[?\{"?[^\n]*')  # an event's data, or a parameter's value, as they were given
    read = data.sub("", BESIDE.sub("", told))
    assert sorted(alone(read) | half_width(read)) == []


def test_every_command_that_answers_in_a_language_is_walked() -> None:
    """Evidence is made of ledgers with keys, the demo has its own test, settings name the variables themselves, and
    tokens, policy files and proofs are asked of other ledgers below and in `test_terminal.py`.
    """
    elsewhere = {"evidence", "verify-evidence", "refute", "demo", "config", "token new", "token revoke"}
    elsewhere |= {"policy check", "policy shadow start", "policy sweep", "checkpoint", "receipts", "witness collect"}
    elsewhere |= {"restore", "archive", "shard check", "shard checkpoint"}
    elsewhere |= {"consume", "convert", "map check", "policy try", "policy shadow status", "policy shadow stop"}
    elsewhere |= {f"deliver {name}" for name in ("add", "remove", "enable", "rotate", "test")}
    told = {name: command for name, command in commands() if not isinstance(command, click.Group)}
    speaking = {name for name, command in told.items() if any(option.name == "lang" for option in command.params)}
    assert {
        name for name in speaking - elsewhere if not any(f"{asked} ".startswith(f"{name} ") for asked in ASKED)
    } == set()
    assert set(told) - speaking == NO_WORDS


@pytest.mark.slow
def test_what_keeps_a_ledger_speaks_chinese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of these says something that a ledger alone, without views, tokens or keys, does not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEVELBOOK_LANGUAGE", "zh")
    Path("sent.jsonl").write_bytes(line(event("merchant.onboarded", "open", category="fresh")) + b"\n{}\n")
    said = (
        ("ingest sent.jsonl", "入账 1 条，已有 0 条，拒收 1 条"),
        ("status", "商家入驻（merchant.onboarded）"),
        ("rebuild --seed 1", "现已启用"),
        ("retry", "没有搁置的等级"),
        ("rebuild --abort", "没有正在进行的重建"),
        ("verify", "账本无误"),
        ("verify --list", "账本：无误，分段：没有，视图：无误"),
        ("token list", "尚无令牌"),
        ("token new --name w", "1 号令牌"),
        ("token revoke 1", "已吊销"),
        ("accesses", "没有记录"),
        ("erase-buyer --due", "没有到期的抹除"),
        ("seal", "已封存"),
        ("key new", "log levelbook/"),
        ("checkpoint", "levelbook/"),
        ("checkpoint", "没有任何入账"),
        ("archive --dry-run", "待归档到"),
        ("archive", "条记录已移出存储"),
        ("archive --compact", "没有可归档的内容"),
        ("receipts sent.jsonl", ""),
        ("shard make set.shards --of 2", "账本集"),
        ("shard check set.shards", "每个主体各在其位"),
        ("backup --to .", "买家密钥，缺之则不能再入账：levelbook.db.key"),
        ("restore . --into again.db", "条记录已在 again.db，已校验"),
        ("policy adopt 2022-10-26", "最近采用的已是此修订"),
    )
    for asked, words in said:
        found = CliRunner().invoke(main, asked.split())
        assert words in found.output, (asked, found.output)


def test_a_code_that_stands_alone_is_found() -> None:
    page = '<td>late_review</td><td><span>同一买家上限</span> <code class="code">pair_cap</code></td>'
    assert alone(seen(page)) == {"late_review"}
    assert alone(BESIDE.sub("", "等级界限（levels）、star_classes order.flagged")) == {"star_classes", "order.flagged"}
