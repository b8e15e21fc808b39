"""The AsyncAPI document: what lies in the documents is what the classes give, and every event of theirs fits it."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from cli import main
from projections.contract.asyncapi import asyncapi_document
from projections.contract.events import EVENT_TYPES, event_schema
from replay.parsing.parse import read_line
from replay.parsing.refusals import Reason, RefusalError
from tests import ROOT
from tests.conftest import SOAK
from tests.support.examples import example
from tests.support.making import line

FILE = ROOT / "docs" / "reference" / "asyncapi.json"
NOT_SAID_BY_SCHEMAS = {
    Reason.IMPOSSIBLE_TIME,
    Reason.CONTROL_CHARACTER,
    Reason.BIDI_CHARACTER,
    Reason.INVISIBLE_CHARACTER,
    Reason.LONE_SURROGATE,
}


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (found for name, found in value.items() if name == "$ref" and isinstance(found, str))
        yield from (found for item in value.values() for found in references(item))
    elif isinstance(value, list):
        yield from (found for item in value for found in references(item))


def test_the_document_among_the_documents_is_the_one_that_the_command_prints() -> None:
    done = CliRunner().invoke(main, ["asyncapi"])
    assert done.exit_code == 0 and done.stdout == FILE.read_text("utf-8"), (
        "levelbook asyncapi > docs/reference/asyncapi.json"
    )


def test_every_reference_leads_somewhere_and_every_type_is_a_message() -> None:
    document = asyncapi_document()
    found = list(references(document))
    assert len(found) == 2 * len(EVENT_TYPES) + 1
    for reference in found:
        place: Any = document
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]
        assert place
    assert list(document["channels"]["events"]["messages"]) == list(EVENT_TYPES)
    assert document["asyncapi"] == "3.0.0" and document["channels"]["events"]["address"] is None


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_schemas_are_also_of_the_draft_that_asyncapi_reads(event_type: str) -> None:
    schema = asyncapi_document()["components"]["schemas"][event_type]
    assert "$schema" not in schema
    Draft7Validator.check_schema(schema)
    for full in (False, True):
        made = example(event_type, full=full)
        assert Draft7Validator(schema).is_valid(made)
        assert not Draft7Validator(schema).is_valid(made | {"source": "urn:levelbook:x"})


KEYWORDS = {
    *("type", "properties", "required", "additionalProperties", "anyOf", "not", "pattern", "const", "enum", "minimum"),
    *("maximum", "minLength", "maxLength", "description", "examples", "default", "title", "$id", "$schema"),
}
"""What a schema of ours says, and the strategy below understands."""


def strategy(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema accepts, near enough: the validator has the last word."""
    assert schema.keys() <= KEYWORDS, schema.keys() - KEYWORDS
    if "anyOf" in schema:
        return st.one_of([strategy(each) for each in schema["anyOf"]])
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    kind = schema.get("type")
    if kind == "object":
        return objects(schema)
    if kind == "integer":
        return st.integers(schema.get("minimum"), schema.get("maximum"))
    if kind == "boolean":
        return st.booleans()
    if kind == "null":
        return st.none()
    assert kind == "string", schema
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    return st.text(min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 20), 20))


def objects(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: strategy(each) for name, each in schema["properties"].items()}
    required = {name: fields[name] for name in schema["required"]}
    return st.fixed_dictionaries(
        required, optional={name: found for name, found in fields.items() if name not in required}
    )


@cache
def accepted(event_type: str) -> tuple[st.SearchStrategy[dict[str, Any]], Any]:
    schema = event_schema(event_type)
    return objects(schema), Draft202012Validator(schema)


@pytest.mark.slow
@settings(max_examples=150 * SOAK)
@given(data=st.data())
def test_what_a_schema_accepts_the_intake_accepts(data: st.DataObject) -> None:
    event_type = data.draw(st.sampled_from(EVENT_TYPES))
    values, validator = accepted(event_type)
    made = data.draw(values)
    if not validator.is_valid(made):
        return
    try:
        read_line(line(made))
    except RefusalError as error:
        assert error.refusal.reason in NOT_SAID_BY_SCHEMAS, error.refusal
