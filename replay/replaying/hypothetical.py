"""What could be, as values: events that did not happen, laid over a replay in memory, and ways to a level made of them.

Nothing of it is ever recorded. A way is shown only where laying its events over the replay reaches the level, and
laying one unit less does not.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Hypothetical(NamedTuple):
    """An event that did not happen, as it would be written in the interchange."""

    occurred_at: int
    subject: str
    type: str
    data: Mapping[str, Any]
    """As in the interchange: buyers by names."""


class Need(NamedTuple):
    """What a way asks for, of which unit."""

    figure: str
    amount: int
    unit: str
    """One of `domain.rules.contributions.UNITS`, or `percent_hundredths` and the like, where it is named."""


class Way(NamedTuple):
    """The least of one kind that reaches a level."""

    kind: str
    """What is done: a code that has words in each language."""
    asks: tuple[Need, ...]
    level: str
    """The level's code that it reaches."""
    events: tuple[Hypothetical, ...]
    """What would have to happen; empty where time alone does it."""
    reached_at: int
    """The earliest instant at which a replay with the events has the level: the `as_of` of the proof."""
    effective_at: int | None
    """When it counts towards the outside; None where the scheme has no other instant than `reached_at`."""
    less: tuple[Hypothetical, ...] | None
    """The same with one unit less, which must not reach the level at `reached_at`; None where nothing but time is
    asked, so that an instant earlier must not reach it."""


class NoWay(NamedTuple):
    """A kind by which the level cannot be reached, and why."""

    kind: str
    why: str
    """A code that has words in each language."""


class Ways(NamedTuple):
    """The ways of one subject from where it stands."""

    next_level: str | None
    """None at the top, and where there is no level to reach."""
    ways: tuple[Way, ...]
    unreachable: tuple[NoWay, ...]
