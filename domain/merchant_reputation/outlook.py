"""What comes of a merchant's account by itself: default credits that fall due, and orders that still wait for a review.

Nothing is judged here but by the rules of `rule`; ways to a level (`fewest`) are reckoned from what this gives.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, NamedTuple

from domain.calendar import month_of, month_start
from domain.merchant_reputation.rule import (
    ENTRY,
    NEVER,
    NO_CAP,
    REVIEWED,
    SCORED,
    Account,
    Book,
    Credit,
    Fact,
    History,
    Rules,
    Span,
    Verdict,
    begin_month,
    fall_due,
    level_of,
    take,
)
from domain.merchant_reputation.running import begin, go_on, span_at


class Coming(NamedTuple):
    """What counts where the growth cap of its month leaves room: a default credit that falls due, or reviews."""

    at: int
    tenths: int
    position: int = 0
    """Of the order's receipt; 0 without one."""


class Outlook(NamedTuple):
    """Where an account stands when something can be done first, and what comes before and after that."""

    as_of: int
    """The instant that was asked from."""
    now: Account
    """At it."""
    soon: tuple[Coming, ...]
    """What comes up to the instant from which on something can be done."""
    begins: int
    """That instant."""
    account: Account
    """At it, in its month."""
    coming: tuple[Coming, ...]
    """In order; only what falls due later."""
    waiting: tuple[int, ...]
    """The positions of receipts whose orders' best reviews at that instant would all count, but for the growth cap."""


BEHIND_ALL: Final = NEVER
"""The position of what did not happen."""


def outlook(
    history: History, later: Sequence[Credit], spans: Sequence[Span], opening: Account, instants: tuple[int, int]
) -> Outlook:
    """What comes of a history that ends with the first of two instants, from the second on.

    `later` are the default credits that fall due behind it, in order; the history opens from `opening`.
    """
    as_of, begins = instants
    running = go_on(begin(history, opening), spans)
    now, book = entering(as_of, running.run.account, spans), running.book
    account, soon = now, []
    place = bisect_right(later, begins, key=lambda credit: credit.at)
    for credit in later[:place]:
        account = entering(credit.at, account, spans)
        account, finding = fall_due(credit, account, book, span_at(spans, credit.at).rules)
        soon.append(Coming(credit.at, finding.tenths, credit.position))
    account = entering(begins, account, spans)
    waiting = _waiting(later[place:], begins, account, book, span_at(spans, begins).rules)
    coming = _coming(later[place:], account, book, spans)
    return Outlook(as_of, now, tuple(soon), begins, account, coming, waiting)


def entering(at: int, account: Account, spans: Sequence[Span]) -> Account:
    """The account in the month of an instant."""
    if at < account.month_end:
        return account
    return begin_month(account, month_of(at), span_at(spans, at).rules)


def best_stars(rules: Rules) -> int:
    """The stars of a review that is worth the most; of several the most stars."""
    return max(range(1, 6), key=lambda stars: (rules.tenths_of_stars[stars], stars))


def bound_of(level: str, span: Span) -> int | None:
    """From how many tenths on a level is reached under the rules of a span; None where these do not know it."""
    return span.rules.level_bounds[span.codes.index(level)] if level in span.codes else None


def next_level(account: Account, span: Span) -> str | None:
    """The level above the one that an open account has reached; None at the top."""
    reached = level_of(account, span.rules)
    return span.codes[reached] if reached < len(span.codes) else None


def reached_alone(found: Outlook, level: str, spans: Sequence[Span]) -> int | None:
    """The first instant at which a level is reached though nothing is done: by credits, or by rules that begin."""
    begun = [Coming(span.begins, 0) for span in spans if span.begins > found.as_of]
    account = found.now
    for at, tenths, _ in sorted([*begun, *found.soon, *found.coming], key=lambda item: item.at):
        account = grown(entering(at, account, spans), tenths)
        if reaches(account, level, span_at(spans, at)):
            return at
    return None


def at_close(found: Outlook, month: int, spans: Sequence[Span], done: Sequence[Coming] = ()) -> Account:
    """The account at a month's close: with reviews that are done, those of waiting orders in place of their credits."""
    account, end, instead = found.now, month_start(month + 1), {review.position for review in done}
    by_themselves = [*found.soon, *(credit for credit in found.coming if credit.position not in instead)]
    for at, tenths, _ in sorted([*by_themselves, *done], key=lambda item: item.at):
        if at < end:
            account = grown(entering(at, account, spans), tenths)
    return account


def grown(account: Account, tenths: int) -> Account:
    """The account after an entry that counts where the growth cap leaves room."""
    if tenths > 0 and account.growth + tenths > account.cap:
        return account
    return account._replace(points=account.points + tenths, growth=account.growth + tenths)


def reaches(account: Account, level: str, span: Span) -> bool:
    """Whether an account has a level or a higher one under the rules of a span."""
    bound = bound_of(level, span)
    return account.open and bound is not None and account.points >= bound


def _coming(later: Sequence[Credit], account: Account, book: Book, spans: Sequence[Span]) -> tuple[Coming, ...]:
    """Those that count but for growth caps. Once a month has no room for one it has none for its later ones, so that
    the nets of pairs are the same with and without caps.
    """
    found, account = [], account._replace(cap=NO_CAP)
    for credit in later:
        account = entering(credit.at, account, spans)._replace(cap=NO_CAP)
        account, finding = fall_due(credit, account, book, span_at(spans, credit.at).rules)
        if finding.position and finding.verdict is Verdict.COUNTED:
            found.append(Coming(credit.at, finding.tenths, credit.position))
    return tuple(found)


def _waiting(later: Sequence[Credit], at: int, account: Account, book: Book, rules: Rules) -> tuple[int, ...]:
    """Each order is tried behind those before it, so that no buyer moves more than a pair may."""
    account = account._replace(cap=NO_CAP)
    book = book._replace(net=list(book.net), net_since=list(book.net_since))
    found = []
    for credit in later:
        receipt = book.receipt[credit.order]
        if book.reviewed[credit.order] == SCORED or not receipt:
            continue
        if book.facts[receipt - 1].position != credit.position:
            continue
        review = Fact(at, BEHIND_ALL, REVIEWED, credit.order, stars=best_stars(rules))
        account, finding = take(review, ENTRY, account, book, rules)
        if finding.verdict is Verdict.COUNTED:
            found.append(credit.position)
    return tuple(found)
