"""The view of `creator-level` filled from columns, by the compiled folds, and what creators add to agencies."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.calendar import month_of, month_start, month_text, parse_month
from domain.creator_level.rule import SCHEME, Figures, State, ranking_score
from projections.schemes.creator_level.view import Judging, figures_columns, judging_of, month_columns
from projections.schemes.shared.bulk_rows import (
    JudgedBy,
    following,
    instants,
    named,
    named_in,
    nullable,
    numbers_of,
    starts_of,
    texts,
    where,
)
from projections.schemes.shared.changing import Changing, Rewriting
from projections.schemes.shared.filling import LATEST, Filling
from projections.schemes.shared.moving import SINCE_FIRST_MONTH
from projections.views.monthly_rows import EVALUATION
from projections.views.rows import JUDGED, change_columns, level_columns
from projections.views.tables import SUMS
from replay.columnar.columns import EVENT_RETRACTED, WHATS
from replay.schemes.creator_level.fold import NONE, UNREGISTERED, CreatorFolded, fold_creators
from replay.schemes.mcn_level.fold import Slots, fold_parts

_STATES: Final = (str(State.RATED), str(State.GATED))
"""By whether a gate was not met."""
_UNEVALUATED: Final = (str(State.NOT_REGISTERED), str(State.NO_EVALUATION_YET))
"""By whether a creator is registered."""


class EvaluatedColumns(NamedTuple):
    """The evaluations as columns; the rows of a creator's evaluations stand together, in order."""

    columns: dict[str, Any]
    """As in `creator_months`."""
    at: NDArray[np.int64]
    """The instant of each."""
    starts: NDArray[np.int64]
    """By creator, where its rows begin; one more for the end."""
    changes: NDArray[np.bool_]
    """Whether state or level are others than by the evaluation before."""

    def change_starts(self) -> NDArray[np.int64]:
        """By creator, where its changes begin among all; one more for the end."""
        return np.searchsorted(np.flatnonzero(self.changes), self.starts)


class CreatorOpenings(NamedTuple):
    """From where on creators' months are worked out, and what stood before, all by subject."""

    months: NDArray[np.int64]
    """The first that is."""
    levels: list[str | None]
    """Of the evaluation before it; None where there is none, or a gate was not met."""
    since: NDArray[np.int64]
    """When state and level became those; LATEST where there was no evaluation."""


def fill(filling: Filling) -> None:
    count = len(filling.columns.subjects)
    openings = CreatorOpenings(np.full(count, SINCE_FIRST_MONTH, np.int64), [None] * count, np.full(count, LATEST))
    evaluated = fill_from(filling, filling.slots(), openings)
    filling.insert("history", change_columns_of(evaluated))


def fill_from(filling: Filling, slots: Slots, openings: CreatorOpenings) -> EvaluatedColumns:
    """Fill all tables but that of histories, of each creator from a month on."""
    judging, subjects = judging_of(filling.step), filling.of_kind("creator")
    folded = fold_creators(filling.columns, judging.terms, filling.as_of)
    found = folded.evaluations
    folded = folded._replace(evaluations=found[found["month"] >= openings.months[found["subject"]]])
    judged = JudgedBy(judging.terms, judging.policies)
    filling.insert("creator_figures", _figures_columns(filling, folded, openings))
    filling.insert("mcn_parts", _parts_columns(filling, slots, openings))
    evaluated = _evaluated(filling.columns.subjects, folded, judging, judged, openings)
    filling.insert("creator_months", evaluated.columns)
    filling.insert("levels", _level_columns(filling, folded, evaluated, subjects, judged, openings))
    next_month = month_start(month_of(filling.as_of) + 1)
    filling.calendar(SCHEME, subjects, np.minimum(next_month, _registered_ahead(filling)[subjects]))
    return evaluated


def move(changing: Changing) -> None:
    """What a step changes of many creators, and from which month on agencies may see it."""
    changed = changing.rewrite_each(SCHEME, fill)
    for number in np.flatnonzero(changing.fresh[SCHEME]).tolist():
        changing.note_changed(SCHEME, changing.subjects[number], SINCE_FIRST_MONTH)
    note_months(changing, changed)


