"""The scheme `merchant-reputation`: a merchant's orders and reviews → points, a grade and verdicts.

RULEBOOK §1. Facts of one merchant go in, in the order of their instants (ties: ledger position);
out come the months, each from the account of the one before, and a finding for every entry that could
have moved the points. Integers only: points in tenths, money in fen, instants in microseconds.

`begin_month`, `remember`, `take`, `fall_due`, `level_of` and `state_of` are the rule. They know nothing of lists of
facts, so that a loop of another kind (`replay.schemes.merchant_reputation.fold`, over columns, compiled) calls the same
ones as `running.run` does. What is under "the rule" must therefore stay compilable by numba, too: whole tuples in
place of `_replace`, all fields given, members of enumerations as constants of the module and never made from a number,
no `is`, one type a variable. tests/replay/schemes/test_fold.py holds both loops equal.
"""

from collections.abc import MutableSequence, Sequence
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from domain.calendar import month_start

SCHEME: Final = "merchant-reputation"
NO_CAP: Final = 2**62
NEVER: Final = 2**62
BEFORE_ALL: Final = -(2**62)

OPENED: Final = 0
CLOSED: Final = 1
PAID: Final = 2
RECEIVED: Final = 3
REVIEWED: Final = 4
"""What a fact says."""


class Verdict(IntEnum):
    """What became of an entry. From BEFORE_START on in the order of precedence: the first that applies."""

    DUPLICATE_ORDER = 1
    UNKNOWN_ORDER = 2
    DUPLICATE_RECEIPT = 3
    REPEAT_REVIEW = 4
    LATE_REVIEW = 5
    WIPED = 6
    BEFORE_START = 7
    CLOSED = 8
    LOW_AMOUNT = 9
    ORDER_KIND = 10
    FLAGGED = 11
    NEUTRAL = 12
    PAIR_CAP = 13
    GROWTH_CAP = 14
    COUNTED = 15

    @property
    def word(self) -> str:
        """As it is written outside of the rules."""
        return WORDS[self]


NOTHING: Final = 0
ENTRY: Final = -1
LIFE: Final = -2
"""What is to be made of a fact, where it is no verdict: nothing, an entry to be judged, an opening or closing."""

# Looked up once: an attribute of an enumeration is slow to find.
_DUPLICATE_ORDER: Final = Verdict.DUPLICATE_ORDER
_UNKNOWN_ORDER: Final = Verdict.UNKNOWN_ORDER
_DUPLICATE_RECEIPT: Final = Verdict.DUPLICATE_RECEIPT
_REPEAT_REVIEW: Final = Verdict.REPEAT_REVIEW
_LATE_REVIEW: Final = Verdict.LATE_REVIEW
_WIPED: Final = Verdict.WIPED
_BEFORE_START: Final = Verdict.BEFORE_START
_CLOSED: Final = Verdict.CLOSED
_LOW_AMOUNT: Final = Verdict.LOW_AMOUNT
_ORDER_KIND: Final = Verdict.ORDER_KIND
_FLAGGED: Final = Verdict.FLAGGED
_NEUTRAL: Final = Verdict.NEUTRAL
_PAIR_CAP: Final = Verdict.PAIR_CAP
_GROWTH_CAP: Final = Verdict.GROWTH_CAP
_COUNTED: Final = Verdict.COUNTED
_COUNT_IT: Final = (_COUNTED, 0, 0)
_VERDICTS: Final = (_COUNTED, *Verdict)
"""By their numbers; 0 is none's."""
WORDS: Final = ("", *(verdict.name.lower() for verdict in Verdict))
"""In the same way."""


class State(StrEnum):
    """Whether there is a level."""

    NOT_ONBOARDED = "not_onboarded"
    CLOSED = "closed"
    RATED = "rated"
    UNRATED = "unrated"


STATES: Final = tuple(State)
"""By the numbers that `state_of` gives."""
_NOT_ONBOARDED_STATE: Final = 0
_CLOSED_STATE: Final = 1
_RATED_STATE: Final = 2
_UNRATED_STATE: Final = 3


class Fact(NamedTuple):
    """One event as the rules read it; orders and buyers are numbered from 0 as they appear."""

    at: int
    position: int
    what: int
    order: int = 0
    buyer: int = 0
    amount_fen: int = 0
    kind: int = 0
    stars: int = 0
    due: int = 0
    """Of a receipt: the instant at which its default credit falls due."""


class Credit(NamedTuple):
    """A default credit that falls due, judged at its instant and in the place of its receipt."""

    at: int
    position: int
    order: int


class History(NamedTuple):
    """The facts of one merchant, in order, and what corrections say of its orders."""

    facts: list[Fact]
    credits: list[Credit]
    """What its receipts may earn up to the replay's `as_of`, in order."""
    flagged: list[bool]
    """By order number: whether the latest flag or clear known is a flag."""
    buyers: int
    """How many buyers there are."""


