"""What only the answers about an agency's level say: scores, the creators that they rest on, benefits."""

from typing import Any

from domain.calendar import month_text
from domain.mcn_level.facts import last_scores
from domain.mcn_level.rule import State
from domain.rules.comparison import decimal_text
from replay.policies.benefits import benefits_json, held_benefits
from replay.rendering.facet import standing_json
from replay.rendering.monthly import MonthlyAnswer
from replay.schemes.mcn_level.replay import McnReplay, Month


class McnAnswer(MonthlyAnswer[McnReplay, Month]):
    """One replay of one agency, as its answers show it."""

    figure_names = ("month", "credit", "operating", "growth", "service", "bonus", "total", "figures")

    def event_json(self, position: int) -> dict[str, Any]:
        """With its subject: the agency, or one of its creators."""
        return {"subject": self.replay.events[position].originator_id, **super().event_json(position)}

    def own_json(self) -> dict[str, Any]:
        held = self.replay.held
        return {
            **(
                dict.fromkeys((*self.figure_names, "to_next"))
                if held is None
                else _scores_json(held) | {"figures": _figures_json(held), "to_next": _to_next(held)}
            ),
            "benefits": self._benefits_json(),
            "months": [
                _scores_json(month) | standing_json(month.standing) | {"policy": month.policy.id}
                for month in self.replay.months
            ],
        }

    def _benefits_json(self) -> dict[str, Any]:
        """Those of every state come with the onboarding; the others with a level."""
        if not self.replay.begun:
            return benefits_json(None, None, None, None)
        months = self.replay.months
        before = None
        if len(months) > 1:
            found = held_benefits(months[-2].policy, _rank(months[-2]))
            before = [item["code"] for item in found]
        return benefits_json(self.replay.policy, _rank(self.replay.held), None, before)

    def evaluation_json(self, month: Month) -> dict[str, Any]:
        """One evaluation, with the creators that it rests on."""
        history = self.replay.history
        scores = last_scores(history, month.month)
        return {
            **super().evaluation_json(month),
            "creators": [
                {
                    "creator": f"creator/{name}",
                    "level": level,
                    "counted": self.replay.is_top(name, month.month, month.rules),
                    "reputation": None if name not in scores else decimal_text(scores[name], 100),
                    "settled": history.sums[name, month.month].settled_fen
                    if (name, month.month) in history.sums
                    else 0,
                }
                for name, level in month.creators.items()
            ],
        }


def _scores_json(month: Month) -> dict[str, Any]:
    found = month.found
    return {
        "month": month_text(month.month),
        "credit": found.figures.credit,
        "operating": found.operating,
        "growth": found.growth,
        "service": found.service,
        "bonus": found.bonus,
        "total": found.total,
    }


def _to_next(month: Month) -> int | None:
    return month.found.to_next if month.found.state is State.RATED else None


def _figures_json(month: Month) -> dict[str, Any]:
    found, figures = month.found, month.found.figures
    return {
        "settled": found.settled_fen,
        "orders": figures.orders,
        "top_creators": figures.top_creators,
        "live_minutes": figures.live_minutes,
        "showcase": found.showcase_fen,
        "showcase_creators": figures.showcase_creators,
        "good": found.good_fen,
        "reputation_mean": decimal_text(figures.reputation_sum, figures.reputation_creators * 100),
        "worry_free": figures.worry_free,
    }


def _rank(month: Month | None) -> int:
    """The rank of the level, 0 for the first; -1 for none, with which the benefits of every state are held."""
    return month.found.level - 1 if month is not None and month.level is not None else -1
