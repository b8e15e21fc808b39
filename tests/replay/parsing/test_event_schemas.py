"""JSON Schemas of the event types: what they accept the intake accepts, and the other way round."""

import json
from functools import cache
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cli import main
from domain.calendar import parse_instant
from projections.contract.events import EVENT_TYPES, event_schema
from replay.parsing.parse import read_line
from replay.parsing.refusals import Reason, RefusalError
from tests.conftest import SOAK
from tests.support.examples import AS_OTHERS, EXTERNAL, JUNK, example
from tests.support.making import line

BEYOND_JSON_SCHEMA = {
    Reason.CONTROL_CHARACTER,
    Reason.BIDI_CHARACTER,
    Reason.INVISIBLE_CHARACTER,
    Reason.LONE_SURROGATE,
    Reason.IMPOSSIBLE_TIME,
}


@cache
def validator(event_type: str) -> Any:
    return Draft202012Validator(event_schema(event_type))


def refusal(made: dict[str, Any]) -> Reason | None:
    try:
        read_line(line(made))
    except RefusalError as error:
        return error.refusal.reason
    return None


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """An event that was well formed, as others write it, or with a fault or two."""
    event_type = draw(st.sampled_from(EVENT_TYPES))
    made = example(event_type, full=draw(st.booleans()))
    if draw(st.booleans()):
        made |= draw(AS_OTHERS)
    for _ in range(draw(st.integers(0, 2))):
        target = made["data"] if draw(st.booleans()) and type(made.get("data")) is dict else made
        name = draw(st.sampled_from(sorted([*target, "unknown"])))
        if draw(st.booleans()):
            target[name] = draw(JUNK)
        else:
            target.pop(name, None)
    return made | {"type": event_type}


@pytest.mark.slow
@settings(max_examples=250 * SOAK)
@given(made=events())
def test_a_schema_accepts_what_the_intake_accepts(made: dict[str, Any]) -> None:
    found = refusal(made)
    assume(found not in BEYOND_JSON_SCHEMA and not has_whole_float(made))
    assert validator(made["type"]).is_valid(made) == (found is None), found


def has_whole_float(value: Any) -> bool:
    """1.0 is an integer to JSON Schema and none to the intake."""
    if isinstance(value, dict):
        return any(map(has_whole_float, value.values()))
    if isinstance(value, list):
        return any(map(has_whole_float, value))
    return isinstance(value, float) and value.is_integer()


@pytest.mark.parametrize("event_type", EVENT_TYPES)
@pytest.mark.parametrize("full", [False, True])
def test_examples_and_their_schemas(event_type: str, full: bool) -> None:
    Draft202012Validator.check_schema(event_schema(event_type))
    made = example(event_type, full=full)
    assert validator(event_type).is_valid(made)
    assert not validator(event_type).is_valid(made | {"source": "URN:levelbook:0"})
    for name in ("id", "source", "subject", "time"):
        assert not validator(event_type).is_valid({key: value for key, value in made.items() if key != name})
    examples = {
        name: field["examples"][0]
        for name, field in event_schema(event_type)["properties"].items()
        if "examples" in field
    }
    assert parse_instant(examples["time"])


def test_the_command_gives_the_schemas() -> None:
    done = CliRunner().invoke(main, ["answers", "events"])
    assert done.exit_code == 0 and list(json.loads(done.output)) == list(EXTERNAL)
    one = json.loads(CliRunner().invoke(main, ["answers", "events", "order.paid"]).output)
    assert one == json.loads(done.output)["order.paid"]
    assert one["properties"]["data"]["$id"] == "urn:levelbook:schema:order.paid"
    assert one["properties"]["data"]["properties"]["amount"]["maximum"] == 10**10
