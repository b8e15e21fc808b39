"""The view of `merchant-reputation` filled from columns, by the compiled fold."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domain.calendar import month_start, month_text
from domain.merchant_reputation.account import effective_of, next_publication
from domain.merchant_reputation.rule import NO_CAP, SCHEME, STATES, Account, Month, Run, Verdict
from projections.schemes.merchant_reputation.rows import (
    Judging,
    cause_of,
    change_columns,
    judging_of,
    level_row,
    month_columns,
)
from projections.schemes.shared.bulk_rows import (
    JudgedBy,
    following,
    lists,
    named,
    nullable,
    numbers_of,
    owners_of,
    texts,
)
from projections.schemes.shared.filling import LATEST, Filling
from replay.columnar.columns import ORDER_RECEIVED
from replay.schemes.merchant_reputation.fold import fold_reputation
from replay.schemes.merchant_reputation.folded import Folded, account_from, account_of

_STATES: Final = [str(state) for state in STATES]
_CAUSES: Final = [cause_of(None, 0), cause_of(None, 1), *(cause_of(verdict, 1) for verdict in Verdict)]
"""New rules, an opening, and each verdict one place after its number."""


def fill(filling: Filling) -> None:
    judging = judging_of(filling.step)
    folded = fold_reputation(filling.columns, judging.spans, filling.as_of)
    judged = JudgedBy(judging.terms, judging.policies)
    filling.insert("reputation_months", _month_columns(folded, judged))
    filling.insert("history", _change_columns(folded, judged))
    runs = {subject: _run_of(folded, subject) for subject in filling.of_kind("merchant")}
    filling.insert(
        "levels",
        [
            level_row(
                filling.columns.subjects[subject],
                run.account,
                effective_of(run, judging.spans, filling.as_of),
                judging,
                filling.as_of,
            )
            for subject, run in runs.items()
        ],
    )
    waiting = _waiting(filling, judging).tolist()
    publications = {subject: next_publication(run, judging.spans, filling.as_of) for subject, run in runs.items()}
    filling.calendar(
        SCHEME,
        {subject: min(waiting[subject], LATEST if at is None else at) for subject, at in publications.items()},
    )


def _month_columns(folded: Folded, judged: JudgedBy) -> dict[str, list[Any]]:
    months = folded.months
    begun, closing = Account(*months.begun.T), Account(*months.closing.T)
    return lists(
        month_columns(
            named(folded.subjects, owners_of(months.starts)),
            texts(months.month, month_text),
            (begun, closing._replace(open=closing.open == 1)),
            nullable(months.closing[:, Account._fields.index("cap")], NO_CAP),
            (named(_STATES, months.state), named(folded.codes, months.level)),
            {verdict.word: months.verdicts[:, verdict] for verdict in Verdict},
            judged.at(np.array(texts(months.month, month_start), np.int64)),
        )
    )


def _change_columns(folded: Folded, judged: JudgedBy) -> dict[str, list[Any]]:
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
    return lists({**columns, "number": numbers, "to_at": ends})


def _run_of(folded: Folded, subject: int) -> Run:
    """A subject's months and account, without findings: what publications are drawn from."""
    part = slice(folded.months.starts[subject], folded.months.starts[subject + 1])
    closings = [account_from(row) for row in folded.months.closing[part].tolist()]
    numbers = folded.months.month[part].tolist()
    months = [Month(month, closing, closing, range(0)) for month, closing in zip(numbers, closings, strict=True)]
    return Run(account_of(folded, subject), [], months)


def _waiting(filling: Filling, judging: Judging) -> NDArray[np.int64]:
    """By subject, when the next default credit falls due or the next known event occurs."""
    columns = filling.columns
    rows = (columns.what == ORDER_RECEIVED) & ~filling.retracted & (columns.at <= filling.as_of)
    begins = np.array([span.begins for span in judging.spans], np.int64)
    windows = np.array([span.rules.window_micros for span in judging.spans], np.int64)
    due = columns.at[rows] + windows[np.searchsorted(begins, columns.at[rows], side="right") - 1]
    pending = due > filling.as_of
    return np.minimum(filling.ahead(), filling.earliest(columns.subject[rows][pending], due[pending]))
