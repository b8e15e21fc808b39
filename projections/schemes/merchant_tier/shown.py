"""What the answers about a merchant's tier say, from the rows of its days and of their figures."""

from functools import lru_cache
from typing import Any

from domain.calendar import parse_day
from domain.merchant_tier.facts import last_closed_day, spans_of
from domain.merchant_tier.rule import fast_day_again
from domain.merchant_tier.running import Window, span_on
from domain.merchant_tier.values import Account, Cause, Day, Span, State
from domain.policy import Policy, start_of_day, terms_of
from projections.schemes.shared.viewed import Viewed
from projections.views.tables import DAY_FIGURES
from replay.schemes.merchant_tier.answer import NOT_JUDGED, TierShown, tier_json


def own_json(viewed: Viewed) -> dict[str, Any]:
    day, state, spans = last_closed_day(viewed.as_of), State(viewed.stored.state), _spans(tuple(viewed.policies.own))
    if state in NOT_JUDGED:
        return tier_json(TierShown(day, state, Account(), Window([]), [], spans))
    days = viewed.rows("tier_days")
    account, rules = _account(days[-1]), span_on(spans, day).rules
    figures = viewed.rows("tier_figures", ("day", min(day - rules.window_days, account.since) + 1))
    window = Window([Day(row["day"], *(row[name] for name in DAY_FIGURES)) for row in figures])
    if state is State.RATED:
        account = fast_day_again(day + 1, account, window.days, window.sums, rules)
    history = [_changed(row) for row in days]
    return tier_json(TierShown(day, state, account, window, history, spans))


@lru_cache(8)
def _spans(policies: tuple[Policy, ...]) -> list[Span]:
    return spans_of(terms_of(policies, start_of_day))


def _account(row: dict[str, Any]) -> Account:
    """The account after a change, but for what a fast upgrade asks of a day."""
    tier, is_open, cleared_out = row["tier"], bool(row["is_open"]), bool(row["cleared_out"])
    return Account(tier, row["since_day"], row["lowest_since_day"], open=is_open, cleared_out=cleared_out)


def _changed(row: dict[str, Any]) -> tuple[int, Cause, int | None]:
    return parse_day(row["day"]), Cause(row["cause"]), None if row["level"] is None else row["tier"]
