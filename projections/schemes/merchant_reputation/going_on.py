"""Many merchants gone on with from the close of a stored month: their past before it is neither read nor judged again.

What `view.advance` does for one of them with its events, this does for all with their columns.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, select

from domain.calendar import parse_month
from domain.merchant_reputation.rule import NO_CAP, SCHEME, Account
from projections.schemes.merchant_reputation.bulk import folded_changes, folded_months, stand
from projections.schemes.merchant_reputation.rows import judging_of
from projections.schemes.shared.bulk_rows import JudgedBy, lists, owners_of, starts_of
from projections.schemes.shared.changing import Rewriting, RowsMade, RowsSet
from projections.schemes.shared.filling import LATEST
from projections.schemes.shared.going_on import GoingOn
from projections.views.recent import orders_in
from projections.views.step import SUBJECTS_AT_ONCE, Step, batched
from replay.columnar.columns import ORDER_CLEARED, ORDER_FLAGGED, ORDER_PAID, ORDER_RECEIVED, REVIEW_POSTED
from replay.schemes.merchant_reputation.fold import fold_reputation, new_accounts
from replay.schemes.merchant_reputation.folded import Folded, FoldedMonths
from replay.store.queries import BEFORE_ALL

_ORDERED: Final = (ORDER_PAID, ORDER_RECEIVED, REVIEW_POSTED)
"""Types whose events come out as entries, or make others come out so, from when they occurred on."""
_FLAGS: Final = (ORDER_FLAGGED, ORDER_CLEARED)
"""Types whose events bear on every entry of their order."""
_MONTH_END: Final = Account._fields.index("month_end")
Numbers = NDArray[np.int64]


def move(going: GoingOn) -> Rewriting | None:
    """What a step changes of many merchants; None where a record cannot be read."""
    step, judging = going.step, judging_of(going.step)
    restarts = _restarts(going)
    if going.unread():
        return None
    concerned = np.flatnonzero(restarts < LATEST)
    made = Rewriting(step, [going.subjects[subject] for subject in concerned.tolist()])
    stored = _stored(step, made.subjects)
    kept = _before(stored.starts, stored.closing[:, _MONTH_END], restarts[concerned] + 1)
    openings = _openings(stored, kept)
    ends = openings[:, _MONTH_END]
    firsts = np.where(kept > 0, np.minimum(ends, step.after.as_of) - judging.window_micros, BEFORE_ALL)
    filling = going.filling(made.subjects, firsts, (*_ORDERED, *_FLAGS))
    if filling is None:
        return None
    folded = fold_reputation(filling.columns, judging.spans, filling.as_of, openings)
    judged = JudgedBy(judging.terms, judging.policies)
    fewer = np.flatnonzero(kept < np.diff(stored.starts))
    made.go("reputation_months", fewer, {}, ("month_end", (ends[fewer] + 1).tolist()))
    made.come.append(RowsMade("reputation_months", lists(folded_months(folded, judged))))
    _change(made, ends, folded, judged)
    stand(filling, folded._replace(months=_whole(stored, kept, folded.months)), judging, judged)
    made.stand(SCHEME, filling)
    return made


def _restarts(going: GoingOn) -> Numbers:
    """By subject, the earliest instant at which an entry, old or new, may be another; LATEST where none is."""
    new, found = going.new, going.due(SCHEME, LATEST)
    rows = np.flatnonzero(np.isin(new.what, _ORDERED))
    np.minimum.at(found, new.stream[rows], new.at[rows])
    flagged = orders_in(new, np.flatnonzero(np.isin(new.what, _FLAGS)))
    if flagged:
        numbers = {subject: number for number, subject in enumerate(going.subjects)}
        about = going.about(flagged)
        rows = np.flatnonzero(np.isin(about.what, _ORDERED))
        names = about.name.take(rows).to_pylist()
        for stream, name, at in zip(about.stream[rows].tolist(), names, about.at[rows].tolist(), strict=True):
            subject = about.streams[stream]
            if (subject, name) in flagged:
                found[numbers[subject]] = min(found[numbers[subject]], at)
    return np.where(found < LATEST, np.minimum(found, going.step.after.as_of), LATEST)


# --- what is stored ---------------------------------------------------------------------------------------------------


class _Stored(NamedTuple):
    """The months that are stored of some subjects, as in FoldedMonths."""

    starts: Numbers
    month: NDArray[np.int32]
    closing: Numbers


def _stored(step: Step, subjects: Sequence[str]) -> _Stored:
    rows = _rows(step, "reputation_months", subjects, _COLUMNS)
    order = np.lexsort((rows["month"], rows["subject"]))
    account = (rows[name][order] for name in _COLUMNS[1:])
    return _Stored(starts_of(rows["subject"][order], len(subjects)), rows["month"][order], np.stack([*account], axis=1))


_COLUMNS: Final = (
    *("month", "closing_tenths", "growth_tenths", "cap_tenths", "month_end"),
    *("opened_at", "is_open", "closed_at", "closed_position", "netting"),
)
"""The month, and what the fields of its account at the close are called."""


def _rows(
    step: Step, name: str, subjects: Sequence[str], columns: Sequence[str], *where: ColumnElement[bool]
) -> dict[str, NDArray[Any]]:
    """Columns of a table's rows of some subjects, which are numbered in the order given."""
    table = step.tables[name]
    query = select(table.c.subject, *(table.c[column] for column in columns)).where(*where)
    if "scheme" in table.c:
        query = query.where(table.c.scheme == SCHEME)
    numbers = {subject: number for number, subject in enumerate(subjects)}
    found: list[Any] = []
    for some in batched(subjects, SUBJECTS_AT_ONCE):
        found += step.connection.execute(query.where(table.c.subject.in_(some)))
    values: Any = [*zip(*found, strict=True)] or [[]] * (len(columns) + 1)
    whose = np.array([numbers[subject] for subject in values[0]], np.int64)
    return {"subject": whose} | {
        column: np.array([*map(_READ.get(column, int), some)], np.int64)
        for column, some in zip(columns, values[1:], strict=True)
    }


