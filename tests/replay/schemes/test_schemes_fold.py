"""The compiled runs over columns of many subjects against the plain replay of each, on random worlds."""

from collections import Counter
from random import Random
from typing import Any, Final

import numpy as np
import pytest
from numba import typeof

from domain.calendar import day_of, day_start, month_of, month_start, parse_instant
from domain.creator_level.facts import CONTENT, evaluation_period, figures_of, rules_of
from domain.events import (
    BINDING_TYPES,
    CreatorNamed,
    CreditRestored,
    Event,
    MerchantOnboarded,
    MerchantTierSet,
    NoData,
    OrderNamed,
    SaleRefunded,
)
from domain.limits import DAY_MICROS
from domain.mcn_level.facts import Sums
from domain.merchant_tier.facts import end_of, last_closed_day
from domain.merchant_tier.facts import history_of as tier_history_of
from domain.merchant_tier.rule import state_after, state_of
from domain.merchant_tier.running import Change, run
from domain.merchant_tier.values import CAUSES, NEVER, STATES, Account, Day
from domain.policy import Policy, start_of_day, start_of_month, term_at, terms_of
from replay.columnar.rows import in_order, rows_of
from replay.history.same_instant import BEFORE_OPENING
from replay.history.timeline import Moment, taking_part
from replay.replaying.base import Policies
from replay.replaying.verdicts import Verdicts, judged_of, room_for
from replay.schemes.creator_level.fold import NONE, UNREGISTERED, CreatorFolded, fold_creators
from replay.schemes.creator_level.folded import creator_of
from replay.schemes.creator_level.replay import CreatorReplay
from replay.schemes.mcn_level.fold import Parts, Slots, fold_parts, slots_of
from replay.schemes.mcn_level.folded import agency_of, fold_mcn
from replay.schemes.mcn_level.replay import McnReplay
from replay.schemes.merchant_tier.fold import TierFolded, fold_tier
from replay.schemes.merchant_tier.folded import notes_of as tier_notes_of
from replay.schemes.merchant_tier.folded import tier_of
from replay.schemes.merchant_tier.replay import TierReplay
from tests.conftest import SOAK
from tests.support.columns import columns_of
from tests.worlds import creator_level as creator_level_worlds
from tests.worlds import mcn_level as mcn_level_worlds
from tests.worlds import merchant_tier as tier_worlds
from tests.worlds.merchant_reputation import with_values

ACT_TYPES: Final = ("merchant.onboarded", "merchant.closed", "merchant.tier_set")
TIER_VERSIONS: Final = {
    **{name: [policy] for name, policy in tier_worlds.POLICIES.items()},
    "several": [
        tier_worlds.dated(tier_worlds.SMALL, "v1", "2020-01-01"),
        tier_worlds.dated(with_values(tier_worlds.SHIPPED, good_stars=5), "v2", "2022-09-10"),
        tier_worlds.dated(
            with_values(tier_worlds.ODD, scope={"category": "tea", "joined_before": "2023-01-01T00:00:00+08:00"}),
            "v3",
            "2022-10-20",
        ),
    ],
}


def many(world_of: Any, seeds: range, rename: Any) -> list[Event]:
    """The ledgers of several random worlds as one ledger, whose positions lie between each other."""
    pick = Random(seeds.start)
    queues = [rename(world_of(seed).ledger, number) for number, seed in enumerate(seeds)]
    offsets = [0] * len(queues)
    merged: list[Event] = []
    while any(offset < len(queue) for offset, queue in zip(offsets, queues, strict=True)):
        number = pick.choice([n for n, queue in enumerate(queues) if offsets[n] < len(queue)])
        merged.append(queues[number][offsets[number]]._replace(position=len(merged) + 1))
        offsets[number] += 1
    return merged


