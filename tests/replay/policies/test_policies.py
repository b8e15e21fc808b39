"""Policies as data: their form, revisions and hashes, adoption, which one a replay uses, other platforms' rules."""

import json
import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from domain.calendar import parse_instant
from domain.events import Event
from domain.merchant_reputation.facts import rules_of
from domain.merchant_reputation.rule import NEW, SCHEME, Verdict, standing
from domain.policy import Policy, PolicyError, canonical_of, policy_of, start_of_month, terms_of
from replay.decisions.application import Ledger
from replay.errors import DamagedError, FaultyPolicy, UsageError
from replay.integrity.verify import verify
from replay.policies.catalog import (
    DEFAULT,
    Choice,
    adopted_policies,
    adoptions_of,
    list_policies,
    shipped,
    shipped_revisions,
    shipped_schemes,
    versions,
)
from replay.policies.document import faults_of
from replay.policies.names import level_names
from replay.policies.reading import read_folder, read_policy
from replay.store.base.store import Store
from replay.store.decode import read_record
from replay.store.opening import open_store
from replay.store.queries import rows_of_types
from replay.store.reading.asked import EVERYTHING
from tests import ROOT
from tests.support.making import ingest_events, paid
from tests.support.policies import toml_of, with_faults
from tests.support.replays import VERSIONS
from tests.support.running import run
from tests.worlds.merchant_reputation import (
    LONG_AFTER,
    NOV,
    SHIPPED,
    START,
    Case,
    judge,
    orders,
    recorded,
    reviewed,
    with_values,
)
from tests.worlds.merchant_reputation import paid as paid_order

FOLDER = ROOT / "domain"
TAOBAO = ROOT / "fixtures" / "policies" / "taobao"
HASHES = {
    "merchant-reputation/2022-10-26.toml": "b449725deacd",
    "merchant-tier/2022-09-09.toml": "e9d261ddd87c",
    "creator-level/2021.toml": "020f047bcd06",
    "creator-level/2022-07-19.toml": "b741f34c2f15",
    "mcn-level/2023-04-13.toml": "184b55158571",
    "merchant-reputation/2022-10-26-r2.toml": "99c7dd14160a",
    "creator-level/2021-r2.toml": "219ba2f5fb81",
    "creator-level/2022-07-19-r2.toml": "7a26f5fb6610",
    "mcn-level/2023-04-13-r2.toml": "db8ec99bcd59",
    "creator-firefly/2022-01.toml": "b325cc6e6ff6",
    "mcn-level/2023-04-13-r3.toml": "035190eb3cf5",
}
"""Every policy file that was ever shipped, and the beginning of its hash: a file is never edited."""


# --- files, hashes, faults --------------------------------------------------------------------------------------------


def test_shipped_files_are_well_formed_and_never_edited() -> None:
    found = {
        f"{path.parts[-3].replace('_', '-')}/{path.name}": canonical_of(path.read_text("utf-8"))
        for path in FOLDER.glob("*/policies/*.toml")
    }
    assert {name: sha256(text.encode()).hexdigest()[:12] for name, text in found.items()} == HASHES
    for name, text in found.items():
        assert faults_of(text) == [], name
        scheme, _, file = name.partition("/")
        assert (policy_of(text).scheme, policy_of(text).id) == (scheme, re.sub(r"(-r[0-9]+)?\.toml", "", file))
    assert shipped_schemes() == ["creator-firefly", "creator-level", "mcn-level", SCHEME, "merchant-tier"]


