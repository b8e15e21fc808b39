"""The one ledger that the oracles' own tests write down by hand: an event a position, told in Shanghai's time."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar, Final

DAY: Final = 24 * 3_600_000_000
SOURCE: Final = "urn:t"
_SHANGHAI: Final = timezone(timedelta(hours=8))


def at(text: str) -> int:
    """Microseconds of a time told in Shanghai."""
    told = datetime.fromisoformat(text).replace(tzinfo=_SHANGHAI)
    return (told - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def instant(when: str | int) -> int:
    return at(when) if isinstance(when, str) else when


class Written:
    """Writes events down at position 1, 2, 3 …, the id being `e<position>`. What a scheme's subjects do, and how its
    oracle is asked, stands in a class of its own.
    """

    subject: ClassVar[str]
    """Whose events those are of which nothing else is said."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def add(self, kind: str, when: str | int, /, subject: str | None = None, **data: Any) -> str:
        position = len(self.events) + 1
        self.events.append(
            {
                "position": position,
                "occurred_at": instant(when),
                "recorded_at": at("2030-01-01") + position,
                "source": SOURCE,
                "id": f"e{position}",
                "type": kind,
                "subject": subject or self.subject,
                "data": data,
            }
        )
        return f"e{position}"

    def retract(self, name: str, when: str | int, subject: str | None = None) -> str:
        return self.add("event.retracted", when, subject, source=SOURCE, event=name, reason="")

    def known(self, position: int | None) -> int:
        """The position that is asked at: the last where none is named."""
        return len(self.events) if position is None else position
