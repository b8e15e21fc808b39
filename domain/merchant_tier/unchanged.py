"""Why the close of a day left a tier as it was."""

from enum import StrEnum
from typing import NamedTuple

from domain.merchant_tier.compared import indicators
from domain.merchant_tier.rule import does_fast_day, with_fast_day
from domain.merchant_tier.running import Window
from domain.merchant_tier.values import NEVER, Account, Rules


class WhyUnchanged(StrEnum):
    """Why nothing changed."""

    NO_TIER = "no_tier"
    WAITING = "waiting"
    """For the days after the last change: until then a fast upgrade alone moves it."""
    NO_FAST_DAY = "no_fast_day"
    """No day since the last change did what a fast upgrade asks of one."""
    UNDEFINED = "undefined"
    """An indicator without anything to count: it stops an upgrade and causes no downgrade."""
    NOT_BETTER = "not_better"
    NOT_WORSE = "not_worse"
    TOP_TIER = "top_tier"
    LOWEST_TIER = "lowest_tier"


class Unchanged(NamedTuple):
    """One reason."""

    why: WhyUnchanged
    until: int | None = None
    """The day on which the waiting time is over."""
    indicators: tuple[str, ...] = ()
    """Those that it is about."""


def reasons(day: int, account: Account, window: Window, rules: Rules) -> list[Unchanged]:
    """Why a day's close moved nothing, of a merchant whose account is evaluated then."""
    if not account.open or account.cleared_out:
        return [Unchanged(WhyUnchanged.NO_TIER)]
    tier, figures = rules.tiers[account.tier], window.over(day - rules.window_days + 1, day)
    waits_until = account.since + rules.wait_days
    is_waiting = day < waits_until
    found = [Unchanged(WhyUnchanged.WAITING, waits_until)] if is_waiting else []
    better = indicators(figures, ("<", ">", ">"), tier.up)
    undefined = tuple(item.what for item in better if not item.denominator)
    not_better = tuple(item.what for item in better if item.denominator and not item.met)
    if undefined:
        found.append(Unchanged(WhyUnchanged.UNDEFINED, indicators=undefined))
    if not tier.rises:
        found.append(Unchanged(WhyUnchanged.TOP_TIER))
    elif not_better:
        found.append(Unchanged(WhyUnchanged.NOT_BETTER, indicators=not_better))
    if is_waiting:
        is_open = tier.rises and account.fast_day == NEVER
        return [*found, Unchanged(WhyUnchanged.NO_FAST_DAY)] if is_open else found
    return [*found, Unchanged(WhyUnchanged.NOT_WORSE if tier.falls else WhyUnchanged.LOWEST_TIER)]


def remembered(day: int, account: Account, window: Window, rules: Rules) -> Account:
    """An account with the first day since its last change, up to a day, that did what a fast upgrade asks of one."""
    if not account.open or account.cleared_out:
        return account
    days = range(account.since + 1, min(day + 1, account.since + rules.wait_days))
    found = (at for at in days if does_fast_day(window.over(at, at), account.tier, rules))
    return with_fast_day(account, next(found, NEVER))
