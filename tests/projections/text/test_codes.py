"""Codes have names: every one that an answer may say, in every language but that of the codes themselves."""

import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

from domain.events import CATALOGUE
from domain.languages import LANGUAGES
from domain.rules.comparison import Comparison
from projections.contract.parts.vocabulary import FIGURES, NOTES, VERDICTS
from projections.desk.framing.language import words_of
from projections.http.problems import NOT_WRITTEN_DOWN, UNAVAILABLE
from projections.text.words import Words
from projections.text.words.codes import code_name
from projections.text.words.figures import figure_text, fraction_text, held_text, money_text, value_text
from replay.answers.rules import AtHand, RulesAsked, rules_json
from replay.policies.benefits import BENEFIT_PREFIX
from replay.policies.catalog import revisions, shipped
from replay.rendering.clauses import clauses
from replay.rendering.comparisons import comparison_json
from replay.schemes.registry import SCHEMES
from tests import ROOT

OTHERS = [language for language in LANGUAGES if language != "en"]
POLICIES = [policy for scheme in SCHEMES for policy in shipped(scheme)]
PROBLEM = re.compile(r"""Problem\(\s*[0-9]{3},\s*"([a-z-]+)""")
ACCESS = re.compile(r"""Access\(\s*"([a-z_]+)\"""")


def rules_bases(language: str = "en") -> list[dict[str, Any]]:
    """What the figures of every policy rest on, as the rules at a glance say it."""
    found = []
    for policy in POLICIES:
        at_hand = AtHand(revisions(None, None, policy.scheme), policy.in_force_from)
        found += rules_json(at_hand, RulesAsked(policy=f"{policy.id}@{policy.hash}"), language)["bases"]
    return found


@pytest.mark.parametrize("language", OTHERS)
def test_the_rules_at_a_glance_name_parameters_alike(language: str) -> None:
    named = {item["parameter"]: item["name"] for item in rules_bases(language) if item["parameter"] is not None}
    plain = {name: called for name, called in named.items() if not name.startswith(BENEFIT_PREFIX)}
    assert plain and {name: code_name(language, "parameter", name) for name in plain} == plain


@pytest.mark.parametrize("language", OTHERS)
def test_every_code_has_a_name(language: str) -> None:
    bases = [clause for scheme in SCHEMES for clause in clauses(scheme).values() if "source" in clause]
    codes = {
        "scheme": set(SCHEMES),
        "verdict": {*VERDICTS, *NOTES},
        "type": set(CATALOGUE),
        "parameter": {name for policy in POLICIES for name in policy.parameters},
        "source": {item.source for policy in POLICIES for item in policy.parameters.values()}
        | {clause["source"] for clause in bases}
        | {basis["shown"]["source"] for basis in rules_bases()},
        "figure": {name for scheme in SCHEMES.values() for name in scheme.answer.figure_names} - {"figures"},
    }
    for kind, named in codes.items():
        assert [code for code in sorted(named) if code_name(language, kind, code) == code] == [], kind


@pytest.mark.parametrize("language", OTHERS)
def test_no_two_codes_of_a_kind_have_one_name(language: str) -> None:
    """Else nobody could tell them apart."""
    found = tomllib.loads((files("projections.text.words") / "names" / f"{language}.toml").read_text("utf-8"))
    same = {"settled": "settled_fen", "worry_free": "worry_free_orders"}
    for kind, names in found.items():
        if kind == "source":
            continue
        seen: dict[str, str] = {}
        for code, name in names.items():
            assert name not in seen or same.get(seen[name]) == code, (kind, code, seen[name])
            seen[name] = code


def test_the_desk_and_the_answers_name_schemes_alike() -> None:
    for language in OTHERS:
        for scheme in SCHEMES:
            assert words_of(language)(f"scheme_{scheme}") == code_name(language, "scheme", scheme)


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_stands_in_every_language_and_asks_for_nothing_that_the_english_one_does_not(language: str) -> None:
    english, other = (dict(_texts(Words(name, {})._words)) for name in ("en", language))
    assert set(other) == set(english)
    fields = {key: [set(re.findall(r"{(\w+)", told[key])) for told in (english, other)] for key in english}
    assert {key: found for key, found in fields.items() if not found[1] <= found[0]} == {}


