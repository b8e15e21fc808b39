"""Ways to the next level as JSON: what each asks, by when it reaches the level, and why others do not."""

from typing import Any

from domain.calendar import shanghai_text
from replay.answers.replay import common_json
from replay.errors import UsageError
from replay.hypothetical.proving import Proved
from replay.replaying.base import Replay
from replay.replaying.hypothetical import Need, NoWay, Way
from replay.schemes.registry import answer_of


def way_at(found: Proved, number: int) -> Way:
    """One of the ways by its number, from 1. Raises UsageError where there is none."""
    if 1 <= number <= len(found.ways):
        return found.ways[number - 1]
    raise UsageError(f"there is no way {number} here; 'levelbook ways' lists {len(found.ways)}")


def ways_json(replay: Replay, found: Proved, language: str) -> dict[str, Any]:
    """The ways of a replay: what each asks, and when it reaches the level and counts; and which do not, and why."""
    names = replay.level_names(language)
    return {
        "hypothetical": True,
        **common_json(replay),
        **answer_of(replay).standing_json(),
        "level_name": names.get(replay.standing().level or ""),
        "next_level": found.next_level,
        "next_level_name": names.get(found.next_level or ""),
        "ways": [_way_json(way, names) for way in found.ways],
        "unreachable": [_no_way_json(item) for item in found.unreachable],
        "unproved": list(found.unproved),
    }


def _way_json(way: Way, names: dict[str, str]) -> dict[str, Any]:
    return {
        "kind": way.kind,
        "asks": [_need_json(need) for need in way.asks],
        "level": way.level,
        "level_name": names.get(way.level),
        "reached_at": shanghai_text(way.reached_at),
        "effective_at": None if way.effective_at is None else shanghai_text(way.effective_at),
        "each_alone": [_need_json(need) for need in way.each_alone],
        "events": len(way.events),
    }


def _no_way_json(found: NoWay) -> dict[str, Any]:
    return {"kind": found.kind, "why": found.why, "asks": [_need_json(need) for need in found.asks]}


def _need_json(need: Need) -> dict[str, Any]:
    return {"figure": need.figure, "amount": need.amount, "unit": need.unit}
