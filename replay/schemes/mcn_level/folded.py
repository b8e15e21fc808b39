"""What compiled folds say of agencies, all together, and of one as the values that its plain replay is made of."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.calendar import month_start
from domain.mcn_level.facts import COUNTED, History, Slot, Sums, outcome_of_credit
from domain.policy import Term
from replay.columnar.columns import CREDIT_DEDUCTED, CREDIT_GRANTED, CREDIT_RESTORED, MCN_ONBOARDED, Columns
from replay.columnar.rows import part_of, retracted_rows
from replay.replaying.verdicts import Verdicts
from replay.schemes.creator_level.fold import NONE, CreatorFolded, fold_creators
from replay.schemes.creator_level.folded import creator_of, rules_by_hash
from replay.schemes.creator_level.replay import Month as CreatorMonth
from replay.schemes.mcn_level.fold import NEVER, NOBODY, AgencyVerdicts, Parts, Slots, fold_parts, slots_of
from replay.schemes.mcn_level.replay import Month, evaluations


class Own(NamedTuple):
    """What agencies' own records say beside bindings."""

    onboarded_at: NDArray[np.int64]
    """By agency; NEVER for none."""
    points: NDArray[np.int64]
    """By movement of credit, in the order of `told`: points, negative where they were deducted."""
    told: AgencyVerdicts
    """What became of each movement, by agency and in order."""


class McnFolded(NamedTuple):
    """What all agencies' levels follow from; agencies and creators are numbers of `slots`."""

    as_of: int
    creator_terms: Sequence[Term]
    """By which creators' levels were judged."""
    slots: Slots
    own: Own
    parts: Parts
    """Of all columns, by agency, creator and month."""
    creators: dict[str, tuple[CreatorFolded, int]]
    """By id, where the creators that were ever bound are judged, and their number there."""
    verdicts: Verdicts | None
    """By agency; None where they were not asked for."""


class FoldedAgency(NamedTuple):
    """One agency at the instant of the fold."""

    history: History
    """Of reputation values the last of each month, dated by the month's beginning: of others nothing is asked."""
    months: list[Month]
    creator_months: dict[tuple[str, int], CreatorMonth]
    """By creator's id and month, its evaluation."""


def fold_mcn(buckets: Sequence[Columns], creator_terms: Sequence[Term], as_of: int, *, judges: bool) -> McnFolded:
    """Read what agencies' levels follow from, by what the columns know, up to an instant.

    A creator's stream lies in one of the buckets, and so does an agency's. `judges`: with the verdict on every event.
    """
    slots = slots_of(buckets, as_of)
    own, parts = own_of(buckets, slots, as_of), [fold_parts(item, slots, as_of, judges=judges) for item in buckets]
    bound, creators = set(slots.creators), dict[str, tuple[CreatorFolded, int]]()
    for columns in buckets:
        folded = fold_creators(columns, creator_terms, as_of)
        for number, subject in enumerate(columns.subjects):
            kind, _, name = subject.partition("/")
            if kind == "creator" and name in bound:
                creators[name] = (folded, number)
    verdicts = _in_order(len(slots.agencies), [slots.told, own.told, *(item.told for item in parts if item.told)])
    return McnFolded(as_of, creator_terms, slots, own, _joined(parts), creators, verdicts if judges else None)


def agency_of(folded: McnFolded, agency: int, terms: Sequence[Term], since: int | None = None) -> FoldedAgency:
    """What a fold says of an agency that is judged under some terms; with `since` that month and later ones are
    evaluated alone.
    """
    slots, rules = _slots_of(folded.slots, agency), rules_by_hash(folded.creator_terms)
    of_creators: dict[tuple[str, int], CreatorMonth] = {}
    reputation: dict[str, list[tuple[int, int]]] = {}
    for name in slots:
        if name in folded.creators:
            creators, number = folded.creators[name]
            found = creator_of(creators, number, folded.creator_terms, rules, since)
            of_creators |= {(name, month.month): month for month in found.months}
            reputation[name] = _last_values(creators, number)
    onboarded_at = int(folded.own.onboarded_at[agency])
    history = History(
        folded.slots.agencies[agency],
        None if onboarded_at == NEVER else onboarded_at,
        slots,
        _sums_of(folded, agency),
        reputation,
        _credit_of(folded.own, agency),
    )
    return FoldedAgency(history, evaluations(history, of_creators, terms, folded.as_of, since), of_creators)


