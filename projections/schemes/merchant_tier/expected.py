"""The rows that an independent replay of `merchant-tier` gives: what its view must hold."""

from domain.calendar import day_of, day_start, day_text
from projections.schemes.shared.expected_rows import Rows, change_row, history_rows, judged
from replay.replaying.base import Replay
from replay.schemes.merchant_tier.replay import TierReplay


def rows_of(replay: Replay) -> Rows:
    assert isinstance(replay, TierReplay)
    days, history = [], []
    for number, change in enumerate(replay.changes()):
        after, day = change.after, day_of(change.at)
        policy = replay.policy_at(day_start(day))
        by = judged(replay, policy)
        days.append(
            {
                "subject": replay.subject,
                "number": number,
                "day": day_text(day),
                "state": after.state,
                "level": after.level,
                **by,
                "cause": change.cause,
                "cause_position": change.position or 0,
            }
        )
        score = None if after.level is None else replay.level_codes(policy).index(after.level)
        history.append(change_row(change, score, by))
    return {"tier_days": days, "history": history_rows(replay, history)}
