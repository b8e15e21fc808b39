"""The rows that an independent replay of `merchant-tier` gives: what its view must hold."""

from domain.calendar import day_start, day_text, parse_day
from domain.merchant_tier.facts import end_of
from projections.schemes.shared.expected_rows import Rows, history_rows, judged
from replay.replaying.base import Replay
from replay.schemes.merchant_tier.replay import TierReplay


def rows_of(replay: Replay) -> Rows:
    assert isinstance(replay, TierReplay)
    days, history = [], []
    for number, change in enumerate(replay.changes_json()):
        day, cause, after = parse_day(change["at"]), change["cause"], change["after"]
        by = judged(replay, replay.policy_at(day_start(day)))
        common = {"state": after["state"], "level": after["level"], **by, "cause": cause["rule"]}
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
    return {"tier_days": days, "history": history_rows(replay, history)}
