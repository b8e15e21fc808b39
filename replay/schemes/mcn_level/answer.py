"""What only the answers about an agency's level say: scores, the creators that they rest on, benefits."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from domain.calendar import month_of, month_start, month_text, shanghai_text
from domain.mcn_level.facts import evaluated_at, last_scores, rules_of
from domain.mcn_level.rule import ScoreRow, State, asked_of_novices, rated_when
from domain.policy import Policy, Term, term_at
from domain.rules.bands import Band
from domain.rules.comparison import Comparison, decimal_text
from replay.policies.benefits import NOTHING_HELD, Entitled, benefits_json, held_benefits
from replay.rendering.ahead import next_dates_json
from replay.rendering.comparisons import comparison_json
from replay.rendering.facet import standing_json
from replay.rendering.monthly import MonthlyAnswer
from replay.schemes.mcn_level.replay import McnReplay, Month

FIGURES: Final = ("month", "credit", "operating", "growth", "service", "bonus", "total", "figures")


class McnShown(NamedTuple):
    """What is shown of an agency, whether a replay gives it or the views do."""

    months: Sequence[Month]
    """Every evaluation up to `as_of`, the earliest first."""
    onboarded: int | None
    """The month of the onboarding, which only a novice's answer reads; None for who is not."""
    policy: Policy
    terms: Sequence[Term]
    as_of: int


class McnAnswer(MonthlyAnswer[McnReplay, Month]):
    """One replay of one agency, as its answers show it."""

    figure_names = FIGURES

    def event_json(self, position: int) -> dict[str, Any]:
        """With its subject: the agency, or one of its creators."""
        return {"subject": self.replay.events[position].originator_id, **super().event_json(position)}

    def own_json(self) -> dict[str, Any]:
        replay = self.replay
        onboarded_at = replay.history.onboarded_at
        onboarded = None if onboarded_at is None else month_of(onboarded_at)
        return mcn_json(McnShown(replay.months, onboarded, replay.policy, replay.terms, replay.moment.as_of))

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


def mcn_json(shown: McnShown) -> dict[str, Any]:
    """The keys that only the answers about an agency's level have."""
    held = shown.months[-1] if shown.months else None
    to_next = None if held is None else _to_next(held)
    return {
        **(
            dict.fromkeys((*FIGURES, "credit_max", "rows"))
            if held is None
            else _scores_json(held)
            | {"figures": _figures_json(held), "credit_max": held.rules.credit_max, "rows": _rows_json(held)}
        ),
        "to_next": to_next,
        "next_level": None if held is None or to_next is None else held.rules.level_codes[held.found.level],
        "next_dates": next_dates_json(_next_evaluation(shown)),
        "phase": None if shown.onboarded is None else _phase_json(shown, held),
        "benefits": _benefits_json(shown, held),
        "months": [
            _scores_json(month) | standing_json(month.standing) | {"policy": month.policy.id} for month in shown.months
        ],
    }


def _next_evaluation(shown: McnShown) -> str | None:
    """The first evaluation after `as_of`; None for who is not onboarded."""
    if shown.onboarded is None:
        return None
    months = range(max(month_of(shown.as_of) - 1, shown.onboarded), month_of(shown.as_of) + 1)
    found = ((month, rules_of(term_at(shown.terms, month_start(month)).policy)) for month in months)
    dates = (evaluated_at(month, rules) for month, rules in found if month >= rules.first_month)
    following = min((at for at in dates if at > shown.as_of), default=None)
    return None if following is None else shanghai_text(following)


def _phase_json(shown: McnShown, held: Month | None) -> dict[str, Any]:
    """The phase, when that of a novice ends, and what the others hang on: observation ends where both are met."""
    rules = rules_of(shown.policy) if held is None else held.rules
    is_novice = held is None or held.found.state is State.NOVICE
    assert shown.onboarded is not None, "who is not onboarded has no phase"
    last = month_text(shown.onboarded + rules.novice_months - 1) if is_novice else None
    asked = asked_of_novices(rules) if held is None else rated_when(held.found, rules)
    return {"last_novice_month": last, "rated_when": [comparison_json(item) for item in asked]}


def _benefits_json(shown: McnShown, held: Month | None) -> dict[str, Any]:
    """Those of every state come with the onboarding; the others with a level."""
    if shown.onboarded is None:
        return benefits_json(None, NOTHING_HELD, None, None)
    before = None
    if len(shown.months) > 1:
        earlier = shown.months[-2]
        before = held_benefits(earlier.policy, _holding(earlier))
    return benefits_json(shown.policy, _holding(held), before, _next_rank(held))


def _next_rank(held: Month | None) -> int:
    """The rank that is reached next: unless rated, that which the scores give once it is."""
    if held is None:
        return 0
    top = len(held.rules.level_codes) - 1
    return min(held.found.level, top) if held.found.state is State.RATED else max(held.found.level - 1, 0)


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


def _rows_json(month: Month) -> list[dict[str, Any]]:
    """Every row of the scores: its figure, the band that it reached, and what the next band needs."""
    return [_row_json(row) for row in month.found.rows]


def _row_json(row: ScoreRow) -> dict[str, Any]:
    reached, following = row.band, next((band for band in row.bands if band.score > row.points), None)
    held = comparison_json(_against(row, reached))
    further = None if following is None else comparison_json(_against(row, following))["bound"]
    return {
        "score": row.score,
        **{name: held[name] for name in ("what", "numerator", "denominator", "value", "unit")},
        "points": row.points,
        "points_max": max(band.score for band in row.bands),
        "band_from": held["bound"],
        "next_from": further,
        "next_points": following and following.score,
    }


def _against(row: ScoreRow, band: Band) -> Comparison:
    return Comparison(row.what, row.numerator, row.denominator, ">=", band.begins, row.unit)


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


def _holding(month: Month | None) -> Entitled:
    """By the rank of the level, 0 for the first; -1 for none, with which the benefits of every state are held."""
    return Entitled(month.found.level - 1 if month is not None and month.level is not None else -1)
