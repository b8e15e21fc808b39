"""Many creators gone on with from the earliest closed month that something bears on: of their past no more is read than
what that month and those behind it are judged by.

What `view.advance` does for one of them with its events, this does for all with their columns.
"""

from typing import Any, Final

import numpy as np

from domain.calendar import month_of, month_start, month_text
from domain.creator_level.rule import SCHEME
from projections.schemes.creator_level.bulk import CreatorOpenings, change_columns_of, fill_from, note_months
from projections.schemes.creator_level.moving import newly_bound
from projections.schemes.creator_level.view import gate_begins, judging_of
from projections.schemes.shared.bulk_rows import instants, rows_of_subjects
from projections.schemes.shared.changing import Rewriting, Values
from projections.schemes.shared.filling import LATEST
from projections.schemes.shared.going_on import GoingOn
from projections.schemes.shared.histories import KeptHistories, change_histories, kept_histories
from projections.schemes.shared.stored import Numbers
from projections.views.recent import orders_in
from projections.views.step import LIFE_TYPES, SUBJECTS_AT_ONCE, Step
from replay.columnar import encoding
from replay.columnar.columns import (
    CREATOR_BOUND,
    CREATOR_UNBOUND,
    CREDIT_DEDUCTED,
    CREDIT_RESTORED,
    EVENT_RETRACTED,
    NO_NUMBER,
    SALE_REFUNDED,
    SALE_SETTLED,
    TYPES,
    WHATS,
    Columns,
)
from replay.schemes.mcn_level.fold import Slots, slots_of

_NAMING: Final = (SALE_SETTLED, SALE_REFUNDED, CREDIT_DEDUCTED)
"""Types whose events count by what else is known of their order or violation."""
_RESTORED: Final = "credit.restored"
_EACH: Final = ("creator_figures", "creator_months", "mcn_parts")
"""Tables of which each row is written by itself."""


def move(going: GoingOn) -> Rewriting | None:
    """What a step changes of many creators, and from which month on agencies may see it; None where a record cannot be
    read."""
    step, firsts = going.step, _firsts(going)
    if going.unread():
        return None
    concerned = np.flatnonzero(firsts < LATEST)
    made = Rewriting(step, [going.subjects[subject] for subject in concerned.tolist()])
    months = instants(firsts[concerned], month_of)
    filling = going.filling(made.subjects, _begins(step, months), _NAMING, LIFE_TYPES)
    if filling is None:
        return None
    codes = encoding.Numbers()
    evaluations_before = instants(months, month_start) + 1  # that of the month before is at its very end
    kept = kept_histories(made, SCHEME, evaluations_before, {"level": codes.__getitem__})
    evaluated = fill_from(filling, _slots(step, made.subjects), _openings(months, kept, [*codes]))
    change_histories(made, SCHEME, kept, change_columns_of(evaluated), evaluated.change_starts())
    after = dict(filling.prepared)
    note_months(made, {name: made.rewrite_rows(name, _stored(made, name, months), after[name]) for name in _EACH})
    filling.prepared = [(name, columns) for name, columns in filling.prepared if name not in _EACH]
    made.stand(SCHEME, filling)
    return made


def _openings(months: Numbers, kept: KeptHistories, codes: list[Any]) -> CreatorOpenings:
    levels = [codes[number] if number < LATEST else None for number in kept.last["level"].tolist()]
    return CreatorOpenings(months, levels, kept.last["from_at"])


def _firsts(going: GoingOn) -> Numbers:
    """By subject, an instant of the earliest closed month that may come out otherwise; LATEST where none may.

    Whoever time alone changes is judged from the last month on that was not closed yet: that closes, or a registration
    occurs.
    """
    step, new = going.step, going.new
    closes = month_start(month_of(step.after.as_of))
    found = np.full(len(going.subjects), LATEST)
    rows = np.flatnonzero(new.what != EVENT_RETRACTED)
    np.minimum.at(found, new.stream[rows], new.at[rows])
    restored = orders_in(new, np.flatnonzero(new.what == CREDIT_RESTORED))
    for subject, event in going.bearing(WHATS.keys()):
        found[subject] = min(found[subject], event.occurred_at)
        if event.type == _RESTORED:
            restored.add((event.originator_id, event.data.violation))
    going.reach(found, restored, (CREDIT_DEDUCTED,))
    bound = newly_bound(going.work)
    np.minimum(found, np.array([bound.get(subject, LATEST) for subject in going.subjects], np.int64), out=found)
    is_due = going.due(SCHEME, LATEST) < LATEST
    found[is_due] = np.minimum(found[is_due], min(step.before.as_of, closes - 1))
    return np.where(found < closes, found, LATEST)


def _begins(step: Step, months: Numbers) -> Numbers:
    """From when on records are read of which months from one on are judged: from the days of their gates."""
    judging, last = judging_of(step), month_of(step.after.as_of) - 1

    def begins(first: int) -> int:
        gates = (gate_begins(judging.at(month)[1], month) for month in range(first, last + 1))
        return min(month_start(first), *gates)

    return instants(months, begins)


def _slots(step: Step, subjects: list[str]) -> Slots:
    """Who held some creators, from the bindings that the views keep."""
    names = [subject.partition("/")[2] for subject in subjects]
    columns = ("creator", "position", "at", "mcn", "binds")
    found = rows_of_subjects(step.connection, step.tables["bindings"], columns, names, column="creator")
    agencies, creators = encoding.Numbers(), encoding.Numbers()
    step.prepare({mcn for _, _, _, mcn, _ in found}, ("life",))
    rows = [
        (agencies[mcn], at, position, CREATOR_BOUND if binds else CREATOR_UNBOUND, creators[creator])
        for creator, position, at, mcn, binds in found
        if position not in step.retracted(mcn)
    ]
    subject, at, position, what, key = np.array(rows, np.int64).reshape(-1, 5).T
    given = {"subject": subject, "at": at, "position": position, "what": what, "key": key}
    others = {"buyer": np.full(len(rows), NO_NUMBER)}
    arrays = (given.get(name, others.get(name, np.zeros(len(rows)))).astype(kind) for name, kind in TYPES.items())
    return slots_of([Columns._make([*arrays, [*agencies], [*creators], []])], step.after.as_of)


def _stored(made: Rewriting, name: str, months: Numbers) -> Values:
    """A table's rows of the creators, each from a month of its own on."""
    table, step = made.step.tables[name], made.step
    columns = [column.name for column in table.columns]
    whose, at = columns.index("subject" if name != "mcn_parts" else "creator"), columns.index("month")
    texts = name == "creator_months"
    subjects = [subject if columns[whose] == "subject" else subject.partition("/")[2] for subject in made.subjects]
    own: list[Any] = [month_text(month) if texts else month for month in months.tolist()]
    first_of = dict(zip(subjects, own, strict=True))
    order, found = sorted(subjects, key=lambda subject: (first_of[subject], subject)), list[tuple[Any, ...]]()
    for begin in range(0, len(order), SUBJECTS_AT_ONCE):  # those that begin alike are read together
        some = order[begin : begin + SUBJECTS_AT_ONCE]
        since = ("month >= {}", first_of[some[0]])
        found += rows_of_subjects(step.connection, table, columns, some, since, column=columns[whose])
    kept = [row for row in found if row[at] >= first_of[row[whose]]]
    return {column: [row[place] for row in kept] for place, column in enumerate(columns)}
