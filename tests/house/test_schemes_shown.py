"""What is shown is asked of every scheme that replays: a scheme is a unit, and no part of one comes by default."""

import ast
import json
import re
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from marshmallow import Schema

from cli import main
from domain.events import CATALOGUE
from domain.rules.contributions import LINES
from projections.api.levels import check_judges, row_json
from projections.commands.asking.completing import complete_decided
from projections.contract.answers import SCHEMAS, describe
from projections.contract.parts.vocabulary import NOTES, STATES, SUBJECT, VERDICTS, VOCABULARIES, one_of
from projections.contract.schemes.registry import ANSWERS, answers_of
from projections.desk.framing.language import words_of
from projections.desk.framing.rendering import has_points, score_text
from projections.desk.schemes.registry import PAGES, pages_of
from projections.http.problems import Problem
from projections.reading.point_reads import Level
from projections.text.schemes.registry import TEXTS, evaluation_lines, own_lines, text_of
from projections.text.words import Words
from projections.views.tables import tables_of
from replay.errors import UsageError
from replay.policies.catalog import shipped
from replay.rendering.clauses import clause_json
from replay.replaying.base import Policies, Replay
from replay.schemes.registry import SCHEMES, kinds
from replay.store.opening import create_store, open_store
from tests import ROOT
from tests.support.making import ingest_events
from tests.support.running import run
from tests.worlds.ledgers import World

PROJECTIONS = ROOT / "projections"
STUB = "courier-level"
LANGUAGES = ("en", "zh")


def replays() -> dict[str, type[Replay]]:
    """By scheme, its replay: what the replay side knows, and so what must be shown."""
    return {code: scheme.replay for code, scheme in SCHEMES.items()}


REPLAYS = replays()
SCHEME_NAMES = list(REPLAYS)


def level_names(scheme: str, language: str) -> dict[str, str]:
    """What the levels of the shipped policies are called."""
    policies = Policies(shipped(scheme), beside=shipped("creator-level"))
    return REPLAYS[scheme].level_names_of(policies, language)


def every_key(schema: Schema) -> set[str]:
    return set(schema.fields)


# --- answers ----------------------------------------------------------------------------------------------------------


def test_the_registry_of_answers_and_the_vocabulary_hold_the_schemes_that_replay() -> None:
    assert set(ANSWERS) == set(VOCABULARIES) == set(REPLAYS)
    assert {scheme for _, scheme in SCHEMAS} == set(REPLAYS)


@pytest.mark.parametrize("scheme", SCHEME_NAMES)
def test_the_answers_of_a_scheme_are_described_in_its_own_words(scheme: str) -> None:
    described = describe(None, scheme)
    commands = ("replay", "explain", "history", "diff", "what-if", "ways", "rules")
    assert set(described) == {f"{command} {scheme}" for command in commands}
    own, words = answers_of(scheme), VOCABULARIES[scheme]
    assert every_key(own.replay()) < every_key(own.explain()), "an explanation holds the replay's keys, and more"
    assert set(words.states) and set(map(str, words.states)) <= set(STATES)
    assert words.verdicts and set(words.verdicts) <= set(VERDICTS) and set(words.notes) <= set(NOTES)
    figures: set[str] = set(SCHEMES[scheme].answer.figure_names)
    assert figures <= every_key(own.replay())


def test_a_scheme_without_answers_is_refused_by_name() -> None:
    refused: list[Any] = [lambda: answers_of(STUB), lambda: describe("explain", STUB)]
    for ask in refused:
        with pytest.raises(UsageError, match=f"there is no scheme '{STUB}' with answers; known are merchant-rep"):
            ask()


# --- text -------------------------------------------------------------------------------------------------------------


