"""What the answers about a creator's Firefly level say, from the rows of its months and of the level's history."""

from typing import Any

from domain.calendar import parse_month
from domain.creator_firefly.account import Month
from domain.policy import start_of_month, terms_of
from projections.schemes.creator_firefly.rows import MONTH_FIGURES
from projections.schemes.shared.viewed import Viewed
from replay.schemes.creator_firefly.answer import FireflyShown, LastChange, firefly_json


def own_json(viewed: Viewed) -> dict[str, Any]:
    months = [_month(row) for row in viewed.rows("firefly_months")]
    balance = months[-1].balance if months else 0
    terms = terms_of(viewed.policies.own, start_of_month)
    last = _last_change(viewed)
    return firefly_json(
        FireflyShown(viewed.stored.score or 0, balance, viewed.stored.level, last, months, terms, viewed.as_of)
    )


def _month(row: dict[str, Any]) -> Month:
    return Month(parse_month(row["month"]), *(row[name] for name in ("level", *MONTH_FIGURES)))


def _last_change(viewed: Viewed) -> LastChange | None:
    history = viewed.rows("history")
    if not history:
        return None
    before = history[-2]["level"] if len(history) > 1 else None
    return LastChange(history[-1]["from_at"], before, history[-1]["cause_position"])
