"""Rows that independent replays give, as far as all schemes have them. Nothing here knows how views are moved."""

from typing import Any

from domain.policy import Policy
from replay.replaying.base import Replay
from replay.replaying.monthly import MonthlyReplay
from replay.replaying.values import LevelChange

Rows = dict[str, list[dict[str, Any]]]
"""By table, rows."""


def level_row(replay: Replay) -> dict[str, Any]:
    standing, effective = replay.standing(), replay.effective()
    return {
        "subject": replay.subject,
        "scheme": replay.scheme,
        "state": standing.state,
        "level": standing.level,
        "score": replay.score,
        "effective_state": effective.state,
        "effective_level": effective.level,
        "effective_since": effective.since,
        **judged(replay, replay.policy),
    }


def judged(replay: Replay, policy: Policy) -> dict[str, Any]:
    return {"policy": policy.id, "policy_hash": policy.hash, "assumed": bool(replay.assumed)}


def change_row(change: LevelChange, score: int | None, by: dict[str, Any]) -> dict[str, Any]:
    """A change with what it came to; `by` is what judged it."""
    return {
        "from_at": change.at,
        "state": change.after.state,
        "level": change.after.level,
        "score": score,
        **by,
        "cause": change.cause,
        "cause_position": change.position,
    }


def history_rows(replay: Replay, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """History rows with what all of them have: subject, scheme, number and the instant at which the next begins."""
    ends = [row["from_at"] for row in rows[1:]] + [None]
    return [
        {"subject": replay.subject, "scheme": replay.scheme, "number": number, "to_at": end, **row}
        for number, (row, end) in enumerate(zip(rows, ends, strict=False))
    ]


def monthly_history_rows(replay: MonthlyReplay[Any], rows: list[dict[str, Any]], score: str) -> list[dict[str, Any]]:
    """The changes among the rows of a replay's months; `score` names the column by which the scheme ranks."""
    by_instant = {month.at: row for month, row in zip(replay.months, rows, strict=True)}
    found = []
    for change in replay.changes():
        row = by_instant[change.at]
        by = {name: row[name] for name in ("policy", "policy_hash", "assumed")}
        found.append(change_row(change, row[score], by))
    return history_rows(replay, found)
