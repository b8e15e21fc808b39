"""What many merchants' publications showed otherwise than they would now: from columns, or from what stood before."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from domain.calendar import month_of, month_start, month_text
from domain.merchant_reputation.facts import spans_of
from domain.merchant_reputation.rule import NEVER, Account, Span
from domain.policy import start_of_month, terms_of
from projections.schemes.merchant_reputation.issuing import (
    is_judged_alike,
    issues_of,
    policies_then,
    position_then,
    unknown_of,
)
from projections.schemes.merchant_reputation.rows import Judging
from projections.schemes.merchant_reputation.then_rows import (
    TABLE,
    Differing,
    MonthsToSee,
    SameMonths,
    ShownOf,
    differing_in,
    gone_on,
    months_to_see,
    on_end,
    shown_by,
    then_row,
)
from projections.schemes.shared.bulk_rows import rows_of_subjects
from projections.schemes.shared.changing import Rewriting, RowsMade
from projections.schemes.shared.filling import LATEST, Filling
from projections.views.step import Step
from replay.columnar.columns import TYPES, Columns
from replay.schemes.merchant_reputation.bearing import NEVER_BEARS, bearing_from
from replay.schemes.merchant_reputation.fold import fold_reputation
from replay.schemes.merchant_reputation.folded import Folded, account_from
from replay.schemes.merchant_reputation.then import Issued, seen_in
from replay.store.reading.asked import BEFORE_ALL

Numbers = NDArray[np.int64]
_OPENED_AT: Final = Account._fields.index("opened_at")
_COLUMNS: Final = ("subject", "month", "to_month", "points_tenths", "level")
_Row = tuple[Any, ...]
"""Of these columns."""


class _Closings(Protocol):
    """Months of many merchants, by subject and in order."""

    @property
    def starts(self) -> Numbers: ...

    @property
    def month(self) -> NDArray[Any]: ...

    @property
    def closing(self) -> Numbers: ...


def then_columns(filling: Filling, folded: Folded, judging: Judging) -> dict[str, list[Any]]:
    """The rows of every merchant, as columns."""
    rows = _rows_of_all(filling, folded, judging)
    return _as_columns([row for number in sorted(rows) for row in rows[number]])


def rewrite_then(made: Rewriting, filling: Filling, folded: Folded, judging: Judging) -> None:
    """Write those of the merchants that have others than stand."""
    rows = _rows_of_all(filling, folded, judging)
    stored = _stored(made.step, folded.subjects)
    merchants = filling.of_kind("merchant").tolist()
    changed = [number for number in merchants if rows.get(number, []) != stored.get(folded.subjects[number], [])]
    _write(made, changed, [row for number in changed for row in rows.get(number, [])])


def _stored(step: Step, subjects: Sequence[str]) -> dict[str, list[_Row]]:
    found: dict[str, list[_Row]] = defaultdict(list)
    for row in sorted(map(tuple, rows_of_subjects(step.connection, step.tables[TABLE], _COLUMNS, subjects))):
        found[row[0]].append(row)
    return found


def _write(made: Rewriting, changed: Sequence[int], rows: Sequence[_Row]) -> None:
    made.go(TABLE, np.array(changed, np.int64), {}, None)
    made.come.append(RowsMade(TABLE, _as_columns(rows)))


def _as_columns(rows: Sequence[_Row]) -> dict[str, list[Any]]:
    return {name: [row[place] for row in rows] for place, name in enumerate(_COLUMNS)}


def _rows(subject: str, months: Sequence[SameMonths]) -> list[_Row]:
    return [tuple(then_row(subject, item).values()) for item in months]


# --- from all records -------------------------------------------------------------------------------------------------


def _rows_of_all(filling: Filling, folded: Folded, judging: Judging) -> dict[int, list[_Row]]:
    """By number of a merchant, its rows, where it has any.

    Records are folded as they were known at a publication only of those on whose months something bears that was
    recorded behind it, or where other policies judged then.
    """
    issued = issues_of(filling.step).all
    if not issued:
        return {}
    positions = np.array([position_then(filling.step, item) for item in issued], np.int64)
    first = filling.earliest(filling.columns.subject, filling.columns.position)
    known = np.searchsorted(positions, first)
    unknown = _unknown(folded, issued, known)
    differing = _differing(filling, folded, judging, _Knowledge(issued, positions, known)) if positions[-1] else {}
    return {
        number: _rows(folded.subjects[number], on_end(differing.get(number, {}), unknown.get(number)))
        for number in unknown.keys() | differing.keys()
    }


class _Knowledge(NamedTuple):
    """Publications, the earliest first, and what was known when they came."""

    issued: Sequence[Issued]
    positions: Numbers
    """The last that was known at each."""
    known: Numbers
    """By subject, the place of the first publication before which anything was known of it."""


def _unknown(folded: Folded, issued: Sequence[Issued], known: Numbers) -> dict[int, SameMonths]:
    """By merchant, the months of which nothing was published, since nothing was known of it."""
    opened_at, first = folded.accounts[:, _OPENED_AT], issued[0].month
    found = {}
    for number in np.flatnonzero((opened_at != NEVER) & (known > 0)).tolist():
        months = SameMonths(max(month_of(int(opened_at[number])), first), first + int(known[number]) - 1, None)
        if months.first <= months.last:
            found[number] = months
    return found


def _differing(filling: Filling, folded: Folded, judging: Judging, knowledge: _Knowledge) -> dict[int, Differing]:
    """By merchant, what publications showed otherwise before which something was known of it."""
    step, found = filling.step, defaultdict[int, Differing](dict)
    touched, merchants = _touched(filling.columns, knowledge), filling.of_kind("merchant")
    for place in range(int(knowledge.known.min(initial=len(knowledge.issued))), len(knowledge.issued)):
        item = knowledge.issued[place]
        policies = policies_then(step, item)
        is_alike = is_judged_alike(step, policies, item.month)
        wanted = touched[merchants, place] if is_alike else np.ones(len(merchants), np.bool_)
        some = merchants[wanted & (knowledge.known[merchants] <= place)]
        if not len(some):
            continue
        spans = spans_of(terms_of(policies.own, start_of_month))
        position = int(knowledge.positions[place])
        then = fold_reputation(_records_of(filling.columns, some), spans, item.at, known=position)
        for number in some.tolist():
            seen = seen_in(_shown_by(then, number, spans)(item.month))
            if seen != seen_in(_shown_by(folded, number, judging.spans)(item.month)):
                found[number][item.month] = seen
    return found


def _touched(columns: Columns, knowledge: _Knowledge) -> NDArray[np.bool_]:
    """By subject and publication, whether something bears on its month that was recorded behind it: `late.touched`."""
    ends = np.array([month_start(item.month + 1) for item in knowledge.issued], np.int64)
    begins = bearing_from(columns)
    first = np.maximum(np.searchsorted(ends, begins, "right"), knowledge.known[columns.subject])
    behind = np.searchsorted(knowledge.positions, columns.position)
    late = np.flatnonzero((first < behind) & (begins != NEVER_BEARS))
    found = np.zeros((len(columns.subjects), len(ends) + 1), np.int32)
    np.add.at(found, (columns.subject[late], first[late]), 1)
    np.add.at(found, (columns.subject[late], behind[late]), -1)
    touched: NDArray[np.bool_] = found.cumsum(axis=1)[:, :-1] > 0
    return touched


def _records_of(columns: Columns, some: Numbers) -> Columns:
    wanted = np.zeros(len(columns.subjects), np.bool_)
    wanted[some] = True
    rows = np.flatnonzero(wanted[columns.subject])
    return columns._replace(**{name: getattr(columns, name)[rows] for name in TYPES})


def _shown_by(folded: Folded, number: int, spans: Sequence[Span]) -> ShownOf:
    """What publications show of one merchant of those that were folded."""
    return _shown_of(folded.months, number, int(folded.accounts[number, _OPENED_AT]), spans)


def _shown_of(months: _Closings, number: int, opened_at: int, spans: Sequence[Span]) -> ShownOf:
    begin, end = months.starts[number : number + 2].tolist()

    def closing(place: int) -> Account:
        return account_from(months.closing[begin + place].tolist())

    return shown_by(months.month[begin:end].tolist(), closing, opened_at, spans)


# --- from what stood --------------------------------------------------------------------------------------------------


def go_on_then(made: Rewriting, restarts: Numbers, before: _Closings, now: _Closings, judging: Judging) -> None:
    """Write what changes of merchants that are gone on with, each from an instant on; of those whose settled
    publications that may concern, all months are at hand, as they were and as they are."""
    step, changed, rows = made.step, list[int](), list[_Row]()
    latest = [item.month for item in issues_of(step).settled][-1:]
    reach = LATEST if unknown_of(step) else month_start(latest[0] + 1) if latest else BEFORE_ALL
    some = np.flatnonzero(restarts < reach).tolist()
    stored = _stored(step, [made.subjects[number] for number in some])
    for number in some:
        subject, months = made.subjects[number], months_to_see(step, int(restarts[number]))
        stands = stored.get(subject, [])
        if not any(months) or _are_unknown(stands, months):
            continue
        differing = differing_in(dict(zip(_COLUMNS, row, strict=True)) for row in stands)
        shown_before, shown_now = (_shown_stored(item, number, judging.spans) for item in (before, now))
        comes = _rows(subject, on_end(gone_on(differing, months, shown_before, shown_now)))
        if comes != stands:
            changed.append(number)
            rows += comes
    _write(made, changed, rows)


def _are_unknown(stands: Sequence[_Row], months: MonthsToSee) -> bool:
    """Whether nothing was published of all months that may change, so that whatever they come to differs."""
    if months.unknown or not months.settled:
        return False
    first, last = month_text(months.settled[0]), month_text(months.settled[-1])
    return any(row[1] <= first and last <= row[2] and row[3] is None for row in stands)


def _shown_stored(months: _Closings, number: int, spans: Sequence[Span]) -> ShownOf:
    begin, end = months.starts[number : number + 2].tolist()
    opened_at = int(months.closing[end - 1, _OPENED_AT]) if end > begin else NEVER
    return _shown_of(months, number, opened_at, spans)
