"""The random worlds of `creator-firefly`: well formed, rich enough, and lawful by the oracle."""

from collections import Counter
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import given, settings

from domain.calendar import month_of, parse_instant
from domain.events import CATALOGUE
from domain.limits import DAY_MICROS
from replay.parsing.parse import read_line
from tests.conftest import SOAK
from tests.oracles.creator_firefly import firefly
from tests.support.making import line
from tests.worlds.creator_firefly import (
    BEGIN,
    SUBJECT,
    VERSIONS,
    WORLDS,
    World,
    as_the_oracle_reads,
    recorded_at,
    world_of,
)

FIGURES: Final = ("state", "level", "score", "balance")
LATER: Final = BEGIN + 120 * DAY_MICROS
"""When everything that is told of has happened."""
WANTED: Final = (
    *("not_registered", "counted", "duplicate_task", "redeemed", "duplicate_redemption", "cancelled", "overdrawn"),
    *("retracted", "retracts_nothing"),
    *("spent to nothing", "at one instant", "out of order", "over a month's end", "restated"),
)


def asked(world: World, name: str, as_of: int, position: int | None = None) -> dict[str, Any]:
    events = as_the_oracle_reads(world.lines)
    position = world.position if position is None else position
    return firefly(events, as_of=as_of, position=position, versions=VERSIONS[name], subject=SUBJECT)


@given(world=WORLDS)
def test_worlds_are_well_formed_ledgers(world: World) -> None:
    assert len({made["id"] for made in world.lines}) == len(world.lines)
    for before, after in pairwise(world.lines):
        assert recorded_at(before) <= recorded_at(after)
    for made in world.lines:
        assert parse_instant(made["time"]) <= recorded_at(made)
        if made["type"] in CATALOGUE:
            assert read_line(line(made)).stream == made["subject"]
    known = [made for made in world.lines if recorded_at(made) <= world.known_at]
    assert known == world.lines[: world.position]


def test_the_worlds_reach_every_state_level_verdict_note_and_collision() -> None:
    seen: Counter[Any] = Counter()
    for seed in range(200):
        world = world_of(seed)
        for name in VERSIONS:
            found = asked(world, name, world.as_of)
            seen.update([(name, found["state"]), (name, found["level"])])
            seen[name, "by version"] += any(change["cause"] is None for change in found["changes"])
        then, now = (asked(world, "small", world.as_of, n) for n in (world.position, len(world.lines)))
        seen["restated"] += any(then[key] != now[key] for key in FIGURES)
        seen.update(reached(asked(world, "small", LATER, len(world.lines))))
    for name, versions in VERSIONS.items():
        codes = [level["code"] for level in versions[0]["parameters"]["levels"]]
        assert {code for code in codes if not seen[name, code]} == set(), name
        assert seen[name, "not_registered"], name
        assert (seen[name, "by version"] > 0) == (len(versions) > 1), name
    rare = {wanted for wanted in WANTED if seen[wanted] < 10}
    assert rare == set()


def reached(found: dict[str, Any]) -> list[str]:
    """What is to be seen in a world once all of it has happened."""
    rows = found["verdicts"]
    positions, instants = [row["position"] for row in rows], {row["at"] for row in rows}
    shown = {
        "spent to nothing": found["score"] > 0 == found["balance"],
        "at one instant": len(instants) < len(rows),
        "out of order": positions != sorted(positions),
        "over a month's end": len({month_of(instant) for instant in instants}) > 1,
    }
    return [
        *(row["verdict"] for row in rows),
        *found["notes"].values(),
        *(name for name, is_so in shown.items() if is_so),
    ]


@pytest.mark.parametrize("name", ["shipped", "small", "at a month's start"])
@settings(max_examples=60 * SOAK)
@given(world=WORLDS)
def test_an_earlier_as_of_is_a_prefix_of_a_later_one(name: str, world: World) -> None:
    """Where no version comes into force within a month, which judges the whole of it anew."""
    before, after = asked(world, name, world.earlier), asked(world, name, world.as_of)
    for key in ("verdicts", "changes"):
        assert before[key] == [row for row in after[key] if row["at"] <= world.earlier]
    assert before["months"] == after["months"][: len(before["months"])]


@settings(max_examples=60 * SOAK)
@given(world=WORLDS)
def test_what_takes_no_part_changes_nothing(world: World) -> None:
    """Neither another creator's events, nor those of other schemes, but that they are taken back has a note."""
    ours = [made for made in world.lines if made["subject"] == SUBJECT and not made["id"].startswith("else-")]
    alone = World(ours, world.as_of, world.earlier, len(ours))
    whole, found = (asked(each, "small", world.as_of, len(each.lines)) for each in (world, alone))
    for key in (*FIGURES, "benefits", "months", "effective"):
        assert whole[key] == found[key], key
    assert [row["id"] for row in whole["verdicts"]] == [row["id"] for row in found["verdicts"]]
