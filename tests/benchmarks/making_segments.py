"""Segments for large benchmarks, written directly: merchants of very different sizes, no store behind them."""

from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from domain.buckets import BUCKETS, bucket_of
from domain.calendar import parse_instant
from domain.limits import DAY_MICROS, HOUR_MICROS, SECOND_MICROS
from replay.columnar.columns import (
    COMPLAINT_DISMISSED,
    EVENT_RETRACTED,
    MERCHANT_CLOSED,
    MERCHANT_ONBOARDED,
    NO_NUMBER,
    ORDER_CLEARED,
    ORDER_COMPLAINED,
    ORDER_FLAGGED,
    ORDER_PAID,
    ORDER_RECEIVED,
    REVIEW_POSTED,
    TYPES,
    Columns,
    in_order,
)
from replay.columnar.numbering import BUYER, KEY, SUBJECT, TEXT, names_schema
from replay.columnar.places.files import SegmentFile
from replay.columnar.places.folder import FolderSegments
from replay.columnar.segments import (
    FORMAT,
    Generation,
    Manifest,
    contents,
    file_name,
    switch_manifest,
)

LEDGER: Final = "b" * 32
"""The id of the ledger that these segments pretend to be of."""
CATEGORIES: Final = ("clothing", "digital", "fresh", "home", "toys")
BEGIN: Final = parse_instant("2022-01-01T00:00:00+08:00")
DAYS: Final = 360
SIZES: Final = 20_000
"""More merchants than these are of the same sizes again, so that a larger ledger need not have larger merchants."""
EVENTS_PER_ORDER: Final = 2.535
"""What an order brings on the average, by the shares below."""
Integers = NDArray[np.int64]


class Rows(NamedTuple):
    """Rows of one type before they have positions."""

    what: int
    subject: Integers
    at: Integers
    order: Integers | None = None
    """Index of the order within the bucket."""
    buyer: Integers | None = None
    amount: Integers | None = None
    detail: Integers | None = None
    extra: Integers | None = None
    target: Integers | None = None
    """Of a retraction: the payment that it names, by index of the order."""