def _cap(value: int | None) -> int:
    return NO_CAP if value is None else value


def _end(at: int | None) -> int:
    return LATEST if at is None else at


_READ: Final[dict[str, Any]] = {
    "month": parse_month,
    "cap_tenths": _cap,
    "to_at": _end,
}


def _before(starts: Numbers, instants: Numbers, ends: Numbers) -> Numbers:
    """By subject, how many of its instants, which rise, stand before one."""
    owners = owners_of(starts)
    return np.bincount(owners[instants < ends[owners]], minlength=len(starts) - 1)


def _openings(stored: _Stored, kept: Numbers) -> Numbers:
    """By subject, the account at the close of the last month that is kept."""
    openings, some = new_accounts(len(kept)), np.flatnonzero(kept)
    openings[some] = stored.closing[stored.starts[some] + kept[some] - 1]
    return openings


def _whole(stored: _Stored, kept: Numbers, made: FoldedMonths) -> FoldedMonths:
    """The months that are kept and those that were judged, as far as publications are drawn from them."""
    owners = owners_of(stored.starts)
    rows = np.flatnonzero(np.arange(len(owners)) - stored.starts[owners] < kept[owners])
    whose = np.concatenate([owners[rows], owners_of(made.starts)])
    order = np.argsort(whose, kind="stable")
    month = np.concatenate([stored.month[rows].astype(np.int32), made.month])[order]
    closing = np.concatenate([stored.closing[rows], made.closing])[order]
    return made._replace(starts=starts_of(whose[order], len(kept)), month=month, closing=closing)


# --- the history of levels --------------------------------------------------------------------------------------------


def _change(made: Rewriting, ends: Numbers, folded: Folded, judged: JudgedBy) -> None:
    """The level's history from the openings on; what is kept of it ends where that begins."""
    history = made.step.tables["history"].c
    still = history.to_at.is_(None) | (history.to_at >= int(ends.min(initial=LATEST)))  # what ended before is kept
    rows = _rows(made.step, "history", made.subjects, ("number", "from_at", "to_at"), still)
    whose, number, is_kept = rows["subject"], rows["number"], rows["from_at"] < ends[rows["subject"]]
    kept = np.zeros(len(ends), np.int64)
    np.maximum.at(kept, whose[is_kept], number[is_kept] + 1)
    fewer = np.unique(whose[~is_kept])
    made.go("history", fewer, {"scheme": SCHEME}, ("number", kept[fewer].tolist()))
    columns = folded_changes(folded, judged)
    columns["number"] = columns["number"] + kept[owners_of(folded.changes.starts)]
    made.come.append(RowsMade("history", lists(columns)))
    begins, some = np.full(len(kept), LATEST), np.flatnonzero(np.diff(folded.changes.starts))
    begins[some] = folded.changes.at[folded.changes.starts[some]]
    ended = np.flatnonzero(is_kept & (number == kept[whose] - 1) & (rows["to_at"] != begins[whose]))
    keys = {
        "subject": [made.subjects[subject] for subject in whose[ended].tolist()],
        "scheme": [SCHEME] * len(ended),
        "number": number[ended].tolist(),
    }
    to_be = [None if at == LATEST else at for at in begins[whose[ended]].tolist()]
    made.set.append(RowsSet("history", keys, "to_at", to_be))
