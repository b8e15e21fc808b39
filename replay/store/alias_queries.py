"""The queries on the table of aliases, whether rows have left it or not, and on the requests to erase buyers, and how
these are written.

Both stand outside the chain: rows go, and no record changes. Receipts and seals are others' business.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from replay.schema.versions import BUYERS, ERASURES_DUE, ONE_ALIAS_EVERYWHERE
from replay.store.base.failures import not_kept
from replay.store.base.store import Store
from replay.store.base.transaction import Transaction
from replay.store.queries import records_with_refs
from replay.store.reading.alias_form import SEAL_BYTES, AliasRow, is_usual_alias
from replay.store.reading.aliases_left import aliases_about, all_alias_rows, left_rows_of, merchants_of
from replay.store.reading.asked import EVERYTHING, Asked
from replay.store.reading.picking import alias_in
from replay.store.reading.readable import Readable

PAID: Final = "order.paid"
_PAID: Final = f"FROM records WHERE type = '{PAID}'"
_REQUEST_COLUMNS: Final = ("key", "due_at", "asked_at", "reason")


class Request(NamedTuple):
    """A request to erase a buyer."""

    due_at: int
    asked_at: int
    reason: str


class Waiting(NamedTuple):
    """The requests that are kept."""

    kept: int
    earliest_due: int | None
    overdue: int
    """How many of them are due and not carried out yet."""


class Misplaced(NamedTuple):
    """An alias in a record that has no row, or one of another merchant."""

    position: int
    stream: str
    alias: str
    of: str | None
    """The merchant of its row; None where it has none."""


def misplaced(store: Store) -> Iterator[Misplaced]:
    """The aliases in records whose row is gone, or is of another merchant than the record's."""
    if store.left is not None:
        yield from _misplaced_anywhere(store)
        return
    merchant = "r.stream" if store.identity.version == ONE_ALIAS_EVERYWHERE else "b.merchant"
    rows = store._query(
        f"SELECT r.position, r.stream, r.alias, CASE WHEN b.alias IS NULL THEN NULL ELSE {merchant} END"
        f" FROM (SELECT position, stream, {store.alias_sql} AS alias {_PAID}) AS r"
        f" LEFT JOIN buyers AS b ON b.alias = r.alias WHERE b.alias IS NULL OR {merchant} <> r.stream"
    )
    yield from map(Misplaced._make, rows)


def _misplaced_anywhere(store: Store) -> Iterator[Misplaced]:
    """The same where rows have left, so that the database does not have all payments. Holds all aliases in memory."""
    names = dict[str, str]()
    merchants = {_short(row.alias): names.setdefault(row.merchant, row.merchant) for row in all_alias_rows(store)}
    for position, stream, alias in payments(store):
        if (of := merchants.get(_short(alias))) != stream:
            yield Misplaced(position, stream, alias, of)


def _short(alias: str) -> bytes | str:
    """An alias in half as many bytes, where it is of the usual form."""
    return bytes.fromhex(alias) if is_usual_alias(alias) else alias


def payments(store: Store) -> Iterator[tuple[int, str, str]]:
    """(position, stream, alias) of all payments, wherever they are: for stores from which rows have left."""
    return _payments(store, Asked(types=(PAID,)))


def _payments(readable: Readable, asked: Asked) -> Iterator[tuple[int, str, str]]:
    """(position, stream, alias) of payments, wherever they are."""
    for position, stream, record in readable._records("position, stream, record", asked):
        yield position, stream, alias_in(record, position)


def first_payment(store: Store, merchant: str, alias: str) -> int | None:
    """Where the first payment of a buyer at a merchant stands: by a walk through the merchant's records."""
    if store.left is not None:
        payments = _payments(store, Asked(merchant, types=(PAID,)))
        return next((position for position, _, found in payments if found == alias), None)
    sql = f"SELECT position {_PAID} AND stream = ? AND {store.alias_sql} = ? ORDER BY version LIMIT 1"
    return next((int(position) for (position,) in store._query(sql, (merchant, alias))), None)


def merchant_of(store: Store, alias: str) -> str | None:
    """Of which merchant a buyer bears an alias; None where no row says so: it was erased, or never given, or the ledger
    is of the version whose aliases are of no one merchant.
    """
    if store.identity.version == ONE_ALIAS_EVERYWHERE:
        return None
    rows = list(store._query("SELECT merchant FROM buyers WHERE alias = ?", (alias,)))
    return str(rows[0][0]) if rows else merchants_of(store, [alias]).get(alias)


def unborne(store: Store) -> Iterator[str]:
    """The aliases that have a row and stand in no record."""
    if store.left is not None:
        borne = {_short(alias) for _, _, alias in payments(store)}
        return iter(sorted(row.alias for row in all_alias_rows(store) if _short(row.alias) not in borne))
    rows = store._query(f"SELECT alias FROM buyers EXCEPT SELECT {store.alias_sql} {_PAID} ORDER BY 1")
    return (alias for (alias,) in rows)


def twice(store: Store) -> Iterator[str]:
    """The aliases that have a second row, as they can where rows have left. Holds all in memory."""
    met = set[bytes | str]()
    for row in all_alias_rows(store) if store.left is not None else ():
        short = _short(row.alias)
        if short in met:
            yield row.alias
        met.add(short)


def count_here(store: Store) -> int:
    """How many rows are in the table of aliases, of those that have not left it."""
    ((count,),) = store._query("SELECT count(*) FROM buyers")
    return int(count)


