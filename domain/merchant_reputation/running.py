"""The run of a merchant's history through the rule, month by month, over lists; it can go on once they have grown."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple

from domain.calendar import month_of
from domain.merchant_reputation.rule import (
    NEVER,
    NEW,
    NOT_REVIEWED,
    NOTHING,
    OPENED,
    Account,
    Book,
    Fact,
    Finding,
    History,
    Rules,
    Span,
    begin_month,
    fall_due,
    remember,
    take,
)


class Month(NamedTuple):
    """One month in which something happened: from one account to the next, and the findings in between."""

    month: int
    begun: Account
    """At its start, with the cap that it begins under."""
    closing: Account
    """At its close, or at the replay's `as_of` if that is before. A closing of the shop sets growth and cap anew."""
    findings: range
    """Which of the run's findings are this month's."""


class Run(NamedTuple):
    """All that a run gives."""

    account: Account
    findings: list[Finding]
    """In the order of judgement; their tenths add up to the points."""
    months: list[Month]


def run(history: History, spans: Sequence[Span], opening: Account = NEW) -> Run:
    """Judge a merchant's history, month by month, from an account: a new one, or that of an earlier month's close.

    From an earlier close on, the history need hold only what happened since, what happened in the longest
    review window before it, and the earlier facts of the orders that these name.
    """
    return go_on(begin(history, opening), spans).run


class RunProgress(NamedTuple):
    """How far a run has come among the facts and among the credits."""

    fact: int
    credit: int


class Running(NamedTuple):
    """A run that can go on once its history has grown, in order, behind what has been judged."""

    history: History
    book: Book
    place: RunProgress
    run: Run


def begin(history: History, opening: Account = NEW) -> Running:
    """A run that has judged nothing yet: what happened before its opening is only written down."""
    book = _new_book(history)
    return Running(history, book, _remember_before(opening.month_end, history, book), Run(opening, [], []))


def go_on(running: Running, spans: Sequence[Span]) -> Running:
    """Judge what the history holds behind the run's place. The run's findings and months grow in their lists."""
    history, book, place, (account, findings, months) = running
    facts, credits = history.facts, history.credits
    while place.fact < len(facts) or place.credit < len(credits):
        at = min(
            facts[place.fact].at if place.fact < len(facts) else NEVER,
            credits[place.credit].at if place.credit < len(credits) else NEVER,
        )
        month, rules = month_of(at), span_at(spans, at).rules
        if at >= account.month_end:
            account = begin_month(account, month, rules)
            months.append(Month(month, account, account, range(len(findings), len(findings))))
        begun = months.pop()
        account, place = _judge_month(place, account, history, book, rules, findings)
        months.append(Month(month, begun.begun, account, range(begun.findings.start, len(findings))))
    return Running(history, book, place, Run(account, findings, months))


def _remember_before(instant: int, history: History, book: Book) -> RunProgress:
    """Write down what happened before an instant, judging nothing."""
    facts = bisect_left(history.facts, instant, key=lambda fact: fact.at)
    for index in range(facts):
        remember(history.facts[index], index, book)
    return RunProgress(facts, bisect_left(history.credits, instant, key=lambda credit: credit.at))


def _judge_month(
    place: RunProgress, account: Account, history: History, book: Book, rules: Rules, findings: list[Finding]
) -> tuple[Account, RunProgress]:
    """Judge what is left of the account's month, from a place among facts and credits up to the next month's."""
    facts, credits = history.facts, history.credits
    index, next_credit = place
    end = account.month_end
    due = credits[next_credit].at if next_credit < len(credits) else NEVER
    while True:
        fact = facts[index] if index < len(facts) else _END
        at = fact.at
        while due <= at and due < end and (due < at or credits[next_credit].position < fact.position):
            account, finding = fall_due(credits[next_credit], account, book, rules)
            if finding.position:
                findings.append(finding)
            next_credit += 1
            due = credits[next_credit].at if next_credit < len(credits) else NEVER
        if at >= end:
            return account, RunProgress(index, next_credit)
        settled = remember(fact, index, book)
        if settled != NOTHING:
            account, finding = take(fact, settled, account, book, rules)
            if finding.position:
                findings.append(finding)
        index += 1


_END: Final = Fact(NEVER, 0, OPENED)
"""Stands after the last fact."""


def span_at(spans: Sequence[Span], instant: int) -> Span:
    """The span that holds an instant; the first begins before all."""
    for span in reversed(spans):
        if span.begins <= instant:
            return span
    raise ValueError("no span begins before all")


def _new_book(history: History) -> Book:
    book = Book(history.facts, [], [], [], history.flagged, [], [])
    open_pages(book, len(history.flagged), history.buyers)
    return book


def open_pages(book: Book, orders: int, buyers: int) -> None:
    """Room in a book of lists for so many orders and buyers."""
    for column, fresh in ((book.payment, 0), (book.receipt, 0), (book.reviewed, NOT_REVIEWED)):
        column.extend([fresh] * (orders - len(column)))
    for column in (book.net, book.net_since):
        column.extend([0] * (buyers - len(column)))
