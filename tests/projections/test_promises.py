"""What the rule texts promise to people (RULEBOOK §9), crossed with where it is told: command, API and audit desk."""

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any, NamedTuple

import pytest
from starlette.testclient import TestClient

from projections.http.settings import Settings
from replay.store.opening import create_store, open_store
from tests.support.making import event, ingest_events, paid
from tests.support.running import run
from tests.support.serving import serving


class Promise(NamedTuple):
    """A promise, about whom and when it is looked for, under which key of the answer, and in which words it is told."""

    what: str
    subject: str
    scheme: str
    as_of: str
    key: str
    value: Any
    words: str
    """On a line of the command and on the page alike."""
    in_chinese: str


LIN = ("creator/lin", "creator-level", "2022-06-10")
"""Rated under the present version, gated under the next."""
MEI = ("creator/mei", "creator-level", "2022-08-10")
CHEN = ("creator/chen", "creator-level", "2022-08-10")
STAR = ("creator/lin", "creator-firefly", "2022-06-10")
POOR = ("merchant/poor", "merchant-tier", "2022-10-20")
QUICK = ("merchant/quick", "merchant-tier", "2022-09-10")
SHOP = ("merchant/quick", "merchant-reputation", "2022-09-10")
NEW = ("mcn/new", "mcn-level", "2023-06-10")
OLD = ("mcn/new", "mcn-level", "2023-09-10")

PROMISES = (
    Promise(
        "preview: when it takes effect",
        *(*LIN, "preview.takes_effect", "2022-07-19T00:00:00+08:00"),
        *("version 2022-07-19 takes effect 2022-07-19 00:00", "版本 2022-07-19 自 2022-07-19 00:00 起生效"),
    ),
    Promise(
        "preview: the present level and the one expected",
        *(*LIN, "preview.present.level", "L3"),
        *("now rated, L3; expected gated, no level", "当前："),
    ),
    Promise(
        "preview: which items are not met",
        *(*LIN, "preview.diagnosis.gates_not_met.0.bound", "4.20"),
        *("mean reputation: 4.10 >= 4.20", "4.10 >= 4.20"),
    ),
    Promise(
        "preview: what would meet them",
        *(*LIN, "preview.diagnosis.level_without_gates", "L4"),
        *("once all are met, L4 by these scores", "全部通过后按得分为 L4"),
    ),
    Promise(
        "preview: benefits lost",
        *(*LIN, "preview.benefits_beside.lost.0.code", "exam_in_place_of_penalty"),
        *("lost under it: exam in place of penalty", "新版失去：以考代罚"),
    ),
    Promise(
        "preview: benefits about to be unlocked",
        *(*LIN, "preview.benefits_beside.next.2.code", "live_announcement"),
        *("live announcement", "电商直播预告"),
    ),
    Promise(
        "diagnosis: an unmet gate with its figures",
        *(*MEI, "gates.reputation_mean.value", "4.10"),
        *("mean reputation: 4.10 >= 4.20", "4.10 >= 4.20"),
    ),
    Promise(
        "diagnosis: a gate that is met",
        *(*MEI, "gates.credit_deducted.met", True),
        *("credit deducted in thirty days: 0 <= 4", "0 <= 4"),
    ),
    Promise("diagnosis: both scores", *(*CHEN, "sales_score", 3), "sales S 3, behaviour B 7", "销售分 S 3，行为分 B 7"),
    Promise(
        "diagnosis: what is missing to the next level, which is named",
        *(*CHEN, "next_level", "L5"),
        *("to L5: ¥65,000.00 more settled", "升至 L5："),
    ),
    Promise(
        "benefits held, with what of them is published",
        *(*CHEN, "benefits.held.0.code", "exam_in_place_of_penalty"),
        *("held: exam in place of penalty", "现有：以考代罚"),
    ),
    Promise(
        "benefits of the next level", *(*CHEN, "benefits.next.0.code", "certification"), "come next: ", "即将解锁："
    ),
    Promise(
        "the day of the next update: creators on the 1st",
        *(*CHEN, "next_dates.update", "2022-09-01T00:00:00+08:00"),
        *("shown anew: 2022-09-01 00:00", "展示更新：2022-09-01 00:00"),
    ),
    Promise(
        "a level is computed and not appealed as such, while facts are",
        *(*CHEN, "appeal", "facts"),
        *("a level is computed and not appealed as such (CREP", "等级本身不可申诉（《新版电商作者等级预览页》"),
    ),
    Promise(
        "Firefly: what is missing to the next level",
        *(*STAR, "to_next.points", 60),
        *("60 points missing to Firefly-2 (firefly-2)", "还差 60 分"),
    ),
    Promise(
        "tier: days left until a clearing out",
        *(*POOR, "clear_out.days_left", 11),
        *("11 days left: in the lowest tier since 2022-09-01", "距清退还有 11 天"),
    ),
    Promise(
        "tier: when the next evaluation can be",
        *(*QUICK, "next_dates.evaluation", "2022-10-01"),
        *("evaluation: 2022-10-01", "下次评定：2022-10-01"),
    ),
    Promise(
        "tier: whether a fast upgrade is open",
        *(*QUICK, "fast_upgrade.open", True),
        *("may come at the close of a day up to 2022-09-30", "至 2022-09-30 每日日终"),
    ),
    Promise(
        "tier: which of its conditions are met",
        *(*QUICK, "fast_upgrade.compared.3.met", False),
        *("orders of the day: 1 >= 160", "1 >= 160"),
    ),
    Promise(
        "tier: the three indicators against both bounds",
        *(*QUICK, "indicators.complaint.down.bound", "4.00"),
        "> 4.00 %",
        "> 4.00 %",
    ),
    Promise(
        "tier: the day's limits",
        *(*QUICK, "limits.orders", 200),
        "200 orders, ¥20,000.00 a day",
        "每日 200 单，¥20,000.00",
    ),
    Promise(
        "reputation: growth against its cap",
        *(*SHOP, "growth_of_month.room", "5001.0"),
        *("2022-09: +0.0 of at most 5001.0 points; 5001.0 left", "上限 5001.0 分"),
    ),
    Promise(
        "reputation: published on the 16th at 12:00",
        *(*SHOP, "next_dates.publication", "2022-10-16T12:00:00+08:00"),
        *("publication, shown anew: 2022-10-16 12:00", "按期公布、展示更新：2022-10-16 12:00"),
    ),
    Promise(
        "agencies: the phase and when it ends",
        *(*NEW, "phase.last_novice_month", "2023-06"),
        *("up to and including 2023-06", "至 2023-06（含）"),
    ),
    Promise(
        "agencies: what ends an observation",
        *(*OLD, "phase.rated_when.0.met", False),
        *("it ends with the evaluation that meets both", "两项均达标的评定即结束观察期"),
    ),
    Promise(
        "agencies: every row with what the next band needs",
        *(*OLD, "rows.0.next_from", "10000000.00"),
        "from ¥100,000.00: 50 points",
        "自 ¥100,000.00 起：50 分",
    ),
    Promise("agencies: credit", *(*OLD, "credit_max", 150), "120 of at most 150", "120，最高 150"),
    Promise(
        "agencies: the day of the next update, the 3rd",
        *(*OLD, "next_dates.update", "2023-10-03T00:00:00+08:00"),
        *("shown anew: 2023-10-03 00:00", "展示更新：2023-10-03 00:00"),
    ),
)


