"""The view of `creator-firefly` filled from columns, by the compiled fold."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domain.calendar import month_start, month_text
from domain.creator_firefly.account import OPENED, POLICY, rules_at
from domain.creator_firefly.facts import READ_TYPES
from domain.creator_firefly.rule import NEVER, SCHEME, State, Verdict, rank_of
from domain.events import CORRECTION_TYPES
from projections.schemes.creator_firefly.rows import Judging, judging_of, month_columns
from projections.schemes.shared.bulk_rows import (
    JudgedBy,
    following,
    instants,
    named,
    nullable,
    numbers_of,
    starts_of,
    texts,
    where,
)
from projections.schemes.shared.changing import Changing
from projections.schemes.shared.filling import LATEST, Filling
from projections.views.rows import change_columns, level_columns
from replay.columnar.columns import WHATS
from replay.schemes.creator_firefly.fold import BY_POLICY, FireflyFolded, fold_firefly

_CAUSES: Final = [POLICY, OPENED, str(Verdict.COUNTED)]


def fill(filling: Filling) -> None:
    judging, names = judging_of(filling.step), filling.columns.subjects
    folded = fold_firefly(filling.columns, judging.terms, filling.as_of)
    judged = JudgedBy(judging.terms, judging.policies)
    starts = starts_of(folded.changes[:, 0], len(names))
    filling.insert("firefly_months", columns_of_months(names, folded, judged))
    filling.insert("history", change_columns_of(names, folded, starts, judged, np.zeros(len(names), np.int64)))
    stand(filling, folded, starts, judging, judged, np.full(len(names), LATEST))


def move(changing: Changing) -> None:
    """What a step changes of many creators."""
    changing.rewrite_each(SCHEME, fill)


def stand(
    filling: Filling,
    folded: FireflyFolded,
    starts: NDArray[np.int64],
    judging: Judging,
    judged: JudgedBy,
    since: NDArray[np.int64],
) -> None:
    """Where creators stand, and when they next change. `starts` says by subject where its changes begin; of who has
    none, `since` when the level is what it is, or LATEST."""
    subjects, names = filling.of_kind("creator"), filling.columns.subjects
    since = since.copy()
    changed = np.flatnonzero(np.diff(starts))
    since[changed] = folded.changes[starts[changed + 1] - 1, 1]
    levels = _level_columns(names, folded, since, subjects, judging, judged, filling.as_of)
    filling.insert("levels", levels)
    filling.calendar(SCHEME, subjects, _ahead(filling)[subjects])


def columns_of_months(names: list[str], folded: FireflyFolded, judged: JudgedBy) -> dict[str, Any]:
    """The rows of months."""
    subject, month, level, *figures = folded.months.T
    begins = instants(month, month_start)
    shown = named(names, subject), (texts(month, month_text), begins), named(folded.codes, level)
    return month_columns(*shown, figures, judged.at(begins))


def change_columns_of(
    names: list[str], folded: FireflyFolded, starts: NDArray[np.int64], judged: JudgedBy, kept: NDArray[np.int64]
) -> dict[str, Any]:
    """The rows of the level's history, by subject behind so many that are kept; numbered as if none were."""
    subject, at, level, earned, position = folded.changes.T
    numbers = numbers_of(starts)
    # A policy may come first, too: it then has no position.
    causes = np.where(position == BY_POLICY, 0, np.where(numbers + kept[subject] == 0, 1, 2))
    columns = change_columns(
        (named(names, subject), [SCHEME] * len(at)),
        at,
        ([str(State.RATED)] * len(at), named(folded.codes, level), earned),
        judged.at(at),
        (named(_CAUSES, causes), nullable(position, BY_POLICY)),
    )
    return {**columns, "number": numbers, "to_at": following(starts, at)}


def _level_columns(
    names: list[str],
    folded: FireflyFolded,
    since: NDArray[np.int64],
    subjects: NDArray[np.int64],
    judging: Judging,
    judged: JudgedBy,
    as_of: int,
) -> dict[str, Any]:
    rules, accounts = rules_at(judging.spans, as_of), folded.accounts[subjects]
    registered, earned = accounts[:, 0] != NEVER, accounts[:, 1]
    codes = texts(earned, lambda points: rules.codes[rank_of(rules.bounds, points)])
    levels = where(registered, codes)
    states = named([str(State.NOT_REGISTERED), str(State.RATED)], registered.astype(np.int64))
    return level_columns(
        (named(names, subjects), [SCHEME] * len(subjects)),
        (states, levels, earned),
        (states, levels, nullable(since[subjects], LATEST)),
        judged.at(np.full(len(subjects), as_of)),
    )


def _ahead(filling: Filling) -> NDArray[np.int64]:
    """By subject, the first instant after the step's end of something that is read and known already."""
    columns = filling.columns
    rows = (columns.at > filling.as_of) & ~filling.retracted & np.isin(columns.what, _OCCURRING)
    return filling.earliest(columns.subject[rows], columns.at[rows])


_OCCURRING: Final = [WHATS[name] for name in READ_TYPES if name not in CORRECTION_TYPES]
