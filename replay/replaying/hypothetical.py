"""What could be, as values: events that did not happen, laid over a replay in memory, and ways to a level made of them.

Nothing of it is ever recorded. A way is shown only where laying its events over the replay reaches the level, and
laying one unit less does not.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from domain.limits import DAY_MICROS
from domain.policy import Policy

Found_co = TypeVar("Found_co", covariant=True)
NEVER: Final = 2**62
PROVED_EVENTS_MAX: Final = 20_000
"""Of more events than these a way is only reckoned, and not proved."""
LOOKED_AHEAD: Final = 3_653 * DAY_MICROS
"""So far ahead other rules are looked for."""


class Hypothetical(NamedTuple):
    """An event that did not happen, as it would be written in the interchange."""

    occurred_at: int
    subject: str
    type: str
    data: Mapping[str, Any]
    """As in the interchange: buyers by names."""


class Overlay(Protocol[Found_co]):
    """Lays events over one replay: the same subject at an instant that may be later, with what did not happen, too.

    What is known of the time until then takes part, so that laying nothing over it moves time on, and no more.
    """

    def __call__(self, events: Sequence[Hypothetical], as_of: int, /) -> Found_co: ...


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
    """When it counts towards the outside; None where the scheme has no other instant than `reached_at`, and where
    other rules judge before it would."""
    less: tuple[Hypothetical, ...] | None
    """The same with one unit less of the first thing asked, which must not reach the level at `reached_at`; None where
    nothing but time is asked, so that an instant earlier must not reach it."""
    others_less: tuple[tuple[Hypothetical, ...], ...] = ()
    """Where several things are asked, the same with one unit less of each of the others, which must not reach it."""
    each_alone: tuple[Need, ...] = ()
    """Where several figures have to be met together, what each of them alone would ask."""


class NoWay(NamedTuple):
    """A kind by which the level cannot be reached, or no way can be proved, and why."""

    kind: str
    why: str
    """A code that has words in each language."""
    asks: tuple[Need, ...] = ()
    """What it would ask for, where that can be said."""


class Ways(NamedTuple):
    """The ways of one subject from where it stands."""

    next_level: str | None
    """None at the top, and where there is no level to reach."""
    ways: tuple[Way, ...]
    unreachable: tuple[NoWay, ...]


TOO_MANY_TO_PROVE: Final = "too_many_to_prove"
"""Why a way is none that would take more events than can be laid over a replay."""
TIME: Final = "time_alone"
"""The kind of a way on which nothing has to happen."""
TOGETHER: Final = "together"
"""Of one on which several things have to; where it is one, the kind is the figure of what is asked."""

REGISTRATION: Final = "registration"
"""What who is not judged at all has to do first."""
TIMES: Final = "times"
VIOLATIONS: Final = "violations"
"""Units of what only ways ask for."""


def rules_until(own: Iterable[Policy], later: Iterable[Policy]) -> int:
    """When the first of some later versions comes into force that is not among a replay's own."""
    known = {policy.hash for policy in own}
    return min((policy.in_force_from for policy in later if policy.hash not in known), default=NEVER)


def named(at: int, what: int | str) -> str:
    """What an order, a task or a creator is called that is supposed at an instant.

    Who records such events and asks again later is told of others: what is supposed never bears their names.
    """
    return f"hypothetical-{at}-{what}"


def in_parts(amount: int, most: int) -> Iterator[int]:
    """An amount in parts of which none is over the most that there can be; of nothing none."""
    return (min(most, amount - begun) for begun in range(0, amount, most))


class Lever(NamedTuple):
    """One thing that is asked for: the events that bring it, and the same with one unit less."""

    need: Need
    events: tuple[Hypothetical, ...]
    less: tuple[Hypothetical, ...]


def way_by(levers: Sequence[Lever], level: str, reached_at: int) -> Way:
    """The way on which all of these are done; of none, time alone does it."""
    kind = TIME if not levers else levers[0].need.figure if len(levers) == 1 else TOGETHER
    less = [
        tuple(event for other in levers for event in (other.less if other is lever else other.events))
        for lever in levers
    ]
    return Way(
        kind,
        tuple(lever.need for lever in levers),
        level,
        tuple(event for lever in levers for event in lever.events),
        reached_at,
        None,
        less[0] if less else None,
        tuple(less[1:]),
    )
