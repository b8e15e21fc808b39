"""Rows that independent replays give, as far as all schemes have them. Nothing here knows how views are moved."""

from typing import Any

from domain.calendar import day_start, parse_day, parse_instant
from domain.policy import Policy
from replay.replaying.base import Replay
from replay.replaying.monthly import MonthlyReplay

Rows = dict[str, list[dict[str, Any]]]
"""By table, rows."""


def level_row(replay: Replay) -> dict[str, Any]:
    standing, effective = replay.standing_json(), replay.effective_json()
    since = effective["since"]
    return {
        "subject": replay.subject,
        "scheme": replay.scheme,
        "state": standing["state"],
        "level": standing["level"],
        "score": replay.score,
        "effective_state": effective["state"],
        "effective_level": effective["level"],
        "effective_since": None if since is None else instant_of(since),
        **judged(replay, replay.policy),
    }


def instant_of(text: str) -> int:
    """The instant of a time or day of an answer."""
    return parse_instant(text) if "T" in text else day_start(parse_day(text))


def judged(replay: Replay, policy: Policy) -> dict[str, Any]:
    return {"policy": policy.id, "policy_hash": policy.hash, "assumed": bool(replay.assumed)}


def history_rows(replay: Replay, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """History rows with what all of them have: subject, scheme, number and the instant at which the next begins."""
    ends = [row["from_at"] for row in rows[1:]] + [None]
    return [
        {"subject": replay.subject, "scheme": replay.scheme, "number": number, "to_at": end, **row}
        for number, (row, end) in enumerate(zip(rows, ends, strict=False))
    ]


def monthly_history_rows(replay: MonthlyReplay[Any], rows: list[dict[str, Any]], score: str) -> list[dict[str, Any]]:
    by_month = {row["month"]: row for row in rows}
    found = []
    for change in replay.changes_json():
        row = by_month[change["cause"]["month"]]
        found.append(
            {
                "from_at": parse_instant(change["at"]),
                **change["after"],
                "score": row[score],
                **{name: row[name] for name in ("policy", "policy_hash", "assumed")},
                "cause": "evaluation",
                "cause_position": None,
            }
        )
    return history_rows(replay, found)
