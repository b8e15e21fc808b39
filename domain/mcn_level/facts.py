"""From events and policies to what the rules of `mcn-level` read: who held whom when, and each month's sums.

One slot a creator: bindings of all agencies are read together, by (`occurred_at`, position). A sale belongs to the
agency that holds its creator at that instant, and so do its refunds, in their own months. Sums are kept by creator
and month before they are bounded, so that a late event is added where it belongs and nowhere else.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, MutableSequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from domain.calendar import month_of, month_start, parse_month
from domain.creator_level.facts import hundredths
from domain.events import BINDING_TYPES, Event
from domain.limits import DAY_MICROS
from domain.mcn_level.rule import Figures, Rules, credit_after
from domain.policy import Policy
from domain.rules.bands import Band


class Verdict(StrEnum):
    """What became of an event."""

    COUNTED = "counted"
    NOT_BOUND = "not_bound"
    """An unbinding by an agency that does not hold the creator."""
    LIFTED = "lifted"
    UNKNOWN_ORDER = "unknown_order"
    DUPLICATE_ORDER = "duplicate_order"
    NOT_HELD = "not_held"
    """The agency does not hold the creator at that instant, or did not at the sale's."""


SETTLED: Final = 0
REFUNDED: Final = 1
LIVE: Final = 2
"""The kinds of events that add to a creator's month, as the rule numbers them."""
COUNTED: Final = 0
DUPLICATE_ORDER: Final = 1
UNKNOWN_ORDER: Final = 2
NOT_HELD: Final = 3
NOT_BOUND: Final = 4
LIFTED: Final = 5
VERDICTS: Final = (
    *(Verdict.COUNTED, Verdict.DUPLICATE_ORDER, Verdict.UNKNOWN_ORDER, Verdict.NOT_HELD),
    *(Verdict.NOT_BOUND, Verdict.LIFTED),
)
"""By the number that stands for it in the rule."""


class Finding(NamedTuple):
    """The verdict on the event at `position`."""

    at: int
    position: int
    verdict: Verdict


class Sums(NamedTuple):
    """What one creator adds to its agency's month."""

    settled_fen: int = 0
    showcase_fen: int = 0
    good_fen: int = 0
    orders: int = 0
    worry_free: int = 0
    showcase_orders: int = 0
    live_minutes: int = 0


@dataclass
class Slot:
    """Who holds one creator: the agency from each instant on; None for nobody."""

    begins: list[int] = field(default_factory=list)
    holders: list[str | None] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    """Of the bindings and unbindings that made it so."""

    def bind(self, at: int, position: int, holder: str | None) -> None:
        self.begins.append(at)
        self.holders.append(holder)
        self.positions.append(position)

    def holder_at(self, instant: int) -> str | None:
        """Every binding at or before an instant is in effect at it."""
        place = bisect_right(self.begins, instant)
        return self.holders[place - 1] if place else None


class History(NamedTuple):
    """One agency and the creators that it ever held."""

    subject: str
    onboarded_at: int | None
    slots: dict[str, Slot]
    """By creator's id."""
    sums: dict[tuple[str, int], Sums]
    """By creator's id and month."""
    reputation: dict[str, list[tuple[int, int]]]
    """By creator's id: (instant, value in hundredths), in order."""
    credit: list[tuple[int, int]]
    """Movements of the agency's credit, (instant, points), in order."""


def rules_of(policy: Policy) -> Rules:
    """The rules that a policy sets."""
    value = {name: item.value for name, item in policy.parameters.items()}
    bands = {name: _bands(value[name]) for name in value if name.endswith("_bands")}
    return Rules(
        first_month=parse_month(value["first_month"]),
        evaluation_day=value["evaluation_day"],
        novice_months=value["novice_months"],
        service_min=value["observation"]["service_min"],
        credit_min=value["observation"]["credit_min"],
        credit_start=value["credit"]["start"],
        credit_max=value["credit"]["max"],
        top_level=value["top_creators"]["level"],
        top_creators_bands=_bands(value["top_creators"]["bands"]),
        level_codes=tuple(level["code"] for level in value["levels"]),
        level_bounds=tuple(level["from"] for level in value["levels"]),
        **bands,
    )


