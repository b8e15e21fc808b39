"""The compiled loop of `fold`: what it reads and writes, and the loop around the rule's functions.

`run` of `domain.merchant_reputation.running` goes the same way over lists. Nothing here decides: a verdict, an account
and a level come from the functions of the rule alone. Arrays are not tested for their bounds, and a sum beyond 64 bits
is silent: what could lead there is refused while rows are laid out, or bounded by `domain.limits` and the schemas of
policies.
"""

from typing import Any, Final, NamedTuple

from domain.calendar import day_of, month_of_day, month_start
from domain.merchant_reputation import rule
from domain.merchant_reputation.rule import (
    BEFORE_ALL,
    NEVER,
    NOTHING,
    PAID,
    RECEIVED,
    REVIEWED,
    Account,
    Book,
    Credit,
    Finding,
    Rules,
    begin_month,
    fall_due,
    level_of,
    remember,
    state_of,
    take,
)
from replay.columnar.jit import compiled
from replay.replaying.verdicts import Verdicts, write_verdict
from replay.schemes.merchant_reputation.folded import Changes, FoldedMonths


def scan() -> Any:
    """`scan_rows`, compiled when it is first called."""
    return compiled(scan_rows, day_of, month_of_day, allocates=False)


def judge() -> Any:
    """`judge_subjects`, compiled with the rule when it is first called."""
    return compiled(judge_subjects, *RULE, *_PARTS, allocates=False)


# --- what the loop reads and writes -----------------------------------------------------------------------------------


class MerchantRows(NamedTuple):
    """The columns that this scheme reads, read only, so that whatever they come from, one compiled loop fits."""

    subject: Any
    at: Any
    position: Any
    what: Any
    key: Any
    buyer: Any
    amount: Any
    detail: Any


class Gone(NamedTuple):
    """The records that take no part: those that retractions take out, and those that were not known yet."""

    positions: Any
    """Rising."""
    hints: Any
    """By `hint_of` a position, whether one with the same is among them: most rows need no further look."""
    known: int
    """The last position that was known."""


class Table(NamedTuple):
    """The spans as arrays of one shape, so that versions with any number of levels fit one compiled loop."""

    begins: Any
    windows: Any
    numbers: Any
    """By span, the other parameters that are one number, in the order of _NUMBERS."""
    tenths_of_stars: Any
    kind_counts: Any
    level_bounds: Any
    """By span, padded with NEVER, which no points reach."""
    growth_caps: Any
    codes: Any
    """By span and level, the number of the level's code; at 0 stands 0."""
    whats: Any
    """By the number of a type in the column `what`, what a fact says; or FLAGGED, CLEARED, NOT_READ."""
    details: Any
    """By what a fact says, the least and the most that its `detail` may be."""


FLAGGED: Final = 5
CLEARED: Final = 6
NOT_READ: Final = 7
"""Beside the numbers of what a fact says."""


class Sizes(NamedTuple):
    """What room the columns need."""

    rows: int
    """Of the largest subject."""
    orders: int
    buyers: int
    months: int


class Desk(NamedTuple):
    """Where one merchant is laid out and judged, and after it the next; what is of orders and buyers is left empty."""

    facts: Any
    credits: Any
    payment: Any
    receipt: Any
    reviewed: Any
    flagged: Any
    net: Any
    net_since: Any


class Out(NamedTuple):
    """Room for what is found."""

    findings: Verdicts
    months: FoldedMonths
    accounts: Any
    changes: Changes


# --- the loop ---------------------------------------------------------------------------------------------------------


def scan_rows(rows: MerchantRows, starts: Any, as_of: int, window: int) -> tuple[int, Sizes]:
    """Find where each subject's rows begin and how much room is needed; one more than the first row out of order."""
    subjects, count = len(starts) - 1, len(rows.at)
    most, orders, buyers, months = 0, 0, 0, 0
    current, first = -1, 0
    for row in range(count + 1):
        subject = rows.subject[row] if row < count else subjects
        if subject != current:
            if subject < current or (row < count and subject >= subjects):
                return row + 1, Sizes(0, 0, 0, 0)
            if current >= 0:
                most = max(most, row - first)
                last = min(as_of, rows.at[row - 1] + window)
                lasting = month_of_day(day_of(last)) - month_of_day(day_of(rows.at[first])) + 1
                months += max(0, min(2 * (row - first), lasting))
            for passed in range(current + 1, subject + 1):
                starts[passed] = row
            current, first = subject, row
        elif row < count and (
            rows.at[row] < rows.at[row - 1]
            or (rows.at[row] == rows.at[row - 1] and rows.position[row] <= rows.position[row - 1])
        ):
            return row + 1, Sizes(0, 0, 0, 0)
        if row < count:
            orders = max(orders, rows.key[row] + 1)
            buyers = max(buyers, rows.buyer[row] + 1)
    return 0, Sizes(most, orders, buyers, months)