def test_a_hash_is_of_what_is_said_and_not_of_how_it_is_laid_out(tmp_path: Path) -> None:
    again = read_policy(toml_of(SHIPPED, tmp_path / "again.toml"))
    assert (again.hash, again.content) == (SHIPPED.hash, SHIPPED.content)
    assert sha256(again.content.encode()).hexdigest() == again.hash
    assert with_values(SHIPPED, default_tenths=8).hash != SHIPPED.hash


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"levels": []}, "levels.value: must name at least one level"),
        ({"growth_caps": []}, 'must begin with from = ""'),
        ({"growth_caps": [{"from": "silver-1", "tenths": 1}]}, 'must begin with from = ""'),
        ({"growth_caps": [{"from": ""}, {"from": "tin-1"}]}, "must begin at levels that there are, found tin-1"),
        ({"growth_caps": [{"from": ""}, {"from": "gold-1"}, {"from": "silver-1"}]}, "rise in the order of levels"),
        ({"levels": [{"code": "a", "from_tenths": 0}]}, "from_tenths: must be a whole number from 1"),
        ({"levels": [{"code": "a", "from_tenths": n} for n in (1, 2)]}, "must not name a level code twice"),
        ({"star_classes": {"good": [5], "neutral": [3], "bad": [1, 2]}}, "each of the stars 1 to 5 once"),
        ({"counted_kinds": ["normal", "stolen"]}, "counted_kinds.value.1: must be one of"),
        ({"statistics_from": "2022-02-30T00:00:00Z"}, "statistics_from.value: does not exist in the calendar"),
        ({"review_tenths": {"good": 1, "neutral": 0}}, "review_tenths.value.bad: missing data"),
        ({"publication": {"day": 31, "hour": 0}}, "publication.value.day: must be a whole number from 1 to 28"),
        ({"review_hours": 0}, "review_hours.value: must be a whole number from 1 to 10000, found 0"),
        ({"scheme": "merchant-luck"}, "scheme: must be one of"),
        ({"scheme": "creator-level"}, "parameters.sales_bands: missing data"),
        ({"in_force_from": "soon"}, "in_force_from: is not of the form"),
    ],
)
def test_each_fault_is_named(values: dict[str, Any], fault: str) -> None:
    found = faults_of(with_faults(SHIPPED, **values))
    assert any(fault in line for line in found), found


@pytest.mark.parametrize("text", ["a = 1.5", "a = 2022-10-26", "a = 2022-10-26T00:00:00", "a = 12:00:00", "a = nan"])
def test_a_policy_holds_no_floats_dates_or_local_times(text: str) -> None:
    with pytest.raises(PolicyError, match=r"neither text, an integer|has no offset"):
        canonical_of(text)


def test_faults_of_a_folder_are_told_together(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(" holds no .toml file; --policies names a folder")):
        read_folder(tmp_path)
    toml_of(with_values(SHIPPED, review_hours=0), tmp_path / "one.toml")
    (tmp_path / "two.toml").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="is not valid UTF-8"):
        read_folder(tmp_path)
    (tmp_path / "two.toml").write_text("scheme = 1.5")
    with pytest.raises(FaultyPolicy) as error:
        read_folder(tmp_path)
    assert [line.partition(": ")[0] for line in str(error.value).splitlines()] == [
        str(tmp_path / "one.toml"),
        str(tmp_path / "two.toml"),
    ]