def note_months(made: Rewriting, changed: Mapping[str, set[tuple[Any, ...]]]) -> None:
    """Agencies may see the months changed of which rows differ, given by table by their keys."""
    for subject, month in changed["creator_figures"]:
        made.note_changed(SCHEME, subject, month)
    for subject, month in changed["creator_months"]:
        made.note_changed(SCHEME, subject, parse_month(month))
    for _, month, creator in changed["mcn_parts"]:
        made.note_changed(SCHEME, f"creator/{creator}", month)


def _registered_ahead(filling: Filling) -> NDArray[np.int64]:
    columns = filling.columns
    rows = (columns.at > filling.as_of) & ~filling.retracted & (columns.what == WHATS["creator.registered"])
    return filling.earliest(columns.subject[rows], columns.at[rows])


# --- evaluations ------------------------------------------------------------------------------------------------------


def _evaluated(
    names: list[str], folded: CreatorFolded, judging: Judging, judged: JudgedBy, openings: CreatorOpenings
) -> EvaluatedColumns:
    found = folded.evaluations
    subject, month = found["subject"], found["month"]
    by_policy = [judging.rules[policy.hash] for policy in judging.policies]
    place = instants(month, lambda month: judging.policies.index(judging.at(month)[0]))
    score = np.zeros(len(found), np.int64)
    for number, rules in enumerate(by_policy):
        rows = found[place == number]
        score[place == number] = ranking_score(rows["sales_score"], rows["behaviour_score"], rules)
    gated, level = found["gated"], named_in([rules.levels for rules in by_policy], place, found["level"])
    columns = month_columns(
        (named(names, subject), texts(month, month_text)),
        (named(_STATES, gated.astype(np.int64)), where(~gated, level)),
        score,
        found,
        judged.at(instants(month, month_start)),
    )
    starts = starts_of(subject, len(names))
    changes = np.ones(len(found), np.bool_)
    # Of a version's levels the codes tell, not their numbers.
    codes = np.unique(np.array(["" if code is None else code for code in columns["level"]], str), return_inverse=True)[
        1
    ]
    changes[1:] = (subject[1:] != subject[:-1]) | (gated[1:] != gated[:-1]) | (codes[1:] != codes[:-1])
    for number in np.flatnonzero((openings.since < LATEST) & (np.diff(starts) > 0)).tolist():
        changes[starts[number]] = columns["level"][starts[number]] != openings.levels[number]
    return EvaluatedColumns(columns, instants(month, lambda month: month_start(month + 1)), starts, changes)


def change_columns_of(evaluated: EvaluatedColumns) -> dict[str, Any]:
    """The rows of the histories of levels; numbered as if nothing came before them."""
    rows = np.flatnonzero(evaluated.changes)
    starts, at = evaluated.change_starts(), evaluated.at[rows]
    kept = {name: named(evaluated.columns[name], rows) for name in ("subject", "state", "level", *JUDGED)}
    columns = change_columns(
        (kept["subject"], [SCHEME] * len(rows)),
        at,
        (kept["state"], kept["level"], evaluated.columns["score"][rows]),
        {name: kept[name] for name in JUDGED},
        ([EVALUATION] * len(rows), [None] * len(rows)),
    )
    return {**columns, "number": numbers_of(starts), "to_at": following(starts, at)}


def _level_columns(
    filling: Filling,
    folded: CreatorFolded,
    evaluated: EvaluatedColumns,
    subjects: NDArray[np.int64],
    judged: JudgedBy,
    openings: CreatorOpenings,
) -> dict[str, Any]:
    """Where creators stand by their last evaluation, or by whether they are registered."""
    ends = evaluated.starts[subjects + 1]
    last = np.where(ends > evaluated.starts[subjects], ends - 1, _NONE_YET)
    registered = (folded.registered_at[subjects] != UNREGISTERED).astype(np.int64)
    otherwise = {"state": named(_UNEVALUATED, registered), "level": None, "score": None}
    otherwise |= judged.at(np.full(len(subjects), filling.as_of))
    found = {name: _of_last(evaluated.columns[name], last, values) for name, values in otherwise.items()}
    since, starts = openings.since.copy(), evaluated.change_starts()
    changed = np.flatnonzero(np.diff(starts))
    since[changed] = evaluated.at[np.flatnonzero(evaluated.changes)[starts[changed + 1] - 1]]
    return level_columns(
        (named(filling.columns.subjects, subjects), [SCHEME] * len(subjects)),
        (found["state"], found["level"], found["score"]),
        (found["state"], found["level"], nullable(since[subjects], LATEST)),
        {name: found[name] for name in JUDGED},
    )


