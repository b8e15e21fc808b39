"""The rules at a glance: every parameter of every policy once, what a parameter changes, which version, two beside."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from domain.calendar import instant_text, parse_instant
from domain.languages import LANGUAGES
from domain.policy import Parameter, Policy
from projections.contract.answers import SCHEMAS
from projections.text.schemes.ahead.parts import benefit_lines
from projections.text.words import Words
from projections.text.words.codes import code_name
from replay.answers.rules import AtHand, RulesAsked, rules_json
from replay.decisions.application import Ledger
from replay.errors import UsageError
from replay.policies.catalog import Revision, revisions, shipped, shipped_revisions
from replay.policies.reading import read_folder
from replay.rendering.glance.parts import FURTHER, basis_code
from replay.rendering.glance.texts import glance_words
from replay.schemes.registry import SCHEMES
from replay.store.base.store import Store
from tests import ROOT
from tests.support.policies import toml_of
from tests.support.running import run
from tests.worlds.merchant_reputation import with_values

NOW = parse_instant("2026-11-30T00:00:00+08:00")
POLICIES = [policy for scheme in SCHEMES for policy in shipped_revisions(scheme)]
each_policy = pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: f"{policy.scheme}-{policy.revision}")
each_language = pytest.mark.parametrize("language", LANGUAGES)
Rules = dict[str, Any]


def at_hand(*policies: Policy) -> AtHand:
    return AtHand([Revision(policy, [], True, {}) for policy in policies], NOW)


def of(policy: Policy, language: str = "en", against: Policy | None = None) -> Rules:
    """A policy's rules, or those of two side by side."""
    other = [] if against is None or against.hash == policy.hash else [Revision(against, [], False, {})]
    known = [Revision(policy, [], True, {}), *other]
    named = None if against is None else f"{against.id}@{against.hash}"
    return rules_json(AtHand(known, NOW), RulesAsked(policy=f"{policy.id}@{policy.hash}", against=named), language)


def asked(scheme: str, language: str = "en", **wanted: str) -> Rules:
    return rules_json(AtHand(revisions(None, None, scheme), NOW), RulesAsked(**wanted), language)


def rows_of(found: Rules, section: str) -> dict[str, list[str]]:
    """The rows of a section by their codes, each cell as one text."""
    (rows,) = [item["rows"] for item in found["sections"] if item["code"] == section]
    return {row["code"]: ["; ".join(cell["texts"]) for cell in row["cells"]] for row in rows}


def homes_of(found: Rules) -> dict[str, set[str]]:
    """By what figures rest on, the sections in which these stand."""
    homes: dict[str, set[str]] = {}
    for section in found["sections"]:
        for item in (*section["columns"], *section["rows"]):
            if item["basis"] is not None:
                homes.setdefault(item["basis"], set()).add(section["code"])
    return homes


# --- whole ------------------------------------------------------------------------------------------------------------


@each_language
@each_policy
def test_every_parameter_stands_in_one_section_with_its_source_and_status(policy: Policy, language: str) -> None:
    found = of(policy, language)
    homes, bases = homes_of(found), {basis["code"]: basis for basis in found["bases"]}
    assert {name: homes.get(name) for name in policy.parameters if len(homes.get(name, ())) != 1} == {}
    assert {*bases} == {*homes} and FURTHER not in chain.from_iterable(homes.values())
    for name, item in policy.parameters.items():
        said = {"status": item.status, "source": item.source, "value": item.value}
        assert bases[name]["parameter"] == name and said.items() <= bases[name]["shown"].items()
    assert all(basis["name"] and basis["name"] != basis["code"] for basis in found["bases"])


def test_what_no_section_knows_is_listed_as_it_is() -> None:
    policy = shipped("merchant-tier")[0]
    more = policy.parameters | {"new_rule": Parameter({"days": 3}, "a text", "reposted")}
    found = of(replace(policy, parameters=more))
    assert rows_of(found, FURTHER) == {"new_rule": ["New_rule", '{"days": 3}']}
    assert homes_of(found)["new_rule"] == {FURTHER}


