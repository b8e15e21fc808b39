"""The readable cases of fixtures/cases: a clause, events, and what must come of them."""

import tomllib
from typing import Any

from domain.calendar import parse_instant, shanghai_text
from tests import ROOT

FOLDER = ROOT / "fixtures" / "cases"


FILES = sorted(FOLDER.glob("*.toml"))


CASES = {file.stem: tomllib.loads(file.read_text("utf-8")) for file in FILES}


def cloud_events(lines: list[str], subject: str) -> list[dict[str, Any]]:
    """The events that a case's lines tell: time, type, id, then key=value."""
    events, learned = [], 0
    for line in lines:
        time, event_type, event_id, *pairs = line.split()
        data: dict[str, Any] = {key: _value(key, value) for key, value in map(_pair, pairs)}
        at = parse_instant(f"{time}+08:00")
        told = data.pop("learned", None)
        learned = max(at, learned) if told is None else parse_instant(f"{told}+08:00")
        events.append(
            {
                "specversion": "1.0",
                "id": event_id,
                "source": "urn:case",
                "type": event_type,
                "subject": data.pop("subject", subject),
                "time": shanghai_text(at),
                "recordedtime": shanghai_text(learned),
                "data": data,
            }
        )
    return events


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


def _value(key: str, value: str) -> Any:
    """Integers and truth values are told as such; scores are texts."""
    if value in ("true", "false"):
        return value == "true"
    return int(value) if value.isdigit() and key != "value" else value


def assert_expected(found: dict[str, Any], replay: dict[str, Any]) -> None:
    """The keys that a case names by their paths."""
    for path, expected in replay.get("expect", {}).items():
        value: Any = found
        for step in path.split("."):
            value = value[int(step)] if step.lstrip("-").isdigit() else value[step]
        assert ("none" if value is None else value) == expected, path