def _texts(words: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in words.items():
        if isinstance(value, dict):
            yield from _texts(value, f"{before}{key}.")
        else:
            yield before + key, str(value)


def test_a_code_without_a_name_is_shown_as_it_is() -> None:
    words = Words("zh", {})
    assert words.code("parameter", "ours") == words.code_beside("parameter", "ours") == "ours"
    assert words.code_beside("parameter", "levels") == "等级界限（levels）"
    assert words.parameters(["levels", "ours"]) == "等级界限（levels）、ours"
    assert Words("en", {}).parameters(["levels", "ours"]) == "levels, ours"


def test_figures_are_shown_in_the_unit_in_which_people_read_them() -> None:
    assert [money_text(fen) for fen in (135_000_000, 5, -12_345)] == ["¥1,350,000.00", "¥0.05", "-¥123.45"]
    assert figure_text("settled", 101_000_000) == "¥1,010,000.00" and figure_text("live_minutes", 1_620) == "1,620"
    assert figure_text("reputation_mean", "4.65") == "4.65"
    reputation = {"what": "reputation_hundredths", "numerator": 465, "denominator": 1, "value": "465.00"}
    share = {"what": "good_share", "numerator": 51_000_000, "denominator": 99_000_000, "value": "51.52"}
    nothing = {"what": "product_rate", "numerator": 0, "denominator": 0, "value": None}
    shown = [
        Words("en", {}, exact=exact).comparison(item | {"unit": unit, "relation": ">=", "bound": bound, "met": met})
        for exact in (False, True)
        for item, unit, bound, met in (
            (reputation, "number", "460.00", True),
            (share, "percent", "50.00", True),
            (nothing, "percent", "2.50", False),
        )
    ]
    assert shown == [
        "mean reputation of the creators: 4.65 >= 4.60: met",
        "share of good goods: 51.52 % >= 50 %: met",
        "product rate: no figures >= 2.50 %: not met",
        "mean reputation of the creators: 4.65 >= 4.60: met",
        "share of good goods: 51.52 % (51,000,000 / 99,000,000) >= 50 %: met",
        "product rate: no figures (0 / 0) >= 2.50 %: not met",
    ]


def test_a_mean_of_hundredths_is_shown_out_of_five_rounded_once_and_beside_its_exact_fraction() -> None:
    """Three creators of 4.15, 4.15 and 4.16 have 4.15 in the mean, never 415.33; what is just under a bound too."""

    def mean(total: int, creators: int) -> dict[str, Any]:
        compared = Comparison("reputation_hundredths", total, creators, ">=", 420)
        return comparison_json(compared)

    told = {(1_246, 3): "4.15", (1_260, 3): "4.20", (829, 2): "4.15", (82_899, 200): "4.14", (415, 1): "4.15"}
    assert {found: value_text(mean(*found)) for found in told} == told
    assert held_text(mean(1_246, 3), mean(1_246, 3)["bound"]) == "4.20"
    assert [fraction_text(mean(*found)) for found in ((1_246, 3), (415, 1))] == ["1,246 / 300", ""]


def found_in_code(sought: re.Pattern[str]) -> set[str]:
    """What a pattern finds in the sources of the projections."""
    return {code for file in (ROOT / "projections").rglob("*.py") for code in sought.findall(file.read_text("utf-8"))}


def test_every_problem_that_the_service_tells_has_a_name() -> None:
    told = {*found_in_code(PROBLEM), UNAVAILABLE, NOT_WRITTEN_DOWN}
    assert len(told) > 20
    assert [kind for kind in sorted(told) if code_name("zh", "problem", kind) == kind] == []


@pytest.mark.parametrize("language", OTHERS)
def test_all_that_is_written_down_of_who_asked_has_a_name(language: str) -> None:
    """The command `accesses` and the page of them read it from different words."""
    noted, words = found_in_code(ACCESS), words_of(language)
    assert len(noted) > 10
    assert [what for what in sorted(noted) if code_name(language, "asked", what) == what] == []
    assert [what for what in sorted(noted) if words(f"asked_{what}") == what] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_that_ways_ask_for_is_told_in_a_sentence(language: str) -> None:
    """One of it, or several; what names a figure alone is told by the figure."""
    words = Words(language, {})
    table = tomllib.loads((ROOT / f"projections/text/words/{language}.toml").read_text("utf-8"))["needs"]
    ways = tomllib.loads((ROOT / f"projections/text/words/names/{language}.toml").read_text("utf-8"))["way"]
    called_otherwise = {"fast_upgrade", "orders_and_reviews", "time_alone", "together"}
    assert {name.removesuffix("_one") for name in table} == ways.keys() - called_otherwise
    for name in table:
        told = words.need(name.removesuffix("_one"), 1 if name.endswith("_one") else 23, "23")
        assert told == table[name].format(amount="23")
    assert Words("en", {}).need("good_reviews", 1, "1") == "1 good review of a new order"
    assert Words("en", {}).need("complaint_rate", 1, "1") == "1 for the complaint rate"
    assert Words("zh", {}).need("good_reviews", 1, "1") == "新订单的好评 1 个"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_figure_that_events_add_to_has_a_name(language: str) -> None:
    """Of its own, or that of the figure of answers with the same code."""
    words = Words(language, {})
    named = {figure: words.added_figure(figure) for figure in FIGURES}
    assert not [name for name in named.values() if "_" in name]
    if language in OTHERS:
        assert not [figure for figure, name in named.items() if figure == name]
    table = tomllib.loads((ROOT / f"projections/text/words/names/{language}.toml").read_text("utf-8"))
    assert table["added"].keys() <= {*FIGURES}
    assert not [code for code, name in table["added"].items() if table["figure"].get(code) == name]
    assert (words.added_figure("score") == words.code("figure", "score")) is False
