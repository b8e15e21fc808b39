"""The scheme `merchant-tier`: a fresh-food merchant's days → a tier LV0 to LV7, day by day.

RULEBOOK §2. The figures of each day and what acts on the tier go in, in order; out come the standing after the
last closed day and each change with what was compared. Integers only: rates are kept as numerator and
denominator and compared by multiplying, in hundredths of a percent.

Days on which nothing can change are passed over: with the same figures in the window, an evaluation that changed
nothing changes nothing again.
"""

from bisect import bisect_right
from collections.abc import Sequence
from enum import StrEnum
from itertools import accumulate
from typing import Final, NamedTuple

from domain.comparison import Comparison, Trial

SCHEME: Final = "merchant-tier"
NEVER: Final = 2**62
NO_TIER: Final = -1
WHOLE: Final = 10_000
"""A hundred percent, in hundredths of a percent."""


class State(StrEnum):
    """Whether there is a tier."""

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


class Act(NamedTuple):
    """An opening, a notice or a closing: `day` is the Shanghai day on which it acts."""

    day: int
    position: int
    cause: Cause
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
    """What a policy says of one tier; None: it cannot go that way, or has no limit."""

    code: str
    up: Bounds | None
    down: Bounds | None
    orders_limit: int | None
    gmv_limit_fen: int | None


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


class Opening(NamedTuple):
    """The account at the close of a day, from which later days can be stepped."""

    day: int
    account: Account


class Change(NamedTuple):
    """The tier was set or changed on a day, by an act (its position) or an evaluation (0)."""

    day: int
    cause: Cause
    before: Account
    after: Account
    position: int = 0


class Run(NamedTuple):
    """All that a run gives."""

    account: Account
    changes: list[Change]


# --- the run ----------------------------------------------------------------------------------------------------------


class Window:
    """Sums of the daily figures over any days."""

    def __init__(self, days: Sequence[Day]) -> None:
        self._days = [day.day for day in days]
        columns = zip(*days, strict=True) if days else ((),) * len(Day._fields)
        self._sums = [list(accumulate(column, initial=0)) for column in columns]

    def over(self, first: int, last: int) -> Day:
        """The sums from one day to another, both included."""
        low, high = bisect_right(self._days, first - 1), bisect_right(self._days, last)
        return Day(last, *(sums[high] - sums[low] for sums in self._sums[1:]))


def run(history: History, spans: Sequence[Span], last_day: int, opening: Opening | None = None) -> Run:
    """Step a merchant to the close of a day: from nothing, or from the account at an earlier day's close.

    What acted before the start acts at it. Figures are asked for as far back as the window reaches.
    """
    window = Window(history.days)
    account, changes = Account(), list[Change]()
    if not history.in_scope:
        return Run(account, changes)
    start = spans[0].rules.start_day
    acts = [cause._replace(day=max(cause.day, start)) for cause in history.acts]
    day, taken = start, 0
    if opening is not None:
        account, day = opening.account, opening.day + 1
        taken = bisect_right([cause.day for cause in acts], opening.day)
    stops = _days_of_interest(history, spans)
    stop = 0
    judging = span_on(spans, day - 1)
    while day <= last_day:
        if span_on(spans, day) is not judging:
            judging = span_on(spans, day)
            account = _fast_day_again(day, account, history, judging.rules)
        while taken < len(acts) and acts[taken].day <= day:
            after = act(acts[taken], account, judging.rules)
            if after is not None:
                changes.append(Change(acts[taken].day, acts[taken].cause, account, after, acts[taken].position))
                account = after
            taken += 1
        account = _close_day(day, account, window, judging.rules, changes)
        stop = bisect_right(stops, day, lo=stop)
        later = (account.since + judging.rules.wait_days, account.lowest_since + judging.rules.clear_out_days)
        day = min([*(moment for moment in later if moment > day), *stops[stop : stop + 1]], default=NEVER)
    return Run(account, changes)


def span_on(spans: Sequence[Span], day: int) -> Span:
    """The span that holds a day; the first begins before all."""
    return next(span for span in reversed(spans) if span.begins <= day)


def _days_of_interest(history: History, spans: Sequence[Span]) -> list[int]:
    """Days on which something acts, rules begin to count, or figures come into the window or leave it."""
    days = {act.day for act in history.acts} | {span.begins for span in spans}
    for figures in history.days:
        days.add(figures.day)
        days.update(figures.day + span.rules.window_days for span in spans)
    return sorted(day for day in days if day >= spans[0].rules.start_day)


def _fast_day_again(day: int, account: Account, history: History, rules: Rules) -> Account:
    """Under rules that begin to count, the first day since the last change that does what a fast upgrade asks."""
    account = account._replace(fast_day=NEVER)
    for figures in history.days:
        if account.open and figures.day < day:
            account = remember_fast_day(figures.day, account, figures, rules)
    return account