def judge_subjects(
    rows: MerchantRows, gone: Gone, starts: Any, openings: Any, table: Table, as_of: int, desk: Desk, out: Out
) -> tuple[int, int, int, int]:
    """Judge every subject from its opening: one more than the first row that no record can be; how much was found."""
    found, months, changes = 0, 0, 0
    for subject in range(len(starts) - 1):
        first, last = starts[subject], starts[subject + 1]
        fault, facts, credits, orders, buyers = _lay_out(first, last, rows, gone, table, as_of, desk)
        if fault:
            return fault, 0, 0, 0
        opening = account_at(openings, subject)
        account, found, months, changes = _judge_subject(
            opening, facts, credits, desk, table, found, months, changes, out
        )
        _clear(desk, orders, buyers)
        _write_account(out.accounts, subject, account)
        out.findings.starts[subject + 1] = found
        out.months.starts[subject + 1] = months
        out.changes.starts[subject + 1] = changes
    return 0, found, months, changes


def _lay_out(
    first: int, last: int, rows: MerchantRows, gone: Gone, table: Table, as_of: int, desk: Desk
) -> tuple[int, int, int, int, int]:
    """Lay out the facts, credits and flags of the rows that take part, as `taking_part` and `history_of` do.

    One more than the first row that no record can be; then how many facts, credits, orders and buyers there are.
    Types follow one another as chance has it, so that a branch on them would be foretold wrongly each second time:
    every row is written down as whatever it may be, and then kept or not.
    """
    facts, credits, orders, buyers, span, in_order = 0, 0, 0, 0, 0, True
    for row in range(first, last):
        what = table.whats[rows.what[row] & 0xFF]
        if what == NOT_READ or _is_gone(rows.position[row], gone):
            continue
        if _is_impossible(what, row, rows, table):
            return row + 1, 0, 0, 0, 0
        key, at = rows.key[row], rows.at[row]
        orders = max(orders, key + 1)
        if what > REVIEWED:
            desk.flagged[key] = what == FLAGGED
            continue
        if at > as_of:
            continue
        while span + 1 < len(table.begins) and table.begins[span + 1] <= at:
            span += 1
        fact = desk.facts[facts]
        fact.at = at
        fact.position = rows.position[row]
        fact.what = what
        fact.order = key
        fact.buyer = rows.buyer[row]
        fact.amount_fen = rows.amount[row]
        fact.kind = rows.detail[row]
        fact.stars = rows.detail[row]
        fact.due = at + table.windows[span]
        facts += 1
        buyers = max(buyers, rows.buyer[row] + 1)
        in_order = _lay_out_credit(fact, credits, desk.credits) and in_order
        credits += (what == RECEIVED) & (fact.due <= as_of)
    if not in_order:
        _put_in_order(desk.credits, credits)
    return 0, facts, credits, orders, buyers


def _is_gone(position: int, gone: Gone) -> bool:
    """Whether a record takes no part."""
    if position > gone.known:
        return True
    if not gone.hints[hint_of(position, len(gone.hints))]:
        return False
    low, high = 0, len(gone.positions)
    while low < high:
        middle = (low + high) // 2
        if gone.positions[middle] < position:
            low = middle + 1
        else:
            high = middle
    return low < len(gone.positions) and gone.positions[low] == position


def hint_of(position: Any, hints: int) -> Any:
    """Where among so many hints, a power of two, that of a position or of an array of them stands.

    Positions of a bucket may have a step, so that their lowest bits alone would tell few apart; the product wraps.
    """
    return ((position * -7_046_029_254_386_353_131) >> 32) & (hints - 1)


def _is_impossible(what: int, row: int, rows: MerchantRows, table: Table) -> bool:
    """Whether no record can be so: compiled loops do not test the bounds of arrays, so that this must."""
    detail = rows.detail[row]
    return bool(
        ((what >= PAID) & (rows.key[row] < 0))
        | ((what == PAID) & (rows.buyer[row] < 0))
        | (detail < table.details[what, 0])
        | (detail > table.details[what, 1])
    )