def count_aliases(store: Store) -> int:
    """How many aliases there are: of those whose rows left about how many."""
    return count_here(store) + aliases_about(store)


def asked_for_nobody(store: Store) -> Iterator[int]:
    """When the requests were asked for whose buyer has no alias, the earliest first."""
    if not store.has_table(ERASURES_DUE):
        return iter(())
    nobody = "NOT EXISTS (SELECT 1 FROM buyers WHERE key = d.key)"
    rows = list(store._query(f"SELECT key, asked_at FROM erasures_due AS d WHERE {nobody} ORDER BY asked_at"))
    somebody = {row.key for row in left_rows_of(store, [bytes(key) for key, _ in rows])}
    return (asked_at for key, asked_at in rows if bytes(key) not in somebody)


def copied_tables(version: int) -> dict[str, tuple[str, ...]]:
    """By name, the columns of the tables outside the chain that a copy of a store of a schema version takes over."""
    if version == ONE_ALIAS_EVERYWHERE:
        return {"buyers": ("key", "alias")}
    return {"buyers": AliasRow._fields, "erasures_due": _REQUEST_COLUMNS}


def table_rows(store: Store, table: str, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The rows of a whole table, by columns; none where an earlier version did not make it yet. Of aliases those, too,
    that left.
    """
    if not store.has_table(table):
        return iter(())
    if store.left is not None and table == BUYERS:
        return all_alias_rows(store)
    return store._query(f"SELECT {', '.join(columns)} FROM {table}")


def compared_rows(store: Store, table: str, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The same, each as it is whether it left or not: of its seal what would remain."""
    rows = table_rows(store, table, columns)
    if "seal" not in columns:
        return rows
    at = columns.index("seal")
    return ((*row[:at], bytes(row[at])[:SEAL_BYTES], *row[at + 1 :]) for row in rows)


def put_rows(transaction: Transaction, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Write rows of columns into a table."""
    marks = ", ".join("?" * len(columns))
    transaction.execute_many(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)


def waiting(store: Store) -> Waiting:
    """The requests that are kept, as they stand now."""
    if not store.has_table(ERASURES_DUE):
        return Waiting(0, None, 0)
    sql = "SELECT count(*), min(due_at), count(CASE WHEN due_at <= ? THEN 1 END) FROM erasures_due"
    ((kept, earliest, overdue),) = store._query(sql, (store.now(),))
    return Waiting(kept, earliest, overdue)


def earliest_due(transaction: Transaction) -> int | None:
    """When the first of the requests is due."""
    ((earliest,),) = transaction.execute("SELECT min(due_at) FROM erasures_due")
    return None if earliest is None else int(earliest)


def due_at(transaction: Transaction, now: int) -> list[tuple[bytes, str]]:
    """Keys and reasons of the requests that are due at an instant, in the order in which they fell due."""
    sql = "SELECT key, reason FROM erasures_due WHERE due_at <= ? ORDER BY due_at, key"
    return [(bytes(key), str(reason)) for key, reason in transaction.execute(sql, (now,))]


def request_of(transaction: Transaction, key: bytes) -> Request | None:
    """The request that is kept for a buyer."""
    rows = transaction.execute("SELECT due_at, asked_at, reason FROM erasures_due WHERE key = ?", (key,))
    return Request(*rows[0]) if rows else None


def add_request(transaction: Transaction, key: bytes, request: Request) -> None:
    """Keep a request. Raises StoreError unless the database has kept it."""
    sql = f"INSERT INTO erasures_due ({', '.join(_REQUEST_COLUMNS)}) VALUES (?, ?, ?, ?)"
    transaction.execute(sql, (key, *request))
    transaction.run_deferred()
    if request_of(transaction, key) != request:
        raise not_kept("a request to erase a buyer is not there, or another one")


def forget_request(transaction: Transaction, key: bytes) -> None:
    """Delete the request for a buyer, if there is one. Raises StoreError unless it is gone."""
    if request_of(transaction, key) is None:
        return
    transaction.execute("DELETE FROM erasures_due WHERE key = ?", (key,))
    transaction.run_deferred()
    if request_of(transaction, key) is not None:
        raise not_kept("a request to erase a buyer that was deleted is still there")


def merchants_since(store: Store, transaction: Transaction, key: bytes, instant: int) -> int:
    """At how many merchants something happened to the buyer's orders from an instant on."""
    if transaction.left is not None:
        rows = transaction.rows_of_buyer(key)
        return sum(_something_since(transaction, row.merchant, row.alias, instant) for row in rows)
    paid = f"SELECT stream, ref, {store.alias_sql} AS alias {_PAID}"
    sql = (
        "SELECT count(*) FROM buyers AS b WHERE b.key = ? AND EXISTS (SELECT 1 FROM records AS r"
        " WHERE r.stream = b.merchant AND r.occurred_at >= ? AND r.ref IN"
        f" (SELECT p.ref FROM ({paid}) AS p WHERE p.stream = b.merchant AND p.alias = b.alias))"
    )
    ((count,),) = transaction.execute(sql, (key, instant))
    return int(count)


def _something_since(transaction: Transaction, merchant: str, alias: str, instant: int) -> bool:
    """Whether something happened to an order of an alias from an instant on."""
    refs = transaction._records("ref", Asked(merchant, times=(instant, EVERYTHING)))
    orders = sorted({(merchant, ref) for (ref,) in refs if ref is not None})
    payments = records_with_refs(transaction, orders, "position, type, record")
    return any(alias_in(record, position) == alias for position, event_type, record in payments if event_type == PAID)
