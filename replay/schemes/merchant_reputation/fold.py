"""Reputations of many merchants at once: the rule of `domain.merchant_reputation.rule` in a compiled loop over columns.

What `timeline.taking_part`, `history_of`, `run` and `changes` do for one merchant, `fold_reputation` does for each
subject of some Columns, by the same functions of the rule in the loop of `reputation_loop`.
tests/replay/schemes/test_fold.py holds both equal.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domain.limits import STARS_MAX
from domain.merchant_reputation.facts import KINDS
from domain.merchant_reputation.rule import (
    CLOSED,
    NEVER,
    NEW,
    NO_CAP,
    OPENED,
    PAID,
    RECEIVED,
    REVIEWED,
    Account,
    Credit,
    Span,
    Verdict,
)
from replay.columnar.columns import (
    MERCHANT_CLOSED,
    MERCHANT_ONBOARDED,
    ORDER_CLEARED,
    ORDER_FLAGGED,
    ORDER_PAID,
    ORDER_RECEIVED,
    REVIEW_POSTED,
    Columns,
    positions_taken_out,
)
from replay.replaying.verdicts import Verdicts, written
from replay.schemes.merchant_reputation.folded import Changes, Folded, FoldedMonths
from replay.schemes.merchant_reputation.loop import (
    CLEARED,
    FLAGGED,
    NOT_READ,
    Desk,
    Gone,
    MerchantRows,
    Out,
    Sizes,
    Table,
    hint_of,
    judge,
    scan,
)
from replay.store.reading.asked import EVERYTHING

_FIELDS: Final = len(Account._fields)
_VERDICTS: Final = len(Verdict) + 1


def fold_reputation(
    columns: Columns,
    spans: Sequence[Span],
    as_of: int,
    openings: NDArray[np.int64] | None = None,
    known: int = EVERYTHING,
) -> Folded:
    """Judge each subject's records up to a position, sorted by (subject, at, position).

    `openings`: a row a subject, the fields of Account in their order: the account at the close of a month, from which
    on it is judged as `run` does from an opening, and its records need be no more than that says. From nothing where
    left out.

    Raises ValueError for columns that are in another order or hold what no record does. Releases the interpreter's
    lock while it judges, so that threads can fold other columns meanwhile.
    """
    codes, table = table_of(spans)
    rows = _rows_of(columns)
    starts = np.zeros(len(columns.subjects) + 1, np.int64)
    window = max(span.rules.window_micros for span in spans)
    fault, sizes = scan()(rows, starts, as_of, window)
    if fault:
        raise ValueError(f"columns are not sorted by (subject, at, position), or count wrongly, at row {fault - 1}")
    desk = _desk_of(sizes)
    out = _room_for(len(columns.subjects), len(columns.at), sizes, len(spans))
    gone = _gone_of(columns, known)
    begun = new_accounts(len(columns.subjects)) if openings is None else openings
    fault, found, months, changes = judge()(rows, gone, starts, begun, table, as_of, desk, out)
    if fault:
        raise ValueError(f"columns hold what no record does at row {fault - 1}")
    return Folded(
        columns.subjects,
        codes,
        written(out.findings, found),
        FoldedMonths(out.months.starts, *_first(out.months[1:], months)),
        out.accounts,
        Changes(out.changes.starts, *_first(out.changes[1:], changes)),
    )


def new_accounts(subjects: int) -> NDArray[np.int64]:
    """A new account for each of so many subjects, as `openings` has them."""
    return np.tile(np.array(NEW, np.int64), (subjects, 1))


def _first(columns: tuple[Any, ...], count: int) -> list[Any]:
    return [column[:count] for column in columns]


# --- what the loop reads and writes -----------------------------------------------------------------------------------


def _rows_of(columns: Columns) -> MerchantRows:
    """The columns that are read, whatever they come from as arrays of one type: another would be compiled anew."""
    rows = []
    for name, kind in zip(MerchantRows._fields, _KINDS, strict=True):
        column = np.ascontiguousarray(getattr(columns, name), kind).view()
        column.flags.writeable = False
        rows.append(column)
    assert len({len(column) for column in rows}) == 1, "columns are of one length"
    return MerchantRows(*rows)


_KINDS: Final = (np.int32, np.int64, np.int64, np.int8, np.int32, np.int32, np.int64, np.int16)


def _gone_of(columns: Columns, known: int) -> Gone:
    positions = positions_taken_out(columns, known)
    hints = np.zeros(1 << (32 * len(positions)).bit_length(), np.bool_)
    hints[hint_of(positions, len(hints))] = True
    return Gone(positions, hints, known)


def table_of(spans: Sequence[Span]) -> tuple[list[str | None], Table]:
    """The codes of levels by the numbers that stand for them, and the spans as loops read them."""
    numbers: dict[str | None, int] = {None: 0}
    for span in spans:
        for code in span.codes:
            numbers.setdefault(code, len(numbers))
    levels = max(len(span.codes) for span in spans)
    rules = [span.rules for span in spans]

    def padded(rows: Sequence[Sequence[int]], width: int, filler: int) -> Any:
        return np.array([[*row, *[filler] * (width - len(row))] for row in rows], np.int64)

    return list(numbers), Table(
        begins=np.array([span.begins for span in spans], np.int64),
        windows=np.array([of.window_micros for of in rules], np.int64),
        numbers=np.array([[getattr(of, name) for name in _NUMBERS] for of in rules], np.int64),
        tenths_of_stars=np.array([of.tenths_of_stars for of in rules], np.int64),
        kind_counts=np.array([of.kind_counts for of in rules], np.bool_),
        level_bounds=padded([of.level_bounds for of in rules], levels, NEVER),
        growth_caps=padded([of.growth_caps for of in rules], levels + 1, NO_CAP),
        codes=padded([[0, *(numbers[code] for code in span.codes)] for span in spans], levels + 1, 0),
        whats=_whats(),
        details=_details(),
    )


_NUMBERS: Final = ("start", "default_tenths", "amount_fen_min", "pair_cap_tenths")
"""What `rules_at` reads; a publication's day and hour judge nothing."""


