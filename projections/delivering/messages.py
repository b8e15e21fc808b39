"""What is sent: the events of the feed as messages, each with an id that stays the same however often it is sent."""

from typing import Any, Final, NamedTuple

import msgspec

from domain.calendar import shanghai_text
from projections.delivering.endpoints import Delivery

BEGAN_ANEW: Final = "levelbook.feed.began"
"""Told once views were made again from nothing: what is not sent again after it is no more."""
TRIED: Final = "levelbook.delivery.tried"
"""What `levelbook deliver test` sends."""


class Message(NamedTuple):
    """One message to one endpoint."""

    id: str
    type: str
    at: str
    """Of when it tells: an instant in Shanghai."""
    data: dict[str, Any]
    number: int
    """Where the endpoint stands once it has arrived."""
    source: str
    """The ledger, as a URN."""

    @property
    def body(self) -> bytes:
        """As Standard Webhooks describes it; `data` has the keys that the feed gives."""
        return msgspec.json.encode({"type": self.type, "timestamp": self.at, "data": self.data})


def message_of(event: dict[str, Any], delivery: Delivery) -> Message:
    """An event of the feed."""
    number = int(event["id"].rpartition(".")[2])
    name = _id(delivery, str(number))
    return Message(name, event["type"], event["time"], event["data"], number, event["source"])


def began_anew(delivery: Delivery, now: int, source: str) -> Message:
    return Message(_id(delivery, "0"), BEGAN_ANEW, shanghai_text(now), {}, 0, source)


def trial_of(delivery: Delivery, now: int, source: str) -> Message:
    """A message that says nothing of any level."""
    return Message(_id(delivery, f"tried-{now}"), TRIED, shanghai_text(now), {}, delivery.progress.number, source)


def _id(delivery: Delivery, what: str) -> str:
    """Unique among all endpoints of all ledgers; without a full stop, by which ids are told apart from what follows."""
    return f"{delivery.endpoint.id}-{delivery.progress.begun}-{what}"
