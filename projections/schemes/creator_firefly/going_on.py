"""Many creators' points gone on with from the close of a stored month: what lies before is neither read nor judged
again, but for what names a task or redemption that is named later, too.

What `from_stored` does for one of them where its new points lie behind all others, this does for all with their
columns, wherever they lie.
"""

from functools import cache
from typing import Final

import numpy as np

from domain.calendar import month_of, month_start, month_text, parse_month
from domain.creator_firefly.facts import READ_TYPES
from domain.creator_firefly.rule import SCHEME
from projections.schemes.creator_firefly.bulk import change_columns_of, columns_of_months, stand
from projections.schemes.creator_firefly.rows import judging_of
from projections.schemes.shared.bulk_rows import JudgedBy, instants, lists, starts_of
from projections.schemes.shared.changing import Rewriting, RowsMade
from projections.schemes.shared.filling import LATEST
from projections.schemes.shared.going_on import GoingOn
from projections.schemes.shared.histories import change_histories, kept_histories
from projections.schemes.shared.stored import Numbers, Reads, stored_rows
from projections.views.recent import orders_in
from projections.views.step import LIFE_TYPES
from replay.columnar.columns import POINTS_EARNED, POINTS_REDEEMED, REDEMPTION_CANCELLED
from replay.schemes.creator_firefly.fold import FireflyOpenings, fold_firefly, from_nothing

_POINTS: Final = (POINTS_EARNED, POINTS_REDEEMED)
_CANCELLED: Final = "redemption.cancelled"


def move(going: GoingOn) -> Rewriting | None:
    """What a step changes of many creators; None where a record cannot be read."""
    step, judging = going.step, judging_of(going.step)
    restarts = _restarts(going)
    if going.unread():
        return None
    concerned = np.flatnonzero(restarts < LATEST)
    made = Rewriting(step, [going.subjects[subject] for subject in concerned.tolist()])
    months = instants(restarts[concerned], month_of)
    begins = instants(months, month_start)
    filling = going.filling(made.subjects, begins, _POINTS, LIFE_TYPES)
    if filling is None:
        return None
    openings = _openings(made, months, begins)
    folded = fold_firefly(filling.columns, judging.terms, filling.as_of, openings=openings)
    judged = JudgedBy(judging.terms, judging.policies)
    everyone, firsts = np.arange(len(begins)), [month_text(month) for month in months.tolist()]
    made.go("firefly_months", everyone, {}, ("month", firsts))
    made.come.append(RowsMade("firefly_months", lists(columns_of_months(made.subjects, folded, judged))))
    kept = kept_histories(made, SCHEME, begins)
    starts = starts_of(folded.changes[:, 0], len(begins))
    change_histories(made, SCHEME, kept, change_columns_of(made.subjects, folded, starts, judged, kept.counts), starts)
    stand(filling, folded, starts, judging, judged, kept.last["from_at"])
    made.stand(SCHEME, filling)
    return made


def _restarts(going: GoingOn) -> Numbers:
    """By subject, the earliest instant at which what becomes of points may be otherwise, none after the step; LATEST
    where none is."""
    new, found = going.new, going.due(SCHEME, LATEST)
    rows = np.flatnonzero(np.isin(new.what, _POINTS))
    np.minimum.at(found, new.stream[rows], new.at[rows])
    cancelled = orders_in(new, np.flatnonzero(new.what == REDEMPTION_CANCELLED))
    for subject, event in going.bearing(READ_TYPES):
        if event.type == _CANCELLED:
            cancelled.add((event.originator_id, event.data.redemption))
        else:
            found[subject] = min(found[subject], event.occurred_at)
    going.reach(found, cancelled, (POINTS_REDEEMED,))
    return np.where(found < LATEST, np.minimum(found, going.step.after.as_of), LATEST)


def _openings(made: Rewriting, months: Numbers, begins: Numbers) -> FireflyOpenings:
    """By subject, what it had at the close of the last month that is stored before one."""
    rows = stored_rows(made.step, "firefly_months", made.subjects, _CLOSE)
    order = np.flatnonzero(rows["month"] < months[rows["subject"]])
    order = order[np.argsort(rows["month"][order], kind="stable")]  # of a subject's the last is what stays
    openings, whose = from_nothing(len(months))._replace(begins=begins), rows["subject"][order]
    openings.earned[whose], openings.balance[whose] = rows["score"][order], rows["balance"][order]
    return openings


_CLOSE: Final[Reads] = {"month": cache(parse_month), "score": int, "balance": int}
