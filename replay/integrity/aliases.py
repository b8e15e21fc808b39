"""Checking the table of aliases against the records, without knowing anybody's name.

Every alias in a record has a row, of that record's merchant, or was erased, which a receipt counts; every row
is borne by a record. Its seal says, to whoever has the key, to which buyer of a merchant a row belongs.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

import msgspec

from domain.calendar import shanghai_text
from domain.events import BuyerErased
from replay.errors import DamagedError, LevelbookError
from replay.integrity.borne import BorneAliases, count_without_row
from replay.schema.versions import ONE_ALIAS_EVERYWHERE
from replay.store.alias_queries import asked_for_nobody, misplaced, payments, twice, unborne
from replay.store.base.store import Store
from replay.store.buyers import ERASURES, is_sealed, key_of
from replay.store.queries import rows_of
from replay.store.reading.aliases_left import all_alias_rows, misfits, second_rows

SHOWN_MAX: Final = 10
"""Problems of one kind that are named one by one."""
ROWS_AT_ONCE: Final = 500


def buyer_problems(store: Store) -> list[str]:
    """What is wrong with the table of aliases of a ledger whose records are sound, as it stands at one moment."""
    with store.snapshot():
        try:
            if store.left is not None and (table := table_of(store)) is not None and table.are_sealed:
                borne = _borne_by_payments(store)
                if count_without_row(borne, table.aliases) == _erased_by_receipts(store):
                    return _problems_of_all(store)
            return _each_problem(store)
        except DamagedError as error:
            return [str(error)]


def _each_problem(store: Store) -> list[str]:
    """Each named, of those that the table and the records have together."""
    kinds = [_misplaced(store), _unborne(store)]
    if store.identity.version != ONE_ALIAS_EVERYWHERE:
        kinds += [_twice(store), _unsealed(store)]
        return [problem for kind in kinds for problem in _bounded(kind)] + _problems_of_all(store)
    return [problem for kind in kinds for problem in _bounded(kind)]


def _problems_of_all(store: Store) -> list[str]:
    """Those that rows may have though each fits its records."""
    kinds = (_out_of_place(store), _second(store), _asked_for_nobody(store))
    return [problem for kind in kinds for problem in _bounded(kind)]


def _borne_by_payments(store: Store) -> BorneAliases:
    """The aliases of all payments, read once more: few bytes each."""
    borne, found = BorneAliases(), payments(store)
    while some := list(islice(found, ROWS_AT_ONCE)):
        borne.add([stream for _, stream, _ in some], [alias for _, _, alias in some])
    return borne


class AliasTable(NamedTuple):
    """The table of aliases, read once and whole."""

    aliases: BorneAliases
    are_sealed: bool
    """Whether each row bears its seal, as far as the key is here."""


def table_of(store: Store) -> AliasTable | None:
    """What is held against the records of a walk; None for a store in which buyers have one alias everywhere."""
    if store.identity.version == ONE_ALIAS_EVERYWHERE:
        return None
    key, found, are_sealed = _key_here(store), BorneAliases(), True
    rows = all_alias_rows(store)
    try:
        while some := list(islice(rows, ROWS_AT_ONCE)):
            found.add([row.merchant for row in some], [row.alias for row in some])
            are_sealed = are_sealed and (key is None or all(is_sealed(key, row) for row in some))
    except DamagedError:
        return AliasTable(found, are_sealed=False)  # of which `buyer_problems` tells
    return AliasTable(found, are_sealed)


def problems_beside(store: Store, borne: BorneAliases, table: AliasTable) -> list[str]:
    """What `buyer_problems` finds, given what a walk found in all records; asked of the store where that is much."""
    if not (table.are_sealed and count_without_row(borne, table.aliases) == _erased_by_receipts(store)):
        return buyer_problems(store)
    with store.snapshot():  # a buyer may be erased between two questions
        try:
            return _problems_of_all(store)
        except DamagedError as error:
            return [str(error)]


def why_seals_unchecked(store: Store) -> str | None:
    """Why the rows could not be held against their seals, which takes this ledger's key; None where they were."""
    if store.identity.version == ONE_ALIAS_EVERYWHERE:
        return None
    try:
        key_of(store)
    except LevelbookError as error:
        return str(error)
    return None


def _bounded(problems: Iterator[str]) -> list[str]:
    shown = list(islice(problems, SHOWN_MAX))
    more = sum(1 for _ in problems)
    return [*shown, f"and {more} more of the same kind"] if more else shown


def _misplaced(store: Store) -> Iterator[str]:
    """Aliases whose row is gone without a receipt, or is of another merchant than the records that bear it."""
    erased: dict[str, str] = {}
    reported: set[str] = set()
    for position, stream, alias, of in misplaced(store):
        if of is None and erased.setdefault(alias, stream) == stream:
            continue
        if of is None and store.identity.version == ONE_ALIAS_EVERYWHERE:
            continue
        if alias not in reported:
            reported.add(alias)
            yield (
                f"position {position}: the alias {alias} stands in a record of {stream} and also under"
                f" {of or erased[alias]}: rows of the table of aliases changed places, or an alias was given twice"
            )
    counted = _erased_by_receipts(store)
    if len(erased) > counted:
        yield (
            f"{len(erased)} aliases in records have no row in the table of aliases, but the receipts of erasures count"
            f" {counted}: rows were deleted without 'erase-buyer'"
        )
    if len(erased) < counted:
        yield (
            f"the receipts of erasures count {counted} aliases, but only {len(erased)} in records have no row: erased"
            " erased rows stand in the table of aliases again"
        )


def _erased_by_receipts(store: Store) -> int:
    receipts = (
        msgspec.convert(msgspec.json.decode(row.record)["event"]["data"], BuyerErased)
        for row in rows_of(store, ERASURES)
    )
    return sum(1 if receipt.aliases is msgspec.UNSET else receipt.aliases for receipt in receipts)


def _unborne(store: Store) -> Iterator[str]:
    for alias in unborne(store):
        yield f"the table of aliases has a row for {alias}, which no record bears: rows were changed or put in"


def _twice(store: Store) -> Iterator[str]:
    for alias in twice(store):
        yield f"the alias {alias} has two rows: one was put in beside that which left the table of aliases"


def _second(store: Store) -> Iterator[str]:
    """A buyer's second aliases at a merchant, which a row that was taken away for a while leads to; no table keeps them
    apart where one row has left.
    """
    for here, left in second_rows(store):
        if here.alias != left.alias:
            yield (
                f"a buyer has the aliases {here.alias} and {left.alias} at {left.merchant}: rows were changed or put in"
            )


def _out_of_place(store: Store) -> Iterator[str]:
    for first in misfits(store):
        yield (
            f"the table of aliases that left holds a buyer out of order at its row from {first} on, who is not found"
            " there: rows were changed or put in"
        )


def _unsealed(store: Store) -> Iterator[str]:
    if (key := _key_here(store)) is None:
        return
    for row in all_alias_rows(store):
        if not is_sealed(key, row):
            yield (
                f"the row of the alias {row.alias} at {row.merchant} does not bear the seal of this ledger's key:"
                " it was changed, or belongs to another buyer"
            )


def _key_here(store: Store) -> bytes | None:
    """The ledger's key; who has none can check everything but whose a row is."""
    try:
        return key_of(store)
    except LevelbookError:
        return None


def _asked_for_nobody(store: Store) -> Iterator[str]:
    for asked_at in asked_for_nobody(store):
        yield (
            f"an erasure asked for at {shanghai_text(asked_at)} is due for a buyer who has no alias: the request was"
            " put in, or the buyer's rows were deleted without 'erase-buyer'"
        )