HOSTILE = {
    "deep lists": "a = " + "[" * 3_000 + "]" * 3_000,
    "deep tables": "a = " + "{ b = " * 400 + "1" + " }" * 400,
    "dotted": ".".join(["a"] * 2_000) + " = 1",
    "a long integer": "a = " + "9" * 5_000,
    "a wide integer": "a = 9999999999999999999",
    "the first year": "a = 0001-01-01T00:00:00+23:59",
    "the last year": "a = 9999-12-31T23:59:59-23:59",
    "seven decimals": "a = 2022-01-01T00:00:00.1234567Z",
    "an escape": 'a = "\\u001b[2J"',
    "a hidden key": '"a\\u202e" = 1',
    "nothing": "a = ",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_texts_are_refused_and_nothing_breaks(text: str) -> None:
    with pytest.raises(PolicyError):
        canonical_of(text)


@pytest.mark.parametrize("scheme", ["['a']", "{ a = 1 }", "1", "true", '"merchant-luck"'])
def test_a_scheme_of_any_kind_is_looked_at(scheme: str) -> None:
    found = faults_of(canonical_of(f"scheme = {scheme}\nparameters = 1"))
    assert any(line.startswith("scheme: ") for line in found)


@pytest.mark.parametrize(
    ("scheme", "values", "fault"),
    [
        ("merchant-tier", {"tiers": "down on the lowest"}, "the lowest tier cannot fall and the highest cannot rise"),
        ("mcn-level", {"levels": [{"code": "V1", "from": 0}, {"code": "V1", "from": 5}]}, "must not name a code twice"),
        ("mcn-level", {"levels": [{"code": "V1", "from": 5}]}, "must begin at 0 and rise"),
        ("creator-level", {"weights": {"sales_percent": 80, "behaviour_percent": 30}}, "must add up to 100 percent"),
        ("creator-level", {"levels": ["L0"]}, "must name a level for every score"),
        ("creator-level", {"first_month": "2020-13"}, "first_month.value: is not of the form YYYY-MM"),
        ("creator-level", {"preview_from": "2099-01-01T00:00:00.000000Z"}, "preview_from: must not be after"),
        ("creator-level", {"benefit_firefly_plan": {}}, "benefit_firefly_plan.value.from_rank: missing data"),
    ],
)
def test_faults_of_the_other_schemes_are_named(scheme: str, values: dict[str, Any], fault: str) -> None:
    policy = shipped(scheme)[-1]
    if values.get("tiers"):
        tiers = [dict(tier) for tier in policy.parameters["tiers"].value]
        tiers[0]["down"] = tiers[1]["down"]
        values = {"tiers": tiers}
    found = faults_of(with_faults(policy, **values))
    assert any(fault in line for line in found), found


def test_a_version_recalculates_nothing_that_comes_after_it() -> None:
    late = with_faults(SHIPPED, recalculates_from="2023-01-01T00:00:00.000000Z")
    assert faults_of(late) == ["recalculates_from: must not be after in_force_from"]


# --- versions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("at a month's start", [None, "2022-12-01"]),
        ("within a month", [None, "2022-11-01"]),
        ("recalculating", [None, "2022-11-01"]),
        ("a window that shrinks", [None, "2022-11-01", "2022-12-01"]),
    ],
)
def test_a_month_is_judged_by_the_version_in_force_at_its_close(name: str, begins: list[str | None]) -> None:
    terms = terms_of(VERSIONS[name], start_of_month)
    assert [term.policy.id for term in terms] == [f"v{number + 1}" for number in range(len(begins))]
    assert [term.begins for term in terms[1:]] == [parse_instant(f"{day}T00:00:00+08:00") for day in begins[1:]]
    assert terms[0].begins < -(2**61)


def test_a_version_that_recalculates_takes_the_months_of_those_before_it() -> None:
    earlier, _ = VERSIONS["at a month's start"]
    later = with_values(earlier, id="v3", in_force_from="2022-12-01T00:00:00+08:00")
    since_october = with_values(later, recalculates_from="2022-10-01T00:00:00+08:00")
    assert [term.begins for term in terms_of([later, earlier], start_of_month)][1] == parse_instant(
        "2022-12-01T00:00:00+08:00"
    )
    assert [term.begins for term in terms_of([since_october, earlier], start_of_month)][1] == parse_instant(
        "2022-10-01T00:00:00+08:00"
    )


# --- adoption, and which policy a replay uses -------------------------------------------------------------------------

REVISED = with_values(SHIPPED, default_tenths=8)


def used(store: Store, choice: Choice = DEFAULT, as_of: int = LONG_AFTER, position: int = 10**6) -> list[str]:
    return [policy.hash for policy in versions(adoptions_of(store), SCHEME, choice, as_of, position)]