def make_segments(folder: Path, events: int, merchants: int, seed: int, records_each: int = 2**62) -> int:
    """Write the segments of a ledger of about so many events, in generations of so many; how many there are.

    The same arguments give the same columns. Positions are those of sixteen ledgers that take turns, so that they
    have gaps behind the end of the shorter ones. All names stand in the first generation.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = (np.arange(merchants) % SIZES + 1.0) ** -0.8
    orders = np.random.default_rng([seed, BUCKETS]).multinomial(
        max(0, int((events - merchants) / EVENTS_PER_ORDER)), weights / weights.sum()
    )
    streams = [f"merchant/m-{place}" for place in range(merchants)]
    buckets = np.array([bucket_of(stream) for stream in streams])
    files: list[list[SegmentFile]] = [[]]
    where = FolderSegments(folder)
    rows, last = 0, 0
    for bucket in range(BUCKETS):
        members = np.flatnonzero(buckets == bucket)
        if not len(members):
            continue
        rng = np.random.default_rng([seed, bucket])
        columns, names = _bucket(rng, bucket, orders[members], [streams[place] for place in members])
        rows, last = rows + len(columns.at), max(last, int(columns.position.max()))
        files += [[] for _ in range(len(files), last // records_each + 1)]
        for place, written in enumerate(files):
            chosen = (columns.position - 1) // records_each == place
            some = Columns._make([*(getattr(columns, name)[chosen] for name in TYPES), [], [], []])
            for kind, content in contents(some, names if place == 0 else names_schema().empty_table()):
                written.append(where.put(file_name(place + 1, bucket, kind), *content))
    chain = sha256(f"{events} {merchants} {seed}".encode()).hexdigest()
    generations = [
        Generation(place + 1, place * records_each + 1, min(last, (place + 1) * records_each), chain, written)
        for place, written in enumerate(files)
    ]
    switch_manifest(where, Manifest(FORMAT, LEDGER, BUCKETS, generations))
    return rows


def _bucket(rng: np.random.Generator, bucket: int, orders: Integers, streams: list[str]) -> tuple[Columns, "pa.Table"]:
    """The columns of a bucket's merchants, who have so many orders each, and their names."""
    parts = _told(rng, orders)
    at = _joined(parts, "at", 0)
    # One in a hundred is learned days later.
    delay = np.where(rng.random(len(at)) < 0.01, rng.integers(0, 5 * DAY_MICROS, len(at)), rng.integers(0, 5, len(at)))
    learned = np.argsort(at + delay, kind="stable")
    position = np.arange(len(at)) * BUCKETS + bucket + 1
    at = at[learned]
    what = np.concatenate([np.full(len(part.at), part.what, np.int8) for part in parts])[learned]
    merchant, amount, detail, extra = (_joined(parts, name, 0)[learned] for name in ("subject", *_NUMBERS))
    order, buyer, target = (_joined(parts, name, NO_NUMBER)[learned] for name in ("order", "buyer", "target"))
    payments, retractions, openings = (what == kind for kind in (ORDER_PAID, EVENT_RETRACTED, MERCHANT_ONBOARDED))
    paid_at = np.zeros(int(orders.sum()), np.int64)
    paid_at[order[payments]] = position[payments]
    named = paid_at[target[retractions]]
    amount[retractions] = np.where(named < position[retractions], named, 0)
    detail[openings] = merchant[openings] % len(CATEGORIES)
    # Numbers as they are first named in the order of the ledger, which is that of the rows here.
    subject, members = _first_met(merchant)
    key, key_owners, key_ids = _numbered(subject, order)
    alias, alias_owners, _ = _numbered(subject, buyer)
    values = (subject, at, position, what, key, alias, amount, detail, extra)
    rows = in_order(subject.astype(np.int32), at)
    subjects = [streams[member] for member in members.tolist()]
    arrays = [column.astype(kind)[rows] for column, kind in zip(values, TYPES.values(), strict=True)]
    columns = Columns._make([*arrays, subjects, [], list(CATEGORIES)])
    names = [
        _names(SUBJECT, np.zeros(len(subjects), np.int64), pa.array(subjects, pa.string())),
        _names(TEXT, np.zeros(len(CATEGORIES), np.int64), pa.array(CATEGORIES, pa.string())),
        _names(KEY, key_owners, _order_ids(key_ids * BUCKETS + bucket)),
        _names(BUYER, alias_owners, _aliases(rng, len(alias_owners))),
    ]
    return columns, pa.concat_tables(names)


_NUMBERS: Final = ("amount", "detail", "extra")