@each_policy
def test_the_languages_tell_the_same(policy: Policy) -> None:
    told = [of(policy, language) for language in LANGUAGES]
    shapes = [
        [(section["code"], [row["code"] for row in section["rows"]]) for section in found["sections"]] for found in told
    ]
    assert shapes[0] == shapes[1]
    titles = [[section["title"] for section in found["sections"]] for found in told]
    assert not {*titles[0]} & {*titles[1]}


@each_language
@each_policy
def test_the_answer_is_as_it_is_described(policy: Policy, language: str) -> None:
    _, schema = SCHEMAS["rules", policy.scheme]
    for against in (None, policy, shipped(policy.scheme)[0]):
        found = of(policy, language, against) | {"position": None}
        assert schema().validate(found) == {}
        assert all(len(row["cells"]) == len(item["columns"]) for item in found["sections"] for row in item["rows"])


# --- a parameter that is changed --------------------------------------------------------------------------------------


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the figures and texts of a value stand, but for the names of the first policies."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from leaves(item, (*path, key))
    if not isinstance(value, (dict, list)) and path[-1:] not in (("en",), ("zh",)):
        yield path


def changed(value: Any, path: tuple[Any, ...]) -> Any:
    """A value with another figure or text in one place."""
    if path:
        copy = value.copy()
        copy[path[0]] = changed(value[path[0]], path[1:])
        return copy
    if isinstance(value, int):
        return value + 1
    if re.match(r"\d{4}-\d{2}-\d{2}T", value):
        return instant_text(parse_instant(value) + 86_400_000_000)
    return "2021-09" if re.fullmatch(r"\d{4}-\d{2}", value) else f"{value}x"


@each_policy
def test_each_figure_of_a_policy_is_seen_in_the_rules(policy: Policy) -> None:
    told = [of(policy, language)["sections"] for language in LANGUAGES]
    unseen, seen = [], 0
    for name, item in policy.parameters.items():
        for path in leaves(item.value):
            other = Parameter(changed(item.value, path), item.source, item.status)
            copy = replace(policy, parameters=policy.parameters | {name: other})
            now = [of(copy, language)["sections"] for language in LANGUAGES]
            same = [one == before for one, before in zip(now, told, strict=True)]
            unseen += [(name, path)] if any(same) else []
            seen += 1
    assert unseen == [] and seen >= len(policy.parameters)


def test_the_calendar_is_that_of_the_periods() -> None:
    expected = {
        "merchant-reputation": ("publication", "day 16 of the next month, 12:00: points and level at the close of the"),
        "merchant-tier": ("evaluation", "the close of each day; shown from the beginning of the next day on"),
        "creator-level": ("evaluation", "day 1 of the next month, 00:00, for each natural month"),
        "creator-firefly": (
            "evaluation",
            "at the instant at which points are earned; decided by the month as of day 1",
        ),
        "mcn-level": ("evaluation_day", "day 3 of the next month, 00:00, for each natural month; levels and boards"),
    }
    for scheme, (row, begins) in expected.items():
        assert rows_of(asked(scheme), "calendar")[row][1].startswith(begins)
    moved = with_values(shipped("merchant-reputation")[-1], publication={"day": 5, "hour": 9})
    assert rows_of(of(moved), "calendar")["publication"][1].startswith("day 5 of the next month, 09:00:")


# --- the words --------------------------------------------------------------------------------------------------------

FILES = sorted(ROOT.glob("domain/*/glance.toml"))


def entries(value: Any) -> Iterator[dict[str, Any]]:
    """Everything that is said in languages."""
    if isinstance(value, dict) and {*value} & {*LANGUAGES}:
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from entries(item)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_scheme_has_its_words_in_every_language_and_no_more_than_it_needs(scheme: str) -> None:
    words = glance_words(scheme)
    for entry in entries(words):
        assert {*LANGUAGES} <= {*entry} and all(entry[language] for language in LANGUAGES)
    parameters = {name for policy in shipped_revisions(scheme) for name in policy.parameters}
    assert {*words["parameters"]} == {name for name in parameters if not name.startswith("benefit_")}
    shown = {code for policy in shipped_revisions(scheme) for code in homes_of(of(policy))}
    assert {basis_code(fact) for fact in words["facts"]} <= shown
    for fact in words["facts"]:
        labels = {f"label_{language}" for language in LANGUAGES}
        assert labels <= {*fact} or not labels & {*fact}
        assert fact["section"] in words["order"] and ("clause" in fact) == (not {*LANGUAGES} <= {*fact})
    assert len(FILES) == len(SCHEMES) + 1, "and one that they share"


