"""The catalogue: what can be recorded, a typed class for the data of each event type.

These classes are the one description of a well-formed event (RULEBOOK §0, Event catalogue). The
intake's fast reader and its marshmallow schemas are derived from them.
Fields stand in alphabetical order, because that is their order in the stored JSON.
"""

from typing import Any, Final, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from domain.fields import (
    Aliases,
    AmountFen,
    Category,
    CreditPoints,
    Flag,
    Id,
    Instant,
    Key,
    LevelCode,
    Minutes,
    OrderKind,
    Period,
    Points,
    Scheme,
    ScoreText,
    Stars,
    Subject,
    Text,
    Tier,
    TypeName,
)


class Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an event says beside who, when and whence."""


class Correction(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes how an earlier thing is seen at that thing's own time; takes part once it is known."""

    case: Text | UnsetType = UNSET


class MerchantOnboarded(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    category: Category


class NoData(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For the types whose name says all."""


class MerchantTierSet(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    level: Tier


class OrderPaid(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    amount: AmountFen
    buyer: Id
    kind: OrderKind = "normal"
    order: Id
    payment: Literal["online", "cod"] = "online"


class OrderNamed(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    order: Id


class OrderFlagged(Correction, frozen=True, kw_only=True, forbid_unknown_fields=True):
    order: Id
    reason: Literal["fake_trade", "abnormal_review"]


class OrderCorrected(Correction, frozen=True, kw_only=True, forbid_unknown_fields=True):
    order: Id
    reason: Text | UnsetType = UNSET


class ReviewPosted(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    order: Id
    quality: Stars
    service: Stars | UnsetType = UNSET


class EventRetracted(Correction, frozen=True, kw_only=True, forbid_unknown_fields=True):
    event: Key
    reason: Text
    source: Key


class LevelAnnounced(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    level: LevelCode | None
    period: Period
    scheme: Scheme


class CreatorScored(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    score: Literal["reputation", "fulfilment"]
    value: ScoreText


class CreditDeducted(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    points: CreditPoints
    violation: Id


class CreditRestored(Correction, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reason: Text | UnsetType = UNSET
    violation: Id


class CreditGranted(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    points: CreditPoints


class SaleSettled(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    amount: AmountFen
    channel: Literal["showcase", "live", "video"]
    good_goods: Flag
    order: Id
    worry_free: Flag = False


class SaleRefunded(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    amount: AmountFen
    order: Id


class ContentPublished(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    content: Id
    good: Flag


class LiveHeld(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    minutes: Minutes


class PointsEarned(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    points: Points
    task: Id


class PointsRedeemed(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    points: Points
    redemption: Id


class RedemptionCancelled(Correction, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reason: Text | UnsetType = UNSET
    redemption: Id


class CreatorNamed(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    creator: Id


class BuyerErased(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A receipt: somebody's rows were deleted from the table of aliases. It names no one."""

    aliases: Aliases | UnsetType = UNSET
    """How many rows, one for each merchant; receipts of stores with one alias everywhere do not say it: one."""
    reason: Text


class LevelDecided(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A level as the platform fixed it (RULEBOOK §0, Decisions). Read by no rule."""

    as_of: str
    chain: str
    digest_v: Literal[1, 2]
    facts: str
    findings: str
    known_at: str
    level: LevelCode | None
    period: Period
    policy: Id
    policy_hash: str
    position: int
    run: Id
    scheme: Scheme
    score: int | None
    state: str


class PolicyAdopted(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A revision of a policy that may be used from here on, whole (RULEBOOK §0, Policies)."""

    content: str
    """The policy's canonical JSON, whose SHA-256 is `hash`."""
    hash: str
    id: Id
    program: str
    """The version of the program that adopted it."""
    scheme: str


class DecisionsRun(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run of decisions begins, with all that it decides by, or is finished (RULEBOOK §0, Decisions)."""

    as_of: str
    chain: str
    decided: int | None
    """How many subjects got a decision; None where it begins."""
    known_at: str
    period: Period
    phase: Literal["begun", "finished"]
    position: int
    reason: Text | None
    """Why there is a further run for the period; None for the first."""
    run: Id
    scheme: str


class BoardRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One place on a board."""

    level: LevelCode | None
    rank: int
    score: int
    settled: int
    subject: Subject


class BoardDecided(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A board of a month as it was decided. Read by no rule."""

    as_of: str
    board: str
    chain: str
    known_at: str
    period: Period
    policy: Id
    policy_hash: str
    position: int
    rows: list[BoardRow]
    run: Id


class HeadsSealed(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many records each key of the ledger has, as one hash (docs/reference/evidence.md). Read by no rule."""

    heads: str
    """The root of the heads trie, in hex."""
    keys: int
    map: Literal[1]
    """Which map of records to keys."""
    size: int
    """Of the first so many records."""
    tree: str
    """The root of the log tree over them, in hex."""


class KeysAnnounced(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The public keys by which the ledger's checkpoints are signed from here on. Read by no rule."""

    lost: Flag
    """Whether those before can sign no more."""
    reason: Text | None
    """Why others were needed; None for the first."""
    replaces: list[str]
    """The keys in force before; none for the first."""
    vkeys: list[str]
    """As a C2SP signed note has them."""


class ShardMade(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ledger begins as one of several that together are a set (docs/how-to/shards.md). Read by no rule."""

    buckets: int
    """Into how many buckets subjects fall by the hash of their names."""
    number: int
    """Which of them it is, from 0 on: it takes the subjects of each bucket that leaves this number divided by `of`."""
    of: int
    """How many ledgers the set has."""
    set_id: str
    """Which set."""


class EventType(NamedTuple):
    """A row of the catalogue."""

    data: type[Data]
    kinds: tuple[str, ...]
    """The kinds of subject whose stream may hold it."""
    refs: tuple[str, ...] = ()
    """The data fields that name what it is about; joined by a space, they are the record's `ref`."""
    internal: bool = False
    """Appended by the ledger itself, refused from outside."""

    @property
    def correction(self) -> bool:
        return issubclass(self.data, Correction)


_MERCHANT: Final = ("merchant",)
_CREATOR: Final = ("creator",)
_MCN: Final = ("mcn",)
_SUBJECTS: Final = ("merchant", "creator", "mcn")
_ORDER: Final = ("order",)

CATALOGUE: Final[dict[str, EventType]] = {
    "merchant.onboarded": EventType(MerchantOnboarded, _MERCHANT),
    "merchant.closed": EventType(NoData, _MERCHANT),
    "merchant.tier_set": EventType(MerchantTierSet, _MERCHANT),
    "order.paid": EventType(OrderPaid, _MERCHANT, _ORDER),
    "order.received": EventType(OrderNamed, _MERCHANT, _ORDER),
    "order.flagged": EventType(OrderFlagged, _MERCHANT, _ORDER),
    "order.cleared": EventType(OrderCorrected, _MERCHANT, _ORDER),
    "order.complained": EventType(OrderNamed, _MERCHANT, _ORDER),
    "complaint.dismissed": EventType(OrderCorrected, _MERCHANT, _ORDER),
    "review.posted": EventType(ReviewPosted, _MERCHANT, _ORDER),
    "event.retracted": EventType(EventRetracted, _SUBJECTS, ("source", "event")),
    "level.announced": EventType(LevelAnnounced, _SUBJECTS),
    "creator.registered": EventType(NoData, _CREATOR),
    "creator.scored": EventType(CreatorScored, _CREATOR),
    "credit.deducted": EventType(CreditDeducted, ("creator", "mcn"), ("violation",)),
    "credit.restored": EventType(CreditRestored, ("creator", "mcn"), ("violation",)),
    "credit.granted": EventType(CreditGranted, _MCN),
    "sale.settled": EventType(SaleSettled, _CREATOR, _ORDER),
    "sale.refunded": EventType(SaleRefunded, _CREATOR, _ORDER),
    "content.published": EventType(ContentPublished, _CREATOR, ("content",)),
    "live.held": EventType(LiveHeld, _CREATOR),
    "points.earned": EventType(PointsEarned, _CREATOR, ("task",)),
    "points.redeemed": EventType(PointsRedeemed, _CREATOR, ("redemption",)),
    "redemption.cancelled": EventType(RedemptionCancelled, _CREATOR, ("redemption",)),
    "mcn.onboarded": EventType(NoData, _MCN),
    "creator.bound": EventType(CreatorNamed, _MCN, ("creator",)),
    "creator.unbound": EventType(CreatorNamed, _MCN, ("creator",)),
    "buyer.erased": EventType(BuyerErased, ("ledger",), internal=True),
    "level.decided": EventType(LevelDecided, _SUBJECTS, ("scheme", "period"), internal=True),
    "policy.adopted": EventType(PolicyAdopted, ("policy",), ("id",), internal=True),
    "decisions.run": EventType(DecisionsRun, ("ledger",), ("scheme", "period"), internal=True),
    "board.decided": EventType(BoardDecided, ("board",), ("board", "period"), internal=True),
    "heads.sealed": EventType(HeadsSealed, ("ledger",), internal=True),
    "keys.announced": EventType(KeysAnnounced, ("ledger",), internal=True),
    "shard.made": EventType(ShardMade, ("ledger",), internal=True),
}
NEVER_READ: Final = frozenset({"level.decided", "level.announced"})
"""In a subject's stream, what no rule reads."""
BINDING_TYPES: Final = ("creator.bound", "creator.unbound")
STAYING_TYPES: Final = frozenset(
    {
        *BINDING_TYPES,
        *NEVER_READ,
        *("event.retracted", "buyer.erased", "policy.adopted", "decisions.run", "board.decided"),
        *("heads.sealed", "keys.announced", "shard.made"),
    }
)
"""Whose rows stay in a store, however old they are: they are few, and looked for in all streams."""
CORRECTION_TYPES: Final = frozenset(name for name, row in CATALOGUE.items() if row.correction)


class Envelope(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A CloudEvents 1.0 event in structured JSON, as the ledger reads and stores it."""

    actor: Text | UnsetType = UNSET
    causationid: Text | UnsetType = UNSET
    correlationid: Text | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    datacontenttype: Literal["application/json"] | UnsetType = UNSET
    dataschema: Key | UnsetType = UNSET
    id: Key
    recordedtime: Instant | UnsetType = UNSET
    source: Key
    specversion: Literal["1.0"]
    subject: Subject
    time: Instant
    type: TypeName


class Event(NamedTuple):
    """An event as it was recorded: the library's domain event, read by replays and people.

    `originator_id` is the subject and `originator_version` its place in the subject's stream, as the
    eventsourcing library names them. `occurred_at` and `recorded_at` are instants.
    """

    originator_id: str
    originator_version: int
    position: int
    occurred_at: int
    recorded_at: int
    source: str
    id: str
    type: str
    data: Any
    causation: str | None = None
    """What caused it, of what the ledger itself decides; elsewhere it is not looked at."""
