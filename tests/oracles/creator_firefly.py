"""A slow, obviously-right oracle for the scheme `creator-firefly` (rulebook sections 0, 5 and 7).

It is written from the rulebook alone and works by definition, not as a stream: it first fixes which events take part,
then judges each by *going through the list of what was judged before it*. What is earned and what is left are sums
over that list. The selection (known prefix, retractions, corrections), the calendar and the choice of a month's
version are those of the reputation oracle.

Where the rulebook is silent or open to more than one reading, this file has chosen:

 1. Retractions are read as in the reputation oracle (its choice 2): one that names nothing, a later event, itself or
    another subject's event does nothing. The notes `retracted` and `retracts_nothing` are given as there.
 2. A `points.earned` that counts has the verdict `counted` (section 7 names none, sections 1 and 3 use this word).
    Verdicts are those of `points.earned` and `points.redeemed`; a registration or a cancellation has none.
 3. "From the first `creator.registered` on" goes by (`occurred_at`, position): what stands before it at the very same
    instant is `not_registered`. Further registrations do nothing, and nothing is begun anew by them.
 4. Where no registration is there by `as_of`, all `points.*` events up to `as_of` are `not_registered`.
 5. "Earlier events: they take no part otherwise" is said of `points.*` events. A cancellation is a correction, which
    takes part whatever its own time: also where it occurred before the registration, before its redemption or after
    `as_of`, and where it was recorded before its redemption.
 6. A cancellation cancels the *id*: the first redemption of it (the first from the registration on), known or yet to
    come, is `cancelled`, also one that was not covered. Only a retraction of the cancellation undoes it; of several
    cancellations each has to be retracted. One whose id was never redeemed does nothing.
 7. An id that was cancelled, overdrawn or redeemed once is used up: its next redemption is `duplicate_redemption`,
    also the second redemption after a cancellation. A redemption before the registration uses nothing up.
 8. A retracted `points.earned` or `points.redeemed` never was: the next of its task or id is then the first. A
    retracted registration likewise: what stands between it and the next is then `not_registered`.
 9. "Covered" is balance ≥ points just before it; equal is covered. A redemption is covered or not at its own place in
    the order, once: points that are earned later do not cover it; a cancellation or a retraction known later restates
    everything after the thing that it corrects. So the balance is never under 0.
10. Tasks and redemptions are two kinds of ids that never meet, and mean something within one creator's stream only.
11. Events have no beginning other than the registration: points before 2020-06, or before the policy was in force,
    count. `in_force` is false for an `as_of` before the judging version came into force.
12. A creator that is not registered has score 0 and balance 0, level None, no benefits, nothing missing to any level.
13. A score below the lowest bound (not so in the file: firefly-1 is from 0) is `rated` with level None and is told
    the points missing to the lowest. Bounds may stand in any order; a level's rank is its place among them, from 0.
14. A benefit is a parameter `benefit_…` with `from_rank`, held while `rated` with a level of that rank or above.
15. Of several dated versions each month is judged by its own (section 0, Policies; the reputation oracle's choices 16
    and 17): its close tells it, among the versions in force by `as_of`. Only bounds and benefits differ: verdicts,
    score and balance are the same under every version. So where a version begins to judge, the level may change with
    no event, at 00:00 of the first month that it judges: a change without a cause.
16. A change is one of state or level. Versions that give the same level other benefits make none; `gained` and `lost`
    of a change compare what was held before it with what is held after it.
17. A month's row is its close: what was before 00:00 of the 1st of the next month, under the month's version. There is
    one for every month from that of the registration on, at the earliest 2020-06, whose next month has begun by
    `as_of`, also where nothing happened in it.
18. A decision is a replay whose `as_of` is 00:00 of the 1st of the next month. An instant takes in what happened at
    it (section 0), so points earned at that very microsecond are in the decision, while they are the new month's in
    the rows; and it is judged by the version that is in force at that very instant. It shows in `decided`.
19. `effective` is the level itself, `since` the instant of the last change; None where there was none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.oracles.merchant_reputation import (
    Event,
    Version,
    candidates_at,
    close_of,
    known_events,
    month_of,
    month_text,
    names_nothing,
    note_key,
    retracted_names,
    start_of,
    taking_part,
    version_of,
)

_FIRST_MONTH = 2020 * 12 + 5  # 2020-06, numbered as by `month_of`
_POINT_TYPES = ("points.earned", "points.redeemed")


@dataclass(frozen=True)
class Judged:
    """An event of points with its verdict, and what it moved *earned* and *balance* by."""

    event: Event
    verdict: str
    earned: int = 0
    balance: int = 0


@dataclass(frozen=True)
class Standing:
    """What a creator is at a moment."""

    state: str
    level: str | None
    score: int
    balance: int
    benefits: list[str]

    @property
    def shown(self) -> tuple[str, str | None]:
        """What a change is one of: section 0, `state` and `level`."""
        return self.state, self.level


@dataclass(frozen=True)
class Replay:
    """All that one (as_of, position) gives: who registered when, and every event of points judged."""

    registration: Event | None
    judged: list[Judged]
    candidates: list[Version]


# --- what stands before what (section 0, Order and cause) -----------------------------------------------------------


def first_registration(part: list[Event]) -> Event | None:
    """Sections 0 and 7: the first `creator.registered`, by (`occurred_at`, position); None: there is none."""
    return min((e for e in part if e.type == "creator.registered"), key=lambda e: e.key, default=None)


def is_registered_before(event: Event, registration: Event | None) -> bool:
    """Section 7: from the first registration on; what is earlier takes no part."""
    return registration is not None and registration.key < event.key


def cancelled_ids(part: list[Event]) -> set[str]:
    """Section 7: the redemptions that are cancelled as known, whenever the cancellation occurred."""
    return {e.data["redemption"] for e in part if e.type == "redemption.cancelled"}


def is_repeated(event: Event, name: str, before: list[Judged]) -> bool:
    """Section 7: whether another one of the same task or redemption came before, whatever became of it.

    Those before the registration are not the first of their task or redemption.
    """
    return any(
        j.event.type == event.type and j.event.data[name] == event.data[name]
        for j in before
        if j.verdict != "not_registered"
    )


# --- judging (section 7, Rule) --------------------------------------------------------------------------------------


def balance_of(judged: list[Judged]) -> int:
    """Section 7: the balance is what was earned, less what was redeemed."""
    return sum(j.balance for j in judged)


def score_of(judged: list[Judged]) -> int:
    """Section 7: `score` is *earned*, never lowered by spending."""
    return sum(j.earned for j in judged)


def judge(event: Event, before: list[Judged], registration: Event | None, cancelled: set[str]) -> Judged:
    """Section 7: the first test that applies gives the verdict; only `counted` and `redeemed` move anything."""
    points = int(event.data["points"])
    if not is_registered_before(event, registration):
        return Judged(event, "not_registered")
    if event.type == "points.earned":
        if is_repeated(event, "task", before):
            return Judged(event, "duplicate_task")
        return Judged(event, "counted", earned=points, balance=points)
    if is_repeated(event, "redemption", before):
        return Judged(event, "duplicate_redemption")
    if event.data["redemption"] in cancelled:
        return Judged(event, "cancelled")
    if balance_of(before) < points:
        return Judged(event, "overdrawn")
    return Judged(event, "redeemed", balance=-points)


def replay(known: list[Event], as_of: int, candidates: list[Version]) -> Replay:
    """Sections 0 and 7: what takes part, in order, each judged by what stands before it and by corrections."""
    part = taking_part(known, retracted_names(known), as_of)
    registration, cancelled = first_registration(part), cancelled_ids(part)
    judged: list[Judged] = []
    for event in sorted((e for e in part if e.type in _POINT_TYPES), key=lambda e: e.key):
        judged.append(judge(event, judged, registration, cancelled))
    return Replay(registration, judged, candidates)


# --- levels and benefits (sections 5 and 7) -------------------------------------------------------------------------


def ladder(parameters: dict[str, Any]) -> list[tuple[int, str]]:
    """Section 7: the levels from the lowest, as (lower bound in points, code)."""
    return sorted((int(level["from_points"]), str(level["code"])) for level in parameters["levels"])


def level_for(score: int, parameters: dict[str, Any]) -> str | None:
    """Section 7: the highest level whose bound is reached."""
    reached = [code for bound, code in ladder(parameters) if bound <= score]
    return reached[-1] if reached else None


def benefits_for(level: str | None, parameters: dict[str, Any]) -> list[str]:
    """Section 5: "from" means that level and above, in state `rated`."""
    codes = [code for _, code in ladder(parameters)]
    if level is None:
        return []
    return sorted(
        name.removeprefix("benefit_")
        for name, value in parameters.items()
        if name.startswith("benefit_") and value["from_rank"] <= codes.index(level)
    )


def to_next(standing: Standing, parameters: dict[str, Any]) -> dict[str, Any] | None:
    """Section 9: the next level, and how many points are missing to it; nothing at the top, nor unregistered."""
    if standing.state != "rated":
        return None
    higher = [(bound, code) for bound, code in ladder(parameters) if bound > standing.score]
    return {"level": min(higher)[1], "points": min(higher)[0] - standing.score} if higher else None


# --- what a creator is at a moment ----------------------------------------------------------------------------------


def standing_at(result: Replay, moment: tuple[int, float], month: int) -> Standing:
    """Section 7: what stands after all events up to `moment`, an (instant, position), by a month's version."""
    registration = result.registration
    if registration is None or registration.key > moment:
        return Standing("not_registered", None, 0, 0, [])
    parameters = version_of(month, result.candidates).parameters
    judged = [j for j in result.judged if j.event.key <= moment]
    level = level_for(score_of(judged), parameters)
    return Standing("rated", level, score_of(judged), balance_of(judged), benefits_for(level, parameters))


