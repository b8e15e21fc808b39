"""Filling a build from columns: a part of the subjects at a time, by the compiled folds of the schemes.

What `Units.fill` does for one subject by plain rules, this does for many; a test holds both equal, row for row.
Agencies and boards are worked out from the parts that creators leave, as they are after every event.
"""

from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import NamedTuple

from projections.schemes.registry import VIEWS, bulk_of
from projections.schemes.shared.filling import Filling, Prepared
from projections.views.step import Step
from replay.columnar.columns import Columns
from replay.columnar.ledger_columns import LedgerColumns
from replay.objects.naming import FilesPlace
from replay.schemes.mcn_level.fold import Slots, slots_of
from replay.store.base.store import Store


class Ready(NamedTuple):
    """A part that was worked out before the transaction which then only writes it."""

    begin: str
    """Where the part begins."""
    rows: Prepared
    records: int
    """How many records the rows rest on."""
    following: str | None
    """Where the next part of the same bucket begins; None behind its last one."""


Judges = Callable[[Step, Sequence[str]], Ready]
"""Gives one of the parts that begin somewhere."""


class BulkReader(LedgerColumns):
    """The records of a ledger up to a position, for a build that is filled as of an instant."""

    def __init__(self, store: Store, position: int, as_of: int, named: FilesPlace | None) -> None:
        super().__init__(store, position, named)
        self._as_of = as_of

    def slots(self) -> Slots:
        """Who holds each creator, by the bindings of all agencies; worked out once."""
        return self._slots

    @cached_property
    def _slots(self) -> Slots:
        return slots_of([self.agencies()], self._as_of)


def made_ready(
    step: Step, reader: LedgerColumns, slots: Callable[[], Slots], schemes: Sequence[str], begin: str
) -> Ready:
    """The part that begins somewhere, in these schemes or all. Nothing is written."""
    columns, following = reader.part(begin)
    return Ready(begin, rows_of_part(step, columns, slots, schemes), len(columns.at), following)


def rows_of_part(step: Step, columns: Columns, slots: Callable[[], Slots], schemes: Sequence[str]) -> Prepared:
    """The rows of every subject of some columns, in these schemes or all."""
    filling = Filling(step, columns, slots)
    aside = {(row.subject, row.scheme) for row in step.rows("set_aside")}
    fill_from_columns(filling, aside, schemes)
    return filling.prepared


def fill_from_columns(filling: Filling, aside: Collection[tuple[str, str]], schemes: Sequence[str] = ()) -> None:
    """Work out every subject of a filling but those that are set aside, in these schemes or all."""
    wanted = [view for code, view in VIEWS.items() if view.in_bulk and (not schemes or code in schemes)]
    if not schemes:
        filling.insert("life", filling.life())
    codes = {view.code for view in wanted}
    filling.leave_out({subject for subject, scheme in aside if scheme in codes})
    for view in wanted:
        if len(filling.of_kind(view.kind)):  # loops over no subject are not even compiled
            bulk_of(view.code)(filling)