def _bands(bands: list[dict[str, int]]) -> tuple[Band, ...]:
    return tuple(Band(band["from"], band["points"]) for band in bands)


def evaluated_at(month: int, rules: Rules) -> int:
    """The instant at which a month is evaluated: 00:00 on that day of the next."""
    return month_start(month + 1) + (rules.evaluation_day - 1) * DAY_MICROS


def history_of(events: Iterable[Event], subject: str) -> tuple[History, list[Finding]]:
    """An agency's history among the events of its own stream, of its creators' and of every binding of these.

    They are given by (`occurred_at`, position).
    """
    events = list(events)
    findings: list[Finding] = []
    slots = _slots_of(events, subject, findings)
    own = [event for event in events if event.originator_id == subject]
    onboarded = next((event.occurred_at for event in own if event.type == "mcn.onboarded"), None)
    credit = _credit_of(own, findings)
    figures: dict[tuple[str, int], list[int]] = {}
    reputation = defaultdict[str, list[tuple[int, int]]](list)
    sales: dict[tuple[str, str], Event] = {}
    for event in events:
        kind, _, creator = event.originator_id.partition("/")
        if kind != "creator" or creator not in slots:
            continue
        if event.type == "creator.scored" and event.data.score == "reputation":
            reputation[creator].append((event.occurred_at, hundredths(event.data.value)))
        elif event.type in ADDING:
            _add(event, creator, subject, slots[creator], sales, figures, findings)
    findings.sort()
    sums = {key: Sums(*added) for key, added in figures.items()}
    return History(subject, onboarded, slots, sums, dict(reputation), credit), findings


ADDING: Final = {"sale.settled": SETTLED, "sale.refunded": REFUNDED, "live.held": LIVE}
"""By type of event that adds to a creator's month."""


def _slots_of(events: list[Event], subject: str, findings: list[Finding]) -> dict[str, Slot]:
    """The slot of each creator that the agency ever bound."""
    slots = defaultdict[str, Slot](Slot)
    for event in events:
        if event.type not in BINDING_TYPES:
            continue
        slot, agency = slots[event.data.creator], event.originator_id
        holds = bool(slot.holders) and slot.holders[-1] == agency
        binds = event.type == "creator.bound"
        if agency == subject:
            verdict = VERDICTS[outcome_of_binding(binds, holds)]
            findings.append(Finding(event.occurred_at, event.position, verdict))
        if takes_effect(binds, holds):
            slot.bind(event.occurred_at, event.position, agency if binds else None)
    return {creator: slot for creator, slot in slots.items() if subject in slot.holders}


def _credit_of(own: list[Event], findings: list[Finding]) -> list[tuple[int, int]]:
    restored = {event.data.violation for event in own if event.type == "credit.restored"}
    movements = []
    for event in own:
        if event.type not in ("credit.granted", "credit.deducted"):
            continue
        lifted = event.type == "credit.deducted" and event.data.violation in restored
        outcome = outcome_of_credit(lifted)
        findings.append(Finding(event.occurred_at, event.position, VERDICTS[outcome]))
        if outcome == COUNTED:
            points = event.data.points
            movements.append((event.occurred_at, points if event.type == "credit.granted" else -points))
    return movements


def _add(
    event: Event,
    creator: str,
    subject: str,
    slot: Slot,
    sales: dict[tuple[str, str], Event],
    figures: dict[tuple[str, int], list[int]],
    findings: list[Finding],
) -> None:
    """Add a sale, a refund or a live session to its creator's month, where it is the agency's.

    Figures stand in the order of `Sums`.
    """
    verdict, sale = _settled(event, creator, subject, slot, sales)
    findings.append(Finding(event.occurred_at, event.position, verdict))
    if verdict is not Verdict.COUNTED:
        return
    key = (creator, month_of(event.occurred_at))
    added = figures.get(key)
    if added is None:
        added = figures[key] = [0] * len(Sums._fields)
    if sale is None:
        add(added, LIVE, event.data.minutes, False, False, False)
    else:
        showcase = sale.channel == "showcase"
        add(added, ADDING[event.type], event.data.amount, showcase, sale.good_goods, sale.worry_free)