def test_the_registry_of_texts_holds_the_schemes_that_replay() -> None:
    assert set(TEXTS) == set(REPLAYS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scheme", SCHEME_NAMES)
def test_a_scheme_has_its_words_in_each_language(scheme: str, language: str) -> None:
    words, told, answers = Words(language, {}), text_of(scheme), answers_of(scheme)
    vocabulary = VOCABULARIES[scheme]
    assert all(words.state(state) for state in vocabulary.states)
    assert vocabulary.figures and all(words.added_figure(name) for name in vocabulary.figures)
    assert all(words.sum_line(name) for name in (*vocabulary.sum_lines, *LINES))
    assert (told.evaluations is not None) == ("evaluations" in every_key(answers.explain()))
    names = level_names(scheme, language)
    assert names and all(names.values()) and names.keys() == level_names(scheme, "en").keys()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scheme", SCHEME_NAMES)
def test_each_verdict_and_note_of_a_scheme_is_said_in_each_language(scheme: str, language: str) -> None:
    for policy in shipped(scheme):
        for name in (*VOCABULARIES[scheme].verdicts, *VOCABULARIES[scheme].notes):
            said = clause_json(policy, name, language)
            assert said["short"] and said["text"], (policy.id, name)


def test_a_scheme_without_a_text_is_refused_by_name() -> None:
    found, words = {"scheme": STUB}, Words("en", {})
    refused: list[Any] = [
        lambda: list(own_lines(found, words)),
        lambda: list(evaluation_lines(found, words)),
    ]
    for ask in refused:
        with pytest.raises(UsageError, match=f"there is no scheme '{STUB}' with a text; known are merchant-rep"):
            ask()


# --- pages ------------------------------------------------------------------------------------------------------------

TEMPLATES = PROJECTIONS / "desk" / "templates"
TABLES = tables_of(1, None)


def templates_of(scheme: str) -> list[str]:
    own = pages_of(scheme)
    asked = [own.periods.template, own.rests_on]
    return [name for name in asked if name is not None]


def test_the_registry_of_pages_holds_the_schemes_that_replay() -> None:
    assert set(PAGES) == set(REPLAYS)


@pytest.mark.parametrize("scheme", SCHEME_NAMES)
def test_the_parts_of_a_scheme_s_pages_are_there(scheme: str) -> None:
    own, columns = pages_of(scheme), {row.name for row in TABLES[pages_of(scheme).periods.table].columns}
    assert own.periods.order in columns
    for name in templates_of(scheme):
        assert (TEMPLATES / name).is_file(), f"{scheme} names a template {name} that there is not"
    assert set(own.drawn.corrections) <= set(CATALOGUE)
    assert (own.rests_on is None) or "evaluations" in every_key(answers_of(scheme).explain())


def test_each_template_of_a_scheme_is_named_by_one() -> None:
    there = {path.relative_to(TEMPLATES).as_posix() for path in (TEMPLATES / "schemes").rglob("*.html")}
    assert there == {name for scheme in PAGES for name in templates_of(scheme)}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scheme", SCHEME_NAMES)
def test_the_pages_have_the_words_of_a_scheme_in_each_language(scheme: str, language: str) -> None:
    words, drawn = words_of(language), pages_of(scheme).drawn
    named = [f"scheme_{scheme}", f"axis_{scheme}", *([] if drawn.is_ranked else [f"score_{scheme}"])]
    assert all(words(key, score=0, formula="S") for key in named)
    for policy in shipped(scheme):
        assert [band.level for band in drawn.bands(policy) if not level_names(scheme, language).get(band.level)] == []


def test_a_scheme_without_pages_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=f"there is no scheme '{STUB}' with pages; known are merchant-rep"):
        pages_of(STUB)
    for ask in (has_points, partial(score_text, 1)):
        with pytest.raises(UsageError, match=f"there is no scheme '{STUB}' of subjects; known are merchant-rep"):
            ask(STUB)


def test_the_service_refuses_a_scheme_that_there_is_not_by_name() -> None:
    row = Level._make([None] * len(Level._fields))._replace(scheme=STUB, effective_since=0)
    with pytest.raises(UsageError, match=f"there is no scheme '{STUB}' of subjects; known are merchant-rep"):
        row_json(row)
    with pytest.raises(Problem, match=f"scheme {STUB} does not judge merchant"):
        check_judges("merchant", STUB)


# --- no other list ----------------------------------------------------------------------------------------------------

LAYERS = (
    "api",
    "commands",
    "configuration",
    "contract",
    "delivering",
    "desk",
    "doctor",
    "exporting",
    "http",
    "reading",
    "server",
    "terminal",
    "text",
    "worklist",
)
UNSEEN = ("candidates", "projector", "schemes", "sharding", "spreading", "upkeep", "views")
"""Those that fill and hold views, and show nothing."""
TABLES_OF_WORDS = PROJECTIONS / "contract" / "parts" / "vocabulary.py"


def outside_of_schemes() -> list[Path]:
    """Modules and templates of these layers that are no scheme's own, and no registry."""
    found = [path for layer in LAYERS for end in ("py", "html") for path in (PROJECTIONS / layer).rglob(f"*.{end}")]
    assert {path.name for path in PROJECTIONS.iterdir() if (path / "__init__.py").is_file()} == {*LAYERS, *UNSEEN}
    return [ROOT / "cli.py", *(path for path in found if "schemes" not in path.parts and path != TABLES_OF_WORDS)]


