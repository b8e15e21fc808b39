"""The fewest good reviews that reach a level, and the earliest instant at which any number of them can.

Reviews of new orders by new buyers are placed at once, and where the growth cap of a month is met, at the start of the
next. Nobody gains by placing one later: of a month's room, what reviews take at its start leaves the same for credits
as what they take after these.

In a month with room `r` for growth, `a` reviews worth `g` and `m` credits worth `d` grow it by

    g·a + d·min(m, ⌊(r − g·a) / d⌋)

which is g·a + d·m as long as all credits have room. The earliest instant is that at which months grown the most reach
the level. Of the reviews needed for it, each adds g while credits have room; only where all such reviews are not
enough, the few ways to fill the last tenths of a month's room are tried.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from math import gcd
from typing import Final, NamedTuple

from domain.merchant_reputation.outlook import Coming, Outlook, bound_of, entering, grown
from domain.merchant_reputation.rule import Account, Span
from domain.merchant_reputation.running import span_at

MONTHS_MAX: Final = 120
"""So far ahead a level is looked for."""


class Placement(NamedTuple):
    """So many reviews at an instant."""

    at: int
    reviews: int


class Fewest(NamedTuple):
    """The fewest reviews by which a level is reached as early as it can be."""

    placements: tuple[Placement, ...]
    reached_at: int

    @property
    def reviews(self) -> int:
        return sum(placement.reviews for placement in self.placements)


class EntryTenths(NamedTuple):
    """What a review, more than 0, and a default credit add, in tenths."""

    review: int
    credit: int


class MonthRoom(NamedTuple):
    """A month in which reviews can be placed."""

    at: int
    """At this instant."""
    before: int
    """The tenths by which points stood higher then than where the month before was left."""
    room: int
    """For growth from then on, in tenths."""
    due: tuple[int, ...]
    """When credits fall due after that instant, in order."""

    def most(self, worth: EntryTenths) -> int:
        """How many reviews have room."""
        return max(0, self.room // worth.review)

    def growth(self, reviews: int, worth: EntryTenths) -> int:
        """By so many reviews and the credits that these leave room for."""
        rest = self.room - worth.review * reviews
        return worth.review * reviews + (worth.credit * min(len(self.due), rest // worth.credit) if self.due else 0)

    def beside_all(self, worth: EntryTenths) -> int:
        """How many reviews have room while all credits have."""
        return max(0, (self.room - worth.credit * len(self.due)) // worth.review)

    def fullest(self, worth: EntryTenths) -> int:
        """With how many reviews the month grows the most."""
        most = self.most(worth)
        last_tried = most - min(most, period(worth) - 1) if self.due else most
        return max(range(last_tried, most + 1), key=lambda reviews: self.growth(reviews, worth))

    def first_reached(self, missing: int, worth: EntryTenths) -> int | None:
        """The earliest instant at which the month can have grown by what is missing."""
        most = self.most(worth)
        if missing <= worth.review * most:
            return self.at
        if not self.due:
            return None
        for reviews in range(most, most - min(most, period(worth) - 1) - 1, -1):
            by_reviews = worth.review * reviews
            credits = -(-(missing - by_reviews) // worth.credit)
            if credits > len(self.due):
                return None
            if by_reviews + worth.credit * credits <= self.room:
                return self.due[credits - 1]
        return None


def period(worth: EntryTenths) -> int:
    """After so many reviews more, what they leave of a month's room holds whole credits and a rest as before."""
    return worth.credit // gcd(worth.credit, worth.review)


def fewest_reviews(found: Outlook, level: str, worth: EntryTenths, spans: Sequence[Span]) -> Fewest | None:
    """The fewest that reach a level of the present rules, or None where they cannot before other rules begin.

    Where credits that come lower the points, it is tried at once only. No reviews are asked for where credits alone
    reach the level as early.
    """
    bound = bound_of(level, span_at(spans, found.begins))
    assert bound is not None, "a level of the present rules"
    missing = still = bound - found.account.points
    if worth.credit < 0 and found.coming:
        return _at_once(found, missing, worth)
    rooms: list[MonthRoom] = []
    for room in _rooms(found, worth, spans):
        still -= room.before
        reached_at = room.first_reached(still, worth)
        if reached_at is not None:
            last = room._replace(due=tuple(at for at in room.due if at <= reached_at))
            return Fewest(_placed([*rooms, last], missing, worth), reached_at)
        still -= room.growth(room.fullest(worth), worth)
        rooms.append(room)
    return None