def _slots_of(slots: Slots, agency: int) -> dict[str, Slot]:
    """By id, the slot of each creator that an agency ever held."""
    places = np.flatnonzero(slots.holders == agency)
    numbers = np.unique(np.searchsorted(slots.begins, places, side="right") - 1).tolist()
    names = dict(enumerate(slots.agencies))
    found = {}
    for number in numbers:
        part = slice(slots.begins[number], slots.begins[number + 1])
        found[slots.creators[number]] = Slot(
            slots.at[part].tolist(),
            [names.get(holder) for holder in slots.holders[part].tolist()],
            slots.positions[part].tolist(),
        )
    return found


def _sums_of(folded: McnFolded, agency: int) -> dict[tuple[str, int], Sums]:
    parts, names = folded.parts, folded.slots.creators
    part = part_of(parts.agencies, agency)
    rows = (column[part].tolist() for column in (parts.creators, parts.months, parts.figures))
    return {(names[creator], month): Sums(*figures) for creator, month, figures in zip(*rows, strict=True)}


def _last_values(folded: CreatorFolded, subject: int) -> list[tuple[int, int]]:
    part = part_of(folded.subjects, subject)
    last = zip(folded.months[part].tolist(), folded.figures[part, -1].tolist(), strict=True)
    return [(month_start(month), value) for month, value in last if value != NONE]


def _credit_of(own: Own, agency: int) -> list[tuple[int, int]]:
    part = part_of(own.told.agencies, agency)
    rows = zip(*(column[part].tolist() for column in (own.told.at, own.points, own.told.verdict)), strict=True)
    return [(at, points) for at, points, verdict in rows if verdict == COUNTED]


# --- all together -----------------------------------------------------------------------------------------------------


def own_of(parts: Sequence[Columns], slots: Slots, as_of: int) -> Own:
    """Read the onboarding and the credit of every agency; they are few, so that this is plain Python."""
    numbers = {name: number for number, name in enumerate(slots.agencies)}
    onboarded_at = np.full(len(numbers), NEVER)
    movements: list[tuple[int, ...]] = []
    for columns in parts:
        own = np.array([numbers.get(name, NOBODY) for name in columns.subjects], np.int64)
        rows = np.flatnonzero(np.isin(columns.what, _OWN))
        rows = rows[own[columns.subject[rows]] != NOBODY]
        rows = rows[~retracted_rows(columns)[rows]]
        told = [own[columns.subject[rows]], *(getattr(columns, name)[rows] for name in _READ)]
        events = list(zip(*(column.tolist() for column in told), strict=True))
        restored = {(agency, key) for agency, _, _, what, key, _ in events if what == CREDIT_RESTORED}
        for agency, at, position, what, key, points in events:
            if at > as_of or what == CREDIT_RESTORED:
                continue
            if what == MCN_ONBOARDED:
                onboarded_at[agency] = min(onboarded_at[agency], at)
                continue
            deducts = what == CREDIT_DEDUCTED
            outcome = outcome_of_credit(deducts and (agency, key) in restored)
            movements.append((agency, at, position, -points if deducts else points, outcome))
    table = np.array(sorted(movements), np.int64).reshape(-1, 5).T
    return Own(onboarded_at, table[3], AgencyVerdicts(table[0], table[1], table[2], table[4].astype(np.int8)))


_OWN: Final = (MCN_ONBOARDED, CREDIT_GRANTED, CREDIT_DEDUCTED, CREDIT_RESTORED)
_READ: Final = ("at", "position", "what", "key", "amount")


def _joined(parts: Sequence[Parts]) -> Parts:
    creators, agencies, months, figures = (np.concatenate([part[place] for part in parts]) for place in range(4))
    order = np.lexsort((months, creators, agencies))
    return Parts(creators[order], agencies[order], months[order], figures[order])


def _in_order(agencies: int, told: Sequence[AgencyVerdicts]) -> Verdicts:
    owner, at, position, verdict = (np.concatenate(columns) for columns in zip(*told, strict=True))
    order = np.lexsort((position, at, owner))
    starts = np.searchsorted(owner[order], np.arange(agencies + 1))
    return Verdicts(starts, at[order], position[order], verdict[order], np.broadcast_to(np.int64(0), len(order)))