def _close_day(day: int, account: Account, window: Window, rules: Rules, changes: list[Change]) -> Account:
    """The evaluation at the close of a day, then clearing out."""
    if not account.open or account.cleared_out:
        return account
    account = remember_fast_day(day, account, window.over(day, day), rules)
    cause = evaluate(day, account, window, rules)
    if cause is not None:
        after = moved(day, account, account.tier + (-1 if cause is Cause.DOWNGRADE else 1))
        changes.append(Change(day, cause, account, after))
        account = after
    if account.tier == 0 and day >= account.lowest_since + rules.clear_out_days:
        after = account._replace(cleared_out=True)
        changes.append(Change(day, Cause.CLEARED_OUT, account, after))
        account = after
    return account


# --- the rule ---------------------------------------------------------------------------------------------------------


def act(cause: Act, account: Account, rules: Rules) -> Account | None:
    """What an opening, a notice or a closing does; None where it does nothing."""
    if account.cleared_out or account.open == (cause.cause is Cause.OPENED):
        return None
    if cause.cause is Cause.OPENED:
        return moved(cause.day, account._replace(open=True), rules.initial_tier)
    if cause.cause is Cause.CLOSED:
        return Account()
    return moved(cause.day, account, cause.tier)


def moved(day: int, account: Account, tier: int) -> Account:
    """The account in a tier that was given or reached on a day."""
    stays_lowest = tier == 0 and account.tier == 0
    lowest_since = account.lowest_since if stays_lowest else day if tier == 0 else NEVER
    return account._replace(tier=tier, since=day, lowest_since=lowest_since, fast_day=NEVER)


def evaluate(day: int, account: Account, window: Window, rules: Rules) -> Cause | None:
    """Which rule moves an open merchant's tier at the close of a day; None for none."""
    tier = rules.tiers[account.tier]
    figures = window.over(day - rules.window_days + 1, day)
    if day >= account.since + rules.wait_days:
        if tier.up is not None and all_better(figures, tier.up):
            return Cause.UPGRADE
        return Cause.DOWNGRADE if tier.down is not None and any_worse(figures, tier.down) else None
    if account.fast_day <= day and tier.up is not None and all_better(figures, tier.up):
        return Cause.FAST_UPGRADE
    return None


def trials(day: int, account: Account, window: Window, rules: Rules) -> list[Trial]:
    """What `evaluate` tried at the close of a day, in order, with every figure that it compared."""
    tier = rules.tiers[account.tier]
    figures = window.over(day - rules.window_days + 1, day)
    decided = evaluate(day, account, window, rules)
    better = [] if tier.up is None else indicators(figures, ("<", ">", ">"), tier.up)
    waited = Comparison("days_since_change", day - account.since, 1, ">=", rules.wait_days)
    if not waited.met:
        fast = window.over(account.fast_day, account.fast_day) if account.fast_day <= day else window.over(day, day)
        asked = [*better, *fast_day_comparisons(fast, tier, rules)] if better else []
        since = Comparison("days_since_change", day - account.since, 1, ">", 0)
        return [Trial(Cause.FAST_UPGRADE, [since, *asked], decided is Cause.FAST_UPGRADE)]
    worse = [] if tier.down is None else indicators(figures, (">", "<", "<"), tier.down)
    upgrade = Trial(Cause.UPGRADE, [waited, *better], decided is Cause.UPGRADE)
    return [upgrade, Trial(Cause.DOWNGRADE, [waited, *worse], decided is Cause.DOWNGRADE)]


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
    assert tier.up is not None and tier.orders_limit is not None and tier.gmv_limit_fen is not None
    _, product, service = indicators(figures, ("<", ">", ">"), tier.up)
    return [
        Comparison("orders_of_day", figures.orders, 1, ">=", rules.limit_share_percent * tier.orders_limit, 100),
        Comparison("gmv_fen_of_day", figures.gmv_fen, 1, ">=", rules.limit_share_percent * tier.gmv_limit_fen, 100),
        Comparison("reviews_share_of_day", figures.reviews, figures.orders, ">=", rules.reviews_share_percent, 100),
        product._replace(what="product_rate_of_day"),
        service._replace(what="service_rate_of_day"),
    ]


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
    return account._replace(fast_day=day) if does_fast_day(figures, rules.tiers[account.tier], rules) else account


def does_fast_day(figures: Day, tier: Tier, rules: Rules) -> bool:
    """Whether a day's orders, GMV, reviews and own rates are what a fast upgrade asks."""
    if tier.up is None or tier.orders_limit is None or tier.gmv_limit_fen is None or figures.orders == 0:
        return False
    return (
        figures.orders * 100 >= rules.limit_share_percent * tier.orders_limit
        and figures.gmv_fen * 100 >= rules.limit_share_percent * tier.gmv_limit_fen
        and figures.reviews * 100 >= rules.reviews_share_percent * figures.orders
        and rates_above(figures, tier.up)
    )


def state_of(history: History, account: Account) -> State:
    """The first state that applies."""
    if not history.onboarded:
        return State.NOT_ONBOARDED
    if not history.in_scope:
        return State.OUT_OF_SCOPE
    if account.cleared_out:
        return State.CLEARED_OUT
    return State.RATED if account.open else State.CLOSED