def _told(rng: np.random.Generator, orders: Integers) -> list[Rows]:
    """What happens to a bucket's merchants within a year, by type."""
    merchants = np.arange(len(orders))
    count = int(orders.sum())
    every = np.arange(count)
    merchant = np.repeat(merchants, orders)
    opened = BEGIN + rng.integers(0, HOUR_MICROS, len(orders))
    paid = BEGIN + HOUR_MICROS + rng.integers(0, DAYS * DAY_MICROS // SECOND_MICROS, count) * SECOND_MICROS
    received = paid + rng.integers(DAY_MICROS, 8 * DAY_MICROS, count) // SECOND_MICROS * SECOND_MICROS
    # Some reviews come after the window of fifteen days, some before the receipt.
    reviewed = received + rng.integers(-DAY_MICROS // 4, 18 * DAY_MICROS, count) // SECOND_MICROS * SECOND_MICROS
    # Half as many buyers as orders, some of whom buy often.
    first = np.cumsum(orders) - orders
    share = rng.random(count) ** 2
    buyer = first[merchant] + (share * np.maximum(orders[merchant], 1) * 0.7).astype(np.int64)
    amount = np.clip(rng.lognormal(8.5, 1.0, count).astype(np.int64), 1, 10**8)
    amount -= np.where(amount > 100, amount % 100 - 90, 0)  # prices end in ninety fen
    kind = np.where(rng.random(count) < 0.97, 0, rng.integers(1, 6, count))
    stars = np.array([1, 2, 3, 4, 5, 5, 5, 5, 5, 5])[rng.integers(0, 10, count)]
    service = np.where(rng.random(count) < 0.5, stars, 0)

    def some(share: float) -> Integers:
        return every[rng.random(count) < share]

    def of(what: int, chosen: Integers, at: Integers, delay: int, **values: Integers) -> Rows:
        given = {name: column[chosen] for name, column in values.items()}
        return Rows(what, merchant[chosen], at[chosen] + delay, chosen, **given)

    closed = merchants[rng.random(len(orders)) < 0.01]
    late, wrong = some(0.9), some(0.002)
    complained = some(0.02)
    return [
        Rows(MERCHANT_ONBOARDED, merchants, opened),
        Rows(MERCHANT_CLOSED, closed, np.full(len(closed), BEGIN + DAYS // 2 * DAY_MICROS)),
        of(ORDER_PAID, every, paid, 0, buyer=buyer, amount=amount, detail=kind),
        of(ORDER_RECEIVED, late, received, 0),
        of(REVIEW_POSTED, some(0.6), reviewed, 0, detail=stars, extra=service),
        of(ORDER_FLAGGED, some(0.008), received, DAY_MICROS),
        of(ORDER_CLEARED, some(0.002), received, 9 * DAY_MICROS),
        of(ORDER_COMPLAINED, complained, received, HOUR_MICROS),
        of(COMPLAINT_DISMISSED, complained[::7], received, 3 * DAY_MICROS),
        Rows(EVENT_RETRACTED, merchant[wrong], paid[wrong] + 2 * DAY_MICROS, target=wrong),
    ]


def _joined(parts: list[Rows], name: str, absent: int) -> Integers:
    columns: list[Any] = [getattr(part, name) for part in parts]
    return np.concatenate(
        [
            np.full(len(part.at), absent, np.int64) if column is None else column
            for part, column in zip(parts, columns, strict=True)
        ]
    )


def _first_met(values: Integers) -> tuple[Integers, Integers]:
    """Each value's number as it is first met, and the values by number."""
    met = pa.array(values).dictionary_encode()
    return met.indices.to_numpy().astype(np.int64), met.dictionary.to_numpy()


def _numbered(subject: Integers, ids: Integers) -> tuple[Integers, Integers, Integers]:
    """By row, the number of its id within the subject as it is first met; then the subject and id of each number."""
    rows = np.flatnonzero(ids != NO_NUMBER)
    met, found = _first_met(ids[rows])
    owner = np.empty(len(found), np.int64)
    owner[met] = subject[rows]
    order = np.argsort(owner, kind="stable")
    grouped = owner[order]
    number = np.empty(len(found), np.int64)
    number[order] = _within(grouped)
    numbers = np.full(len(ids), NO_NUMBER, np.int64)
    numbers[rows] = number[met]
    return numbers, grouped, found[order]


def _within(grouped: Integers) -> Integers:
    """The place of each within its group; groups stand together."""
    return np.arange(len(grouped)) - np.searchsorted(grouped, grouped)


def _names(kind: int, owner: Integers, names: "pa.Array") -> "pa.Table":
    columns = [
        pa.array(np.full(len(owner), kind, np.int8)),
        pa.array(owner.astype(np.int32)),
        pa.array(_within(owner).astype(np.int32)),
        names,
    ]
    return pa.Table.from_arrays(columns, schema=names_schema())


def _order_ids(ids: Integers) -> "pa.Array":
    return pc.binary_join_element_wise("o", pc.cast(pa.array(ids), pa.string()), "-")


def _aliases(rng: np.random.Generator, count: int) -> "pa.Array":
    """Random aliases, 32 hexadecimal digits each."""
    offsets = np.arange(count + 1, dtype=np.int32) * 32
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(rng.bytes(16 * count).hex().encode()))
