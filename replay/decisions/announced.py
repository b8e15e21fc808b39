"""An announced level beside what the rules give by what was known when it was announced."""

from typing import Any, NamedTuple

from domain.calendar import shanghai_text
from domain.events import Event
from replay.answers.diff import Difference, difference_json, difference_of
from replay.answers.replay import asked_json
from replay.history.timeline import Moment
from replay.rendering.facet import standing_json
from replay.replaying.base import Replay
from replay.schemes.registry import choose, scheme_of
from replay.schemes.replaying import lent, replay_of
from replay.store.base.store import Store


def when_announced(
    store: Store, scheme: str, subject: str, as_of: int, announcement: tuple[int, int], beside: Replay | None = None
) -> Replay:
    """The replay of a period's level by what was known when it was announced: at the (recorded_at, position) of that.

    `beside` is a replay that knows more, as in `replay_of`.
    """
    moment, judging = Moment(as_of, *announcement), scheme_of(scheme).replay
    policies = choose(store, judging, moment)._replace(previewed=())
    return replay_of(lent(store), judging, subject, moment, policies, beside)


class Announced(NamedTuple):
    """What was announced of a period and not taken back, and the way from there to the decision, or back."""

    told: list[dict[str, Any]]
    """Each announcement with what was known then."""
    last: Replay | None
    """By what was known at the last one."""
    difference: Difference | None
    """Between that and what was decided, or where nothing was what is known now: from the one that knew less."""

    def json(self) -> dict[str, Any]:
        difference = self.difference and difference_json(self.difference)
        return {"announced": self.told, "announced_difference": difference}

    def later_than(self, decided: Replay) -> Replay:
        """From where on hindsight is told: the decision, or an announcement that knew more."""
        return max(decided, self.last or decided, key=lambda replay: replay.moment.position)


def announced_of(store: Store, now: Replay, then: Replay | None, period: str) -> Announced:
    """What was announced of a period, by a replay that knows all that is known now, and one as it was decided."""
    events = now.announcements(period)
    known = [
        when_announced(
            store, now.scheme, now.subject, now.moment.as_of, (event.recorded_at, event.position), beside=now
        )
        for event in events
    ]
    told = [_one_json(event, replay) for event, replay in zip(events, known, strict=True)]
    if not known:
        return Announced(told, None, None)
    ends = sorted((known[-1], now if then is None else then), key=lambda replay: replay.moment.position)
    return Announced(told, known[-1], difference_of(*ends))


def _one_json(event: Event, known: Replay) -> dict[str, Any]:
    standing = known.standing()
    return {
        "source": event.source,
        "event": event.id,
        "position": event.position,
        "level": event.data.level,
        "at": shanghai_text(event.occurred_at),
        "recorded_at": shanghai_text(event.recorded_at),
        "as_known_then": asked_json(known) | standing_json(standing),
        "agrees": event.data.level == standing.level,
    }
