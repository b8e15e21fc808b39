"""What was known of a subject earlier than a replay knows it: for what people saw, beside what would be shown now."""

from bisect import bisect_right
from collections.abc import Sequence

from replay.history.timeline import Moment, last_known
from replay.replaying.base import Policies, Replay
from replay.schemes.registry import SCHEMES, choose


class KnownThen:
    """What a replay can say of earlier knowledge than its own; it never knows more than the replay itself."""

    def __init__(self, replay: Replay) -> None:
        self._now = replay

    def moments(self, instants: Sequence[int]) -> list[Moment]:
        """The moments at which that was known which was at some rising instants."""
        now = self._now.moment
        if self._now.origin is None:
            recorded = [event.recorded_at for event in self._now.known]
            places = [0, *(event.position for event in self._now.known)]
            return [Moment(at, at, places[bisect_right(recorded, at)]) for at in instants]
        found, low = list[Moment](), 0
        with self._now.origin.lend() as store:
            for at in instants:
                low = now.position if at >= now.known_at else last_known(store, at, low, now.position)
                found.append(Moment(at, min(at, now.known_at), low))
        return found

    def policies(self, moment: Moment) -> Policies:
        """By which policies a replay at such a moment judges: chosen as for this replay, of those known then."""
        now = self._now
        if now.origin is None:
            own = now.policies.own
            return Policies([item for item in own if item.in_force_from <= moment.as_of] or own[:1])
        with now.origin.lend() as store:
            return choose(store, SCHEMES[now.scheme].replay, moment, now.origin.choice)
