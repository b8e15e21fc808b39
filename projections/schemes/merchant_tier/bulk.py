"""The view of `merchant-tier` filled from columns, by the compiled fold."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domain.calendar import day_start, day_text
from domain.merchant_tier.facts import end_of, last_closed_day
from domain.merchant_tier.rule import span_place
from domain.merchant_tier.values import CAUSES, NEVER, SCHEME, STATES, State
from projections.schemes.merchant_tier.view import WITHOUT_FIGURES, Judging, day_columns, judging_of
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
from projections.schemes.shared.changing import Changing, TableRows
from projections.schemes.shared.filling import LATEST, Filling
from projections.views.rows import JUDGED, change_columns, level_columns
from projections.views.tables import DAY_FIGURES
from replay.schemes.merchant_tier.fold import TierFolded, fold_tier

_STATES: Final = [str(state) for state in STATES]
_CAUSES: Final = [str(cause) for cause in CAUSES]
_RATED: Final = STATES.index(State.RATED)


def fill(filling: Filling) -> None:
    judging, names = judging_of(filling.step), filling.columns.subjects
    folded = _folded(filling, judging)
    judged = JudgedBy(judging.terms, judging.policies)
    filling.insert("tier_figures", figures_columns(names, folded.figure_subjects, folded.figure_days, folded.figures))
    days = folded_days(names, folded, judging, judged)
    filling.insert("tier_days", days)
    filling.insert("history", folded_changes(days, folded))
    stand(filling, folded, judging, judged)


def move(changing: Changing) -> None:
    """What a step changes of many merchants."""
    judging = judging_of(changing.step)
    judged = JudgedBy(judging.terms, judging.policies)
    then, now = (_folded(known, judging) for known in (changing.then, changing.now))
    _move_figures(changing, then, now)
    _move_changes(changing, then, now, judging, judged)
    stand(changing.now, now, judging, judged)


def _folded(filling: Filling, judging: Judging) -> TierFolded:
    """What columns come to, with the figures that are stored: of those in scope."""
    folded = fold_tier(filling.columns, judging.terms, last_closed_day(filling.as_of))
    without = [number for number, state in enumerate(_STATES) if state in WITHOUT_FIGURES]
    return _with_figures(folded, ~np.isin(folded.states, without)[folded.figure_subjects])


def _with_figures(folded: TierFolded, rows: NDArray[Any]) -> TierFolded:
    figures = {name: getattr(folded, name)[rows] for name in ("figure_subjects", "figure_days", "figures")}
    return folded._replace(**figures)


def figures_columns(
    names: list[str], subjects: NDArray[Any], days: NDArray[np.int64], figures: NDArray[np.int64]
) -> dict[str, Any]:
    """The rows of figures of days, as columns."""
    return {"subject": named(names, subjects), "day": days, **dict(zip(DAY_FIGURES, figures.T, strict=True))}


def _move_figures(changing: Changing, then: TierFolded, now: TierFolded) -> None:
    names = changing.subjects
    stood, stands = (
        TableRows(starts_of(of.figure_subjects, len(names)), (of.figure_days, of.figures)) for of in (then, now)
    )
    found = changing.difference(SCHEME, stood, stands)
    since = ("day", lambda some: then.figure_days[stood.starts[some] + found.begin[some]].tolist())
    columns = figures_columns(
        names, now.figure_subjects[found.rows], now.figure_days[found.rows], now.figures[found.rows]
    )
    changing.rewrite(SCHEME, "tier_figures", found, columns, since)


def _move_changes(changing: Changing, then: TierFolded, now: TierFolded, judging: Judging, judged: JudgedBy) -> None:
    names = changing.subjects
    stood, stands = (TableRows(starts_of(of.moves["subject"], len(names)), (of.moves,)) for of in (then, now))
    for table, keys in (("tier_days", {}), ("history", {"scheme": SCHEME})):
        found = changing.difference(SCHEME, stood, stands, linked=table == "history")
        chosen = now._replace(moves=now.moves[found.rows])
        columns = folded_days(names, chosen, judging, judged)
        if table == "history":
            columns = folded_changes(columns, chosen)
        columns["number"] = found.numbers
        since = ("number", lambda some, begin=found.begin: begin[some].tolist())
        changing.rewrite(SCHEME, table, found, columns, since, **keys)


def stand(
    filling: Filling,
    folded: TierFolded,
    judging: Judging,
    judged: JudgedBy,
    changed_before: NDArray[np.int64] | None = None,
) -> None:
    """Where merchants stand, and when they next change by time alone.

    `changed_before` is by subject the day of the last change before those that were folded, or NEVER.
    """
    subjects, last_day = filling.of_kind("merchant"), last_closed_day(filling.as_of)
    changed = _last_changes(folded, changed_before)[subjects]
    names = filling.columns.subjects
    filling.insert("levels", _level_columns(names, folded, subjects, judging, judged, last_day, changed))
    next_days = folded.next_days
    next_at = np.full(len(next_days), LATEST)
    next_at[next_days != NEVER] = instants(next_days[next_days != NEVER], end_of)
    filling.calendar(SCHEME, subjects, next_at[subjects])


def folded_days(names: list[str], folded: TierFolded, judging: Judging, judged: JudgedBy) -> dict[str, Any]:
    """The rows of days on which the tier changed, as columns; numbered as if nothing came before them."""
    moves: Any = folded.moves
    after = moves["after"].view(np.recarray)
    starts = starts_of(moves["subject"], len(names))
    levels = _levels(judging, moves["day"], moves["state"], after.tier)
    return day_columns(
        (named(names, moves["subject"]), numbers_of(starts)),
        texts(moves["day"], day_text),
        (named(_CAUSES, moves["cause"]), moves["position"]),
        (named(_STATES, moves["state"]), levels),
        judged.at(instants(moves["day"], day_start)),
        after,
    )


def _levels(judging: Judging, days: NDArray[Any], states: NDArray[Any], tiers: NDArray[Any]) -> list[Any]:
    """What tiers are called on days, None where none is rated."""
    rated, codes = states == _RATED, [span.codes for span in judging.spans]
    places = instants(days, lambda day: span_place(judging.spans, day))
    return where(rated, named_in(codes, places, np.where(rated, tiers, 0)))


def folded_changes(days: dict[str, Any], folded: TierFolded) -> dict[str, Any]:
    """The rows of days on which the tier changed as rows of the level's history."""
    moves, names = folded.moves, days["subject"]
    starts = starts_of(moves["subject"], len(folded.states))
    from_at = instants(moves["day"], end_of)
    columns = change_columns(
        (names, [SCHEME] * len(names)),
        from_at,
        (days["state"], days["level"], where(moves["state"] == _RATED, days["tier"].tolist())),
        {name: days[name] for name in JUDGED},
        (days["cause"], nullable(moves["position"], 0)),
    )
    return {**columns, "number": numbers_of(starts), "to_at": following(starts, from_at)}


