"""A year of many subjects' events as files, and what a command printed of its own speed."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any


def told(number: int, at: datetime, subject: str, name: str, data: dict[str, Any]) -> dict[str, Any]:
    """An event of the ledger's year."""
    return {
        "specversion": "1.0",
        "id": f"e-{number}",
        "source": "urn:example:orders",
        "type": name,
        "subject": subject,
        "time": at.isoformat(),
        "data": data,
    }


def year_of(count: int, merchants: int, fresh_each: int = 5) -> Iterator[dict[str, Any]]:
    """A year up to now of merchants whose sizes fall like 1 / rank^0.8: openings, then so many events in order.

    Each so many-th of them is in the scope of tiers.
    """
    chance = random.Random(7)
    weights = list(accumulate((rank + 1) ** -0.8 for rank in range(merchants)))
    end = datetime.now(UTC) - timedelta(minutes=10)
    for rank in range(merchants):
        category = "fresh" if rank % fresh_each == 0 else "tea"
        yield told(
            -1 - rank, end - timedelta(days=1_700), _merchant(rank), "merchant.onboarded", {"category": category}
        )
    running: list[tuple[str, int]] = []
    for number in range(count):
        at = end - timedelta(days=365 * (count - number) / count)
        draw = chance.random()
        if draw < 0.4 or not running:
            rank = chance.choices(range(merchants), cum_weights=weights)[0]
            running.append((f"o-{number}", rank))
            data = {"order": f"o-{number}", "buyer": f"b-{chance.randrange(200_000)}", "amount": 9_900}
            yield told(number, at, _merchant(rank), "order.paid", data)
            continue
        order, rank = running[chance.randrange(max(0, len(running) - 20_000), len(running))]
        name, data = "order.received", {"order": order}
        if draw >= 0.99:
            name, data = "order.flagged", {"order": order, "reason": "fake_trade"}
        elif draw >= 0.7:
            name, data = "review.posted", {"order": order, "quality": chance.randrange(1, 6)}
        yield told(number, at, _merchant(rank), name, data)


def _merchant(rank: int) -> str:
    return f"merchant/m-{rank}"


def write(path: Path, events: Iterator[dict[str, Any]]) -> None:
    with path.open("w") as file:
        for event in events:
            file.write(json.dumps(event, separators=(",", ":")) + "\n")