def _whats() -> Any:
    whats = np.full(256, NOT_READ, np.int8)
    for what, read_as in _READ_AS.items():
        whats[what] = read_as
    return whats


_READ_AS: Final = {
    MERCHANT_ONBOARDED: OPENED,
    MERCHANT_CLOSED: CLOSED,
    ORDER_PAID: PAID,
    ORDER_RECEIVED: RECEIVED,
    REVIEW_POSTED: REVIEWED,
    ORDER_FLAGGED: FLAGGED,
    ORDER_CLEARED: CLEARED,
}


def _details() -> Any:
    details = np.array([[-(2**15), 2**15 - 1]] * NOT_READ, np.int16)
    details[PAID], details[REVIEWED] = (0, len(KINDS) - 1), (1, STARS_MAX)
    return details


def _desk_of(sizes: Sizes) -> Desk:
    fact = np.dtype(
        [
            ("at", "i8"),
            ("position", "i8"),
            ("due", "i8"),
            ("amount_fen", "i8"),
            ("order", "i4"),
            ("buyer", "i4"),
            ("what", "i1"),
            ("kind", "i1"),
            ("stars", "i1"),
        ],
        align=True,
    )
    return Desk(
        facts=np.empty(sizes.rows, fact),
        credits=np.empty((sizes.rows + 1, len(Credit._fields)), np.int64),
        payment=np.zeros(sizes.orders, np.int32),
        receipt=np.zeros(sizes.orders, np.int32),
        reviewed=np.zeros(sizes.orders, np.int8),
        flagged=np.zeros(sizes.orders, np.bool_),
        net=np.zeros(sizes.buyers, np.int64),
        net_since=np.zeros(sizes.buyers, np.int64),
    )


def _room_for(subjects: int, rows: int, sizes: Sizes, spans: int) -> Out:
    """Room for the most that there can be: a finding a row, a change for each and for new rules at each subject.

    What is not written takes no memory.
    """

    def starts() -> Any:
        return np.zeros(subjects + 1, np.int64)

    def room(count: int, *kinds: Any) -> Any:
        return (np.empty(count, kind) for kind in kinds)

    i1, i2, i8, months, changes = np.int8, np.int16, np.int64, sizes.months, rows + subjects * (spans - 1)
    return Out(
        Verdicts(starts(), *room(rows, i8, i8, i1, i8)),
        FoldedMonths(
            starts(),
            np.empty(months, np.int32),
            np.empty((months, _FIELDS), i8),
            np.empty((months, _FIELDS), i8),
            np.zeros((months, _VERDICTS), np.int32),
            *room(months, i1, i2),
        ),
        np.empty((subjects, _FIELDS), i8),
        Changes(starts(), *room(changes, i8, i8, i1, i8, i8, i1, i2, i1, i2)),
    )
