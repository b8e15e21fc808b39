"""The view of `merchant-reputation` filled from columns, by the compiled fold."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.calendar import month_start, month_text
from domain.merchant_reputation.account import effective_of, next_publication
from domain.merchant_reputation.rule import NO_CAP, SCHEME, STATES, Account, Month, Run, Verdict
from projections.schemes.merchant_reputation.rows import Judging, judging_of, level_row
from projections.schemes.shared.bulk_rows import Judged, following, named, nullable, numbers_of, owners_of, texts
from projections.schemes.shared.filling import LATEST, Filling
from replay.columnar.columns import ORDER_RECEIVED
from replay.schemes.merchant_reputation.fold import fold_reputation
from replay.schemes.merchant_reputation.folded import Folded, account_from, account_of


def fill(filling: Filling) -> None:
    judging = judging_of(filling.step)
    folded = fold_reputation(filling.columns, judging.spans, filling.as_of)
    judged = Judged(judging.terms, judging.policies)
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


def _month_columns(folded: Folded, judged: Judged) -> dict[str, list[Any]]:
    months = folded.months
    begun, closing = months.begun, months.closing
    field = {name: place for place, name in enumerate(Account._fields)}
    return {
        "subject": named(folded.subjects, owners_of(months.starts)),
        "month": texts(months.month, month_text),
        "opening_tenths": begun[:, field["points"]].tolist(),
        "growth_tenths": closing[:, field["growth"]].tolist(),
        "cap_tenths": nullable(closing[:, field["cap"]], NO_CAP),
        "closing_tenths": closing[:, field["points"]].tolist(),
        "state": named([str(state) for state in STATES], months.state),
        "level": named(folded.codes, months.level),
        **{verdict.word: months.verdicts[:, verdict].tolist() for verdict in Verdict},
        **judged.at(np.array(texts(months.month, month_start), np.int64)),
        "month_end": closing[:, field["month_end"]].tolist(),
        "opened_at": closing[:, field["opened_at"]].tolist(),
        "is_open": (closing[:, field["open"]] == 1).tolist(),
        "closed_at": closing[:, field["closed_at"]].tolist(),
        "closed_position": closing[:, field["closed_position"]].tolist(),
        "netting": closing[:, field["netting"]].tolist(),
    }


def _change_columns(folded: Folded, judged: Judged) -> dict[str, list[Any]]:
    changes = folded.changes
    words = {verdict.value: verdict.word for verdict in Verdict}
    causes = [
        words[verdict] if verdict else "opened" if position else "policy"
        for verdict, position in zip(changes.verdict.tolist(), changes.position.tolist(), strict=True)
    ]
    return {
        "subject": named(folded.subjects, owners_of(changes.starts)),
        "scheme": [SCHEME] * len(causes),
        "number": numbers_of(changes.starts).tolist(),
        "from_at": changes.at.tolist(),
        "to_at": following(changes.starts, changes.at),
        "state": named([str(state) for state in STATES], changes.state),
        "level": named(folded.codes, changes.level),
        "score": changes.points.tolist(),
        **judged.at(changes.at),
        "cause": causes,
        "cause_position": nullable(changes.position, 0),
    }


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