# --- which version ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "policy", "force"),
    [
        ({}, "2022-07-19", "in_force"),
        ({"as_of": "2022-07-18"}, "2021", "in_force"),
        ({"as_of": "2022-07-19"}, "2022-07-19", "in_force"),
        ({"as_of": "2020-07-01"}, "2021", "to_come"),
        ({"as_of": "2030-01-01"}, "2022-07-19", "in_force"),
        ({"policy": "2021"}, "2021", "replaced"),
        ({"policy": "2021@020f047bcd06"}, "2021", "unused"),
    ],
)
def test_the_version_in_force_then_or_the_one_that_is_named(wanted: dict[str, str], policy: str, force: str) -> None:
    found = asked("creator-level", **wanted)
    assert (found["policy"], found["force"]) == (policy, force)


def test_a_version_that_is_open_for_preview_says_so() -> None:
    found = asked("creator-level", as_of="2022-05-01")
    assert found["policy"] == "2021" and found["as_of"] == "2022-05-01T23:59:59.999999+08:00"
    forces = {item["policy_hash"][:12]: item["force"] for item in found["versions"]}
    assert forces == {
        "020f047bcd06": "unused",
        "219ba2f5fb81": "in_force",
        "7a26f5fb6610": "preview",
        "b741f34c2f15": "unused",
    }
    before = asked("creator-level", as_of="2022-04-10")["versions"]
    assert [item["force"] for item in before if item["used"]] == ["in_force", "to_come"]


def test_what_a_ledger_adopted_is_at_hand(store: Store) -> None:
    other = with_values(shipped("merchant-reputation")[-1], default_tenths=8)
    Ledger(store).adopt(other)
    known = AtHand(revisions(store, None, other.scheme), NOW, store.head().position)
    found = rules_json(known, RulesAsked(against=f"2022-10-26@{shipped(other.scheme)[-1].hash[:8]}"), "en")
    assert (found["policy_hash"], found["position"]) == (other.hash, 1)
    assert [(item["adopted"], item["force"]) for item in found["versions"] if item["used"]] == [([1], "in_force")]
    (row,) = [row for section in found["sections"] for row in section["rows"] if row["change"] != "same"]
    assert (row["code"], row["cells"][1]["against"], row["cells"][1]["differs"]) == (
        "default_tenths",
        ["+0.7, where an order was received and not reviewed in time"],
        True,
    )


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({"as_of": "2022-05-01", "policy": "2021"}, "--policy and --as-of both say which version; give one of them"),
        ({"as_of": "May"}, "--as-of 'May' is not of the form"),
        ({"policy": "2024"}, "there is no policy '2024'; known are 2021@020f047bcd06"),
        ({"against": "2024"}, "--against '2024' names no version (2021, 2022-07-19), and as a day or an instant it is"),
        ({"against": "2021@ffff"}, "there is no policy '2021@ffff'"),
    ],
)
def test_what_is_asked_wrongly_is_refused(wanted: dict[str, str], text: str) -> None:
    with pytest.raises(UsageError, match=re.escape(text)):
        asked("creator-level", **wanted)


# --- side by side -----------------------------------------------------------------------------------------------------


@each_policy
def test_a_version_beside_itself_does_not_differ(policy: Policy) -> None:
    found = of(policy, "en", policy)
    rows = [row for section in found["sections"] for row in section["rows"]]
    assert {item["change"] for item in (*rows, *found["bases"])} == {"same"}
    assert all(cell["texts"] == cell["against"] and not cell["differs"] for row in rows for cell in row["cells"])


