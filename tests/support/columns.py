"""Columns of events in memory, for tests: a plain builder beside the one that reads a ledger."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from domain.creator_level.facts import hundredths
from domain.events import BINDING_TYPES, Event
from domain.merchant_reputation.facts import KINDS
from replay.columnar.columns import CHANNELS, GOOD_GOODS, NO_NUMBER, SCORES, WHATS, WORRY_FREE, Columns

_TYPES: Final = (np.int32, np.int64, np.int64, np.int8, np.int32, np.int32, np.int64, np.int8, np.int8)


_ABOUT: Final = ("order", "violation", "task", "redemption")


class _Numbers(dict[str, int]):
    """Names by number, from 0, in the order in which they are first asked for."""

    def __missing__(self, name: str) -> int:
        return self.setdefault(name, len(self))


def columns_of(ledger: Iterable[Event]) -> Columns:
    """The columns of what is known of some subjects."""
    events = sorted(ledger, key=lambda event: event.position)
    subjects, creators, texts = _Numbers(), _Numbers(), _Numbers()
    named: defaultdict[str, _Numbers] = defaultdict(_Numbers)
    buyers: defaultdict[str, _Numbers] = defaultdict(_Numbers)
    positions = {(event.originator_id, event.source, event.id): event.position for event in events}
    rows = []
    for event in events:
        data: Any = event.data
        subject = subjects[event.originator_id]
        if event.type not in WHATS:
            continue
        key = buyer = NO_NUMBER
        about = next((getattr(data, name) for name in _ABOUT if hasattr(data, name)), None)
        if about is not None:
            key = named[event.originator_id][about]
        if event.type in BINDING_TYPES:
            key = creators[data.creator]
        if event.type == "order.paid":
            buyer = buyers[event.originator_id][data.buyer]
        amount, detail, extra = _values(event, texts)
        if event.type == "event.retracted":
            target = positions.get((event.originator_id, data.source, data.event), 0)
            amount = target if target < event.position else 0
        rows.append((subject, event.occurred_at, event.position, WHATS[event.type], key, buyer, amount, detail, extra))
    values = zip(*sorted(rows), strict=True) if rows else [()] * len(_TYPES)
    arrays: Any = [np.array(column, kind) for column, kind in zip(values, _TYPES, strict=True)]
    return Columns._make([*arrays, list(subjects), list(creators), list(texts)])


def _values(event: Event, texts: _Numbers) -> tuple[int, int, int]:
    """`amount`, `detail` and `extra`."""
    data: Any = event.data
    found: dict[str, Any] = {
        "order.paid": lambda: (data.amount, KINDS.index(data.kind), 0),
        "review.posted": lambda: (0, data.quality, data.service if isinstance(data.service, int) else 0),
        "merchant.onboarded": lambda: (0, texts[data.category], 0),
        "merchant.tier_set": lambda: (0, int(data.level[2:]), 0),
        "creator.scored": lambda: (hundredths(data.value), SCORES.index(data.score), 0),
        "credit.deducted": lambda: (data.points, 0, 0),
        "credit.granted": lambda: (data.points, 0, 0),
        "sale.settled": lambda: (
            data.amount,
            CHANNELS.index(data.channel),
            GOOD_GOODS * data.good_goods + WORRY_FREE * data.worry_free,
        ),
        "sale.refunded": lambda: (data.amount, 0, 0),
        "points.earned": lambda: (data.points, 0, 0),
        "points.redeemed": lambda: (data.points, 0, 0),
        "live.held": lambda: (data.minutes, 0, 0),
    }
    amount, detail, extra = found.get(event.type, lambda: (0, 0, 0))()
    return amount, detail, extra
