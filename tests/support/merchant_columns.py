"""A merchant's events as the columns that its schemes read, without a store."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from domain.events import Event
from domain.merchant_reputation.facts import KINDS
from replay.columnar.columns import NO_NUMBER, WHATS, Columns


def as_columns(ledger: Iterable[Event]) -> Columns:
    """Known events, in the order of the ledger, as the columns of this scheme."""
    streams: dict[str, list[Event]] = {}
    for event in ledger:
        streams.setdefault(event.originator_id, []).append(event)
    rows = list(chain.from_iterable(_rows_of(number, stream) for number, stream in enumerate(streams.values())))
    return made_of(rows, list(streams))


def made_of(rows: Sequence[tuple[int, ...]], subjects: list[str]) -> Columns:
    kinds: Any = (np.int32, np.int64, np.int64, np.int8, np.int32, np.int32, np.int64, np.int8)
    columns = [np.array([row[place] for row in rows], kind) for place, kind in enumerate(kinds)]
    subject, at, position, what, key, buyer, amount, detail = columns
    none = np.zeros(len(rows), np.int8)
    return Columns(subject, at, position, what, key, buyer, amount, detail, none, subjects, [], [])


def _rows_of(subject: int, stream: list[Event]) -> list[tuple[int, ...]]:
    orders: dict[str, int] = {}
    buyers: dict[str, int] = {}
    named = {(event.source, event.id): event.position for event in stream}
    rows = []
    for event in stream:
        what = WHATS.get(event.type)
        if what is None:
            continue
        data = event.data
        order = orders.setdefault(data.order, len(orders)) if hasattr(data, "order") else NO_NUMBER
        buyer, amount, detail = NO_NUMBER, 0, 0
        if event.type == "order.paid":
            buyer, amount, detail = buyers.setdefault(data.buyer, len(buyers)), data.amount, KINDS.index(data.kind)
        elif event.type == "review.posted":
            detail = data.quality
        elif event.type == "event.retracted":
            earlier = named.get((data.source, data.event), 0)
            amount = earlier if earlier < event.position else 0
        rows.append((subject, event.occurred_at, event.position, what, order, buyer, amount, detail))
    return sorted(rows)
