"""The scheme `merchant-tier`: a fresh-food merchant's days → a tier LV0 to LV7, day by day.

RULEBOOK §2. The figures of each day and what acts on the tier go in, in order; out come the standing after the
last closed day and each change with what was compared. Integers only: rates are kept as numerator and
denominator and compared by multiplying, in hundredths of a percent.

Days on which nothing can change are passed over: with the same figures in the window, an evaluation that changed
nothing changes nothing again.

`step` and all that it calls read plain integers out of sequences, so that the same body runs over lists and, compiled,
over arrays of the same shape; causes and states are numbers there and get their names outside.
"""

from bisect import bisect_right
from collections.abc import Sequence
from enum import StrEnum
from itertools import accumulate
from typing import Final, NamedTuple

from domain.rules.comparison import Comparison, Trial

SCHEME: Final = "merchant-tier"
NEVER: Final = 2**62
NO_TIER: Final = -1
NO_LIMIT: Final = -1
WHOLE: Final = 10_000
"""A hundred percent, in hundredths of a percent."""


class State(StrEnum):
    """Whether there is a tier: the first that applies."""

    NOT_ONBOARDED = "not_onboarded"
    OUT_OF_SCOPE = "out_of_scope"
    CLEARED_OUT = "cleared_out"
    CLOSED = "closed"
    RATED = "rated"


class Cause(StrEnum):
    """What set or changed a tier."""

    OPENED = "opened"
    NOTICE = "notice"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    FAST_UPGRADE = "fast_upgrade"
    CLOSED = "closed"
    CLEARED_OUT = "cleared_out"


STATES: Final = tuple(State)
CAUSES: Final = tuple(Cause)
"""By the number that stands for it in the rule."""
NO_CAUSE: Final = -1
OPENED: Final = 0
NOTICE: Final = 1
UPGRADE: Final = 2
DOWNGRADE: Final = 3
FAST_UPGRADE: Final = 4
CLOSED: Final = 5
CLEARED_OUT: Final = 6


class Act(NamedTuple):
    """An opening, a notice or a closing: `day` is the Shanghai day on which it acts."""

    day: int
    position: int
    cause: int
    tier: int = NO_TIER
    """Of a notice: the tier that it gives."""


class Day(NamedTuple):
    """The figures of one day, or sums over several."""

    day: int
    orders: int = 0
    gmv_fen: int = 0
    complaints: int = 0
    reviews: int = 0
    product_good: int = 0
    service_rated: int = 0
    service_good: int = 0


class History(NamedTuple):
    """One merchant's days that have figures, and what acts on its tier, each in order."""

    days: list[Day]
    acts: list[Act]
    onboarded: bool
    in_scope: bool


class Bounds(NamedTuple):
    """The values of one direction: complaint, product and service, in hundredths of a percent."""

    complaint: int
    product: int
    service: int


class Tier(NamedTuple):
    """What a policy says of one tier."""

    rises: bool
    up: Bounds
    falls: bool
    down: Bounds
    orders_limit: int
    """NO_LIMIT for none."""
    gmv_limit_fen: int


class Rules(NamedTuple):
    """A policy's parameters as the rules read them."""

    start_day: int
    initial_tier: int
    window_days: int
    wait_days: int
    limit_share_percent: int
    reviews_share_percent: int
    clear_out_days: int
    tiers: tuple[Tier, ...]


class Span(NamedTuple):
    """Whole days that are judged under the same rules, from the day `begins` to the next span."""

    begins: int
    rules: Rules
    codes: tuple[str, ...]
    """What its tiers are called."""


class Account(NamedTuple):
    """Where a merchant stands after a day: all that the next day needs of the past beside the figures."""

    tier: int = NO_TIER
    since: int = NEVER
    """The day of the last notice or change, *c*."""
    lowest_since: int = NEVER
    """The day on which the tier became the lowest, *z*; NEVER when it is another."""
    fast_day: int = NEVER
    """The first day since then on which the merchant did what a fast upgrade asks of one day."""
    open: bool = False
    cleared_out: bool = False


NOT_OPEN: Final = Account()


class DayOpening(NamedTuple):
    """The account at the close of a day, from which later days can be stepped."""

    day: int
    account: Account


class Move(NamedTuple):
    """The tier was set or changed on a day, by an act (its position) or an evaluation (0)."""

    day: int
    cause: int
    before: Account
    after: Account
    position: int


class Change(NamedTuple):
    """A move with the name of its cause."""

    day: int
    cause: Cause
    before: Account
    after: Account
    position: int = 0


class Run(NamedTuple):
    """All that a run gives."""

    account: Account
    changes: list[Change]
    next_day: int = NEVER
    """The first day after the last one at whose close something can be different through time alone."""


