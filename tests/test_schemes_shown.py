"""What is shown is asked of every scheme that replays: a scheme is a unit, and no part of one comes by default."""

from typing import Any

import pytest
from marshmallow import Schema

from projections.contract.answers import SCHEMAS, describe
from projections.contract.parts.vocabulary import NOTES, STATES, VERDICTS, VOCABULARIES
from projections.contract.schemes.registry import ANSWERS, answers_of
from projections.text.schemes.registry import TEXTS, evaluation_lines, own_lines, series_of, text_of
from projections.text.words import Words
from replay.errors import UsageError
from replay.history.timeline import Moment
from replay.policies.catalog import shipped
from replay.replaying.base import Policies, Replay
from replay.schemes.registry import SCHEMES

STUB = "courier-level"
LANGUAGES = ("en", "zh")


def replays() -> dict[str, type[Replay]]:
    """By scheme, its replay: what the replay side knows, and so what must be shown."""
    return {code: scheme.replay for code, scheme in SCHEMES.items()}


REPLAYS = replays()
SCHEME_NAMES = list(REPLAYS)


def level_names(scheme: str, language: str) -> dict[str, str]:
    """What the levels of the shipped policies are called."""
    policies = Policies(shipped(scheme), creators=shipped("creator-level"))
    return REPLAYS[scheme]("none/none", [], Moment(0, 0, 0), policies).level_names(language)


def every_key(schema: Schema) -> set[str]:
    return set(schema.fields)


# --- answers ----------------------------------------------------------------------------------------------------------


def test_the_registry_of_answers_and_the_vocabulary_hold_the_schemes_that_replay() -> None:
    assert set(ANSWERS) == set(VOCABULARIES) == set(REPLAYS)
    assert {scheme for _, scheme in SCHEMAS} == set(REPLAYS)


@pytest.mark.parametrize("scheme", SCHEME_NAMES)
def test_the_answers_of_a_scheme_are_described_in_its_own_words(scheme: str) -> None:
    described = describe(None, scheme)
    assert set(described) == {f"{command} {scheme}" for command in ("replay", "explain", "history", "diff")}
    own, words = answers_of(scheme), VOCABULARIES[scheme]
    assert every_key(own.replay()) < every_key(own.explain()), "an explanation holds the replay's keys, and more"
    assert set(words.states) and set(map(str, words.states)) <= set(STATES)
    assert words.verdicts and set(words.verdicts) <= set(VERDICTS) and set(words.notes) <= set(NOTES)
    figures: set[str] = set(REPLAYS[scheme].figure_names)
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
    assert all(words.state(state) for state in VOCABULARIES[scheme].states)
    assert (told.evaluations is not None) == ("evaluations" in every_key(answers.explain()))
    names = level_names(scheme, language)
    assert names and all(names.values()) and names.keys() == level_names(scheme, "en").keys()


def test_a_scheme_without_a_text_is_refused_by_name() -> None:
    found, words = {"scheme": STUB}, Words("en", {})
    refused: list[Any] = [
        lambda: list(own_lines(found, words)),
        lambda: list(evaluation_lines(found, words)),
        lambda: series_of(found),
    ]
    for ask in refused:
        with pytest.raises(UsageError, match=f"there is no scheme '{STUB}' with a text; known are merchant-rep"):
            ask()
