"""The address of a view: what a page was asked for, and links that ask for it again, whole or changed."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlencode

from domain.calendar import day_of, day_start, parse_instant, shanghai_text

ORDER: Final = (
    *("q", "kind", "id", "source", "about", "case", "alias", "subject", "before", "after", "list"),
    *("scheme", "state", "level", "period", "run", "as_of", "known_at", "position", "policy", "against"),
    *("suppose", "count", "to", "to_position", "month", "day", "event", "verdict", "page", "cursor", "next", "lang"),
)
"""The order of parameters in a link, so that one view has one address."""
MOMENT: Final = ("as_of", "known_at", "position", "policy")
LEFT_OFF: Final = ("page", "after", "before", "cursor")
"""Where a list was left off: it means nothing in another list, so that no form hands it on."""
TIMED: Final = ("as_of", "known_at", "to")
"""What a form asks for as a day and, in a field of this name and `_time`, the time of that day."""
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MINUTES_CHARS: Final = len("12:00")


class Address(NamedTuple):
    """A page and its parameters."""

    path: str
    query: dict[str, str]

    def get(self, name: str) -> str:
        """A parameter as it was given; empty where it was not."""
        return self.query.get(name, "")

    def to(self, path: str | None = None, **changes: object) -> str:
        """This page, or another with the same parameters, some of them changed; None leaves one out."""
        values = self.query | {name: None if value is None else str(value) for name, value in changes.items()}
        kept = [(name, value) for name in ORDER if (value := values.get(name))]
        return (path or self.path) + (f"?{urlencode(kept)}" if kept else "")

    def beside(self, path: str, **changes: object) -> str:
        """Another page at the same moment, under the same policy: nothing else is taken along."""
        kept = {name: value for name, value in self.query.items() if name in (*MOMENT, "lang")}
        return Address(path, kept).to(None, **changes)

    def now(self, path: str, **changes: object) -> str:
        """Another page, of the present: the language alone is taken along."""
        return Address(path, {"lang": self.get("lang")}).to(None, **changes)

    def handed_on(self, own: Sequence[str], **usual: str) -> list[tuple[str, str]]:
        """What a form hands on beside its own fields: every parameter that was given, and what is usual of others."""
        values = usual | self.query
        return [(name, values[name]) for name in ORDER if values.get(name) and name not in (*own, *LEFT_OFF)]

    def tidied(self) -> str | None:
        """The same address without fields that a form sent empty, and with times joined to their days; None where
        there is nothing to tidy.
        """
        times = {name: time for name in TIMED if (time := self.query.get(f"{name}_time"))}
        if not times and all(self.query.values()):
            return None
        return self.to(None, **{name: _joined(self.get(name), time) for name, time in times.items()})


class PickedInstant(NamedTuple):
    """An instant as a form asks for it: the day, and the time of it; no time for the day's last moment."""

    day: str
    time: str


def picked(text: str) -> PickedInstant | None:
    """What the pickers of a day and a time show of an instant; None for one that they cannot show exactly."""
    if not text or _DAY.fullmatch(text):
        return PickedInstant(text, "")
    try:
        instant = parse_instant(text)
    except ValueError:
        return None
    day, _, time = shanghai_text(instant).removesuffix("+08:00").partition("T")
    if instant == day_start(day_of(instant) + 1) - 1:
        return PickedInstant(day, "")
    return None if "." in time else PickedInstant(day, time)


def _joined(day: str, time: str) -> str:
    seconds = ":00" if len(time) == _MINUTES_CHARS else ""
    return f"{day}T{time}{seconds}+08:00"


def subject_path(subject: str, page: str = "") -> str:
    """Where a page about a subject stands."""
    return f"/subjects/{subject}/{page}" if page else f"/subjects/{subject}"
