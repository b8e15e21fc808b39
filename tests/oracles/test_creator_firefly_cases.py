"""The readable cases of `creator-firefly` come out of the oracle too, so that case, rule and oracle say one thing."""

from datetime import date
from typing import Any

import pytest

from domain.calendar import parse_instant, shanghai_text
from tests.oracles.creator_firefly import firefly
from tests.support.cases import CASES, assert_expected, cloud_events
from tests.worlds.creator_firefly import SHIPPED_LEVELS, as_the_oracle_reads, recorded_at, version

OWN = {name: case for name, case in CASES.items() if case.get("scheme") == "creator-firefly"}


def moment(text: str) -> int:
    """A bare date means its last microsecond."""
    if len(text) == len(date.min.isoformat()):
        return parse_instant(f"{text}T23:59:59.999999+08:00")
    return parse_instant(text)


def asked(case: dict[str, Any], replay: dict[str, Any]) -> dict[str, Any]:
    lines = cloud_events(case["events"], case["subject"])
    known_at = moment(replay["known_at"]) if "known_at" in replay else recorded_at(lines[-1])
    found = firefly(
        as_the_oracle_reads(lines),
        as_of=moment(replay["as_of"]),
        position=sum(recorded_at(line) <= known_at for line in lines),
        versions=[version("2022-01", "2022-01-01", SHIPPED_LEVELS)],
        subject=case["subject"],
    )
    since = found["effective"]["since"]
    return found | {"effective": found["effective"] | {"since": since if since is None else shanghai_text(since)}}


@pytest.mark.parametrize("name", OWN)
def test_a_case_comes_out_of_the_oracle(name: str) -> None:
    case = OWN[name]
    for replay in case["replays"]:
        found = asked(case, replay)
        assert (found["state"], found["level"]) == (replay["state"], replay.get("level"))
        if "verdicts" in replay:
            assert [f"{row['id']} {row['verdict']}" for row in found["verdicts"]] == replay["verdicts"]
        if "notes" in replay:
            notes = [f"{name.removeprefix('urn:case ')} {note}" for name, note in found["notes"].items()]
            assert notes == replay["notes"]
        assert_expected(found, replay)


def test_the_cases_show_every_verdict() -> None:
    shown = {
        line.split()[1] for case in OWN.values() for replay in case["replays"] for line in replay.get("verdicts", ())
    }
    moved = {"counted", "redeemed"}
    assert shown == moved | {"not_registered", "duplicate_task", "duplicate_redemption", "cancelled", "overdrawn"}