class Rules(NamedTuple):
    """A policy's parameters as the rules read them."""

    start: int
    tenths_of_stars: tuple[int, ...]
    default_tenths: int
    window_micros: int
    amount_fen_min: int
    kind_counts: tuple[bool, ...]
    pair_cap_tenths: int
    level_bounds: tuple[int, ...]
    """Lower bounds in tenths, rising."""
    growth_caps: tuple[int, ...]
    """In tenths, by the number of bounds reached; NO_CAP for none."""
    publication_day: int
    publication_hour: int


class Span(NamedTuple):
    """Whole months that are judged under the same rules, from `begins` to the next span."""

    begins: int
    rules: Rules
    codes: tuple[str, ...]
    """The codes of the levels that the rules' bounds begin."""


class Account(NamedTuple):
    """Where a merchant's account stands: all that a month needs of the past beside what its orders say."""

    points: int = 0
    growth: int = 0
    """Of the month: the figure that the cap bounds; a closing sets it to zero."""
    cap: int = NO_CAP
    month_end: int = BEFORE_ALL
    """When the account's month ends; what happened earlier than a run's opening is only remembered."""
    opened_at: int = NEVER
    """The first opening."""
    open: bool = False
    closed_at: int = BEFORE_ALL
    closed_position: int = 0
    """The last closing that took effect, by (instant, position)."""
    netting: int = 0
    """Pair nets count from here: it moves on with each month and each closing."""


NEW: Final = Account()


class Book(NamedTuple):
    """What is written down of each order and buyer, by their numbers, while a history is judged."""

    facts: Sequence[Fact]
    payment: MutableSequence[int]
    """By order: one more than the place of its first payment among the facts; 0 while there is none."""
    receipt: MutableSequence[int]
    """By order, in the same way: its first receipt."""
    reviewed: MutableSequence[int]
    """By order: NOT_REVIEWED, LATE or SCORED, when its first review is its one entry."""
    flagged: Sequence[bool]
    """By order: whether the latest flag or clear known is a flag."""
    net: MutableSequence[int]
    """By buyer: the net of what was counted since `netting` stood at `net_since`."""
    net_since: MutableSequence[int]


NOT_REVIEWED: Final = 0
LATE: Final = 1
SCORED: Final = 2


class Finding(NamedTuple):
    """The verdict on the event at `position`, judged at `at`; `tenths` is what it moved the points by.

    `figure` and `bound` are what was compared where something was: the amount in fen against the least;
    the pair's net or the month's growth in tenths, the entry included, against the cap; a late review's instant
    against that of the default credit; an instant against the start of statistics. For a `closed`, `bound` is the
    position of the last closing, 0 where there is none.
    """

    at: int
    position: int
    verdict: Verdict
    tenths: int
    figure: int = 0
    bound: int = 0


NO_FINDING: Final = Finding(0, 0, Verdict.COUNTED, 0)
"""Stands where nothing was found; it is known by its position, 0, which is no event's."""


class Standing(NamedTuple):
    """What an account means under a set of rules."""

    state: State
    points_tenths: int
    level: int
    """Number of level bounds reached; 0 is no level."""
    to_next_tenths: int | None
    """Points missing to the next level; None at the top or without a running count."""


def standing(account: Account, rules: Rules) -> Standing:
    """What an account means: the first state that applies, the level, and what is missing to the next."""
    level = level_of(account, rules)
    state = STATES[state_of(account, level)]
    if not account.open:
        return Standing(state, 0, 0, None)
    bounds = rules.level_bounds
    to_next = bounds[level] - account.points if level < len(bounds) else None
    return Standing(state, account.points, level, to_next)


# --- the rule ---------------------------------------------------------------------------------------------------------


def begin_month(account: Account, month: int, rules: Rules) -> Account:
    """A new month: no growth, no nets, and the cap of the level at the close of the one before."""
    cap = rules.growth_caps[level_of(account, rules)]
    return Account(
        account.points,
        0,
        cap,
        month_start(month + 1),
        account.opened_at,
        account.open,
        account.closed_at,
        account.closed_position,
        account.netting + 1,
    )


def level_of(account: Account, rules: Rules) -> int:
    """The number of level bounds reached; 0 for a merchant that is not open."""
    level = 0
    if account.open:
        while level < len(rules.level_bounds) and rules.level_bounds[level] <= account.points:
            level += 1
    return level


def state_of(account: Account, level: int) -> int:
    """The number of the first state that applies, of an account that has reached a level."""
    if account.opened_at == NEVER:
        return _NOT_ONBOARDED_STATE
    if not account.open:
        return _CLOSED_STATE
    return _RATED_STATE if level else _UNRATED_STATE


