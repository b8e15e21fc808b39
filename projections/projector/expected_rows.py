"""The rows that independent replays give: what a view must hold, drawn from the replays that `levelbook replay` runs.

Nothing here knows how views are moved: each row is made of a replay's answers.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from domain.calendar import day_start, day_text, month_start, month_text, parse_day, parse_instant
from domain.merchant_reputation.account import shown
from domain.merchant_reputation.rule import NO_CAP
from domain.merchant_tier.facts import end_of
from domain.policy import Policy
from projections.views.tables import VERDICT_COLUMNS
from replay.replaying.base import Replay
from replay.schemes.creator_level.replay import CreatorReplay
from replay.schemes.mcn_level.replay import McnReplay
from replay.schemes.merchant_reputation.replay import ReputationReplay
from replay.schemes.merchant_tier.replay import TierReplay

Rows = dict[str, list[dict[str, Any]]]


def rows_of(replay: Replay) -> Rows:
    """By table, the public rows of one subject and scheme."""
    rows = _ROWS[replay.scheme](replay)
    return {"levels": [_level_row(replay)], **rows}


def _level_row(replay: Replay) -> dict[str, Any]:
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
        "effective_since": None if since is None else _instant(since),
        **_judged(replay, replay.policy),
    }


def _instant(text: str) -> int:
    """The instant of a time or day of an answer."""
    return parse_instant(text) if "T" in text else day_start(parse_day(text))


def _judged(replay: Replay, policy: Policy) -> dict[str, Any]:
    return {"policy": policy.id, "policy_hash": policy.hash, "assumed": bool(replay.assumed)}


def _history(replay: Replay, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """History rows with what all of them have: subject, scheme, number and the instant at which the next begins."""
    ends = [row["from_at"] for row in rows[1:]] + [None]
    return [
        {"subject": replay.subject, "scheme": replay.scheme, "number": number, "to_at": end, **row}
        for number, (row, end) in enumerate(zip(rows, ends, strict=False))
    ]


def _reputation(replay: Replay) -> Rows:
    assert isinstance(replay, ReputationReplay)
    months = []
    for month in replay.run.months:
        counts = Counter(replay.findings[index].verdict.word for index in month.findings)
        months.append(
            {
                "subject": replay.subject,
                "month": month_text(month.month),
                "opening_tenths": month.begun.points,
                "growth_tenths": month.closing.growth,
                "cap_tenths": None if month.closing.cap == NO_CAP else month.closing.cap,
                "closing_tenths": month.closing.points,
                "state": str(shown(month.closing, replay.spans, month.begun.month_end - 1).state),
                "level": shown(month.closing, replay.spans, month.begun.month_end - 1).level,
                **{word: counts[word] for word in VERDICT_COLUMNS},
                **_judged(replay, replay.policy_at(month_start(month.month))),
            }
        )
    return {
        "reputation_months": months,
        "history": _history(replay, [*map(_reputation_change(replay), replay.changes_json())]),
    }


def _reputation_change(replay: Replay) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def row(change: dict[str, Any]) -> dict[str, Any]:
        at, cause = parse_instant(change["at"]), change["cause"]
        return {
            "from_at": at,
            "state": change["after"]["state"],
            "level": change["after"]["level"],
            "score": _tenths(change["after"]["points"]),
            **_judged(replay, replay.policy_at(at)),
            "cause": cause.get("verdict") or ("policy" if "policy" in cause else "opened"),
            "cause_position": cause.get("position"),
        }

    return row


def _tenths(text: str) -> int:
    return int(text.replace(",", "").replace(".", ""))


def _tier(replay: Replay) -> Rows:
    assert isinstance(replay, TierReplay)
    days, history = [], []
    for number, change in enumerate(replay.changes_json()):
        day, cause, after = parse_day(change["at"]), change["cause"], change["after"]
        judged = _judged(replay, replay.policy_at(day_start(day)))
        common = {"state": after["state"], "level": after["level"], **judged, "cause": cause["rule"]}
        days.append(
            {
                "subject": replay.subject,
                "number": number,
                "day": day_text(day),
                **common,
                "cause_position": cause.get("position", 0),
            }
        )
        score = None if after["level"] is None else [*replay.level_names("en")].index(after["level"])
        history.append({"from_at": end_of(day), "score": score, **common, "cause_position": cause.get("position")})
    return {"tier_days": days, "history": _history(replay, history)}


def _creator(replay: Replay) -> Rows:
    assert isinstance(replay, CreatorReplay)
    rows = []
    for month in replay.months:
        found, figures = month.found, month.found.figures
        rows.append(
            {
                "subject": replay.subject,
                "month": month_text(month.month),
                **month.standing_json(),
                "score": month.score,
                "settled_fen": found.settled_fen,
                "good_fen": found.good_fen,
                "sales_score": found.sales_score,
                "behaviour_score": found.behaviour_score,
                "reputation_sum": figures.reputation_sum,
                "reputation_days": figures.reputation_days,
                "deducted": figures.deducted,
                **_judged(replay, month.policy),
            }
        )
    return {"creator_months": rows, "history": _monthly_history(replay, rows, "score")}


def _mcn(replay: Replay) -> Rows:
    assert isinstance(replay, McnReplay)
    rows = []
    for month in replay.months:
        found, figures = month.found, month.found.figures
        rows.append(
            {
                "subject": replay.subject,
                "month": month_text(month.month),
                **month.standing_json(),
                "total": found.operating + found.growth + found.service + found.bonus,
                "operating": found.operating,
                "growth": found.growth,
                "service": found.service,
                "bonus": found.bonus,
                "credit": figures.credit,
                "settled_fen": found.settled_fen,
                "showcase_fen": found.showcase_fen,
                "good_fen": found.good_fen,
                "orders": figures.orders,
                "worry_free": figures.worry_free,
                "showcase_creators": figures.showcase_creators,
                "live_minutes": figures.live_minutes,
                "top_creators": figures.top_creators,
                "reputation_sum": figures.reputation_sum,
                "reputation_creators": figures.reputation_creators,
                **_judged(replay, month.policy),
            }
        )
    return {"mcn_months": rows, "history": _monthly_history(replay, rows, "total")}


def _monthly_history(replay: CreatorReplay | McnReplay, rows: list[dict[str, Any]], score: str) -> list[dict[str, Any]]:
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
    return _history(replay, found)


_ROWS: Final[dict[str, Callable[[Any], Rows]]] = {
    ReputationReplay.scheme: _reputation,
    TierReplay.scheme: _tier,
    CreatorReplay.scheme: _creator,
    McnReplay.scheme: _mcn,
}
