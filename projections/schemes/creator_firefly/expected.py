"""The rows that an independent replay of `creator-firefly` gives: what its view must hold."""

from domain.calendar import month_start, month_text
from projections.schemes.shared.expected_rows import Rows, change_row, history_rows, judged
from replay.replaying.base import Replay
from replay.schemes.creator_firefly.replay import FireflyReplay


def rows_of(replay: Replay) -> Rows:
    assert isinstance(replay, FireflyReplay)
    months = [
        {
            "subject": replay.subject,
            "month": month_text(month.month),
            "level": month.level,
            "score": month.total,
            "balance": month.balance,
            "earned": month.earned,
            "redeemed": month.redeemed,
            "events": month.events,
            "begins_at": month_start(month.month),
            "begun_with": month.begun_with,
            **judged(replay, replay.policy_at(month_start(month.month))),
        }
        for month in replay.months
    ]
    changes = [
        change_row(change, found.earned, judged(replay, replay.policy_at(change.at)))
        for change, found in zip(replay.changes(), replay.level_changes, strict=True)
    ]
    return {"firefly_months": months, "history": history_rows(replay, changes)}