def texts_of(path: Path) -> list[str]:
    """What a module says, but for its documentation and the examples of commands; of a command its help counts."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    documented = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    texts = [str(node.value) for node in nodes if isinstance(node, ast.Constant) and id(node) not in documented]
    helps = [
        ast.get_docstring(node) or "" for node in nodes if isinstance(node, ast.FunctionDef) and node.decorator_list
    ]
    return [text for text in (*texts, *helps) if not text.startswith("levelbook ")]


def named_in(path: Path) -> set[str]:
    """The schemes that a module names outside its documentation, or whose rooms it imports; that a template names."""
    text, rooms = path.read_text("utf-8"), {scheme.replace("-", "_"): scheme for scheme in REPLAYS}
    if path.suffix != ".py":
        return {scheme for scheme in REPLAYS if scheme in text}
    imported = [node.module or "" for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    named = {scheme for scheme in REPLAYS if any(scheme in text for text in texts_of(path))}
    return named | {rooms[part] for module in imported for part in module.split(".") if part in rooms}


def test_no_scheme_is_named_beside_the_registries_and_its_own_modules() -> None:
    paths = outside_of_schemes()
    assert len(paths) > 60 and named_in(TABLES_OF_WORDS) == set(REPLAYS), "names are seen where they are"
    assert {path.name: named_in(path) for path in paths if named_in(path)} == {}


def test_the_kinds_of_subject_are_listed_nowhere_by_hand() -> None:
    listed = {
        f"{path.relative_to(ROOT)}: {text}"
        for path in outside_of_schemes()
        if path.suffix == ".py" and "mcn" not in path.parts
        for text in texts_of(path)
        if sum(bool(re.search(rf"\b{kind}\b", text)) for kind in kinds()) > 1
    }
    assert listed == set()
    assert SUBJECT == "merchant/<id>, creator/<id> or mcn/<id>" and one_of(["a"]) == "a"


def test_the_help_of_a_command_and_what_a_shell_completes_name_the_registered_schemes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def help_of(name: str) -> str:
        return " ".join(CliRunner().invoke(main, [name, "--help"], terminal_width=400).output.split())

    daily = [code for code, scheme in SCHEMES.items() if scheme.periods.unit == "day"]
    monthly = [code for code in SCHEMES if code not in daily]
    assert f"The month (YYYY-MM), of {', '.join(monthly)} and leaderboard." in help_of("decide")
    assert f"The day (YYYY-MM-DD), of {', '.join(daily)}." in help_of("appeal")
    assert f"Which scheme: {', '.join(SCHEMES)}. Default: the first of these that judges SUBJECT." in help_of("replay")
    new = replace(
        SCHEMES["merchant-tier"], replay=type("Courier", (SCHEMES["merchant-tier"].replay,), {"scheme": STUB})
    )
    monkeypatch.setitem(SCHEMES, STUB, new)
    assert f"The day (YYYY-MM-DD), of {', '.join([*daily, STUB])}." in help_of("appeal")
    context = click.Context(main)
    assert complete_decided(context, click.Argument(["scheme"]), "") == [*SCHEMES, "leaderboard"]


def test_a_command_that_shows_no_help_does_not_pay_for_what_its_help_names() -> None:
    code = "import sys, projections.commands.decide; print('replay.schemes.registry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


# --- every answer, as it is printed -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def peopled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A ledger of every kind of subject."""
    folder = tmp_path_factory.mktemp("peopled")
    location = str(folder / "ledger.db")
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, World(11).events(400), folder)
    return location


@pytest.mark.parametrize("scheme", SCHEME_NAMES)
def test_each_answer_is_as_it_is_described_and_is_told_in_each_language(scheme: str, peopled: str) -> None:
    kind = SCHEMES[scheme].kind
    subject = {"merchant": "merchant/m-1", "creator": "creator/c-1", "mcn": "mcn/a-1"}[kind]
    asked = (subject, "--scheme", scheme, "--store", peopled, "--as-of", "2023-06-20")
    for command in ("replay", "explain", "history", "what-if", "ways"):
        answer = json.loads(run(command, *asked, "--format", "json"))
        assert SCHEMAS[command, scheme][1]().validate(answer) == {}
        told = [run(command, *asked, "--lang", language) for language in LANGUAGES]
        assert told[0] != told[1] and not any(re.search(r"\b(None|null)\b", text) for text in told), command
    earlier = ("--as-of", "2022-12-01", "--to-as-of", "2023-06-20")
    answer = json.loads(run("diff", *asked[:5], *earlier, "--format", "json"))
    assert SCHEMAS["diff", scheme][1]().validate(answer) == {}
    assert all("None" not in run("diff", *asked[:5], *earlier, "--lang", language) for language in LANGUAGES)
