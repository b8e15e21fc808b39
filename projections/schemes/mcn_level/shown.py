"""What the answers about an agency's level say, from the rows of its months."""

from functools import lru_cache
from typing import Any, Final

from domain.calendar import month_of, parse_month
from domain.mcn_level.facts import rules_of
from domain.mcn_level.rule import SCORES, Evaluation, Figures, Rules, State, rows_of
from domain.policy import start_of_month, terms_of
from projections.schemes.shared.viewed import Viewed
from projections.views.step import standing_retractions
from replay.history.timeline import RETRACTED
from replay.schemes.mcn_level.answer import McnShown, mcn_json
from replay.schemes.mcn_level.replay import Month

_rules_of = lru_cache(64)(rules_of)


def own_json(viewed: Viewed) -> dict[str, Any]:
    months = [_month(row, viewed) for row in viewed.rows("mcn_months")]
    terms = terms_of(viewed.policies.own, start_of_month)
    return mcn_json(McnShown(months, _onboarded(viewed, months), viewed.policy, terms, viewed.as_of))


def _month(row: dict[str, Any], viewed: Viewed) -> Month:
    """An evaluation again, from what it came to."""
    policy = viewed.by_hash[row["policy_hash"]]
    rules = _rules_of(policy)
    return Month(policy, rules, _evaluation(row, rules), {})


def _evaluation(row: dict[str, Any], rules: Rules) -> Evaluation:
    settled, showcase, good = row["settled_fen"], row["showcase_fen"], row["good_fen"]
    figures = Figures(
        month=parse_month(row["month"]),
        months_onboarded=0,  # the state says what comes of it
        settled_sum_fen=settled,
        showcase_sum_fen=showcase,
        good_sum_fen=good,
        **{name: row[name] for name in _AS_STORED},
    )
    total, bounds = row["total"], rules.level_bounds
    level = sum(1 for bound in bounds if bound <= total)
    return Evaluation(
        *(figures, settled, showcase, good, rows_of(figures, settled, showcase, good, rules)),
        **{score: row[score] for score in SCORES},
        state=State(row["state"]),
        level=level,
        to_next=bounds[level] - total if level < len(bounds) else None,
    )


_AS_STORED: Final = (
    *("credit", "orders", "worry_free", "showcase_creators", "live_minutes", "top_creators"),
    *("reputation_sum", "reputation_creators"),
)
"""The figures that a row holds under their own names."""


def _onboarded(viewed: Viewed, months: list[Month]) -> int | None:
    """The month of the onboarding: of novices as what is kept of their lives says, of others any before that does."""
    if viewed.stored.state == State.NOT_ONBOARDED:
        return None
    if viewed.stored.state not in (State.NOVICE, State.NO_EVALUATION_YET):
        return months[0].month
    life = viewed.rows("life")
    gone = standing_retractions((row["position"], row["value"]) for row in life if row["type"] == RETRACTED)
    instants = [row["at"] for row in life if row["type"] == "mcn.onboarded" and row["position"] not in gone]
    return month_of(min(instants))
