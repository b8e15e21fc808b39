"""The rows that an independent replay of `creator-level` gives: what its view must hold."""

from domain.calendar import month_text
from projections.schemes.shared.expected_rows import Rows, judged, monthly_history_rows
from replay.replaying.base import Replay
from replay.schemes.creator_level.replay import CreatorReplay


def rows_of(replay: Replay) -> Rows:
    assert isinstance(replay, CreatorReplay)
    rows = []
    for month in replay.months:
        found, figures = month.found, month.found.figures
        rows.append(
            {
                "subject": replay.subject,
                "month": month_text(month.month),
                "state": month.standing.state,
                "level": month.standing.level,
                "score": month.score,
                "settled_fen": found.settled_fen,
                "good_fen": found.good_fen,
                "sales_score": found.sales_score,
                "behaviour_score": found.behaviour_score,
                "reputation_sum": figures.reputation_sum,
                "reputation_days": figures.reputation_days,
                "deducted": figures.deducted,
                **judged(replay, month.policy),
            }
        )
    return {"creator_months": rows, "history": monthly_history_rows(replay, rows, "score")}