def _lay_out_credit(fact: Any, place: int, credits: Any) -> bool:
    """Lay out what would be a receipt's credit, and say whether it falls due after the one laid out before it."""
    due, position = fact.due, fact.position
    credits[place, 0] = due
    credits[place, 1] = position
    credits[place, 2] = fact.order
    before = max(place - 1, 0)
    return bool(
        (place == 0) | (due > credits[before, 0]) | ((due == credits[before, 0]) & (position > credits[before, 1]))
    )


def _put_in_order(credits: Any, count: int) -> None:
    """Sort credits by (instant, position): where windows shrink, a later receipt may fall due before an earlier one.

    A sort by falling gaps: few are out of order, and numpy's sorts would double the time that compiling takes.
    """
    gap = count // 2
    while gap:
        for place in range(gap, count):
            at, position, order = credits[place, 0], credits[place, 1], credits[place, 2]
            hole = place
            while hole >= gap and (
                credits[hole - gap, 0] > at or (credits[hole - gap, 0] == at and credits[hole - gap, 1] > position)
            ):
                for field in range(3):
                    credits[hole, field] = credits[hole - gap, field]
                hole -= gap
            credits[hole, 0], credits[hole, 1], credits[hole, 2] = at, position, order
        gap //= 2


class _Now(NamedTuple):
    """Where a merchant stands, and the points between which it stays there."""

    state: int
    level: int
    low: int
    high: int
    open: bool


def _judge_subject(
    opening: Account,
    facts: int,
    credits: int,
    desk: Desk,
    table: Table,
    found: int,
    months: int,
    changes: int,
    out: Out,
) -> tuple[Account, int, int, int]:
    """Judge what is laid out, as `run` does, and note changes, as `changes` does; how much has been found by then."""
    book = Book(desk.facts, desk.payment, desk.receipt, desk.reviewed, desk.flagged, desk.net, desk.net_since)
    next_fact, next_credit = _remember_before(opening.month_end, facts, credits, book, desk.credits)
    account, span, month = opening, _span_before(table, opening.month_end), months - 1
    rules = rules_at(table, span)
    now = _now(account, rules, table.codes[span])
    while next_fact < facts or next_credit < credits:
        fact_at = desk.facts[next_fact].at if next_fact < facts else NEVER
        due = desk.credits[next_credit, 0] if next_credit < credits else NEVER
        credit_first = due < fact_at or (
            due == fact_at and desk.credits[next_credit, 1] < desk.facts[next_fact].position
        )
        at = due if credit_first else fact_at
        if at >= account.month_end:
            if month >= months:
                _write_close(out.months, month, account, now)
            month = months if month < months else month + 1
            while span + 1 < len(table.begins) and table.begins[span + 1] <= at:
                span += 1
                rules = rules_at(table, span)
                then, now = now, _now(account, rules, table.codes[span])
                changes = _write_change(out.changes, changes, table.begins[span], 0, 0, 0, account, then, now)
            account = begin_month(account, month_of_day(day_of(at)), rules)
            out.months.month[month] = month_of_day(day_of(at))
            _write_account(out.months.begun, month, account)
        if credit_first:
            credit = Credit(due, desk.credits[next_credit, 1], desk.credits[next_credit, 2])
            next_credit += 1
            position = credit.position
            account, finding = fall_due(credit, account, book, rules)
        else:
            fact = desk.facts[next_fact]
            next_fact += 1
            position = fact.position
            settled = remember(fact, next_fact - 1, book)
            if settled == NOTHING:
                continue
            account, finding = take(fact, settled, account, book, rules)
        if finding.position:
            found = _write_finding(out.findings, found, finding)
            out.months.verdicts[month, finding.verdict] += 1
        if account.open != now.open or account.points < now.low or account.points >= now.high:
            then, now = now, _now(account, rules, table.codes[span])
            verdict = finding.verdict.value if finding.position else 0
            changes = _write_change(out.changes, changes, at, position, verdict, finding.tenths, account, then, now)
    if month >= months:
        _write_close(out.months, month, account, now)
    while span + 1 < len(table.begins):
        span += 1
        then, now = now, _now(account, rules_at(table, span), table.codes[span])
        changes = _write_change(out.changes, changes, table.begins[span], 0, 0, 0, account, then, now)
    return account, found, month + 1, changes