_NONE_YET: Final = -1


def _of_last(values: Any, rows: NDArray[np.int64], otherwise: list[Any] | None) -> list[Any]:
    """The values of some rows; where there is no row, another."""
    kept = values if isinstance(values, list) else values.tolist()
    return [
        kept[row] if row >= 0 else None if otherwise is None else otherwise[place]
        for place, row in enumerate(rows.tolist())
    ]


# --- figures ----------------------------------------------------------------------------------------------------------


def _figures_columns(filling: Filling, folded: CreatorFolded, openings: CreatorOpenings) -> dict[str, Any]:
    """Figures of every closed month that has any, or in which anything took part."""
    closed = folded.months < month_of(filling.as_of)
    keys = _keys(folded.subjects[closed], folded.months[closed])
    counted, counts = _counts(filling, month_start(month_of(filling.as_of)))
    found = np.union1d(keys, counted)
    events, figures = np.zeros(len(found), np.int64), np.zeros((len(found), folded.figures.shape[1]), np.int64)
    events[np.searchsorted(found, counted)] = counts
    figures[:, -1] = NONE
    figures[np.searchsorted(found, keys)] = folded.figures[closed]
    subjects, months = found >> _MONTH_BITS, (found & _MONTH_MASK) - _MONTHS_BEFORE
    kept = ((events > 0) | figures[:, :-1].any(axis=1)) & (months >= openings.months[subjects])
    subjects, months = subjects[kept], months[kept]
    *sums, last = figures[kept].T
    as_columns: Any = Figures._make([months, *sums])
    return figures_columns(named(filling.columns.subjects, subjects), events[kept], as_columns, nullable(last, NONE))


_MONTH_BITS: Final = 32
_MONTH_MASK: Final = 2**_MONTH_BITS - 1
_MONTHS_BEFORE: Final = 2**31


def _keys(subjects: NDArray[Any], months: NDArray[Any]) -> NDArray[np.int64]:
    """Creators and months as numbers in the same order."""
    return subjects.astype(np.int64) << _MONTH_BITS | (months.astype(np.int64) + _MONTHS_BEFORE)


def _counts(filling: Filling, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Creators and months, and how many of the creator's records of the month before an instant took part."""
    columns = filling.columns
    of_creator = np.zeros(len(columns.subjects), np.bool_)
    of_creator[filling.of_kind("creator")] = True
    rows = of_creator[columns.subject] & ~filling.retracted & (columns.what != EVENT_RETRACTED) & (columns.at < end)
    if not rows.any():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    at = columns.at[rows]
    first = month_of(int(at.min()))
    begins = np.array([month_start(month) for month in range(first, month_of(end) + 1)], np.int64)
    months = first + np.searchsorted(begins, at, side="right") - 1
    return np.unique(_keys(columns.subject[rows], months), return_counts=True)


def _parts_columns(filling: Filling, slots: Slots, openings: CreatorOpenings) -> dict[str, Any]:
    parts = fold_parts(filling.columns, slots, filling.as_of)
    firsts = dict(zip(filling.columns.subjects, openings.months.tolist(), strict=True))
    first = np.array([firsts.get(f"creator/{name}", SINCE_FIRST_MONTH) for name in slots.creators], np.int64)
    closed = (parts.months < month_of(filling.as_of)) & (parts.months >= first[parts.creators])
    rows = closed & parts.figures.any(axis=1)
    return {
        "mcn": named(slots.agencies, parts.agencies[rows]),
        "month": parts.months[rows],
        "creator": named(slots.creators, parts.creators[rows]),
        **dict(zip(SUMS, parts.figures[rows].T, strict=True)),
    }
