"""What was known of a subject earlier than a replay knows it: for what people saw, beside what would be shown now."""

from bisect import bisect_right
from collections.abc import Sequence

from replay.history.timeline import Moment, last_known_each
from replay.policies.catalog import Adopted, adopted_policies
from replay.replaying.base import Policies, Replay
from replay.schemes.registry import SCHEMES, choose_of


class KnownThen:
    """What a replay can say of earlier knowledge than its own; it never knows more than the replay itself."""

    def __init__(self, replay: Replay) -> None:
        self._now = replay
        self._read = dict[str, list[Adopted]]()

    def moments(self, instants: Sequence[int]) -> list[Moment]:
        """The moments at which that was known which was at some rising instants."""
        now = self._now.moment
        if self._now.origin is None:
            recorded = [event.recorded_at for event in self._now.known]
            places = [0, *(event.position for event in self._now.known)]
            return [Moment(at, at, places[bisect_right(recorded, at)]) for at in instants]
        earlier = [at for at in instants if at < now.known_at]
        with self._now.origin.lend() as store:
            positions = last_known_each(store, earlier, now.position)
        positions += [now.position] * (len(instants) - len(earlier))
        return [Moment(at, min(at, now.known_at), position) for at, position in zip(instants, positions, strict=True)]

    def policies(self, moment: Moment) -> Policies:
        """By which policies a replay at such a moment judges: chosen as for this replay, of those known then."""
        now = self._now
        if now.origin is None:
            own = now.policies.own
            return Policies([item for item in own if item.in_force_from <= moment.as_of] or own[:1])
        return choose_of(self._adopted, SCHEMES[now.scheme].replay, moment, now.origin.choice)

    def _adopted(self, scheme: str) -> list[Adopted]:
        """Read once: what was adopted since is behind every moment that is asked for."""
        if scheme not in self._read:
            assert self._now.origin is not None, "the replay came out of a store"
            with self._now.origin.lend() as store:
                self._read[scheme] = adopted_policies(store, scheme)
        return self._read[scheme]