def merchants(ledger: list[Event], number: int) -> list[Event]:
    """The same under another name, with more complaints, and closings that come with an opening."""
    pick = Random(number + len(ledger))
    told: list[tuple[int, str, Any]] = []
    for paid in [event for event in ledger if event.type == "order.paid" and pick.random() < 0.3]:
        order = OrderNamed(order=paid.data.order)
        told += [(paid.occurred_at + 1, "order.complained", order)] * pick.choice((1, 2))
        told += [(paid.occurred_at, "complaint.dismissed", order)] * (pick.random() < 0.2)
    at = tier_worlds.BEGIN + pick.randrange(100) * DAY_MICROS
    for instant, kind in ((at - 1, "merchant.closed"), (at, "merchant.closed"), (at, "merchant.tier_set")):
        data = MerchantTierSet(level="LV3") if kind == "merchant.tier_set" else NoData()
        told += [(instant, kind, data)] * (pick.random() < 0.5)
    told += [(at, "merchant.onboarded", MerchantOnboarded(category="fresh"))] * (pick.random() < 0.5)
    more = [Event("", 0, 0, at, 0, "urn:b", f"more-{place}", kind, data) for place, (at, kind, data) in enumerate(told)]
    places = enumerate([*ledger, *more], 1)
    return [event._replace(originator_id=f"merchant/m-{number}", position=place) for place, event in places]


@pytest.mark.slow
@pytest.mark.parametrize("versions", TIER_VERSIONS.values(), ids=list(TIER_VERSIONS))
@pytest.mark.parametrize("seed", range(4 * SOAK))
def test_tiers_folded_equal_plain_replays(versions: list[Policy], seed: int) -> None:
    ledger = many(tier_worlds.world_of, range(seed * 20, seed * 20 + 20), merchants)
    pick = Random(seed)
    for _ in range(2):
        position = pick.choice((len(ledger), pick.randrange(len(ledger) + 1)))
        as_of = tier_worlds.BEGIN + pick.randrange(250) * DAY_MICROS + pick.choice((0, -1, 1))
        assert_tiers_equal(versions, ledger[:position], as_of)


def test_the_worlds_of_tiers_reach_every_verdict_and_note() -> None:
    seen: Counter[str] = Counter()
    for seed in range(4 * 20):
        known, moment = (
            merchants(tier_worlds.world_of(seed).ledger, seed % 20),
            Moment(tier_worlds.BEGIN + 250 * DAY_MICROS, 0, 0),
        )
        replay = TierReplay("merchant/any", known, moment, Policies([tier_worlds.SMALL]))
        seen.update([judged.verdict for judged in replay.judged] + list(replay.own_notes().values()))
    assert {word for word in (*TierReplay.words, BEFORE_OPENING) if seen[word] < 5} == set()


@pytest.mark.slow
def test_tiers_before_the_first_day_that_is_evaluated() -> None:
    ledger = many(tier_worlds.world_of, range(20), merchants)
    for text in ("2022-09-04T23:59:59.999998+08:00", "2022-09-04T23:59:59.999999+08:00", "2022-09-05T12:00:00+08:00"):
        assert_tiers_equal([tier_worlds.ODD], ledger, parse_instant(text))


def assert_tiers_equal(versions: list[Policy], known: list[Event], as_of: int) -> None:
    columns, terms, last_day = columns_of(known), terms_of(versions, start_of_day), last_closed_day(as_of)
    folded = fold_tier(columns, terms, last_day, judges=True)
    assert_the_same_without_verdicts(folded, fold_tier(columns, terms, last_day))
    for number, subject in enumerate(columns.subjects):
        of_subject = [event for event in known if event.originator_id == subject]
        replay = TierReplay(subject, of_subject, Moment(as_of, 0, len(known)), Policies(versions))
        every_day = all_days_of(replay)
        assert days_of(folded, number) == every_day
        assert replay.history.days == [day for day in every_day if day.day <= replay.day]
        assert account_of(folded.accounts[number]) == replay.account
        assert changes_of(folded, number) == replay.run.changes
        assert STATES[folded.states[number]] == state_of(replay.history, replay.account)
        assert folded.next_days[number] == next_day_of(replay)
        assert judged_of(verdicts_of(folded), number, TierReplay) == replay.judged
        found = tier_of(folded, number, last_day)
        assert (found.days, found.run.account, found.run.changes) == (replay.history.days, *replay.run[:2])
        assert (found.run.next_day, str(found.state)) == (next_day_of(replay), replay.standing().state)
        assert tier_notes_of(columns, folded, number, last_day) == replay.own_notes()