def _at_once(found: Outlook, missing: int, worth: EntryTenths) -> Fewest | None:
    reviews = -(-missing // worth.review)
    if reviews * worth.review > found.account.cap - found.account.growth:
        return None
    return Fewest((Placement(found.begins, reviews),), found.begins)


def _rooms(found: Outlook, worth: EntryTenths, spans: Sequence[Span]) -> Iterator[MonthRoom]:
    """Month by month, each after one that grew the most, until other rules begin or nothing can grow any more."""
    span, account, coming, at = span_at(spans, found.begins), found.account, found.coming, found.begins
    before = 0
    for number in range(MONTHS_MAX):
        due = tuple(credit.at for credit in coming if credit.at < account.month_end)
        room = MonthRoom(at, before, account.cap - account.growth, due)
        yield room
        grows = room.growth(room.fullest(worth), worth)
        if number and not (grows or before or coming):
            return
        at, coming = account.month_end, coming[len(due) :]
        if span_at(spans, at) is not span:
            return
        account = entering(at, account._replace(points=account.points + grows), spans)
        account, before, coming = _due_at_once(account, at, coming)


def _due_at_once(account: Account, at: int, coming: tuple[Coming, ...]) -> tuple[Account, int, tuple[Coming, ...]]:
    """A month's account after the credits that fall due with its beginning: they come before all reviews."""
    points, place = account.points, 0
    while place < len(coming) and coming[place].at <= at:
        account = grown(account, coming[place].tenths)
        place += 1
    return account, account.points - points, coming[place:]


def _placed(rooms: Sequence[MonthRoom], missing: int, worth: EntryTenths) -> tuple[Placement, ...]:
    """The fewest reviews by which months grow by what is missing, as early as these can be."""
    alone = sum(room.before + room.growth(0, worth) for room in rooms)
    wanted = max(0, -(-(missing - alone) // worth.review))
    plain = [room.beside_all(worth) for room in rooms]
    if wanted <= sum(plain):
        return _placements(rooms, _from_the_first(plain, wanted))
    rest = missing - alone - worth.review * sum(plain)
    tried = product(*(_further(room, worth) for room in rooms))
    enough = (more for more in tried if sum(one.growth for one in more) >= rest)
    best = min(enough, key=lambda more: (sum(one.reviews for one in more), [-one.reviews for one in more]))
    return _placements(rooms, [count + one.reviews for count, one in zip(plain, best, strict=True)])


def _from_the_first(most: Sequence[int], wanted: int) -> list[int]:
    """So many in all, of the first as many as there may be."""
    taken = []
    for count in most:
        taken.append(min(count, wanted))
        wanted -= taken[-1]
    return taken


class _Further(NamedTuple):
    """Reviews beyond those beside which all credits have room, and what they add."""

    reviews: int
    growth: int


def _further(room: MonthRoom, worth: EntryTenths) -> list[_Further]:
    """Those that add more than any fewer, the fewest first."""
    plain = room.beside_all(worth)
    begun, found = room.growth(plain, worth), [_Further(0, 0)]
    if not room.due:
        return found
    for more in range(1, min(room.most(worth) - plain, period(worth)) + 1):
        growth = room.growth(plain + more, worth) - begun
        if growth > found[-1].growth:
            found.append(_Further(more, growth))
    return found


def _placements(rooms: Sequence[MonthRoom], counts: Sequence[int]) -> tuple[Placement, ...]:
    return tuple(Placement(room.at, count) for room, count in zip(rooms, counts, strict=True) if count)
