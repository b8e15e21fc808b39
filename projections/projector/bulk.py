"""Filling a build from columns: a part of the subjects at a time, by the compiled folds of the schemes.

What `Units.fill` does for one subject by plain rules, this does for many; a test holds both equal, row for row.
Agencies and boards are worked out from the parts that creators leave, as they are after every event.
"""

from collections.abc import Callable, Sequence

from projections.schemes.registry import VIEWS, bulk_of
from projections.schemes.shared.filling import Filling, Prepared
from projections.views.step import Step
from replay.columnar.columns import Columns
from replay.schemes.mcn_level.fold import Slots


def rows_of_part(step: Step, columns: Columns, slots: Callable[[], Slots], schemes: Sequence[str]) -> Prepared:
    """The rows of every subject of some columns, in these schemes or all. Nothing is written."""
    filling = Filling(step, columns, slots)
    wanted = [view for code, view in VIEWS.items() if view.in_bulk and (not schemes or code in schemes)]
    if not schemes:
        filling.insert("life", filling.life())
    codes = {view.code for view in wanted}
    filling.leave_out({row.subject for row in step.rows("set_aside") if row.scheme in codes})
    for view in wanted:
        if len(filling.of_kind(view.kind)):  # loops over no subject are not even compiled
            bulk_of(view.code)(filling)
    return filling.prepared