# --- the run ----------------------------------------------------------------------------------------------------------


class Window:
    """Sums of the daily figures over any days."""

    def __init__(self, figures: Sequence[Day]) -> None:
        columns = list(zip(*figures, strict=True)) if figures else [()] * len(Day._fields)
        self.days: Sequence[int] = columns[0]
        self.sums = [list(accumulate(column, initial=0)) for column in columns[1:]]
        """By figure, the sum over all days before the one at each place."""

    def over(self, first: int, last: int) -> Day:
        """The sums from one day to another, both included."""
        return sums_between(last, self.sums, bisect_right(self.days, first - 1), bisect_right(self.days, last))


def run(history: History, spans: Sequence[Span], last_day: int, opening: DayOpening | None = None) -> Run:
    """Step a merchant to the close of a day: from nothing, or from the account at an earlier day's close.

    What acted before the start acts at it. Figures are asked for as far back as the window reaches.
    """
    start = spans[0].rules.start_day
    if not history.in_scope:
        return Run(NOT_OPEN, [], start if last_day < start else NEVER)
    if opening is None:
        opening = DayOpening(start - 1, NOT_OPEN)
    window = Window(history.days)
    account, moves, next_day = step(window.days, window.sums, history.acts, spans, last_day, *opening)
    changes = [Change(move.day, CAUSES[move.cause], *move[2:]) for move in moves]
    return Run(account, changes, next_day)


def span_on(spans: Sequence[Span], day: int) -> Span:
    """The span that holds a day; the first begins before all."""
    return spans[span_place(spans, day)]


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


# --- what was compared ------------------------------------------------------------------------------------------------


def trials(day: int, account: Account, window: Window, rules: Rules) -> list[Trial]:
    """What `evaluate` tried at the close of a day, in order, with every figure that it compared."""
    tier = rules.tiers[account.tier]
    figures = window.over(day - rules.window_days + 1, day)
    decided = evaluate(day, account, figures, rules)
    better = indicators(figures, ("<", ">", ">"), tier.up) if tier.rises else []
    waited = Comparison("days_since_change", day - account.since, 1, ">=", rules.wait_days)
    if not waited.met:
        fast = window.over(account.fast_day, account.fast_day) if account.fast_day <= day else window.over(day, day)
        asked = [*better, *fast_day_comparisons(fast, tier, rules)] if better else []
        since = Comparison("days_since_change", day - account.since, 1, ">", 0)
        return [Trial(Cause.FAST_UPGRADE, [since, *asked], decided == FAST_UPGRADE)]
    worse = indicators(figures, (">", "<", "<"), tier.down) if tier.falls else []
    upgrade = Trial(Cause.UPGRADE, [waited, *better], decided == UPGRADE)
    return [upgrade, Trial(Cause.DOWNGRADE, [waited, *worse], decided == DOWNGRADE)]


def clearing_trials(day: int, account: Account, rules: Rules) -> list[Trial]:
    """Whether a merchant in the lowest tier is cleared out at the close of a day, once that has moved its tier."""
    if not account.open or account.tier != 0:
        return []
    lowest = Comparison("days_in_lowest_tier", day - account.lowest_since, 1, ">=", rules.clear_out_days)
    return [Trial(Cause.CLEARED_OUT, [lowest], lowest.met)]


def indicators(figures: Day, relations: tuple[str, str, str], bounds: Bounds) -> list[Comparison]:
    """The three indicators held against the values of one direction."""
    fractions = (
        ("complaint_rate", figures.complaints, figures.orders),
        ("product_rate", figures.product_good, figures.reviews),
        ("service_rate", figures.service_good, figures.service_rated),
    )
    return [
        Comparison(what, numerator, denominator, relation, bound, WHOLE)
        for (what, numerator, denominator), relation, bound in zip(fractions, relations, bounds, strict=True)
    ]


def fast_day_comparisons(figures: Day, tier: Tier, rules: Rules) -> list[Comparison]:
    """What a fast upgrade asks of one day, held against the tier's limits."""
    _, product, service = indicators(figures, ("<", ">", ">"), tier.up)
    return [
        Comparison("orders_of_day", figures.orders, 1, ">=", rules.limit_share_percent * tier.orders_limit, 100),
        Comparison("gmv_fen_of_day", figures.gmv_fen, 1, ">=", rules.limit_share_percent * tier.gmv_limit_fen, 100),
        Comparison("reviews_share_of_day", figures.reviews, figures.orders, ">=", rules.reviews_share_percent, 100),
        product._replace(what="product_rate_of_day"),
        service._replace(what="service_rate_of_day"),
    ]
