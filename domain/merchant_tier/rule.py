"""The scheme `merchant-tier`: a fresh-food merchant's days → a tier LV0 to LV7, day by day.

RULEBOOK §2. The figures of each day and what acts on the tier go in, in order; out come the standing after the
last closed day and each change with what was compared. Integers only: rates are kept as numerator and
denominator and compared by multiplying, in hundredths of a percent.

Days on which nothing can change are passed over: with the same figures in the window, an evaluation that changed
nothing changes nothing again.

`step` and all that it calls read plain integers out of sequences, so that the same body runs over lists and, compiled,
over arrays of the same shape; causes and states are numbers there and get their names outside.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from domain.merchant_tier.values import (
    CLEARED_OUT,
    CLOSED,
    DOWNGRADE,
    FAST_UPGRADE,
    NEVER,
    NO_CAUSE,
    NOT_OPEN,
    OPENED,
    STATES,
    UPGRADE,
    WHOLE,
    Account,
    Act,
    Bounds,
    Day,
    History,
    Rules,
    Span,
    State,
)


class Move(NamedTuple):
    """The tier was set or changed on a day, by an act (its position) or an evaluation (0)."""

    day: int
    cause: int
    before: Account
    after: Account
    position: int


# --- the rule ---------------------------------------------------------------------------------------------------------


def step(
    days: Sequence[int],
    sums: Sequence[Sequence[int]],
    acts: Sequence[Act],
    spans: Sequence[Span],
    last_day: int,
    opened_at: int,
    account: Account,
) -> tuple[Account, list[Move], int]:
    """Step an account from the close of one day to that of another: the account then, each move, the next day to see.

    `sums` are those of the figures of `days`, as in `Window`. What acted before the start acts at it, and what acted up
    to the close that is begun from is in the account already.
    """
    moves: list[Move] = []
    start = spans[0].rules.start_day
    taken = 0
    while taken < len(acts) and max(acts[taken].day, start) <= opened_at:
        taken += 1
    place = span_place(spans, opened_at)
    rules = spans[place].rules
    left = come = 0  # places in `days`: what has left the window, what has come into it
    left, come = _window_on(opened_at, days, left, come, rules)
    day = _following(opened_at, account, rules, start, days, acts, spans, taken, place, come, left)
    while day <= last_day:
        while place + 1 < len(spans) and spans[place + 1].begins <= day:
            place += 1
            rules = spans[place].rules
            left = 0
            account = fast_day_again(day, account, days, sums, rules)
        while taken < len(acts) and max(acts[taken].day, start) <= day:
            act = acts[taken]
            if takes_effect(act.cause, account):
                after = acted(day, act.cause, act.tier, account, rules)
                moves.append(Move(day, act.cause, account, after, act.position))
                account = after
            taken += 1
        left, come = _window_on(day, days, left, come, rules)
        if account.open and not account.cleared_out:
            if come > 0 and days[come - 1] == day:
                account = remember_fast_day(day, account, sums_between(day, sums, come - 1, come), rules)
            cause = evaluate(day, account, sums_between(day, sums, left, come), rules)
            if cause != NO_CAUSE:
                after = moved(day, account, account.tier + (-1 if cause == DOWNGRADE else 1))
                moves.append(Move(day, cause, account, after, 0))
                account = after
            if account.tier == 0 and day >= account.lowest_since + rules.clear_out_days:
                after = cleared_out(account)
                moves.append(Move(day, CLEARED_OUT, account, after, 0))
                account = after
        day = _following(day, account, rules, start, days, acts, spans, taken, place, come, left)
    return account, moves, day


def _window_on(day: int, days: Sequence[int], left: int, come: int, rules: Rules) -> tuple[int, int]:
    """How many days' figures have left and come into the window at a day's close, from an earlier day's numbers on."""
    while come < len(days) and days[come] <= day:
        come += 1
    while left < come and days[left] <= day - rules.window_days:
        left += 1
    return left, come


def _following(
    day: int,
    account: Account,
    rules: Rules,
    start: int,
    days: Sequence[int],
    acts: Sequence[Act],
    spans: Sequence[Span],
    taken: int,
    place: int,
    come: int,
    left: int,
) -> int:
    """The next day to see after one whose close was seen, by the places that `step` has come to."""
    acts_next = max(acts[taken].day, start) if taken < len(acts) else NEVER
    begins_next = spans[place + 1].begins if place + 1 < len(spans) else NEVER
    comes_next = days[come] if come < len(days) else NEVER
    leaves_next = days[left] + rules.window_days if left < come else NEVER
    return next_day(day, account, rules, acts_next, min(begins_next, comes_next, leaves_next))


def next_day(day: int, account: Account, rules: Rules, acts_next: int, others_next: int) -> int:
    """The next day on which something can change.

    `others_next` is the first day on which figures come into the window or leave it, or other rules begin.
    """
    if account.cleared_out:
        return NEVER
    if not account.open:
        return acts_next
    following = min(acts_next, others_next)
    waited, cleared = account.since + rules.wait_days, account.lowest_since + rules.clear_out_days
    if waited > day:
        following = min(following, waited)
    return min(following, cleared) if cleared > day else following


def span_place(spans: Sequence[Span], day: int) -> int:
    """The place of the span that holds a day; the first begins before all."""
    place = len(spans) - 1
    while spans[place].begins > day:
        place -= 1
    return place


