"""What the program makes of evidence that was accepted: the claim of the file, worked out again from its records."""

from typing import Any, Final, NamedTuple

from domain.calendar import shanghai_text
from domain.events import LevelDecided
from replay.decisions.audit import REPRODUCED, as_of_announced, audited
from replay.decisions.unmoved import DecisionAt
from replay.errors import UsageError
from replay.evidence.form import EvidenceHeader
from replay.history.browse import is_retracted
from replay.history.timeline import RETRACTED, Moment
from replay.rendering.facet import standing_json
from replay.replaying.values import Standing
from replay.schemes.registry import SCHEMES, choose
from replay.schemes.replaying import lent, replay_of
from replay.store.base.store import Store
from replay.store.decode import read_record
from replay.store.queries import link_up_to, row_at, rows_of
from replay.store.reading.row import Row

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
    decided_again: int | None = None
    """The position of the last decision on the claim's period behind it, if the file holds one."""
    retracted: int | None = None
    """The position of the last retraction of the claim that stands, if one does."""

    @property
    def comes_out(self) -> bool:
        return self.outcome in (REPRODUCED, NOTHING_CLAIMED)


def recompute(store: Store, header: EvidenceHeader) -> ClaimOutcome:
    """Work out the claim of evidence again, out of its partial store.

    Raises UsageError where the file points at a moment that is yet to come, of which no ledger answers either, or
    at a position before all that it holds.
    """
    if header.as_of > (today := store.now()):
        raise UsageError(
            f"the file points at {shanghai_text(header.as_of)}, which is in the future; it is {shanghai_text(today)}:"
            " nothing was worked out; ask for a file of a moment that has come"
        )
    row = None if header.claim is None else row_at(store, header.claim)
    if row is None:
        return ClaimOutcome(None, NOTHING_CLAIMED, *_standings(store, header))
    data = read_record(row.type, row.record).data
    later = _decided_again(store, row, f"{data.scheme} {data.period}"), _retracted(store, row)
    if isinstance(data, LevelDecided):
        found = audited(store, DecisionAt(header.subject, row.position, data))
        claimed = {"record": "decision", "period": data.period, "run": data.run, **found["decided"]}
        return ClaimOutcome(claimed, found["outcome"], found["replayed"], found["now"], *later)
    replayed, now = _standings(store, header)
    claimed = {"record": "announcement", "period": data.period, "level": data.level}
    outcome = REPRODUCED if replayed["level"] == data.level else OTHER_LEVEL
    if as_of_announced(store, data) != header.as_of:
        outcome = OTHER_MOMENT
    return ClaimOutcome(claimed, outcome, replayed, now, *later)


def _decided_again(store: Store, claim: Row, ref: str) -> int | None:
    behind = rows_of(store, claim.stream, claim.position, ref=ref)
    return max((row.position for row in behind if row.type == "level.decided"), default=None)


def _retracted(store: Store, claim: Row) -> int | None:
    if not is_retracted(store, claim):
        return None
    behind = rows_of(store, claim.stream, claim.position, ref=f"{claim.source} {claim.event_id}")
    return max((row.position for row in behind if row.type == RETRACTED and not is_retracted(store, row)), default=None)


def _standings(store: Store, header: EvidenceHeader) -> tuple[dict[str, Any], dict[str, Any]]:
    """Where a replay of the file's moment stands, and one with all that it holds."""
    head = store.head()
    link = link_up_to(store, header.position)
    if link is None:
        raise UsageError(
            f"up to position {header.position} the file knows of no record: nothing was worked out; ask for a file of"
            " a later position"
        )
    known = (link.recorded_at, link.position), (head.recorded_at, head.position)
    then, now = (standing_json(_standing(store, header, Moment(header.as_of, *found))) for found in known)
    return then, now


def _standing(store: Store, header: EvidenceHeader, moment: Moment) -> Standing:
    judging = SCHEMES[header.scheme].replay
    return replay_of(lent(store), judging, header.subject, moment, choose(store, judging, moment)).standing()
