"""How a replay is written in answers: what every scheme's answers have, and what a scheme's own class says."""

from collections.abc import Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from domain.calendar import month_text, shanghai_text
from replay.errors import UsageError
from replay.history.timeline import Moment
from replay.rendering.clauses import points_text
from replay.replaying.base import Part, Policies, Replay
from replay.replaying.values import Compared, DecidingEvent, Figure, Judged, LevelChange, Standing

Told = TypeVar("Told", bound=Replay)


class KnownAt(Protocol):
    """What was known of a subject earlier: see `replay.answers.then`."""

    def moments(self, instants: Sequence[int]) -> Sequence[Moment]:
        """The moments at which that was known which was at some rising instants."""

    def policies(self, moment: Moment) -> Policies:
        """By which policies a replay at such a moment judges."""


class SchemeAnswer(Generic[Told]):
    """One replay, as its answers show it. A scheme's own class adds the keys that only its answers have."""

    figure_names: ClassVar[tuple[str, ...]] = ()
    """Which keys of `own_json` are figures, in schemes of ratios and bands."""

    def __init__(self, replay: Told) -> None:
        self.replay = replay

    def period_text(self, period: int) -> str:
        """The month, or the day, that a figure is of."""
        return month_text(period)

    def when(self, instant: int) -> str:
        """An instant at which a level changed."""
        return shanghai_text(instant)

    def standing_json(self) -> dict[str, Any]:
        """Where the subject stands at `as_of`, in short: `state`, `level`, and the points of schemes that have them."""
        return standing_json(self.replay.standing())

    def effective_json(self) -> dict[str, Any]:
        """What counts towards the outside at `as_of`: `state`, `level`, `since`."""
        found = self.replay.effective()
        return {
            "state": found.state,
            "level": found.level,
            "since": None if found.since is None else self.when(found.since),
        }

    def own_json(self) -> dict[str, Any]:
        """The keys that only this scheme's answer has."""
        return {}

    def then_json(self, known: KnownAt) -> dict[str, Any]:
        """The keys that say what was shown earlier, by what was known then."""
        return {}

    def figures_json(self) -> dict[str, Any]:
        """The figures that decide: in schemes of ratios and bands the plain ones of `own_json`."""
        return {name: value for name, value in self.own_json().items() if name in self.figure_names}

    def changes_json(self) -> list[dict[str, Any]]:
        """Each change of state or level up to `as_of` with its cause, the earliest first."""
        return [
            {
                "at": self.when(change.at),
                "before": standing_json(change.before),
                "after": standing_json(change.after),
                "cause": self.cause_json(change),
            }
            for change in self.replay.changes()
        ]

    def cause_json(self, change: LevelChange) -> dict[str, Any]:
        """The rule that changed the level, and the event that made it."""
        return {"rule": change.cause, **({} if change.position is None else self.typed_event_json(change.position))}

    def check_part(self, part: Part) -> None:
        """Raises UsageError for a part that the scheme does not tell of."""
        if part.day is not None:
            raise UsageError(f"{self.replay.scheme} is not evaluated by the day; give a month, or another scheme")

    def explained_json(self, part: Part, shown: Sequence[int]) -> dict[str, Any]:
        """The keys that only this scheme's explanation has, of a part and the verdicts shown in it."""
        return {}

    def event_json(self, position: int) -> dict[str, Any]:
        """How an answer names an event."""
        event = self.replay.events[position]
        return {"source": event.source, "event": event.id, "position": position}

    def typed_event_json(self, position: int) -> dict[str, Any]:
        return self.event_json(position) | {"type": self.replay.events[position].type}

    def compared_json(self, compared: Compared | None) -> dict[str, Any] | None:
        """The figures or the event that decided; None where none did."""
        if compared is None:
            return None
        if isinstance(compared, DecidingEvent):
            return self._deciding_json(compared)
        return {
            "what": compared.what,
            "found": _figure_json(compared, compared.found, signed=True),
            "bound": _figure_json(compared, compared.bound),
        }

    def _deciding_json(self, deciding: DecidingEvent) -> dict[str, Any]:
        """Which event, when, learned when, and the case and reason that it names."""
        event = self.replay.events[deciding.position]
        named = {name: getattr(event.data, name, None) for name in ("reason", "case")}
        return {
            "what": deciding.what,
            **self.event_json(deciding.position),
            "at": shanghai_text(event.occurred_at),
            "learned_at": shanghai_text(event.recorded_at),
            **{name: value if isinstance(value, str) else None for name, value in named.items()},
        }


class VerdictsAnswer(SchemeAnswer[Told]):
    """Of a scheme whose levels change by verdicts, at the instants of events."""

    def cause_json(self, change: LevelChange) -> dict[str, Any]:
        """An event with its type and verdict, or the policy whose rules began to count."""
        if change.position is None:
            policy = self.replay.policy_at(change.at)
            return {"policy": policy.id, "policy_hash": policy.hash}
        verdict = {} if change.judged is None else verdict_json(change.judged)
        return self.typed_event_json(change.position) | verdict


def standing_json(standing: Standing) -> dict[str, Any]:
    found = {"state": standing.state, "level": standing.level}
    return found if standing.points_tenths is None else found | {"points": points_text(standing.points_tenths)}


def verdict_json(judged: Judged) -> dict[str, Any]:
    """A verdict without the event that it is on."""
    points = None if judged.tenths is None else points_text(judged.tenths, signed=True)
    return {"verdict": judged.verdict, "points": points, "at": shanghai_text(judged.at)}


def _figure_json(compared: Figure, value: int | str | None, *, signed: bool = False) -> int | str | None:
    if not isinstance(value, int) or compared.unit == "plain":
        return value
    return shanghai_text(value) if compared.unit == "instant" else points_text(value, signed=signed)