def end_of(instant: int) -> tuple[int, float]:
    """Section 0: an instant takes in what happened at that very instant."""
    return instant, float("inf")


def changes(result: Replay, as_of: int) -> list[dict[str, Any]]:
    """Section 7: a level changes at the instant of the event; or, with no event, where a month's version begins."""
    if result.registration is None:
        return []
    events = [result.registration, *(j.event for j in result.judged if j.event.key > result.registration.key)]
    begun = range(month_of(result.registration.occurred_at) + 1, month_of(as_of) + 1)
    moments: list[tuple[tuple[int, int], Event | None]] = [(e.key, e) for e in events]
    moments += [((start_of(month), 0), None) for month in begun]  # positions begin at 1: before what happens then
    before, found = Standing("not_registered", None, 0, 0, []), []
    for moment, cause in sorted(moments, key=lambda pair: pair[0]):
        after = standing_at(result, moment, month_of(moment[0]))
        if after.shown != before.shown:
            found.append(change(moment[0], cause, before, after))
        before = after
    return found


def change(at: int, cause: Event | None, before: Standing, after: Standing) -> dict[str, Any]:
    """One change, with what caused it and what it brought."""
    return {
        "at": at,
        "position": None if cause is None else cause.position,
        "cause": None if cause is None else note_key(cause),
        "before": {"state": before.state, "level": before.level},
        "after": {"state": after.state, "level": after.level},
        "score": after.score,
        "gained": [name for name in after.benefits if name not in before.benefits],
        "lost": [name for name in before.benefits if name not in after.benefits],
    }


