"""The closed form of the fewest reviews against every number of them in every month, tenth by tenth."""

from itertools import product
from random import Random
from typing import Final

import pytest

from domain.calendar import month_of, month_start
from domain.limits import DAY_MICROS
from domain.merchant_reputation.facts import spans_of
from domain.merchant_reputation.fewest import EntryTenths, Fewest, fewest_reviews
from domain.merchant_reputation.outlook import Coming, Outlook, reached_alone
from domain.merchant_reputation.rule import Account, Span
from domain.policy import start_of_month, terms_of
from tests.conftest import SOAK
from tests.worlds.merchant_reputation import NOV, OCT, SHIPPED, levels, with_values

MONTHS: Final = 3
WORTHS: Final = (
    EntryTenths(10, 7),
    EntryTenths(10, 3),
    EntryTenths(9, 6),
    EntryTenths(4, 7),
    EntryTenths(5, 5),
    EntryTenths(3, 8),
)


def world_of(seed: int) -> tuple[Outlook, EntryTenths, list[Span]]:
    """An account within three months of room of a level, caps of a few entries, and credits that come."""
    pick = Random(seed)
    worth, cap = pick.choice(WORTHS), pick.randrange(5, 36)
    bound = pick.randrange(1, 2 * cap + 20)
    policy = with_values(SHIPPED, levels=levels(bound), growth_caps=[{"from": "", "tenths": cap}])
    spans = spans_of(terms_of([policy], start_of_month))
    begins = NOV + 12 * DAY_MICROS
    growth = pick.randrange(-10, cap + 1)
    account = Account(0, growth, cap, month_start(month_of(NOV) + 1), OCT, True)
    days = sorted(pick.choices(range(1, 40), k=pick.randrange(7)))
    coming = tuple(Coming(begins + day * DAY_MICROS, worth.credit, day) for day in days)
    return Outlook(begins, account, (), begins, account, tuple(sorted(coming)), ()), worth, spans


def tried(found: Outlook, worth: EntryTenths, bound: int, counts: tuple[int, ...]) -> int | None:
    """When so many reviews at once, and as each further month begins, reach a bound: entry by entry."""
    starts = [found.begins, *(month_start(month_of(NOV) + number) for number in range(1, MONTHS))]
    placed = [(at, 1, worth.review) for at, count in zip(starts, counts, strict=True) for _ in range(count)]
    points, growth, month, cap = found.account.points, found.account.growth, month_of(found.begins), found.account.cap
    for at, _, tenths in sorted([*placed, *((credit.at, 0, credit.tenths) for credit in found.coming)]):
        if month_of(at) > month:
            month, growth = month_of(at), 0
        if growth + tenths <= cap:
            points, growth = points + tenths, growth + tenths
        if points >= bound:
            return at
    return None


def best(found: Outlook, worth: EntryTenths, bound: int) -> tuple[int, int] | None:
    """The earliest instant of all, and the fewest reviews for it."""
    most = found.account.cap // worth.review + 1 + 10 // worth.review
    every = product(range(most + 1), repeat=MONTHS)
    reached = [(at, sum(counts)) for counts in every if (at := tried(found, worth, bound, counts)) is not None]
    return min(reached, default=None)


def test_of_as_few_the_earliest() -> None:
    """5.7 points at 2.4 a month: in two months a credit takes 0.7, and two reviews in its place are 0.3 more. Once that
    is needed, in the first of the two.
    """
    policy = with_values(SHIPPED, levels=levels(57), growth_caps=[{"from": "", "tenths": 24}])
    spans = spans_of(terms_of([policy], start_of_month))
    begins, december = NOV + 12 * DAY_MICROS, month_start(month_of(NOV) + 1)
    account = Account(0, 0, 24, december, OCT, True)
    coming = tuple(Coming(at + 15 * DAY_MICROS, 7, place) for place, at in enumerate((NOV, december), 1))
    closed = fewest_reviews(Outlook(begins, account, (), begins, account, coming, ()), "a", EntryTenths(10, 7), spans)
    assert closed is not None and closed.reached_at == month_start(month_of(NOV) + 2)
    assert [placement.reviews for placement in closed.placements] == [2, 1, 2]


@pytest.mark.slow
def test_the_closed_form_is_the_best_of_all_placements() -> None:
    compared = {"beyond the first month": 0, "at a credit": 0, "beside no room": 0}
    for seed in range(400 * SOAK):
        found, worth, spans = world_of(seed)
        bound = spans[0].rules.level_bounds[0]
        expected = best(found, worth, bound)
        closed = fewest_reviews(found, "a", worth, spans)
        if expected is None:
            assert closed is None or closed.reached_at >= month_start(month_of(NOV) + MONTHS)
            continue
        assert closed is not None
        assert (closed.reached_at, closed.reviews) == expected, seed
        _assert_as_placed(found, worth, bound, closed)
        assert (closed.reviews == 0) == (reached_alone(found, "a", spans) == closed.reached_at)
        compared["beyond the first month"] += len(closed.placements) > 1
        compared["at a credit"] += any(closed.reached_at == credit.at for credit in found.coming)
        compared["beside no room"] += any(tried(found, worth, bound, c) != expected[0] for c in _elsewhere(closed))
    assert min(compared.values()) >= 20, compared


def _assert_as_placed(found: Outlook, worth: EntryTenths, bound: int, closed: Fewest) -> None:
    by_month = {month_of(placement.at): placement.reviews for placement in closed.placements}
    counts = tuple(by_month.get(month_of(NOV) + number, 0) for number in range(MONTHS))
    assert tried(found, worth, bound, counts) == closed.reached_at


def _elsewhere(closed: Fewest) -> list[tuple[int, ...]]:
    """As many reviews, all in one month."""
    return [tuple(closed.reviews if month == number else 0 for month in range(MONTHS)) for number in range(MONTHS)]