def verdicts_of(folded: Any) -> Verdicts:
    """Which are those of the events that are known, in whole columns."""
    verdicts: Verdicts = folded.verdicts
    assert verdicts.starts[0] == 0
    assert {len(column) for column in verdicts[1:]} == {verdicts.starts[-1]}
    return verdicts


def assert_the_same_without_verdicts(judged: Any, unjudged: Any) -> None:
    """That verdicts are asked for changes nothing else."""
    assert unjudged.verdicts is None
    for one, other in zip(judged._replace(verdicts=None), unjudged, strict=True):
        assert np.array_equal(one, other)


def all_days_of(replay: TierReplay) -> list[Day]:
    """The figures of every day that is known, those after the last closed one too."""
    return tier_history_of(taking_part(replay.known, NEVER), terms_of(replay.policies.own, start_of_day), replay.day)[
        0
    ].days


def next_day_of(replay: TierReplay) -> int:
    """The first day after the last closed one at whose close something can differ though nothing new is recorded."""
    acts = [
        day_of(event.occurred_at)
        for event in taking_part(replay.known, NEVER)
        if event.type in ACT_TYPES and event.occurred_at > end_of(replay.day)
    ]
    found = run(replay.history._replace(days=all_days_of(replay)), replay.spans, replay.day)
    return min([found.next_day, *acts])


def days_of(folded: TierFolded, subject: int) -> list[Day]:
    rows = folded.figure_subjects == subject
    days, figures = folded.figure_days[rows].tolist(), folded.figures[rows].tolist()
    return [Day(day, *values) for day, values in zip(days, figures, strict=True)]


def changes_of(folded: TierFolded, subject: int) -> list[Change]:
    found = []
    for owner, day, cause, position, state, before, after in folded.moves.tolist():
        if owner == subject:
            found.append(Change(day, CAUSES[cause], Account(*before), Account(*after), position))
            assert STATES[state] is state_after(found[-1].after)
    return found


def account_of(record: Any) -> Account:
    return Account(*record.tolist())


@pytest.mark.slow
@pytest.mark.parametrize("versions", TIER_VERSIONS.values(), ids=list(TIER_VERSIONS))
def test_nothing_changes_before_the_next_day(versions: list[Policy]) -> None:
    """A replay at any day before the next one that was told, and the last known, has the same account and changes."""
    ahead = 0
    for seed in range(15 * SOAK):
        world = tier_worlds.world_of(seed)
        now = TierReplay(tier_worlds.SUBJECT, world.ledger, Moment(world.earlier, 0, 0), Policies(versions))
        for day in range(now.day + 1, min(next_day_of(now), now.day + 200)):
            as_of = day_start(day + 1) - 1
            later = TierReplay(tier_worlds.SUBJECT, world.ledger, Moment(as_of, 0, 0), Policies(versions))
            assert (later.account, later.run.changes) == (now.account, now.run.changes)
            assert later.standing() == now.standing()
            ahead += 1
        assert next_day_of(now) > now.day
    assert ahead > 100


@pytest.mark.slow
def test_where_nothing_is_known_there_are_no_verdicts() -> None:
    """Neither of no subjects at all, nor of subjects of another kind."""
    shop = many(tier_worlds.world_of, range(2), merchants)
    creator = many(creator_level_worlds.world_of, range(2), creators)
    as_of = tier_worlds.BEGIN + 100 * DAY_MICROS
    of_tiers = terms_of([tier_worlds.SMALL], start_of_day)
    of_creators = terms_of([creator_level_worlds.SMALL], evaluation_period)
    for known in ([], creator):
        assert verdicts_of(fold_tier(columns_of(known), of_tiers, 0, judges=True)).starts[-1] == 0
    for known in ([], shop):
        assert verdicts_of(fold_creators(columns_of(known), of_creators, as_of, judges=True)).starts[-1] == 0
    for known in ([], shop, creator):
        found = fold_mcn([columns_of(known)], of_creators, as_of, judges=True)
        assert (found.slots.agencies, verdicts_of(found).starts.tolist()) == ([], [0])