def test_two_versions_beside_each_other_mark_what_differs() -> None:
    found = asked("creator-level", policy="2022-07-19", against="2021")
    again = asked("creator-level", as_of="2022-08-01", against="2022-01-01")
    assert again["sections"] == found["sections"] and again["against"]["policy"] == found["against"]["policy"] == "2021"
    changes = {row["code"]: row["change"] for section in found["sections"] for row in section["rows"]}
    assert {code for code, change in changes.items() if change == "changed"} == {"weights"}
    assert {code for code, change in changes.items() if change == "gone"} == {"no_gates"}
    added = {code for code, change in changes.items() if change == "added"}
    assert added == {"gate_reputation", "gate_deducted", "gated"}
    bases = {basis["code"]: basis for basis in found["bases"]}
    statuses = [bases["weights"][side]["status"] for side in ("shown", "against")]
    assert statuses == ["published", "assumed"] and bases["weights"]["change"] == "changed"
    turned = asked("creator-level", policy="2021", against="2022-07-19")
    mirrored = {row["code"]: row["change"] for section in turned["sections"] for row in section["rows"]}
    turns = {"added": "gone", "gone": "added"}
    assert mirrored == {code: turns.get(change, change) for code, change in changes.items()}


def test_levels_that_only_one_version_has_stand_in_both() -> None:
    taobao = read_folder(ROOT / "fixtures" / "policies" / "taobao")[-1]
    found = of(shipped("merchant-reputation")[-1], "en", taobao)
    (rows,) = [section["rows"] for section in found["sections"] if section["code"] == "levels"]
    assert [row["change"] for row in rows] == ["changed", *["added"] * 15, *["changed"] * 5, *["gone"] * 15]
    assert rows[-1]["cells"][0]["against"] == ["Gold crown 5"] and rows[-1]["cells"][0]["texts"] == []


# --- what is promised of each scheme ----------------------------------------------------------------------------------


def test_the_grades_of_reputation() -> None:
    levels = rows_of(asked("merchant-reputation", "zh"), "levels")
    assert len(levels) == 21 and levels[""] == ["无等级", "–", "5,001"]
    assert levels["bronze-5"] == ["铜Lv5", "2,001", "5,001"] and levels["silver-1"] == ["银Lv1", "5,001", "40,001"]
    assert levels["diamond-4"] == ["钻Lv4", "15,000,001", "15,000,001"]
    assert levels["diamond-5"] == ["钻Lv5", "50,000,001", "无"]
    found = asked("merchant-reputation")
    assert rows_of(found, "caps")["pair_cap_tenths"][1].startswith("±6 net with one merchant in a natural month")
    assert rows_of(found, "counting")["default_tenths"][1].startswith("+0.7, where an order was received")
    assert rows_of(found, "counting")["review_hours"][1] == "15 days from the receipt"
    assert rows_of(found, "not_counting")["amount_fen_min"][1] == "under ¥5: does not count"
    assert [section["note"] for section in found["sections"] if section["code"] == "benefits"] == [
        "The rules name no benefits of levels."
    ]


def test_the_tiers() -> None:
    found = asked("merchant-tier")
    tiers = rows_of(found, "levels")
    assert tiers["LV0"] == ["LV0", "3.00 %", "85.00 %", "85.00 %", "–", "–", "–", "50", "¥5,000"]
    assert tiers["LV7"] == ["LV7", "–", "–", "–", "1.00 %", "92.00 %", "92.00 %", "none", "none"]
    moves = rows_of(found, "moves")
    assert (
        moves["wait_days"][1].startswith("30 days;") and moves["clear_out_days"][1] == "after 60 days in LV0, for good"
    )
    assert "at least 80 % of the tier's limits of orders and GMV" in moves["fast_upgrade"][1]


def test_the_levels_of_creators() -> None:
    found = asked("creator-level", "zh")
    assert rows_of(found, "levels")["L2"] == ["L2", "1.50", "萤火计划; 超级福袋"]
    assert rows_of(found, "scores")["7"] == ["7", "¥50,000,000", "50 %"]
    assert rows_of(found, "gates")["gate_reputation"][1].startswith("每日最后一次口碑分的均值 ≥ 4.20")
    assert rows_of(found, "benefits")["live_announcement"] == ["电商直播预告", "L4", "口碑分 ≥ 4.50"]
    assert rows_of(asked("creator-level", policy="2021"), "gates")["no_gates"] == ["Gates", "none"]