def events() -> Iterator[dict[str, Any]]:
    for name, value in (("lin", "4.10"), ("mei", "4.10"), ("chen", "4.60")):
        subject, month = f"creator/{name}", "2022-05" if name == "lin" else "2022-07"
        yield event("creator.registered", f"r-{name}", f"{month}-02T00:00:00+08:00", subject=subject)
        sold = {"order": "s-1", "amount": 3_500_000, "good_goods": True, "channel": "live"}
        yield event("sale.settled", f"s-{name}", f"{month}-03T00:00:00+08:00", subject=subject, **sold)
        scored = {"score": "reputation", "value": value}
        yield event("creator.scored", f"c-{name}", f"{month}-20T00:00:00+08:00", subject=subject, **scored)
    yield event("points.earned", "p-1", "2022-05-04T00:00:00+08:00", subject="creator/lin", task="t", points=40)
    for name in ("poor", "quick"):
        subject, opened = f"merchant/{name}", "2022-09-01T08:00:00+08:00"
        yield event("merchant.onboarded", f"o-{name}", opened, subject=subject, category="fresh")
        yield paid(f"{name}-1", "2022-09-10T10:00:00+08:00", subject=subject)
    yield event("merchant.tier_set", "n-1", "2022-09-01T09:00:00+08:00", subject="merchant/poor", level="LV0")
    yield event("mcn.onboarded", "a-1", "2023-05-02T00:00:00+08:00", subject="mcn/new")


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("promises")
    create_store(str(folder / "ledger.db"))
    with open_store(str(folder / "ledger.db")) as store:
        ingest_events(store, list(events()), folder)
    return str(folder / "ledger.db")


@pytest.fixture(scope="module")
def client(ledger: str) -> Iterator[TestClient]:
    with serving(Settings(ledger)) as found:
        yield found


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.what)
def test_what_is_promised_is_told_by_command_api_and_page(ledger: str, client: TestClient, promise: Promise) -> None:
    asked = ("replay", promise.subject, "--scheme", promise.scheme, "--as-of", promise.as_of, "--store", ledger)
    place = f"/v1/subjects/{promise.subject}/levels/{promise.scheme}?as_of={promise.as_of}"
    assert at(client.get(place).json(), promise.key) == promise.value
    assert at(json.loads(run(*asked, "--format", "json")), promise.key) == promise.value
    for language, words in (("en", promise.words), ("zh", promise.in_chinese)):
        assert words in run(*asked, "--lang", language)
        page = client.get(f"/subjects/{promise.subject}?as_of={promise.as_of}&lang={language}").text
        assert words in unescape(re.sub(r"<[^>]+>", "", page))


def at(found: Any, key: str) -> Any:
    for part in key.split("."):
        found = found[int(part)] if part.isdigit() else found[part]
    return found


def test_the_links_of_a_preview_lead_to_the_rules_of_both_versions(ledger: str, client: TestClient) -> None:
    subject, scheme, as_of = LIN
    preview = client.get(f"/v1/subjects/{subject}/levels/{scheme}?as_of={as_of}").json()["preview"]
    rules = client.get(preview["rules"]).json()
    assert (rules["policy"], rules["against"]["policy"]) == ("2022-07-19", "2021")
    told = run("replay", subject, "--as-of", as_of, "--store", ledger, "--lang", "en")
    (words,) = re.findall(r"levelbook (rules .*)", told)
    assert "2021" in run(*words.split(), "--lang", "en")
    page = client.get(f"/subjects/{subject}?as_of={as_of}&lang=en").text
    (link,) = re.findall(r'href="(/rules/creator-level[^"]*against[^"]*)"', page)
    assert "2022-07-19" in client.get(unescape(link)).text
