"""What the program makes of evidence that was accepted: the claim of the file, worked out again from its records."""

from typing import Any, Final, NamedTuple

from domain.events import LevelDecided
from replay.decisions.audit import REPRODUCED, as_of_announced, audited
from replay.decisions.unmoved import DecisionAt
from replay.evidence.form import EvidenceHeader
from replay.history.timeline import Moment
from replay.rendering.facet import standing_json
from replay.replaying.values import Standing
from replay.schemes.registry import SCHEMES, choose, lent, replay_of
from replay.store.base import Store
from replay.store.decode import read_record
from replay.store.queries import link_up_to, row_at

OTHER_MOMENT: Final = "other_moment"
OTHER_LEVEL: Final = "other_level"
NOTHING_CLAIMED: Final = "nothing_claimed"


class ClaimOutcome(NamedTuple):
    """What came of the claim."""

    claimed: dict[str, Any] | None
    """What the disputed record says; None where the file points at none."""
    outcome: str
    """`reproduced`; of a decision as audits say; `other_level` and `other_moment` of an announcement that comes out
    otherwise, or is shown at another moment than its period is decided at; `nothing_claimed`."""
    replayed: dict[str, Any]
    """State and level at the moment that the file points at."""
    now: dict[str, Any]
    """The same with all that the file holds."""

    @property
    def comes_out(self) -> bool:
        return self.outcome in (REPRODUCED, NOTHING_CLAIMED)


def recompute(store: Store, header: EvidenceHeader) -> ClaimOutcome:
    """Work out the claim of evidence again, out of its partial store."""
    row = None if header.claim is None else row_at(store, header.claim)
    if row is None:
        return ClaimOutcome(None, NOTHING_CLAIMED, *_standings(store, header))
    data = read_record(row.type, row.record).data
    if isinstance(data, LevelDecided):
        found = audited(store, DecisionAt(header.subject, row.position, data))
        claimed = {"record": "decision", "period": data.period, "run": data.run, **found["decided"]}
        return ClaimOutcome(claimed, found["outcome"], found["replayed"], found["now"])
    replayed, now = _standings(store, header)
    claimed = {"record": "announcement", "period": data.period, "level": data.level}
    outcome = REPRODUCED if replayed["level"] == data.level else OTHER_LEVEL
    if as_of_announced(store, data) != header.as_of:
        outcome = OTHER_MOMENT
    return ClaimOutcome(claimed, outcome, replayed, now)


def _standings(store: Store, header: EvidenceHeader) -> tuple[dict[str, Any], dict[str, Any]]:
    """Where a replay of the file's moment stands, and one with all that it holds."""
    head = store.head()
    link = link_up_to(store, header.position)
    known = [Moment(header.as_of, head.recorded_at, head.position)]
    known.insert(0, known[0] if link is None else Moment(header.as_of, link.recorded_at, link.position))
    then, now = (standing_json(_standing(store, header, moment)) for moment in known)
    return then, now


def _standing(store: Store, header: EvidenceHeader, moment: Moment) -> Standing:
    judging = SCHEMES[header.scheme].replay
    return replay_of(lent(store), judging, header.subject, moment, choose(store, judging, moment)).standing()
