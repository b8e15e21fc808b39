"""A slow, obviously-right oracle for the scheme `merchant-reputation` (rulebook sections 0 and 1).

It is written from the rulebook alone and works by definition, not as a stream: it first fixes which events take
part, then what each order gives, then sorts all of it by (instant, position of the causing event), and judges each
step by *summing over the list of what was judged before it*. There are no running counters to forget to reset.

Where the rulebook is silent or open to more than one reading, this file has chosen:

 1. `retracted` is noted for every known retracted event of the subject, whatever its type and also when its own
    time is after `as_of` (section 0: "takes no part in a replay that knows of it: note `retracted`").
 2. A retraction that names nothing, a later event, itself, another subject's event or a `level.decided` does
    nothing and gets no note. The subject's events are looked up by (source, id).
 3. `pending` and `reviewed` are notes of an order's first receipt only: it would have borne the default credit's
    verdict. `pending`: the credit's instant is after `as_of` and no first review is there. `reviewed`: the first
    review is the order's entry (also when it came before the receipt). A payment that waits for anything has no note.
 4. `superseded`: a flag or clear that is not the latest of its order among those known and not retracted. The latest
    is never superseded, even a clear with nothing to lift, or a flag of an order that does not exist or was flagged
    before.
 5. "Before any receipt" and "before that instant": the first compares (`occurred_at`, position); the second compares
    instants only, so that a review at the very microsecond of the default credit is `late_review` whatever the
    positions.
 6. "Has closed since the order was paid": an effective closing whose (time, position) lies strictly between that of
    the first payment and that of the entry. The entry of a default credit has the receipt's position.
 7. A level needs an open merchant: closed or never opened means no level, also where a parameter set has a first
    bound of 0 or less.
 8. "The first month: no level" (growth cap) is the month of the first opening, or of `statistics_from` if later:
    the same as the first published month. It makes a difference only where the first bound is 0 or less.
 9. "Months in which anything moved" are those with a verdict of tenths other than 0 (so a `wiped` of 0 points alone
    makes no row; a month with +10 and -10 does).
10. `growth_tenths` of a month is the rule's own figure, the one set to zero by a closing; so after a closing
    opening + growth is not the closing figure. `cap_tenths` is the cap that bounds it at the
    month's end: after a closing, that of a merchant with no level.
11. A `merchant.closed` that finds the merchant open is `wiped` even if it moves 0; one that does not, and an
    `onboarded` that does nothing, have neither verdict nor note.
12. `pair_cap` is tested for both signs on the net after the entry; `growth_cap` only for positive entries.
13. `published["at"]` is the instant of the publication (16th 12:00 of the month after), not the close.
14. `wiped` is also given to closings before `statistics_from` (points 0 then).
15. `published` follows from a first opening at or before `as_of`; one that is before the publication but in a month
    after the month it would publish gives null ("the first published month is that of the first opening").

With several dated versions of the policy (`reputation_by_versions`; `reputation` is the case of one version) also:

16. "The version of a month" is always told from the candidates of the `as_of` that was asked for. The replay at a
    published month's close, too, has these candidates, not those of the instant of that close.
17. No two versions come into force at the same instant, and there is at least one: else an error.
18. A `recalculates_from` after the version's own coming into force adds nothing; one in the middle of a month takes in
    that whole month. Where no candidate reaches back to a month, the earliest judges it, also before its own
    `recalculates_from`.
19. Choice 8's "first month" with versions: a month has no level to go by when no month before it, from that of the
    first opening on, is in the statistics of its own version. So a later version with a later `statistics_from` does
    not make a carried level vanish, and the choice still makes a difference only where a first bound is 0 or less.
20. Points once counted are carried on: a later version's `statistics_from`, star classes or caps touch no entry of
    the months that it does not judge.
21. The note `pending` goes by the window of the receipt's month's version among the candidates of `as_of`. So it may
    become a verdict at an instant long before, when a version with a shorter window comes into force in that month.
22. A publication is dated by the timetable of the version that judges its month, and is one only where that version's
    statistics have begun: a later version re-dates or undoes no publication of a month that it does not judge.
23. `effective["since"]` looks at state and level only: other points, or another version with a level of the same
    code, leave it as it is. Levels are compared by code.
24. Before the first publication `effective` is `unrated` also for a merchant that is closed at `as_of`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from itertools import takewhile
from typing import Any

_SHANGHAI = timezone(timedelta(hours=8))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HOUR = 3_600_000_000

_ORDER_TYPES = ("order.paid", "order.received", "review.posted")
_FLAG_TYPES = ("order.flagged", "order.cleared")
_LIFE_TYPES = ("merchant.onboarded", "merchant.closed")
_CORRECTIONS = (
    "order.flagged",
    "order.cleared",
    "complaint.dismissed",
    "event.retracted",
    "credit.restored",
    "redemption.cancelled",
)

Key = tuple[int, int]
Name = tuple[str, str]


@dataclass(frozen=True)
class Event:
    """One recorded event of the subject."""

    position: int
    occurred_at: int
    source: str
    id: str
    type: str
    data: dict[str, Any]

    @property
    def key(self) -> Key:
        """Section 0: events stand in the order of (own time, ledger position)."""
        return (self.occurred_at, self.position)

    @property
    def name(self) -> Name:
        """Section 0: source and id together identify an event."""
        return (self.source, self.id)


@dataclass(frozen=True)
class Version:
    """One dated version of the policy."""

    id: str
    in_force_from: int
    recalculates_from: int | None
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Step:
    """Something to be judged: an entry, an effective closing, or an event whose verdict is settled already."""

    at: int
    cause: Event
    settled: str = ""  # verdict of a duplicate, unknown, late or repeated event
    nominal: int = 0  # an entry's nominal tenths
    payment: Event | None = None  # an entry's first order.paid

    @property
    def key(self) -> Key:
        """Section 1: processed by (instant, position of the causing event)."""
        return (self.at, self.cause.position)


@dataclass(frozen=True)
class Judged:
    """A step with its verdict and with what it moved the points by."""

    step: Step
    verdict: str
    tenths: int


@dataclass(frozen=True)
class Replay:
    """All that one (as_of, position) gives."""

    judged: list[Judged]
    lives: list[Event]
    notes: dict[str, str]


@dataclass(frozen=True)
class Publication:
    """What one publication shows: a month's figures at its close, and when it shows them."""

    month: int
    at: int
    state: str
    level: str | None
    points: int
    in_force: bool