def _level_columns(
    names: list[str],
    folded: TierFolded,
    subjects: NDArray[np.int64],
    judging: Judging,
    judged: JudgedBy,
    last_day: int,
    changed: NDArray[np.int64],
) -> dict[str, Any]:
    """`changed` is the day of each one's last change, or NEVER."""
    states, accounts = folded.states[subjects], folded.accounts[subjects]
    rated, days, words = states == _RATED, np.full(len(subjects), last_day), named(_STATES, states)
    levels = _levels(judging, days, states, accounts["tier"])
    day_since = np.where(rated, accounts["since"], changed)
    since, is_told = np.full(len(subjects), NEVER), day_since != NEVER
    since[is_told] = instants(day_since[is_told], day_start)
    return level_columns(
        (named(names, subjects), [SCHEME] * len(subjects)),
        (words, levels, where(rated, accounts["tier"].tolist())),
        (words, levels, nullable(since, NEVER)),
        judged.at(instants(days, day_start)),
    )


def _last_changes(folded: TierFolded, before: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """By subject, the day of the last change, or NEVER."""
    starts = starts_of(folded.moves["subject"], len(folded.states))
    changed = np.full(len(folded.states), NEVER) if before is None else before.copy()
    moved = np.flatnonzero(np.diff(starts))
    changed[moved] = folded.moves["day"][starts[moved + 1] - 1]
    return changed