def _remember_before(instant: int, facts: int, credits: int, book: Book, due: Any) -> tuple[int, int]:
    """Write down what happened before an instant, judging nothing: the first fact and credit behind it."""
    next_fact, next_credit = 0, 0
    while next_fact < facts and book.facts[next_fact].at < instant:
        remember(book.facts[next_fact], next_fact, book)
        next_fact += 1
    while next_credit < credits and due[next_credit, 0] < instant:
        next_credit += 1
    return next_fact, next_credit


def _span_before(table: Table, instant: int) -> int:
    """The place of the span that holds what happens just before an instant."""
    span = 0
    while span + 1 < len(table.begins) and table.begins[span + 1] < instant:
        span += 1
    return span


def account_at(rows: Any, row: int) -> Account:
    """The account that stands in a row of fields."""
    return Account(
        rows[row, 0],
        rows[row, 1],
        rows[row, 2],
        rows[row, 3],
        rows[row, 4],
        rows[row, 5] == 1,
        rows[row, 6],
        rows[row, 7],
        rows[row, 8],
    )


def rules_at(table: Table, span: int) -> Rules:
    """The rules of a span, as far as they judge."""
    numbers = table.numbers[span]
    return Rules(
        numbers[0],
        table.tenths_of_stars[span],
        numbers[1],
        table.windows[span],
        numbers[2],
        table.kind_counts[span],
        numbers[3],
        table.level_bounds[span],
        table.growth_caps[span],
        0,
        0,
    )


def _now(account: Account, rules: Rules, codes: Any) -> _Now:
    level, bounds = level_of(account, rules), rules.level_bounds
    low = bounds[level - 1] if level else BEFORE_ALL
    high = bounds[level] if level < len(bounds) else NEVER
    return _Now(state_of(account, level), codes[level], low, high, account.open)


def _write_finding(findings: Verdicts, row: int, finding: Finding) -> int:
    findings.tenths[row] = finding.tenths
    return write_verdict(findings, row, finding.at, finding.position, finding.verdict)


def _write_account(rows: Any, row: int, account: Account) -> None:
    points, growth, cap, month_end, opened_at, is_open, closed_at, closed_position, netting = account
    rows[row, 0] = points
    rows[row, 1] = growth
    rows[row, 2] = cap
    rows[row, 3] = month_end
    rows[row, 4] = opened_at
    rows[row, 5] = is_open
    rows[row, 6] = closed_at
    rows[row, 7] = closed_position
    rows[row, 8] = netting


def _write_close(months: FoldedMonths, month: int, account: Account, now: _Now) -> None:
    _write_account(months.closing, month, account)
    months.state[month] = now.state
    months.level[month] = now.level


def _write_change(
    changes: Changes,
    row: int,
    at: int,
    position: int,
    verdict: int,
    tenths: int,
    account: Account,
    then: _Now,
    now: _Now,
) -> int:
    """Write down a change, where there is one, and say where the next goes."""
    if then.state == now.state and then.level == now.level:
        return row
    changes.at[row] = at
    changes.position[row] = position
    changes.verdict[row] = verdict
    changes.tenths[row] = tenths
    changes.points[row] = account.points
    changes.state_before[row] = then.state
    changes.level_before[row] = then.level
    changes.state[row] = now.state
    changes.level[row] = now.level
    return row + 1


def _clear(desk: Desk, orders: int, buyers: int) -> None:
    for order in range(orders):
        desk.payment[order] = 0
        desk.receipt[order] = 0
        desk.reviewed[order] = 0
        desk.flagged[order] = False
    for buyer in range(buyers):
        desk.net_since[buyer] = 0


RULE: Final = (
    *(begin_month, level_of, state_of, remember, take, fall_due),
    *(rule._open, rule._close, rule._enter, rule._judge, rule._is_before_closing),
    *(day_of, month_of_day, month_start),
)
"""The functions of the domain that are compiled with the loop."""
_PARTS: Final = (
    *(_lay_out, _is_gone, hint_of, _is_impossible, _lay_out_credit, _put_in_order),
    *(_judge_subject, _remember_before, _span_before, account_at, rules_at, _now),
    *(write_verdict, _write_finding, _write_account, _write_close, _write_change, _clear),
)