def test_loops_are_compiled_once_with_verdicts_and_without() -> None:
    rooms = [room_for(2, rows, wanted=wanted) for rows in (0, 5) for wanted in (True, False)]
    assert len({typeof(room) for room in rooms}) == 1  # type: ignore[no-untyped-call]


def test_rows_out_of_order_are_noticed() -> None:
    ledger = many(tier_worlds.world_of, range(2), merchants)
    rows = rows_of(columns_of(ledger), "merchant")
    assert in_order(rows)
    for column in ("subject", "at", "position"):
        turned = getattr(rows, column)[::-1]
        assert not in_order(rows._replace(**{column: turned}))


# --- creators ---------------------------------------------------------------------------------------------------------

CREATOR_VERSIONS: Final = {
    **creator_level_worlds.VERSIONS,
    "gates that reach far back": [
        with_values(
            creator_level_worlds.SMALL, id="v1", in_force_from="2022-01-01T00:00:00+08:00", gates={"days": 100}
        ),
        with_values(
            creator_level_worlds.SMALL,
            id="v2",
            in_force_from="2022-06-15T00:00:00+08:00",
            gates={"days": 1, "deducted_max": 0},
            sales_bands=[{"from_fen": n * 1_000, "score": n // 3} for n in range(20)],
        ),
    ],
}


def creators(ledger: list[Event], number: int) -> list[Event]:
    """The same under another name, with some scores once more on their days, or on the next."""
    pick = Random(number + len(ledger))
    more = [
        event._replace(id=f"{event.id}-more", occurred_at=event.occurred_at + pick.choice((0, 1, DAY_MICROS)))
        for event in ledger
        if event.type == "creator.scored" and pick.random() < 0.3
    ]
    places = enumerate([*ledger, *more], 1)
    return [event._replace(originator_id=f"creator/c-{number}", position=place) for place, event in places]


@pytest.mark.slow
@pytest.mark.parametrize("versions", CREATOR_VERSIONS.values(), ids=list(CREATOR_VERSIONS))
@pytest.mark.parametrize("seed", range(4 * SOAK))
def test_creators_folded_equal_plain_replays(versions: list[Policy], seed: int) -> None:
    ledger = many(creator_level_worlds.world_of, range(seed * 20, seed * 20 + 20), creators)
    pick = Random(seed)
    position = pick.choice((len(ledger), pick.randrange(len(ledger) + 1)))
    as_of = creator_level_worlds._instant(pick) + pick.choice((0, 0, 900)) * DAY_MICROS
    known, columns = ledger[:position], columns_of(ledger[:position])
    terms = terms_of(versions, evaluation_period)
    folded = fold_creators(columns, terms, as_of, judges=True)
    assert_the_same_without_verdicts(folded, fold_creators(columns, terms, as_of))
    for number, subject in enumerate(columns.subjects):
        of_subject = [event for event in known if event.originator_id == subject]
        replay = CreatorReplay(subject, of_subject, Moment(as_of, 0, position), Policies(versions))
        months = [month.found for month in replay.months]
        assert evaluations_of(folded, number) == [
            (
                *(found.figures.month, found.settled_fen, found.good_fen),
                *(found.sales_score, found.behaviour_score, found.level, found.gated),
                *found.figures[3:],
            )
            for found in months
        ]
        assert sums_of(folded, number) == expected_sums(replay, terms)
        registered_at = int(folded.registered_at[number])
        assert registered_at == (replay.history.registered_at or UNREGISTERED)
        contents = {event.position for event in replay.took_part if event.type == CONTENT}
        assert judged_of(verdicts_of(folded), number, CreatorReplay) == [
            judged for judged in replay.judged if judged.position not in contents
        ]
        assert creator_of(folded, number, terms) == (replay.history.registered_at, replay.months)


def test_the_worlds_of_creators_reach_every_verdict() -> None:
    seen: Counter[str] = Counter()
    for seed in range(20):
        world = creator_level_worlds.world_of(seed)
        known, moment = creators(world.ledger, seed), Moment(world.as_of, 0, 0)
        replay = CreatorReplay(f"creator/c-{seed}", known, moment, Policies(CREATOR_VERSIONS["small"]))
        contents = {event.position for event in replay.took_part if event.type == CONTENT}
        seen.update(judged.verdict for judged in replay.judged if judged.position not in contents)
    assert {word for word in CreatorReplay.words if seen[word] < 5} == set()


def evaluations_of(folded: CreatorFolded, subject: int) -> list[tuple[Any, ...]]:
    return [values for owner, *rest in folded.evaluations.tolist() if owner == subject for values in [tuple(rest)]]


def sums_of(folded: CreatorFolded, subject: int) -> dict[int, list[int]]:
    """By month with any, but where all that was there took itself away again."""
    rows = folded.subjects == subject
    found = dict(zip(folded.months[rows].tolist(), folded.figures[rows].tolist(), strict=True))
    assert list(found) == sorted(found)
    return {month: values for month, values in found.items() if values != [0, 0, 0, 0, 0, NONE]}


def expected_sums(replay: CreatorReplay, terms: list[Any]) -> dict[int, list[int]]:
    """The same by the plain history, of every month up to some after `as_of`."""
    history, found = replay.history, {}
    last_scores = {month_of(day_start(day)): history.reputation[day] for day in sorted(history.reputation)}
    begin, end = month_of(creator_level_worlds.BEGIN) - 2, month_of(replay.moment.as_of) + 7
    for month in range(begin, end):
        rules = rules_of(term_at(terms, month_start(month)).policy)
        values = [*figures_of(history, month, rules.gate_days)[1:], last_scores.get(month, NONE)]
        if values != [0, 0, 0, 0, 0, NONE]:
            found[month] = values
    return found


def test_a_gate_decides_as_it_is_told() -> None:
    gated = 0
    for seed in range(100 * SOAK):
        for versions in CREATOR_VERSIONS.values():
            world = creator_level_worlds.world_of(seed)
            moment = Moment(world.as_of, 0, world.position)
            for month in CreatorReplay(creator_level_worlds.SUBJECT, world.ledger, moment, Policies(versions)).months:
                assert month.found.gated == (not all(gate.met for gate in month.found.gates))
                gated += month.found.gated
    assert gated


# --- agencies ---------------------------------------------------------------------------------------------------------

MCN_VERSIONS: Final = {
    **{name: [policy] for name, policy in mcn_level_worlds.POLICIES.items()},
    "several": [
        with_values(mcn_level_worlds.SMALL, id="v1", in_force_from="2022-01-01T00:00:00+08:00"),
        with_values(
            mcn_level_worlds.SMALL,
            id="v2",
            in_force_from="2023-03-02T00:00:00+08:00",
            credit={"start": 90, "max": 100},
            top_creators={"level": "L1", "bands": mcn_level_worlds.bands((0, 0), (1, 70))},
            novice_months=0,
            evaluation_day=5,
        ),
    ],
}


def agencies(ledger: list[Event], number: int) -> list[Event]:
    """The same with other names, that no two worlds share, more that is restored, and more refunds, so that creators
    have moved on by then.
    """
    pick, found = Random(number + len(ledger)), []
    for event in ledger:
        data = event.data
        if event.type in BINDING_TYPES:
            data = CreatorNamed(creator=f"{data.creator}-{number}")
        found.append(event._replace(originator_id=f"{event.originator_id}-{number}", data=data))
    for deducted in [event for event in found if event.type == "credit.deducted" and pick.random() < 0.4]:
        restored = CreditRestored(violation=deducted.data.violation)
        found.append(deducted._replace(id=f"{deducted.id}-r", type="credit.restored", data=restored))
    for sale in [event for event in found if event.type == "sale.settled" and pick.random() < 0.4]:
        data, at = (
            SaleRefunded(order=sale.data.order, amount=pick.choice((1, 100, 700))),
            mcn_level_worlds._instant(pick),
        )
        found.append(sale._replace(id=f"{sale.id}-r", occurred_at=at, type="sale.refunded", data=data))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("versions", MCN_VERSIONS.values(), ids=list(MCN_VERSIONS))
@pytest.mark.parametrize("seed", range(5 * SOAK))
def test_what_creators_add_to_agencies_equals_plain_replays(versions: list[Policy], seed: int) -> None:
    """The streams lie in three buckets, agencies and creators mixed."""
    ledger = many(mcn_level_worlds.world_of, range(seed * 8, seed * 8 + 8), agencies)
    pick = Random(seed)
    position = pick.choice((len(ledger), pick.randrange(len(ledger) + 1)))
    as_of = mcn_level_worlds._instant(pick) + pick.choice((0, 40, 70)) * DAY_MICROS
    known, creator_versions = ledger[:position], [creator_level_worlds.SMALL]
    bucket = {name: pick.randrange(3) for name in sorted({event.originator_id for event in known})}
    buckets = [columns_of(event for event in known if bucket[event.originator_id] == n) for n in range(3)]
    folded = fold_mcn(buckets, terms_of(creator_versions, evaluation_period), as_of, judges=True)
    slots, terms = slots_of(buckets, as_of), terms_of(versions, start_of_month)
    sums = sums_of_parts(slots, [fold_parts(columns, slots, as_of) for columns in buckets])
    assert set(slots.agencies) == {name for name in bucket if name.startswith("mcn/")}
    for number, subject in enumerate(slots.agencies):
        policies = Policies(versions, creator_versions)
        world = [event for event in known if event.originator_id.endswith(f"-{subject.rpartition('-')[2]}")]
        replay = McnReplay(subject, world, Moment(as_of, 0, position), policies)
        assert sums[subject] == {
            key: list(added) for key, added in replay.history.sums.items() if list(added) != [0] * len(added)
        }
        assert judged_of(verdicts_of(folded), number, McnReplay) == replay.judged
        found = agency_of(folded, number, terms)
        assert found.history._replace(reputation={}) == replay.history._replace(reputation={})
        assert found.months == replay.months
        since = month_of(as_of) - 2
        assert agency_of(folded, number, terms, since).months == [item for item in found.months if item.month >= since]


def test_the_worlds_of_agencies_reach_every_verdict() -> None:
    seen: Counter[str] = Counter()
    for seed in range(60):
        world = agencies(mcn_level_worlds.world_of(seed).ledger, seed)
        known = [event._replace(position=place) for place, event in enumerate(world, 1)]
        moment = Moment(mcn_level_worlds.BEGIN + 400 * DAY_MICROS, 0, 0)
        policies = Policies(MCN_VERSIONS["several"], [creator_level_worlds.SMALL])
        for subject in sorted({event.originator_id for event in known if event.originator_id.startswith("mcn/")}):
            seen.update(judged.verdict for judged in McnReplay(subject, known, moment, policies).judged)
    assert {word for word in McnReplay.words if seen[word] < 5} == set()


def sums_of_parts(slots: Slots, parts: list[Parts]) -> dict[str, dict[tuple[str, int], list[int]]]:
    """By agency, and by creator and month, what `domain.mcn_level.facts.Sums` holds, where it is not 0."""
    found: dict[str, dict[tuple[str, int], list[int]]] = {name: {} for name in slots.agencies}
    for part in parts:
        rows = zip(part.creators.tolist(), part.agencies.tolist(), part.months.tolist(), strict=True)
        for (creator, agency, month), figures in zip(rows, part.figures.tolist(), strict=True):
            added = figures[: len(Sums._fields)]
            if added != [0] * len(added):
                of_agency = found[slots.agencies[agency]]
                assert (slots.creators[creator], month) not in of_agency
                of_agency[slots.creators[creator], month] = added
    return found