def _settled(
    event: Event, creator: str, subject: str, slot: Slot, sales: dict[tuple[str, str], Event]
) -> tuple[Verdict, Any]:
    """What becomes of an event, and the sale that it is or is about."""
    kind = ADDING[event.type]
    if kind == LIVE:
        return VERDICTS[outcome_of(kind, False, slot.holder_at(event.occurred_at) == subject)], None
    key = (creator, event.data.order)
    seen = key in sales
    if kind == SETTLED:
        sales.setdefault(key, event)
    sale = sales.get(key)
    held = sale is not None and slot.holder_at(sale.occurred_at) == subject
    return VERDICTS[outcome_of(kind, seen, held)], sale and sale.data


# --- the rule ---------------------------------------------------------------------------------------------------------


def takes_effect(binds: bool, holds: bool) -> bool:
    """Whether a binding, or an unbinding by an agency that holds the creator or not, changes who holds it."""
    return binds or holds


def outcome_of_binding(binds: bool, holds: bool) -> int:
    """What becomes of such a binding or unbinding."""
    return COUNTED if takes_effect(binds, holds) else NOT_BOUND


def outcome_of_credit(lifted: bool) -> int:
    """What becomes of a movement of credit, by whether it is a deduction whose violation was restored."""
    return LIFTED if lifted else COUNTED


def outcome_of(kind: int, seen: bool, held: bool) -> int:
    """What becomes of an event, by whether its order was settled before, and whether the agency held the creator.

    Of a sale or a refund that is at the order's settlement, of a live session at its own instant.
    """
    if kind == SETTLED and seen:
        return DUPLICATE_ORDER
    if kind == REFUNDED and not seen:
        return UNKNOWN_ORDER
    return COUNTED if held else NOT_HELD


def add(sums: MutableSequence[int], kind: int, amount: int, showcase: bool, good_goods: bool, worry_free: bool) -> None:
    """Add a sale, a refund with its sale's attributes or live minutes to sums in the order of `Sums`."""
    if kind == LIVE:
        sums[6] += amount
        return
    first = kind == SETTLED
    signed = amount if first else -amount
    sums[0] += signed
    sums[1] += signed if showcase else 0
    sums[2] += signed if good_goods else 0
    sums[3] += first
    sums[4] += first and worry_free
    sums[5] += first and showcase


READING: Final = (takes_effect, outcome_of_binding, outcome_of, add)
"""The functions that are compiled where many creators are read."""


def figures_of(history: History, month: int, top_creators: int, rules: Rules) -> Figures:
    """A month's figures; `top_creators` is how many of the creators held at its close have the level that counts."""
    assert history.onboarded_at is not None
    end = month_start(month + 1)
    sums = [sums for (_, at), sums in history.sums.items() if at == month]
    scores = last_scores(history, month)
    return Figures(
        month=month,
        months_onboarded=month - month_of(history.onboarded_at) + 1,
        credit=credit_after(history.credit, end, rules),
        settled_sum_fen=sum(item.settled_fen for item in sums),
        showcase_sum_fen=sum(item.showcase_fen for item in sums),
        good_sum_fen=sum(item.good_fen for item in sums),
        orders=sum(item.orders for item in sums),
        worry_free=sum(item.worry_free for item in sums),
        showcase_creators=sum(1 for item in sums if item.showcase_orders),
        live_minutes=sum(item.live_minutes for item in sums),
        top_creators=top_creators,
        reputation_sum=sum(scores.values()),
        reputation_creators=len(scores),
    )


def held_at_close(history: History, month: int) -> list[str]:
    """The ids of the creators held at a month's close, in alphabetical order."""
    close = month_start(month + 1) - 1
    return sorted(creator for creator, slot in history.slots.items() if slot.holder_at(close) == history.subject)


def last_scores(history: History, month: int) -> Mapping[str, int]:
    """Of each creator held at a month's close that has one, the last reputation value up to it, of any age."""
    end = month_start(month + 1)
    found = {}
    for creator in held_at_close(history, month):
        earlier = [value for at, value in history.reputation.get(creator, ()) if at < end]
        if earlier:
            found[creator] = earlier[-1]
    return found