# --- the calendar (section 0: natural months of UTC+8, half open) ---------------------------------------------------
#
# An instant or a month has the same answer for ever, so the answers are kept: a world asks thousands of times.


@lru_cache(maxsize=1 << 16)
def month_of(instant: int) -> int:
    """Section 0: the natural month in Asia/Shanghai, as year x 12 + (month - 1); 00:00 of the 1st is in the new one."""
    local = (_EPOCH + instant * _MICROSECOND).astimezone(_SHANGHAI)
    return local.year * 12 + local.month - 1


@lru_cache(maxsize=1 << 16)
def instant_in(month: int, day: int, hour: int) -> int:
    """The instant of `day`, `hour`:00 (UTC+8) in a month numbered as by `month_of`."""
    local = datetime(month // 12, month % 12 + 1, day, hour, tzinfo=_SHANGHAI)
    return (local - _EPOCH) // _MICROSECOND


def start_of(month: int) -> int:
    """Section 0: a month begins at 00:00 of its 1st."""
    return instant_in(month, 1, 0)


@lru_cache(maxsize=1 << 16)
def close_of(month: int) -> int:
    """Section 0: a month's close, as an instant: its last microsecond."""
    return start_of(month + 1) - 1


def month_text(month: int) -> str:
    """A month written as in "2022-11"."""
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


# --- which version judges which month (section 0, Policies) ---------------------------------------------------------


def candidates_at(versions: list[dict[str, Any]], as_of: int) -> list[Version]:
    """Section 0: the versions that are in force by `as_of`; before the first version, the first alone."""
    told = [Version(v["id"], v["in_force_from"], v["recalculates_from"], v["parameters"]) for v in versions]
    assert told, "no version of the policy"
    assert len({v.in_force_from for v in told}) == len(told), "two versions come into force at once"
    in_force = [v for v in told if v.in_force_from <= as_of]
    return in_force or [min(told, key=lambda v: v.in_force_from)]


def reaches(version: Version, month: int) -> bool:
    """Section 0: a version judges the months closing since it came into force, or since it recalculates."""
    since = [version.in_force_from]
    since += [] if version.recalculates_from is None else [version.recalculates_from]
    return any(instant <= close_of(month) for instant in since)


def version_of(month: int, candidates: list[Version]) -> Version:
    """Section 0: of the candidates that reach a month the latest judges it; where there is none, the earliest."""
    reaching = [v for v in candidates if reaches(v, month)]
    if not reaching:
        return min(candidates, key=lambda v: v.in_force_from)
    return max(reaching, key=lambda v: v.in_force_from)


def parameters_at(instant: int, candidates: list[Version]) -> dict[str, Any]:
    """Section 0: what happens at an instant is judged with the parameters of the version of the instant's month."""
    return version_of(month_of(instant), candidates).parameters


# --- which events take part (section 0) -----------------------------------------------------------------------------


def known_events(events: list[dict[str, Any]], subject: str, position: int) -> list[Event]:
    """Section 0: what is known is the prefix of the ledger up to `position`; of it, this subject's stream."""
    return [
        Event(e["position"], e["occurred_at"], e["source"], e["id"], e["type"], e["data"])
        for e in events
        if e["subject"] == subject and e["position"] <= position
    ]


def retracted_names(known: list[Event]) -> set[Name]:
    """Section 0: a retraction takes out an earlier recorded event of the subject, unless it is itself taken out.

    A retraction only reaches back. So, going from the last recorded retraction to the first, everything that could
    take out the one in hand has been settled before it.
    """
    recorded = {e.name: e for e in known}
    gone: set[Name] = set()
    for retraction in sorted((e for e in known if e.type == "event.retracted"), key=lambda e: -e.position):
        target = recorded.get((retraction.data["source"], retraction.data["event"]))
        reaches = target is not None and target.position < retraction.position and target.type != "level.decided"
        if target is not None and reaches and retraction.name not in gone:
            gone.add(target.name)
    return gone


def names_nothing(known: list[Event], retraction: Event) -> bool:
    """Section 0, event catalogue: a retraction that names no earlier event of the subject does nothing."""
    name = (retraction.data["source"], retraction.data["event"])
    earlier = [e for e in known if e.name == name and e.position < retraction.position]
    return not any(e.type != "level.decided" for e in earlier)


def taking_part(known: list[Event], gone: set[Name], as_of: int) -> list[Event]:
    """Section 0: an ordinary event takes part if its time is not after `as_of`; a correction whatever its time."""
    return [e for e in known if e.name not in gone and (e.type in _CORRECTIONS or e.occurred_at <= as_of)]


# --- what one order gives (section 1, Entries) ----------------------------------------------------------------------


def nominal_of(review: Event, parameters: dict[str, Any]) -> int:
    """Section 1: the quality stars alone make a review good, neutral or bad; each class has its points."""
    classes: dict[str, list[int]] = parameters["star_classes"]
    [name] = [name for name, stars in classes.items() if review.data["quality"] in stars]
    return int(parameters["review_tenths"][name])


def credit_instant(receipt: Event, candidates: list[Version]) -> int:
    """Section 1: the default credit falls due 15 x 24 h after the receipt; the receipt's month tells the window."""
    return receipt.occurred_at + int(parameters_at(receipt.occurred_at, candidates)["review_hours"]) * _HOUR


def is_in_time(review: Event, receipt: Event | None, candidates: list[Version]) -> bool:
    """Section 1: a first review scores before any receipt, or less than 15 x 24 h after the receipt."""
    if receipt is None or review.key < receipt.key:
        return True
    return review.occurred_at < credit_instant(receipt, candidates)


def steps_of_order(events: list[Event], as_of: int, candidates: list[Version]) -> tuple[list[Step], dict[str, str]]:
    """Section 1: the one entry of an order, the settled verdicts of its other events, and its receipt's note."""
    in_order = sorted(events, key=lambda e: e.key)
    payments = [e for e in in_order if e.type == "order.paid"]
    payment = payments[0] if payments else None
    orphans = [e for e in in_order if e.type != "order.paid" and (payment is None or e.key < payment.key)]
    receipts = [e for e in in_order if e.type == "order.received" and e not in orphans]
    reviews = [e for e in in_order if e.type == "review.posted" and e not in orphans]
    receipt = receipts[0] if receipts else None
    review = reviews[0] if reviews else None

    steps = [Step(e.occurred_at, e, "duplicate_order") for e in payments[1:]]
    steps += [Step(e.occurred_at, e, "unknown_order") for e in orphans]
    steps += [Step(e.occurred_at, e, "duplicate_receipt") for e in receipts[1:]]
    steps += [Step(e.occurred_at, e, "repeat_review") for e in reviews[1:]]
    notes: dict[str, str] = {}

    scores = review is not None and is_in_time(review, receipt, candidates)
    if review is not None and scores:
        steps.append(
            Step(
                review.occurred_at,
                review,
                nominal=nominal_of(review, parameters_at(review.occurred_at, candidates)),
                payment=payment,
            )
        )
    if review is not None and not scores:
        steps.append(Step(review.occurred_at, review, "late_review"))
    if receipt is not None:
        due = credit_instant(receipt, candidates)
        if scores:
            notes[note_key(receipt)] = "reviewed"
        elif due <= as_of:
            steps.append(
                Step(
                    due,
                    receipt,
                    nominal=int(parameters_at(due, candidates)["default_tenths"]),
                    payment=payment,
                )
            )
        else:
            notes[note_key(receipt)] = "pending"
    return steps, notes


def note_key(event: Event) -> str:
    """How the notes name an event: its source, a space, its id."""
    return f"{event.source} {event.id}"


def grouped_by_order(events: list[Event], types: tuple[str, ...]) -> dict[str, list[Event]]:
    """Section 0: order ids mean something within one subject's stream, and here there is only one."""
    groups: dict[str, list[Event]] = {}
    for event in events:
        if event.type in types:
            groups.setdefault(event.data["order"], []).append(event)
    return groups


# --- flags (section 1, `flagged`) -----------------------------------------------------------------------------------


def flags(part: list[Event]) -> tuple[set[str], dict[str, str]]:
    """Section 1: of an order's known flags and clears the latest by (time, position) decides, not the rest."""
    flagged: set[str] = set()
    notes: dict[str, str] = {}
    for order, group in grouped_by_order(part, _FLAG_TYPES).items():
        latest = max(group, key=lambda e: e.key)
        if latest.type == "order.flagged":
            flagged.add(order)
        notes.update({note_key(e): "superseded" for e in group if e is not latest})
    return flagged, notes


# --- lives (section 1, Lives) ---------------------------------------------------------------------------------------


def is_open_before(lives: list[Event], key: Key) -> bool:
    """Section 1: an onboarding leaves the merchant open and a closing does not, whether or not it changed anything.

    So the merchant is open just before `key` when the last event of its life before `key` is an onboarding.
    """
    before = sorted((e for e in lives if e.key < key), key=lambda e: e.key)
    return bool(before) and before[-1].type == "merchant.onboarded"


def has_opened_before(lives: list[Event], key: Key) -> bool:
    """Section 1: the merchant has opened at some time if there is any onboarding before."""
    return any(e.type == "merchant.onboarded" and e.key < key for e in lives)


def effective_closings(lives: list[Event]) -> list[Event]:
    """Section 1: a closing takes effect when the merchant is open just before it."""
    return [e for e in lives if e.type == "merchant.closed" and is_open_before(lives, e.key)]


def opening_month(lives: list[Event]) -> int | None:
    """Section 1: the month of the first opening; None: never opened."""
    openings = [e.occurred_at for e in lives if e.type == "merchant.onboarded"]
    return month_of(min(openings)) if openings else None


def first_month(lives: list[Event], parameters: dict[str, Any]) -> int | None:
    """Section 1: the month of the first opening, or of the statistics' start if later; None: never opened."""
    opened = opening_month(lives)
    return None if opened is None else max(opened, month_of(parameters["statistics_from"]))


def has_month_before(lives: list[Event], month: int, candidates: list[Version]) -> bool:
    """Section 1: whether a month before this one, from the first opening on, is in its own version's statistics."""
    opened = opening_month(lives)
    if opened is None:
        return False
    return any(
        month_of(version_of(before, candidates).parameters["statistics_from"]) <= before
        for before in range(opened, month)
    )


# --- levels and caps (section 1, Levels, Growth cap) ----------------------------------------------------------------


def ladder(parameters: dict[str, Any]) -> list[tuple[int, str]]:
    """Section 1: the levels from the lowest, as (lower bound in tenths, code)."""
    return sorted((int(level["from_tenths"]), str(level["code"])) for level in parameters["levels"])


def level_for(points: int, is_open: bool, parameters: dict[str, Any]) -> str | None:
    """Section 1: the highest level whose lower bound is reached; none below the first, and none for a closed shop."""
    reached = [code for bound, code in ladder(parameters) if bound <= points]
    return reached[-1] if reached and is_open else None


def cap_for(level: str | None, parameters: dict[str, Any]) -> int | None:
    """Section 1: the cap of the highest `from` not above the level ("" is no level); without a figure, no cap."""
    ranks = {"": 0} | {code: rank for rank, (_, code) in enumerate(ladder(parameters), start=1)}
    fitting = [
        (ranks[cap["from"]], cap) for cap in parameters["growth_caps"] if ranks[cap["from"]] <= ranks[level or ""]
    ]
    _, cap = max(fitting, key=lambda pair: pair[0])
    tenths = cap.get("tenths")
    return None if tenths is None else int(tenths)


# --- judging (section 1, the table of verdicts) ---------------------------------------------------------------------


def points_of(judged: list[Judged]) -> int:
    """Section 1: the verdicts always add up to the points, `wiped` included."""
    return sum(j.tenths for j in judged)


def before_instant(judged: list[Judged], instant: int) -> list[Judged]:
    """What had been judged at the close of what ends at `instant` (half open)."""
    return [j for j in judged if j.step.at < instant]


def since_closing(judged: list[Judged]) -> list[Judged]:
    """Section 1, Closing: growth and pair nets start anew after the last closing that took effect."""
    last = max((i for i, j in enumerate(judged) if j.verdict == "wiped"), default=-1)
    return judged[last + 1 :]


def counted_in_month(judged: list[Judged], month: int) -> list[Judged]:
    """Section 1: what counted in a natural month since the last closing."""
    return [j for j in since_closing(judged) if j.verdict == "counted" and month_of(j.step.at) == month]


def growth_of(judged: list[Judged], month: int) -> int:
    """Section 1: the month's net growth."""
    return sum(j.tenths for j in counted_in_month(judged, month))


def pair_net(judged: list[Judged], month: int, buyer: str) -> int:
    """Section 1: one buyer's net with the merchant in the month."""
    return sum(j.tenths for j in counted_in_month(judged, month) if buyer_of(j.step) == buyer)


def buyer_of(step: Step) -> str | None:
    """Section 1: the buyer is that of the order's first payment."""
    return None if step.payment is None else str(step.payment.data["buyer"])


def cap_at_start(judged: list[Judged], lives: list[Event], month: int, candidates: list[Version]) -> int | None:
    """Section 1: a month's cap follows the running level at the close of the month before; first month: no level.

    Bounds and caps are both those of the month's own version, whichever version judged the month before.
    """
    parameters = version_of(month, candidates).parameters
    if not has_month_before(lives, month, candidates):
        return cap_for(None, parameters)
    start = start_of(month)
    is_open = is_open_before(lives, (start, -1))
    return cap_for(
        level_for(points_of(before_instant(judged, start)), is_open, parameters),
        parameters,
    )


def cap_now(judged: list[Judged], lives: list[Event], month: int, candidates: list[Version]) -> int | None:
    """Section 1, Closing: after a closing the rest of that month has the cap of a merchant with no level."""
    if any(j.verdict == "wiped" and month_of(j.step.at) == month for j in judged):
        return cap_for(None, version_of(month, candidates).parameters)
    return cap_at_start(judged, lives, month, candidates)


def entry_verdict(
    step: Step,
    payment: Event,
    judged: list[Judged],
    lives: list[Event],
    flagged: set[str],
    candidates: list[Version],
) -> str:
    """Section 1: the table of verdicts, from the top; the first test that applies gives the verdict."""
    parameters = parameters_at(step.at, candidates)
    if step.at < parameters["statistics_from"] or not has_opened_before(lives, step.key):
        return "before_start"
    if not is_open_before(lives, step.key):
        return "closed"
    if any(payment.key < closing.key < step.key for closing in effective_closings(lives)):
        return "closed"
    if payment.data["amount"] < parameters["amount_fen_min"]:
        return "low_amount"
    if payment.data["kind"] not in parameters["counted_kinds"]:
        return "order_kind"
    if payment.data["order"] in flagged:
        return "flagged"
    if step.nominal == 0:
        return "neutral"
    month = month_of(step.at)
    if abs(pair_net(judged, month, str(payment.data["buyer"])) + step.nominal) > parameters["pair_cap_tenths"]:
        return "pair_cap"
    cap = cap_now(judged, lives, month, candidates)
    if step.nominal > 0 and cap is not None and growth_of(judged, month) + step.nominal > cap:
        return "growth_cap"
    return "counted"


def judge(
    step: Step,
    judged: list[Judged],
    lives: list[Event],
    flagged: set[str],
    candidates: list[Version],
) -> Judged:
    """Section 1: a closing takes all points away, a counted entry moves them by its own, anything else by nothing."""
    if step.settled:
        return Judged(step, step.settled, 0)
    if step.cause.type == "merchant.closed":
        return Judged(step, "wiped", -points_of(judged))
    assert step.payment is not None
    verdict = entry_verdict(step, step.payment, judged, lives, flagged, candidates)
    return Judged(step, verdict, step.nominal if verdict == "counted" else 0)


def replay(
    events: list[dict[str, Any]],
    as_of: int,
    position: int,
    candidates: list[Version],
    subject: str,
) -> Replay:
    """Sections 0 and 1: what takes part, what it gives, in order, judged by what stands before."""
    known = known_events(events, subject, position)
    gone = retracted_names(known)
    part = taking_part(known, gone, as_of)
    lives = [e for e in part if e.type in _LIFE_TYPES]
    flagged, notes = flags(part)
    retractions = [e for e in known if e.type == "event.retracted"]
    notes.update({note_key(e): "retracts_nothing" for e in retractions if names_nothing(known, e)})
    notes.update({note_key(e): "retracted" for e in known if e.name in gone})

    steps = [Step(e.occurred_at, e) for e in effective_closings(lives)]
    for group in grouped_by_order(part, _ORDER_TYPES).values():
        order_steps, order_notes = steps_of_order(group, as_of, candidates)
        steps += order_steps
        notes.update(order_notes)

    judged: list[Judged] = []
    for step in sorted(steps, key=lambda s: s.key):
        judged.append(judge(step, judged, lives, flagged, candidates))
    return Replay(judged, lives, notes)


# --- what is said about it (section 1, Publication, States) ---------------------------------------------------------


def end_state(result: Replay, parameters: dict[str, Any]) -> tuple[str, str | None]:
    """Section 1: never opened, else closed, else rated with a level, else unrated."""
    if not any(e.type == "merchant.onboarded" for e in result.lives):
        return "not_onboarded", None
    if max(result.lives, key=lambda e: e.key).type == "merchant.closed":
        return "closed", None
    level = level_for(points_of(result.judged), True, parameters)
    return ("unrated" if level is None else "rated"), level


def to_next(state: str, points: int, parameters: dict[str, Any]) -> int | None:
    """Section 1: how many points are missing to the next level; nothing at the top, nor where there is no shop."""
    if state not in ("rated", "unrated"):
        return None
    missing = [bound - points for bound, _ in ladder(parameters) if bound > points]
    return min(missing) if missing else None


def month_row(result: Replay, month: int, candidates: list[Version]) -> dict[str, Any]:
    """Section 1: one month's opening, growth, cap and closing figures, at its close or at `as_of` if that is before."""
    until_open = before_instant(result.judged, start_of(month))
    until_close = before_instant(result.judged, start_of(month + 1))
    is_open = is_open_before(result.lives, (start_of(month + 1), -1))
    return {
        "month": month_text(month),
        "opening_tenths": points_of(until_open),
        "growth_tenths": growth_of(until_close, month),
        "cap_tenths": cap_now(until_close, result.lives, month, candidates),
        "closing_tenths": points_of(until_close),
        "level": level_for(points_of(until_close), is_open, version_of(month, candidates).parameters),
    }


def publication_instant(month: int, parameters: dict[str, Any]) -> int:
    """Section 1: a month is published on the 16th 12:00 of the month after it."""
    timetable: dict[str, int] = parameters["publication"]
    return instant_in(month + 1, timetable["day"], timetable["hour"])


def published_months(lives: list[Event], as_of: int, candidates: list[Version]) -> list[int]:
    """Section 1: the months published at or before `as_of`, each by the terms of the version that judges it."""
    opening = opening_month(lives)
    if opening is None:
        return []
    months = []
    for month in range(opening, month_of(as_of)):
        parameters = version_of(month, candidates).parameters
        counts = month >= month_of(parameters["statistics_from"])
        if counts and publication_instant(month, parameters) <= as_of:
            months.append(month)
    return months


def publication(
    events: list[dict[str, Any]],
    month: int,
    position: int,
    candidates: list[Version],
    subject: str,
    at: int,
) -> Publication:
    """Section 1: what a replay at the month's close gives (same `position`, same candidates)."""
    at_close = replay(events, close_of(month), position, candidates, subject)
    version = version_of(month, candidates)
    state, level = end_state(at_close, version.parameters)
    return Publication(month, at, state, level, points_of(at_close.judged), at >= version.in_force_from)


def publications(
    events: list[dict[str, Any]],
    as_of: int,
    position: int,
    candidates: list[Version],
    subject: str,
    lives: list[Event],
) -> Iterator[Publication]:
    """Section 1: the publications at or before `as_of`, the last one first."""
    for month in reversed(published_months(lives, as_of, candidates)):
        at = publication_instant(month, version_of(month, candidates).parameters)
        yield publication(events, month, position, candidates, subject, at)


def effective(shown: Iterator[Publication], lives: list[Event]) -> dict[str, Any]:
    """Section 0: what counts towards the outside is the last publication; `since` is the first of those like it.

    "Like it" are the publications, from the last one back, that show the same state and level without a break.
    """
    last = next(shown, None)
    if last is None:
        opened = opening_month(lives) is not None
        return {"state": "unrated" if opened else "not_onboarded", "level": None, "since": None}
    alike = [last, *takewhile(lambda p: (p.state, p.level) == (last.state, last.level), shown)]
    return {"state": last.state, "level": last.level, "since": min(p.at for p in alike)}


def published(shown: Iterator[Publication]) -> dict[str, Any] | None:
    """Section 1: the last publication at or before `as_of`; null before the first."""
    last = next(shown, None)
    if last is None:
        return None
    return {
        "month": month_text(last.month),
        "points_tenths": last.points,
        "level": last.level,
        "at": last.at,
        "in_force": last.in_force,
    }


def answer(
    events: list[dict[str, Any]],
    as_of: int,
    position: int,
    candidates: list[Version],
    subject: str,
    result: Replay,
) -> dict[str, Any]:
    """Section 1: what is said about one merchant at `as_of`, in the terms of the version of the month of `as_of`."""
    parameters = parameters_at(as_of, candidates)
    state, level = end_state(result, parameters)
    points = points_of(result.judged)
    moved = sorted({month_of(j.step.at) for j in result.judged if j.tenths != 0})
    return {
        "state": state,
        "level": level,
        "points_tenths": points,
        "to_next_tenths": to_next(state, points, parameters),
        "verdicts": [
            {
                "source": j.step.cause.source,
                "id": j.step.cause.id,
                "position": j.step.cause.position,
                "verdict": j.verdict,
                "tenths": j.tenths,
                "at": j.step.at,
            }
            for j in result.judged
        ],
        "notes": result.notes,
        "months": [month_row(result, month, candidates) for month in moved],
        "published": published(publications(events, as_of, position, candidates, subject, result.lives)),
    }


def reputation(
    events: list[dict[str, Any]],
    *,
    as_of: int,
    position: int,
    parameters: dict[str, Any],
    subject: str,
) -> dict[str, Any]:
    """Section 1: the reputation of one merchant at `as_of`, as known from the ledger up to `position`.

    One set of parameters for all months is one version alone, which judges everything whenever it came into force.
    """
    candidates = [Version("", 0, None, parameters)]
    result = replay(events, as_of, position, candidates, subject)
    return answer(events, as_of, position, candidates, subject, result)


def reputation_by_versions(
    events: list[dict[str, Any]],
    *,
    as_of: int,
    position: int,
    versions: list[dict[str, Any]],
    subject: str,
) -> dict[str, Any]:
    """Sections 0 and 1: the same with each month judged by its own version; and what counts towards the outside."""
    candidates = candidates_at(versions, as_of)
    result = replay(events, as_of, position, candidates, subject)
    shown = publications(events, as_of, position, candidates, subject, result.lives)
    return {
        **answer(events, as_of, position, candidates, subject, result),
        "policy": version_of(month_of(as_of), candidates).id,
        "effective": effective(shown, result.lives),
    }