def remember(fact: Fact, index: int, book: Book) -> int:
    """Write a fact down with its order, and say what is to be made of it.

    NOTHING, LIFE, ENTRY, or the verdict that this settles at once.
    """
    order, what = fact.order, fact.what
    if what < PAID:
        return LIFE
    paid = book.payment[order]
    if what == PAID:
        if paid:
            return _DUPLICATE_ORDER
        book.payment[order] = index + 1
        return NOTHING
    if not paid:
        return _UNKNOWN_ORDER
    receipt = book.receipt[order]
    if what == RECEIVED:
        if receipt:
            return _DUPLICATE_RECEIPT
        book.receipt[order] = index + 1
        return NOTHING
    if book.reviewed[order]:
        return _REPEAT_REVIEW
    if receipt and fact.at >= book.facts[receipt - 1].due:
        book.reviewed[order] = LATE
        return _LATE_REVIEW
    book.reviewed[order] = SCORED
    return ENTRY


def take(fact: Fact, settled: int, account: Account, book: Book, rules: Rules) -> tuple[Account, Finding]:
    """Judge a fact of the account's month that `remember` says something is to be made of."""
    if settled == ENTRY:
        return _enter(fact.at, fact, rules.tenths_of_stars[fact.stars], account, book, rules)
    if settled == LIFE:
        return _close(fact, account, rules) if fact.what == CLOSED else _open(fact, account)
    if settled == _LATE_REVIEW:
        due = book.facts[book.receipt[fact.order] - 1].due
        return account, Finding(fact.at, fact.position, _LATE_REVIEW, 0, fact.at, due)
    return account, Finding(fact.at, fact.position, _VERDICTS[settled], 0, 0, 0)


def fall_due(credit: Credit, account: Account, book: Book, rules: Rules) -> tuple[Account, Finding]:
    """Judge a default credit at its instant: nothing comes of it when it is not the order's one entry."""
    receipt = book.receipt[credit.order]
    if book.reviewed[credit.order] == SCORED or not receipt or book.facts[receipt - 1].position != credit.position:
        return account, NO_FINDING
    return _enter(credit.at, book.facts[receipt - 1], rules.default_tenths, account, book, rules)


def _open(fact: Fact, account: Account) -> tuple[Account, Finding]:
    points, growth, cap, month_end, opened_at, _, closed_at, closed_position, netting = account
    if opened_at == NEVER:
        opened_at = fact.at
    opened = Account(points, growth, cap, month_end, opened_at, True, closed_at, closed_position, netting)
    return opened, NO_FINDING


def _close(fact: Fact, account: Account, rules: Rules) -> tuple[Account, Finding]:
    if not account.open:
        return account, NO_FINDING
    cap, netting = rules.growth_caps[0], account.netting + 1
    closed = Account(0, 0, cap, account.month_end, account.opened_at, False, fact.at, fact.position, netting)
    return closed, Finding(fact.at, fact.position, _WIPED, -account.points, 0, 0)


def _enter(at: int, cause: Fact, tenths: int, account: Account, book: Book, rules: Rules) -> tuple[Account, Finding]:
    """Judge an entry: the first test that applies gives the verdict."""
    paid = book.facts[book.payment[cause.order] - 1]
    buyer = paid.buyer
    net = book.net[buyer] + tenths if book.net_since[buyer] == account.netting else tenths
    verdict, figure, bound = _judge(at, paid, tenths, net, book.flagged[cause.order], account, rules)
    if verdict != _COUNTED:
        return account, Finding(at, cause.position, verdict, 0, figure, bound)
    book.net[buyer] = net
    book.net_since[buyer] = account.netting
    points, growth, cap, month_end, opened_at, is_open, closed_at, closed_position, netting = account
    moved = Account(
        points + tenths, growth + tenths, cap, month_end, opened_at, is_open, closed_at, closed_position, netting
    )
    return moved, Finding(at, cause.position, verdict, tenths, 0, 0)


def _judge(
    at: int, paid: Fact, tenths: int, net: int, flagged: bool, account: Account, rules: Rules
) -> tuple[Verdict, int, int]:
    """The verdict on an entry, and what was compared; `net` is the pair's with this entry."""
    if at < rules.start or account.opened_at == NEVER:
        return _BEFORE_START, at, rules.start
    if not account.open or (paid.at <= account.closed_at and _is_before_closing(paid, account)):
        return _CLOSED, 0, account.closed_position
    if paid.amount_fen < rules.amount_fen_min:
        return _LOW_AMOUNT, paid.amount_fen, rules.amount_fen_min
    if not rules.kind_counts[paid.kind]:
        return _ORDER_KIND, 0, 0
    if flagged:
        return _FLAGGED, 0, 0
    if tenths == 0:
        return _NEUTRAL, 0, 0
    if abs(net) > rules.pair_cap_tenths:
        return _PAIR_CAP, net, rules.pair_cap_tenths
    if tenths > 0 and account.growth + tenths > account.cap:
        return _GROWTH_CAP, account.growth + tenths, account.cap
    return _COUNT_IT


def _is_before_closing(paid: Fact, account: Account) -> bool:
    return paid.at < account.closed_at or paid.position < account.closed_position
