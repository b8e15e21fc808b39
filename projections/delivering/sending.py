"""What came of sending messages to an endpoint, whatever its kind."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from projections.delivering.messages import Message


class Sent(NamedTuple):
    """What came of an attempt."""

    arrived: int = 0
    """So many of the first messages did."""
    problem: str | None = None
    """Why the next one did not."""
    is_gone: bool = False
    """Whether the receiver says that nothing is to be sent there any more."""
    asked_micros: int | None = None
    """How long the receiver asks to wait."""


class Sender(Protocol):
    """Sends to one endpoint, from one thread."""

    at_once: int
    """How many messages an attempt may have."""

    def send(self, messages: Sequence[Message], secrets: Sequence[str], now: int) -> Sent:
        """Send messages in their order, signed with each of the secrets at an instant."""

    def tried(self, message: Message, secrets: Sequence[str], now: int) -> Sent:
        """Whether the endpoint can be reached; what is told of levels there stays as it is."""

    def close(self) -> None: ...
