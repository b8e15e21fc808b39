"""What the pages ask of a scheme, and in which terms it answers."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from domain.policy import Policy
from projections.projector.expected_rows import rows_of
from replay.history.timeline import Moment
from replay.replaying.base import Policies, Replay
from replay.store.base.store import Store

if TYPE_CHECKING:
    from projections.reading.reader import Snapshot
    from projections.text.words import Words


class Told(NamedTuple):
    """What is known of a subject in one scheme at the moment of a sight."""

    scheme: str
    rows: dict[str, list[dict[str, Any]]]
    """As the `v1_…` views hold them, by table."""
    policies: Policies
    level_names: dict[str, str]
    assumed: list[str]
    set_aside: str | None
    """Why the level could not be worked out further; None where it is what the moment gives."""

    @property
    def level(self) -> dict[str, Any]:
        return self.rows["levels"][0]

    def policy(self, digest: str) -> Policy:
        """The version that a row names."""
        return next(policy for policy in self.policies.own if policy.hash == digest)


def told_by(replay: Replay, language: str) -> Told:
    """What a replay tells, as the views would hold it."""
    return Told(replay.scheme, rows_of(replay), replay.policies, replay.level_names(language), replay.assumed, None)


class Point(NamedTuple):
    """A score that held at an instant; None for no level at all, such as a closed merchant's tier."""

    at: int
    score: int | None


class Band(NamedTuple):
    """A level, and the least score that reaches it."""

    level: str
    begins: int


class Said(NamedTuple):
    """A level that was told."""

    level: str | None
    score: int | None
    """None where none was named."""
    state: str | None = None
    """Why there was no level, such as gated; None where a level was told, or only that there was none."""

    @classmethod
    def of(cls, state: str, level: str | None, score: int | None) -> "Said":
        """A level, or the state that stands in its place."""
        return cls(level, score, state if level is None else None)


class Mark(NamedTuple):
    """Something that was told of the level, or corrected."""

    kind: str
    """published, announced, decided or corrected."""
    at: int
    """When the ledger learned of it; of what the calendar brings, when it came."""
    concerns: int
    """The instant that it is about: a month's close, the as_of of a decision, when a correction happened."""
    about: str
    """The period; of a correction, its type."""
    event: str
    """Which event or run says so; empty for what the calendar brings."""
    then: Said | None = None
    """As it was said: decided, announced, published by what was known then. None of a correction, and where nothing was
    published."""
    now: Said | None = None
    """As it is known at the moment of the page; None where it is nothing."""
    is_then_known: bool = True
    """False where it was not worked out what was published then."""

    @property
    def differs(self) -> bool:
        """Whether another level or score was told than is known of the same at the moment of the page."""
        if self.kind == "corrected" or not self.is_then_known:
            return False
        if self.then is None or self.now is None:
            return self.then != self.now
        both = zip(self.then, self.now, strict=True)
        return self.then.level != self.now.level or any(None not in pair and pair[0] != pair[1] for pair in both)


class Periods(NamedTuple):
    """The rows that a scheme's pages tabulate, and the months that they lead to."""

    table: str
    """The view of its periods."""
    order: str
    """The column by which that stands in order."""
    template: str
    """Head and body of the table of all periods."""
    months: Callable[[Told], list[str]]
    """The months of which there is something to explain, the latest first."""


class ThenRows(NamedTuple):
    """Where the views hold what publications showed otherwise when they came."""

    table: str
    order: str
    """The column by which it stands in order."""
    read: Callable[[list[dict[str, Any]]], dict[str, Said | None]]
    """By period what they showed then, None where that was nothing; all others showed what they would now."""


class Drawn(NamedTuple):
    """A scheme on the timeline."""

    points: Callable[[Told, int], list[Point]]
    """The scores that are known exactly up to `as_of`, the earliest first."""
    bands: Callable[[Policy], list[Band]]
    """The levels that a policy gives, the lowest first."""
    publications: Callable[[Told, int], Iterator[Mark]] | None
    """What each publication up to `as_of` would show, the latest first; None where the calendar publishes nothing."""
    publications_then: Callable[[Replay, int], dict[str, Said | None]] | None
    """By period what they showed by what was known then, None where that was nothing; with so many more replays at
    most: periods that would take more are left out."""
    then_rows: ThenRows | None
    """The same where the views tell it: of all of them, without a replay."""
    corrections: tuple[str, ...]
    """The types of events that correct what moved its level."""
    is_stepped: bool
    """Whether a score holds until the next; else it grew on the way there."""
    is_ranked: bool
    """Whether a score is the rank of the level itself, and so tells nothing beside it."""


class Opening(NamedTuple):
    """How a month is explained from where it opened, and not from the whole past: only where the views stand."""

    events: Callable[[Store, "Snapshot", Moment, str, Told, int], int]
    """On how many events that rests, about."""
    replay: Callable[[Store, "Snapshot", Moment, str, Told, int], Replay]


class SchemePages(NamedTuple):
    """A scheme's own part of the desk."""

    periods: Periods
    drawn: Drawn
    rests_on: str | None
    """The template of what an evaluation rests on beside its rules; None for nothing."""
    opening: Opening | None
    formula: Callable[[Policy], str] | None = None
    """How a policy makes the score of others, where that is told beside it."""


def formulas(pages: SchemePages, policies: Sequence[Policy], words: "Words") -> str:
    """How the score is made under each of these versions; under one alone without its name."""
    if pages.formula is None:
        return ""
    made = {pages.formula(policy): policy.id for policy in policies}
    if len(made) == 1:
        return next(iter(made))
    return words("and_then").join(f"{name}{words('colon')}{formula}" for formula, name in made.items())


def months_of_rows(table: str) -> Callable[[Told], list[str]]:
    """For a scheme whose periods are months: one a row."""
    return lambda told: [row["month"] for row in reversed(told.rows[table])]
