"""What the rules of tiers read and say: days and their figures, acts, a policy's numbers, where a merchant stands."""

from enum import StrEnum
from typing import Final, NamedTuple

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
