"""The view of `merchant-reputation` filled from columns, by the compiled fold."""

from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from domain.calendar import month_of, month_start, month_text
from domain.merchant_reputation.account import next_publication_since
from domain.merchant_reputation.rule import NEVER, NO_CAP, SCHEME, STATES, Account, Verdict
from projections.schemes.merchant_reputation.rows import Judging, cause_of, judging_of, month_columns
from projections.schemes.merchant_reputation.then_bulk import rewrite_then, then_columns
from projections.schemes.merchant_reputation.then_rows import TABLE
from projections.schemes.shared.bulk_rows import (
    JudgedBy,
    following,
    instants,
    named,
    nullable,
    numbers_of,
    owners_of,
    texts,
)
from projections.schemes.shared.changing import Changing, RowsToWrite, TableRows
from projections.schemes.shared.filling import LATEST, Filling
from projections.views.rows import change_columns, level_columns
from replay.columnar.columns import ORDER_RECEIVED
from replay.schemes.merchant_reputation.effective import Standings, shown_of_all
from replay.schemes.merchant_reputation.fold import fold_reputation
from replay.schemes.merchant_reputation.folded import Changes, Folded, FoldedMonths

_STATES: Final = [str(state) for state in STATES]
_CAUSES: Final = [cause_of(None, 0), cause_of(None, 1), *(cause_of(verdict, 1) for verdict in Verdict)]
"""New rules, an opening, and each verdict one place after its number."""

_Table = TypeVar("_Table", FoldedMonths, Changes)


def fill(filling: Filling) -> None:
    judging = judging_of(filling.step)
    folded = fold_reputation(filling.columns, judging.spans, filling.as_of)
    judged = JudgedBy(judging.terms, judging.policies)
    filling.insert("reputation_months", folded_months(folded, judged))
    filling.insert("history", folded_changes(folded, judged))
    filling.insert(TABLE, then_columns(filling, folded, judging))
    stand(filling, folded, judging, judged)


def move(changing: Changing) -> None:
    """What a step changes of many merchants."""
    judging = judging_of(changing.step)
    judged = JudgedBy(judging.terms, judging.policies)
    then, now = (fold_reputation(known.columns, judging.spans, known.as_of) for known in (changing.then, changing.now))
    months = changing.difference(SCHEME, _rows(then.months), _rows(now.months))
    changing.rewrite(
        SCHEME,
        "reputation_months",
        months,
        folded_months(now._replace(months=_chosen(now.months, months)), judged),
        ("month", lambda some: texts(then.months.month[then.months.starts[some] + months.begin[some]], month_text)),
    )
    changes = changing.difference(SCHEME, _rows(then.changes), _rows(now.changes), linked=True)
    history = folded_changes(now._replace(changes=_chosen(now.changes, changes)), judged)
    history["number"] = changes.numbers
    since = ("number", lambda some: changes.begin[some].tolist())
    changing.rewrite(SCHEME, "history", changes, history, since, scheme=SCHEME)
    rewrite_then(changing, changing.now, now, judging)
    stand(changing.now, now, judging, judged)


def _rows(table: FoldedMonths | Changes) -> TableRows:
    return TableRows(table.starts, table[1:])


def _chosen(table: _Table, found: RowsToWrite) -> _Table:
    """Some of the rows."""
    return type(table)._make([found.starts, *(column[found.rows] for column in table[1:])])


def stand(filling: Filling, folded: Folded, judging: Judging, judged: JudgedBy) -> None:
    """Where merchants stand, and when they next change by time alone."""
    subjects = filling.of_kind("merchant")
    filling.insert("levels", _level_columns(folded, subjects, judging, judged, filling.as_of))
    next_at = np.minimum(_waiting(filling, judging), _publications(folded, judging, filling.as_of))
    filling.calendar(SCHEME, subjects, next_at[subjects])


def folded_months(folded: Folded, judged: JudgedBy) -> dict[str, Any]:
    """The rows of folded months, as columns."""
    months = folded.months
    begun, closing = Account(*months.begun.T), Account(*months.closing.T)
    return month_columns(
        named(folded.subjects, owners_of(months.starts)),
        texts(months.month, month_text),
        (begun, closing._replace(open=closing.open == 1)),
        nullable(months.closing[:, Account._fields.index("cap")], NO_CAP),
        (named(_STATES, months.state), named(folded.codes, months.level)),
        {verdict.word: months.verdicts[:, verdict] for verdict in Verdict},
        judged.at(instants(months.month, month_start)),
    )


def folded_changes(folded: Folded, judged: JudgedBy) -> dict[str, Any]:
    """The rows of the level's history, as columns; numbered as if nothing came before them."""
    changes = folded.changes
    causes = np.where(changes.verdict > 0, changes.verdict + 1, changes.position > 0)
    columns = change_columns(
        (named(folded.subjects, owners_of(changes.starts)), [SCHEME] * len(causes)),
        changes.at,
        (named(_STATES, changes.state), named(folded.codes, changes.level), changes.points),
        judged.at(changes.at),
        (named(_CAUSES, causes), nullable(changes.position, 0)),
    )
    numbers, ends = numbers_of(changes.starts), following(changes.starts, changes.at)
    return {**columns, "number": numbers, "to_at": ends}


def _level_columns(
    folded: Folded, subjects: NDArray[np.int64], judging: Judging, judged: JudgedBy, as_of: int
) -> dict[str, Any]:
    shown = shown_of_all(folded, judging.spans, as_of)
    standing, effective = (Standings._make([column[subjects] for column in some]) for some in shown)
    return level_columns(
        (named(folded.subjects, subjects), [SCHEME] * len(subjects)),
        (named(_STATES, standing.state), named(folded.codes, standing.level), standing.number),
        (named(_STATES, effective.state), named(folded.codes, effective.level), nullable(effective.number, NEVER)),
        judged.at(np.full(len(subjects), as_of)),
    )


def _publications(folded: Folded, judging: Judging, as_of: int) -> NDArray[np.int64]:
    """By subject, the instant of the next publication."""
    opened_at = folded.accounts[:, Account._fields.index("opened_at")]
    found = np.full(len(opened_at), LATEST)
    opened = opened_at != NEVER
    first_months = instants(opened_at[opened], month_of)
    found[opened] = instants(first_months, lambda month: next_publication_since(month, judging.spans, as_of))
    return found


def _waiting(filling: Filling, judging: Judging) -> NDArray[np.int64]:
    """By subject, when the next default credit falls due or the next known event occurs."""
    columns = filling.columns
    rows = (columns.what == ORDER_RECEIVED) & ~filling.retracted & (columns.at <= filling.as_of)
    begins = np.array([span.begins for span in judging.spans], np.int64)
    windows = np.array([span.rules.window_micros for span in judging.spans], np.int64)
    due = columns.at[rows] + windows[np.searchsorted(begins, columns.at[rows], side="right") - 1]
    pending = due > filling.as_of
    return np.minimum(filling.ahead(), filling.earliest(columns.subject[rows][pending], due[pending]))