def test_what_is_adopted_counts_from_its_position_on(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1")], tmp_path)
    ledger = Ledger(store)
    assert used(store) == [SHIPPED.hash]
    assert ledger.adopt(REVISED) == 2
    assert ledger.adopt(REVISED) is None, "adopted last already"
    assert used(store) == [REVISED.hash]
    assert used(store, position=1) == [SHIPPED.hash], "not known then"
    assert ledger.adopt(SHIPPED) == 3, "back to the one before"
    assert used(store) == [SHIPPED.hash]
    assert used(store, position=2) == [REVISED.hash]
    adopted = adopted_policies(store, SCHEME)
    assert [(item.position, item.policy.content) for item in adopted] == [(2, REVISED.content), (3, SHIPPED.content)]
    assert verify(store).problems == []


def test_a_policy_can_be_named(store: Store, tmp_path: Path) -> None:
    ledger = Ledger(store)
    ledger.adopt(REVISED)
    later = with_values(SHIPPED, id="2023", in_force_from="2023-05-01T00:00:00+08:00")
    ledger.adopt(later)
    assert used(store) == [REVISED.hash, later.hash], "each version in force"
    assert used(store, as_of=NOV) == [REVISED.hash]
    assert used(store, as_of=0) == [REVISED.hash], "before the first, the first"
    assert used(store, Choice("2022-10-26")) == [REVISED.hash]
    assert used(store, Choice(f"2022-10-26@{SHIPPED.hash}")) == [SHIPPED.hash]
    assert used(store, Choice(f"2022-10-26@{SHIPPED.hash[:6]}")) == [SHIPPED.hash]
    assert used(store, Choice("2023"), as_of=NOV) == [later.hash]
    assert used(store, Choice(f"2022-10-26@{REVISED.hash}"), position=0) == [REVISED.hash], (
        "named, though not known then"
    )
    for name in ("2022-10-26@", "2022-10-26@ffffff", "2024"):
        with pytest.raises(UsageError, match="there is no policy"):
            used(store, Choice(name))


def test_versions_count_from_the_very_instant_and_in_the_order_of_their_dates(store: Store) -> None:
    begins = parse_instant("2023-05-01T00:00:00+08:00")
    later = with_values(SHIPPED, id="1999", in_force_from="2023-05-01T00:00:00+08:00")
    Ledger(store).adopt(later)
    assert used(store, as_of=begins - 1) == [SHIPPED.hash]
    assert used(store, as_of=begins) == [SHIPPED.hash, later.hash]
    with pytest.raises(UsageError, match="there is no policy"):
        used(store, Choice(f"1999@{SHIPPED.hash}"))
    with pytest.raises(UsageError, match="was adopted only later than what is asked for"):
        used(store, Choice("1999"), position=0)


def test_two_versions_in_force_from_one_instant_are_not_chosen_between(store: Store, tmp_path: Path) -> None:
    twin = with_values(SHIPPED, id="twin")
    with pytest.raises(
        UsageError, match=r"is in force from the same instant as .*; a revision keeps its id, a new version"
    ):
        Ledger(store).adopt(twin)
    toml_of(twin, tmp_path / "twin.toml")
    toml_of(SHIPPED, tmp_path / "shipped.toml")
    with pytest.raises(UsageError, match="are in force from the same instant, and neither"):
        used(store, Choice(folder=tmp_path))
    assert used(store, Choice("2022-10-26", tmp_path)) == [SHIPPED.hash]


def test_an_adopted_policy_that_is_not_what_its_hash_says_is_damaged(store: Store) -> None:
    Ledger(store).adopt(replace(REVISED, hash="0" * 64))
    with pytest.raises(DamagedError, match="the policy adopted at position 1 is damaged"):
        used(store)


def test_a_hash_that_fits_several_revisions_is_not_guessed(store: Store) -> None:
    many = [with_values(SHIPPED, default_tenths=number) for number in range(40)]
    first: dict[str, Policy] = {}
    twins = next((first[p.hash[0]], p) for p in many if p.hash[0] in first or first.setdefault(p.hash[0], p) is not p)
    for policy in twins:
        Ledger(store).adopt(policy)
    with pytest.raises(UsageError, match="revisions of the policy; give more of the hash"):
        used(store, Choice(f"2022-10-26@{twins[0].hash[0]}"))


def test_a_folder_takes_the_place_of_files_and_adoptions(store: Store, tmp_path: Path) -> None:
    Ledger(store).adopt(REVISED)
    other = with_values(SHIPPED, default_tenths=9)
    toml_of(with_values(SHIPPED, default_tenths=1), tmp_path / "2022-10-26.toml")
    toml_of(other, tmp_path / "2022-10-26-r2.toml")
    toml_of(with_values(SHIPPED, default_tenths=2), tmp_path / "2022-10-26-r1.toml")
    assert used(store, Choice(folder=tmp_path)) == [other.hash], "of one version the last file by name"
    assert used(store, Choice(f"2022-10-26@{REVISED.hash}", tmp_path)) == [REVISED.hash], "adopted ones can be named"
    with pytest.raises(UsageError, match="there is no policy"):
        used(store, Choice(f"2022-10-26@{SHIPPED.hash}", tmp_path))
    marked = {item["hash"]: item["used"] for item in list_policies(store, tmp_path, None)}
    assert [name for name, counts in marked.items() if counts] == [other.hash]
    with pytest.raises(UsageError, match=re.escape("; name a folder that does, or leave out --policies")):
        versions(adoptions_of(store), "creator-level", Choice(folder=tmp_path), LONG_AFTER, 0)
    assert versions(adoptions_of(store), SCHEME, Choice(given=(other,)), LONG_AFTER, 0) == [other]
    with pytest.raises(UsageError, match="the candidates hold no policy of creator-level; ask for"):
        versions(adoptions_of(store), "creator-level", Choice(given=(other,)), LONG_AFTER, 0)


def test_the_commands_check_adopt_and_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = toml_of(REVISED, tmp_path / "revised.toml")
    assert f"2022-10-26@{REVISED.hash} can be used: 2 assumed" in run("policy", "check", str(file))
    assert json.loads(run("policy", "check", str(file), "--format", "json"))["hash"] == REVISED.hash
    listed = json.loads(run("policies", "--scheme", SCHEME, "--format", "json"))
    assert {item["hash"]: (item["adopted"], item["used"]) for item in listed} == {
        policy.hash: ([], policy is SHIPPED) for policy in (*shipped_revisions(SCHEME)[:-1], SHIPPED)
    }
    run("policies", "--store", "none.db", status=2)
    assert {item["scheme"] for item in json.loads(run("policies", "--format", "json"))} == set(shipped_schemes())
    run("policies", "--scheme", "luck", status=2)
    (tmp_path / "events.jsonl").write_text(json.dumps(paid("o-1")) + "\n")
    run("ingest", "events.jsonl")
    assert "adopted at position 2" in run("policy", "adopt", "revised.toml")
    assert "is the revision adopted last already" in run("policy", "adopt", "revised.toml")
    assert json.loads(run("policy", "adopt", "2022-10-26", "--format", "json"))["position"] == 3
    assert json.loads(run("policy", "adopt", "revised.toml", "--format", "json"))["position"] == 4
    found = {item["hash"]: item for item in json.loads(run("policies", "--scheme", SCHEME, "--format", "json"))}
    assert (found[SHIPPED.hash]["adopted"], found[SHIPPED.hash]["used"]) == ([3], False)
    assert (found[REVISED.hash]["adopted"], found[REVISED.hash]["used"]) == ([2, 4], True)
    assert "not used unless named" in run("policies")
    asked = ("replay", "merchant/m-1", "--as-of", "2022-12-31", "--format", "json")
    assert json.loads(run(*asked))["policy_hash"] == REVISED.hash
    assert json.loads(run(*asked, "--position", "1"))["policy_hash"] == SHIPPED.hash
    assert json.loads(run(*asked, "--policy", f"2022-10-26@{SHIPPED.hash[:8]}"))["policy_hash"] == SHIPPED.hash
    assert json.loads(run("event", *event_of(found, REVISED), "--format", "json"))["event"]["data"]["content"] == (
        REVISED.content
    )
    assert "the ledger is sound" in run("verify")


def event_of(found: dict[str, Any], policy: Policy) -> tuple[str, str]:
    item = json.loads(run("events", f"policy/{SCHEME}", "--format", "json"))[0]["event"]
    assert item["data"]["hash"] == policy.hash and found
    return item["source"], item["id"]


# --- Taobao's seller credit, as data alone ----------------------------------------------------------------------------

SELLER_CREDIT = read_folder(TAOBAO)[-1]
BOUNDS = [
    *(4, 11, 41, 91, 151, 251, 501, 1_001, 2_001, 5_001),
    *(10_001, 20_001, 50_001, 100_001, 200_001, 500_001, 1_000_001, 2_000_001, 5_000_001, 10_000_001),
]
GOOD, BAD, CAPPED = (Verdict.COUNTED, 10), (Verdict.COUNTED, -10), (Verdict.PAIR_CAP, 0)


def test_taobao_has_the_published_grades() -> None:
    levels = SELLER_CREDIT.parameters["levels"].value
    assert [level["from_tenths"] for level in levels] == [bound * 10 for bound in BOUNDS]
    names = level_names(SELLER_CREDIT, [level["code"] for level in levels], "en")
    assert [names[levels[rank]["code"]] for rank in (0, 5, 10, 15, 19)] == [
        "Heart 1",
        "Diamond 1",
        "Crown 1",
        "Gold crown 1",
        "Gold crown 5",
    ]


@pytest.mark.parametrize(
    "case",
    [
        Case([START, *orders([1] * 6 + [5, 1])], [*[BAD] * 6, GOOD, BAD]),
        Case([START, *orders([5] * 7)], [*[GOOD] * 6, CAPPED]),
        Case([START, *orders([1] * 7)], [*[BAD] * 6, CAPPED]),
        Case(
            [
                START,
                paid_order("x", NOV, amount=100),
                reviewed("x", NOV),
                paid_order("y", NOV, amount=101),
                reviewed("y", NOV),
            ],
            [(Verdict.LOW_AMOUNT, 0), GOOD],
        ),
        Case([START, *orders([3])], [(Verdict.NEUTRAL, 0)]),
    ],
    ids=["six bad, one good, one bad", "seven good", "seven bad", "one yuan", "neutral"],
)
def test_taobao_examples_come_out_as_published(case: Case) -> None:
    standing, findings = judge(SELLER_CREDIT, recorded(enumerate(case.told)), case.as_of)
    assert [(finding.verdict, finding.tenths) for finding in findings] == case.verdicts
    assert standing.points_tenths == sum(tenths for _, tenths in case.verdicts)


@pytest.mark.parametrize("rank", range(20))
@pytest.mark.parametrize("beside", [-1, 0, 1])
def test_taobao_grades_begin_at_their_bounds(rank: int, beside: int) -> None:
    account = NEW._replace(points=(BOUNDS[rank] + beside) * 10, opened_at=0, open=True)
    assert standing(account, rules_of(SELLER_CREDIT)).level == rank + (beside >= 0)


def test_taobao_bounds_no_months_growth() -> None:
    told = [START, *orders_of_buyers(5_100)]
    found, _ = judge(SELLER_CREDIT, recorded(enumerate(told)), LONG_AFTER)
    assert (found.points_tenths, found.level) == (51_000, 10)


def orders_of_buyers(count: int) -> list[Any]:
    told = []
    for number in range(count):
        told += [paid_order(f"o-{number}", NOV + number, f"b-{number}"), reviewed(f"o-{number}", NOV + number)]
    return told


def test_an_adoption_names_the_report_that_it_rests_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "events.jsonl").write_text(json.dumps(paid("o-1")) + "\n")
    run("ingest", "events.jsonl")
    toml_of(REVISED, tmp_path / "revised.toml")
    for wrong in ("AB" * 32, "ab", "g" * 64):
        said = run("policy", "adopt", "revised.toml", "--report", wrong, status=2)
        assert "is not the hash of a report: 64 digits of hexadecimal, in lower case" in said
    report = "ab" * 32
    said = run("policy", "adopt", "revised.toml", "--report", report)
    assert said.endswith(f": adopted at position 2, on the report {report}\n")
    again = json.loads(run("policy", "adopt", "revised.toml", "--report", "cd" * 32, "--format", "json"))
    assert (again["position"], again["report"]) == (None, None), "nothing is recorded of one that is adopted already"
    run("policy", "adopt", "2022-10-26")
    found = {item["hash"]: item for item in json.loads(run("policies", "--scheme", SCHEME, "--format", "json"))}
    assert found[REVISED.hash]["reports"] == [{"position": 2, "report": report}]
    assert found[SHIPPED.hash]["reports"] == [] and found[SHIPPED.hash]["adopted"] == [3]
    assert ", adopted at position 2, on the report abababababab" in run("policies", "--scheme", SCHEME)
    assert "依据报告 abababababab" in run("policies", "--scheme", SCHEME, "--lang", "zh")
    assert "on the report abababababab" in run("rules", SCHEME)
    with open_store(str(tmp_path / "levelbook.db")) as store:
        (first, _) = store_events(store)
        assert (first.causation, first.data.hash) == (f"report:{report}", REVISED.hash)
        told = run("event", first.source, first.id)
    assert f"report:{report}" in told
    run("verify")
    run("audit")


def store_events(store: Store) -> list[Event]:
    rows = rows_of_types(store, f"policy/{SCHEME}", ("policy.adopted",), EVERYTHING)
    return [read_record(row.type, row.record) for row in rows]