def sums_between(day: int, sums: Sequence[Sequence[int]], low: int, high: int) -> Day:
    """The sums over the days between two places."""
    return Day(
        day,
        sums[0][high] - sums[0][low],
        sums[1][high] - sums[1][low],
        sums[2][high] - sums[2][low],
        sums[3][high] - sums[3][low],
        sums[4][high] - sums[4][low],
        sums[5][high] - sums[5][low],
        sums[6][high] - sums[6][low],
    )


def fast_day_again(
    day: int, account: Account, days: Sequence[int], sums: Sequence[Sequence[int]], rules: Rules
) -> Account:
    """Under rules that begin to count, the first day since the last change that does what a fast upgrade asks."""
    account = with_fast_day(account, NEVER)
    if not account.open:
        return account
    place = 0
    while place < len(days) and days[place] < day:
        account = remember_fast_day(days[place], account, sums_between(day, sums, place, place + 1), rules)
        place += 1
    return account


def takes_effect(cause: int, account: Account) -> bool:
    """Whether an opening, a notice or a closing does anything."""
    return not account.cleared_out and account.open != (cause == OPENED)


def acted(day: int, cause: int, tier: int, account: Account, rules: Rules) -> Account:
    """The account after an opening, a notice or a closing that takes effect."""
    if cause == CLOSED:
        return NOT_OPEN
    if cause == OPENED:
        initial = rules.initial_tier
        return Account(initial, day, day if initial == 0 else NEVER, NEVER, True, False)
    return moved(day, account, tier)


def moved(day: int, account: Account, tier: int) -> Account:
    """The account in a tier that was given or reached on a day."""
    lowest_since = NEVER
    if tier == 0:
        lowest_since = account.lowest_since if account.tier == 0 else day
    return Account(tier, day, lowest_since, NEVER, account.open, account.cleared_out)


def cleared_out(account: Account) -> Account:
    return Account(account.tier, account.since, account.lowest_since, account.fast_day, account.open, True)


def with_fast_day(account: Account, day: int) -> Account:
    return Account(account.tier, account.since, account.lowest_since, day, account.open, account.cleared_out)


def evaluate(day: int, account: Account, figures: Day, rules: Rules) -> int:
    """Which rule moves an open merchant's tier at the close of a day, by the window's figures; NO_CAUSE for none."""
    tier = rules.tiers[account.tier]
    if day >= account.since + rules.wait_days:
        if tier.rises and all_better(figures, tier.up):
            return UPGRADE
        return DOWNGRADE if tier.falls and any_worse(figures, tier.down) else NO_CAUSE
    if account.fast_day <= day and tier.rises and all_better(figures, tier.up):
        return FAST_UPGRADE
    return NO_CAUSE


def all_better(figures: Day, up: Bounds) -> bool:
    """Whether all three indicators are defined and strictly better than the upgrade values."""
    below = figures.complaints * WHOLE < up.complaint * figures.orders  # never without orders
    return below and rates_above(figures, up)


def rates_above(figures: Day, up: Bounds) -> bool:
    """Whether product and service rate are defined and strictly above their upgrade values."""
    product = figures.product_good * WHOLE > up.product * figures.reviews
    return product and figures.service_good * WHOLE > up.service * figures.service_rated


def any_worse(figures: Day, down: Bounds) -> bool:
    """Whether any defined indicator is strictly worse than its downgrade value."""
    complaint = figures.orders > 0 and figures.complaints * WHOLE > down.complaint * figures.orders
    product = figures.product_good * WHOLE < down.product * figures.reviews
    return complaint or product or figures.service_good * WHOLE < down.service * figures.service_rated


def remember_fast_day(day: int, account: Account, figures: Day, rules: Rules) -> Account:
    """Keep the first day after the last change on which the merchant did what a fast upgrade asks of one day."""
    if account.fast_day != NEVER or day <= account.since or day >= account.since + rules.wait_days:
        return account
    return with_fast_day(account, day) if does_fast_day(figures, account.tier, rules) else account


def does_fast_day(figures: Day, tier: int, rules: Rules) -> bool:
    """Whether a day's orders, GMV, reviews and own rates are what a fast upgrade asks in a tier."""
    asked = rules.tiers[tier]
    if not asked.rises or figures.orders == 0:
        return False
    return (
        figures.orders * 100 >= rules.limit_share_percent * asked.orders_limit
        and figures.gmv_fen >= (rules.limit_share_percent * asked.gmv_limit_fen + 99) // 100
        and figures.reviews * 100 >= rules.reviews_share_percent * figures.orders
        and rates_above(figures, asked.up)
    )


def state_number(onboarded: bool, in_scope: bool, account: Account) -> int:
    """The place in STATES of the first state that applies."""
    if not onboarded:
        return 0
    if not in_scope:
        return 1
    if account.cleared_out:
        return 2
    return 4 if account.open else 3


STEPPING: Final = (
    step,
    next_day,
    _following,
    _window_on,
    span_place,
    sums_between,
    fast_day_again,
    takes_effect,
    acted,
    moved,
    cleared_out,
    with_fast_day,
    evaluate,
    all_better,
    rates_above,
    any_worse,
    remember_fast_day,
    does_fast_day,
    state_number,
)
"""The functions that are compiled where many merchants are stepped."""


def state_of(history: History, account: Account) -> State:
    """The first state that applies."""
    return STATES[state_number(history.onboarded, history.in_scope, account)]


def state_after(account: Account) -> State:
    """The first state that applies to who is onboarded and in scope, as every merchant is that moves."""
    return STATES[state_number(True, True, account)]
