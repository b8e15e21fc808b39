"""The rows that an independent replay of `mcn-level` gives: what its view must hold."""

from domain.calendar import month_text
from projections.schemes.shared.expected_rows import Rows, judged, monthly_history_rows
from replay.replaying.base import Replay
from replay.schemes.mcn_level.replay import McnReplay


def rows_of(replay: Replay) -> Rows:
    assert isinstance(replay, McnReplay)
    rows = []
    for month in replay.months:
        found, figures = month.found, month.found.figures
        rows.append(
            {
                "subject": replay.subject,
                "month": month_text(month.month),
                "state": month.standing.state,
                "level": month.standing.level,
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
                **judged(replay, month.policy),
            }
        )
    return {"mcn_months": rows, "history": monthly_history_rows(replay, rows, "total")}