def month_row(result: Replay, month: int) -> dict[str, Any]:
    """Section 0: a month's close is the moment just before the next begins."""
    at_close = standing_at(result, end_of(close_of(month)), month)
    of_month = [j for j in result.judged if month_of(j.event.occurred_at) == month]
    return {
        "month": month_text(month),
        "policy": version_of(month, result.candidates).id,
        "state": at_close.state,
        "level": at_close.level,
        "score": at_close.score,
        "balance": at_close.balance,
        "earned": sum(j.earned for j in of_month),
        "redeemed": sum(-j.balance for j in of_month if j.verdict == "redeemed"),
    }


def closed_months(result: Replay, as_of: int) -> list[int]:
    """Sections 0 and 7: from the month of the registration on, at the earliest 2020-06, those over by `as_of`."""
    if result.registration is None:
        return []
    return list(range(max(_FIRST_MONTH, month_of(result.registration.occurred_at)), month_of(as_of)))


def notes_of(known: list[Event]) -> dict[str, str]:
    """Section 0, event catalogue, `event.retracted`."""
    gone = retracted_names(known)
    retractions = [e for e in known if e.type == "event.retracted"]
    notes = {note_key(e): "retracts_nothing" for e in retractions if names_nothing(known, e)}
    return notes | {note_key(e): "retracted" for e in known if e.name in gone}


# --- the answer -----------------------------------------------------------------------------------------------------


def firefly(
    events: list[dict[str, Any]],
    *,
    as_of: int,
    position: int,
    versions: list[dict[str, Any]],
    subject: str,
) -> dict[str, Any]:
    """Section 7: the level and the points of one creator at `as_of`, as known from the ledger up to `position`."""
    known = known_events(events, subject, position)
    result = replay(known, as_of, candidates_at(versions, as_of))
    version = version_of(month_of(as_of), result.candidates)
    standing = standing_at(result, end_of(as_of), month_of(as_of))
    changed = changes(result, as_of)
    return {
        "state": standing.state,
        "level": standing.level,
        "score": standing.score,
        "balance": standing.balance,
        "to_next": to_next(standing, version.parameters),
        "benefits": standing.benefits,
        "policy": version.id,
        "in_force": as_of >= version.in_force_from,
        "effective": {
            "state": standing.state,
            "level": standing.level,
            "since": changed[-1]["at"] if changed else None,
        },
        "verdicts": [
            {
                "position": j.event.position,
                "source": j.event.source,
                "id": j.event.id,
                "at": j.event.occurred_at,
                "verdict": j.verdict,
                "earned": j.earned,
                "balance": j.balance,
            }
            for j in result.judged
        ],
        "notes": notes_of(known),
        "changes": changed,
        "months": [month_row(result, month) for month in closed_months(result, as_of)],
    }


def decided(
    events: list[dict[str, Any]],
    *,
    month: int,
    position: int,
    versions: list[dict[str, Any]],
    subject: str,
) -> dict[str, Any]:
    """Section 7: what is decided of a month (numbered as by `month_of`): `as_of` the 1st 00:00 of the next."""
    told = firefly(events, as_of=start_of(month + 1), position=position, versions=versions, subject=subject)
    return {name: told[name] for name in ("state", "level", "score", "balance", "policy")}
