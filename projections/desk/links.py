"""The address of a view: what a page was asked for, and links that ask for it again, whole or changed."""

from typing import Final, NamedTuple
from urllib.parse import urlencode

ORDER: Final = (
    *("q", "kind", "after", "scheme", "period", "run", "as_of", "known_at", "position", "policy"),
    *("to_position", "month", "event", "verdict", "page", "next", "lang"),
)
"""The order of parameters in a link, so that one view has one address."""
MOMENT: Final = ("as_of", "known_at", "position", "policy")


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

    def without_empty(self) -> str | None:
        """The same address without fields that a form sent empty; None where there are none."""
        return None if all(self.query.values()) else self.to()


def subject_path(subject: str, page: str = "") -> str:
    """Where a page about a subject stands."""
    return f"/subjects/{subject}/{page}" if page else f"/subjects/{subject}"