def test_the_levels_of_agencies() -> None:
    found = asked("mcn-level")
    assert [row[1] for row in rows_of(found, "scores").values()] == ["500", "300", "200", "100", "1,100"]
    bands = rows_of(found, "bands")
    assert len(bands) == 9 and bands["top_creators"][1] == "creators of L5 and above"
    assert bands["settled_fen"][2].endswith("¥10,000,000: 200; ¥50,000,000: 250")
    assert bands["reputation_hundredths"][2].startswith("0.00: 0; 3.00: 40; 3.60: 80")
    assert rows_of(found, "boards")["growth"] == ["growth board", "ranked by growth"]
    assert rows_of(found, "levels")[""][0] == "No level" and rows_of(found, "levels")["V5"][1] == "850"
    assert rows_of(found, "benefits")["customer_service"][1] == "every state"


def test_the_levels_of_the_firefly_plan() -> None:
    levels = rows_of(asked("creator-firefly", "zh"), "levels")
    assert levels["firefly-4"] == ["萤火星4级", "2,000", "平台官方活动邀请"]


def test_a_level_brings_what_lower_ones_do() -> None:
    levels = {item["code"]: item["benefits"] for item in asked("creator-level")["levels"]}
    assert levels["L0"] == [] and levels["L1"] == ["shopping_red_packet"]
    assert {*levels["L7"]} == {item["code"] for item in asked("creator-level")["benefits"]}
    assert asked("mcn-level")["levels"][0]["benefits"] == ["customer_service"]


def test_benefits_of_the_old_version_that_rest_on_the_new_text_say_so() -> None:
    by_version = {
        policy: {item["code"]: item["later_text"] for item in asked("creator-level", policy=policy)["benefits"]}
        for policy in ("2021", "2022-07-19")
    }
    assert {*by_version["2022-07-19"].values()} == {None}
    later = {code for code, day in by_version["2021"].items() if day == "2022-07-19"}
    reposted = {"firefly_plan", "super_lucky_bag"}
    assert later == {*by_version["2021"]} - reposted and len(later) == 4
    boards = {basis["code"]: basis["shown"] for basis in asked("mcn-level")["bases"]}["boards"]
    assert boards["later_text"] == "2023-07-14"


@each_language
def test_a_benefit_that_rests_on_a_later_text_says_so_wherever_it_is_told(language: str) -> None:
    words = Words(language, {})
    for version, is_said in (("2021", True), ("2022-07-19", False)):
        benefits = [
            item for item in asked("creator-level", policy=version)["benefits"] if item["status"] == "published"
        ]
        (told,) = benefit_lines({"held": benefits}, words)
        assert len(benefits) == 2 and told.text.count("2022-07-19") == 2 * is_said


# --- the command ------------------------------------------------------------------------------------------------------


@each_language
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_command_tells_all_of_it(scheme: str, language: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    found = json.loads(run("rules", scheme, "--lang", language, "--format", "json"))
    shown = run("rules", scheme, "--lang", language)
    texts = [
        text for item in found["sections"] for row in item["rows"] for cell in row["cells"] for text in cell["texts"]
    ]
    texts += [code_name(language, "source", basis["shown"]["source"]) for basis in found["bases"]]
    texts += [column["title"] for item in found["sections"] if item["rows"] for column in item["columns"]]
    assert [text for text in texts if text not in shown] == []
    assert list(tmp_path.iterdir()) == []


def test_the_command_tells_all_schemes_or_two_versions(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert [item["scheme"] for item in json.loads(run("rules", "--format", "json"))] == [*SCHEMES]
    beside = run("rules", "creator-level", "--policy", "2022-07-19", "--against", "2021")
    assert re.search(r"(?m)^  -  .*sales 100 %, behaviour 0 % +\[assumed\]$", beside)
    assert re.search(r"(?m)^  \+  .*sales 80 %, behaviour 20 % +\[rule text\]$", beside)
    assert "nothing differs" in run("rules", "merchant-tier", "--against", "2022-09-09")
    assert "不一致" not in beside and "the text is of 2022-07-19, later than this version" in beside
    toml_of(with_values(shipped("merchant-reputation")[-1], default_tenths=9), tmp_path / "own.toml")
    assert "+0.9, where an order was received" in run("rules", "merchant-reputation", "--policies", ".")
    run("rules", "merchant-reputation", "--store", "none.db", status=2)
    run("rules", "luck", status=2)
