"""The lists out of the views against an audit, which replays: on random ledgers, and on the disputed one."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from domain.calendar import month_of, month_text, parse_day, parse_month, shanghai_text
from fixtures.demo import MERCHANT, PERIOD
from projections.projector.advance import advance
from projections.projector.rebuild import Asked, rebuild
from projections.reading.disputes import claims_on, disputes_in
from projections.reading.disputes import disputed as not_borne_out
from projections.reading.reader import Snapshot
from projections.views.database import open_views
from projections.worklist.answers import distribution_json, totals_json, worklist_json
from projections.worklist.changed import levels_changed, levels_set_aside
from projections.worklist.differing import announcements_differing, decisions_differing, decisions_made
from projections.worklist.looking import Filters, bounds_of, snapshot_beside
from replay.decisions.audit import Selection, audit_json
from replay.decisions.decide import decide, period_of
from replay.history.readers import EVERYTHING_SHOWN
from replay.history.timeline import Asked as Asking
from replay.history.timeline import resolve
from replay.policies.catalog import shipped
from replay.schemes.registry import SCHEMES, answer_of
from replay.schemes.replaying import replay_subject
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK, by_turns
from tests.support.disputes import disputed_ledger
from tests.support.making import Event, event, ingest_events, paid
from tests.support.views import proof_of
from tests.worlds.ledgers import World

DAYS = ("2022-11-05", "2022-12-01", "2023-02-03")
EVERYTHING = Filters()
MONTHS = ("2022-11", "2023-01")
REPUTATION, TIER, FIREFLY = "merchant-reputation", "merchant-tier", "creator-firefly"


def decided_all(store: Store, again: str | None = None) -> None:
    """Every scheme decided for some periods."""
    for scheme in SCHEMES.values():
        for period in DAYS if scheme.periods.unit == "day" else MONTHS:
            asked = (None, parse_day(period)) if scheme.periods.unit == "day" else (parse_month(period), None)
            decide(store, scheme.code, period_of(store, scheme.code, *asked), again)


def all_rows(read: Any, at: Snapshot, filters: Filters = EVERYTHING, **options: Any) -> list[dict[str, Any]]:
    """The rows of every page of a list."""
    rows: list[dict[str, Any]] = []
    after = None
    while True:
        page = read(at, filters, after, 3, **options)
        rows += page.rows
        if page.next is None:
            return rows
        after = page.next


def differing_by_audit(store: Store) -> set[tuple[Any, ...]]:
    """What an audit finds to come out otherwise, of the latest decision on each period."""
    latest: dict[tuple[str, str, str], dict[str, Any]] = {}
    for item in audit_json(store, Selection())["decisions"]:
        key = (item["subject"], item["scheme"], item["period"])
        if key not in latest or latest[key]["position_of_decision"] < item["position_of_decision"]:
            latest[key] = item
    names = ("state", "level", "score")
    return {
        (*key, item["position_of_decision"], *(item["now"][name] for name in names))
        for key, item in latest.items()
        if [item["decided"][name] for name in names] != [item["now"][name] for name in names]
    }


def differing_by_views(at: Snapshot, **options: Any) -> set[tuple[Any, ...]]:
    return {
        (
            *(row["subject"], row["scheme"], row["period"], row["position_of_decision"]),
            *((row["now"] or {}).get(name) for name in ("state", "level", "score")),
        )
        for row in all_rows(decisions_differing, at, **options)
    }


@pytest.mark.slow
@pytest.mark.parametrize(("location", "seed"), by_turns(range(2 * SOAK)), indirect=["location"])
def test_the_decisions_that_differ_are_those_that_an_audit_finds(location: str, seed: int, tmp_path: Path) -> None:
    """Whether the views were built after everything or followed it, and in whatever pages they are read."""
    world = World(seed)
    create_store(location)
    with open_store(location) as store:
        for part in range(2):
            (tmp_path / str(part)).mkdir()
            ingest_events(store, world.events(150), tmp_path / str(part))
            decided_all(store, None if part == 0 else "more is known")
            if part == 0:
                with open_views(store, make=True) as views:
                    rebuild(views, Asked(sample=0))
        (tmp_path / "last").mkdir()
        ingest_events(store, world.events(250), tmp_path / "last")
        with open_views(store) as views:
            while advance(views, 1).build.position < store.head().position:
                pass
        expected = differing_by_audit(store)
        with snapshot_beside(store) as at:
            found = differing_by_views(at)
            assert differing_by_views(at, looked_at=4) == found, "short pages leave nothing out"
            made = all_rows(decisions_made, at)
    nothing = {row[:4] for row in found if row[4] is None}
    assert {row for row in found if row[4] is not None} == {row for row in expected if row[:4] not in nothing}
    assert {row[:4] for row in found} == {row[:4] for row in expected}
    assert len(expected) > 5 and len({row[1] for row in expected}) > 3
    assert len(made) == len({row["position_of_decision"] for row in made}) > len(expected)


INSTANTS = ("2022-10-31T23:59:59.999999", "2022-12-01T00:00:00", "2022-12-01T00:00:00.000001", "2023-01-01T00:00:00")
"""Around the instants as of which Firefly months are decided."""


LATER = ("2022-12-01T00:00:00.000001", "2022-12-31T10:00:00", "2023-01-01T00:00:00", "2023-01-01T00:00:00")
"""Of one creator more, points that always lie behind all that was judged of it."""
TASK = {"task": "t", "points": 90}


def points_of(pick: Random, number: int) -> list[Event]:
    """Some events of two creators: points earned and redeemed where months begin and end."""
    made = []
    for each in range(number, number + 12):
        at = f"{pick.choice((*INSTANTS, '2022-11-20T12:00:00', '2022-12-31T23:59:59.999999'))}+08:00"
        subject, points = f"creator/c-{pick.randrange(2)}", pick.choice((1, 60, 100, 400))
        task = {"subject": subject, "task": f"t-{pick.randrange(30)}", "points": points}
        redeemed = {"subject": subject, "redemption": f"r-{each}", "points": points}
        made.append(event("points.earned", f"e-{each}", at, **task))
        made.append(event("points.redeemed", f"r-{each}", at, **redeemed))
    return made


@pytest.mark.parametrize(("location", "seed"), by_turns(range(3)), indirect=["location"])
def test_points_of_the_very_instant_that_ends_a_month_count_in_its_decision(
    location: str, seed: int, tmp_path: Path
) -> None:
    """Decided as of that instant, which belongs to the next month: by columns, event by event, and gone on with."""
    pick, steps = Random(seed), 0
    create_store(location)
    joined = [
        event("creator.registered", f"joined-{each}", f"{pick.choice(INSTANTS[:2])}+08:00", subject=f"creator/c-{each}")
        for each in range(3)
    ]
    with open_store(location) as store:
        for part in range(4):
            (tmp_path / str(part)).mkdir()
            lines = points_of(pick, 100 * part)
            later = event("points.earned", f"later-{part}", f"{LATER[part]}+08:00", subject="creator/c-2", **TASK)
            some = [*joined, *lines] if part == 0 else lines[:2] if part == 2 else lines
            later["data"]["task"] = later["id"]
            assert ingest_events(store, [*some, later], tmp_path / str(part))[0].recorded == len(some) + 1
            for month in ("2022-11", "2022-12") if part == 0 else ():
                decide(store, FIREFLY, period_of(store, FIREFLY, parse_month(month), None), None)
            with open_views(store, make=True) as views:
                if part == 0:
                    rebuild(views, Asked(sample=0))
                while advance(views, 1, events_max=(40, 1, 5, 2)[part]).build.position < store.head().position:
                    steps += 1
                assert proof_of(views).problems == []
            with snapshot_beside(store) as at:
                found = differing_by_views(at)
            assert found == differing_by_audit(store), part
            assert bool(found) == (part > 0)
    assert steps > 3


def test_quiet_months_and_merchants_out_of_scope_differ_in_nothing_and_are_told_when_they_do(
    location: str, tmp_path: Path
) -> None:
    """Months without a verdict, and merchants that no tier is for, have no rows of their own in the views."""
    at = "2022-10-04T00:00:00+08:00"
    opened = event("merchant.onboarded", "open", "2022-09-01T00:00:00+08:00", category="fresh")
    review = event("review.posted", "good", at, order="o-1", quality=5)
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [opened, paid("o-1", at), review], tmp_path)
        for month in ("2022-10", "2022-12"):
            decide(store, REPUTATION, period_of(store, REPUTATION, parse_month(month), None), None)
        day = period_of(store, TIER, None, parse_day("2022-09-05"))
        decide(store, TIER, day, None)
        gone = event("event.retracted", "gone", at, event="open", reason="a mistake")
        gone["data"]["source"] = gone["source"]
        toys = event("merchant.onboarded", "toys", "2022-09-01T00:00:00+08:00", category="toys")
        ingest_events(store, [gone, toys], tmp_path)
        decide(store, TIER, day, "it sells no fresh food")
        with open_views(store, make=True) as views:
            rebuild(views, Asked(sample=0))
        with snapshot_beside(store) as snapshot:
            assert all_rows(decisions_differing, snapshot) == []
        ingest_events(store, [event("order.flagged", "flag", at, order="o-1", reason="fake_trade")], tmp_path)
        with open_views(store) as views:
            advance(views, 1)
        with snapshot_beside(store) as snapshot:
            rows = all_rows(decisions_differing, snapshot)
    assert [row["period"] for row in rows] == ["2022-12", "2022-10"]
    for row in rows:
        assert row["decided"] == {"state": "rated", "level": "bronze-1", "score": 10}
        assert row["now"] == {"state": "unrated", "level": None, "score": 0}


def announced_all() -> list[Event]:
    """Of a subject of each kind, several levels announced of each scheme for periods decided and not, and for none."""
    made = []
    for scheme in SCHEMES.values():
        subject = {"merchant": "merchant/m-1", "creator": "creator/c-1", "mcn": "mcn/a-1"}[scheme.kind]
        codes = scheme.replay.level_codes(shipped(scheme.code)[-1])
        for period in (*MONTHS, "2022-12", *DAYS[:2], "2022-11-20"):
            for level in (None, *codes[:2]):
                told = {"scheme": scheme.code, "period": period, "level": level}
                name = f"told-{scheme.code}-{period}-{level}"
                made.append(event("level.announced", name, "2023-03-01T00:00:00+08:00", subject=subject, **told))
    for item in made[::5]:
        about = {"event": item["id"], "reason": "a mistake"}
        took = event(
            "event.retracted", f"not-{item['id']}", "2023-03-02T00:00:00+08:00", subject=item["subject"], **about
        )
        took["data"]["source"] = item["source"]
        made.append(took)
    return made


@pytest.mark.slow
@pytest.mark.parametrize(("location", "seed"), by_turns(range(2)), indirect=["location"])
def test_the_announcements_that_differ_are_those_that_an_audit_finds(location: str, seed: int, tmp_path: Path) -> None:
    """An audit leaves out those that come out so now, whatever was decided; the list does not."""
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [*World(seed).events(300), *announced_all()], tmp_path)
        decided_all(store)
        with open_views(store, make=True) as views:
            rebuild(views, Asked(sample=0))
        by_audit = {
            (row["subject"], row["scheme"], row["period"], row["announced"])
            for row in audit_json(store, Selection())["announced"]
        }
        with snapshot_beside(store) as at:
            rows = all_rows(announcements_differing, at)
            assert all_rows(announcements_differing, at, looked_at=2) == rows
    found = {
        (row["subject"], row["scheme"], row["period"], row["announced"]): row
        for row in rows
        if not row["is_period"] or row["announced"] != (row["now"] or {"level": None})["level"]
    }
    assert by_audit <= {*found} and len(by_audit) > 10
    for name in {*found} - by_audit:  # decided so on an earlier day, and no other since
        decided = found[name]["decided"]
        assert decided["level"] == name[3] and decided["period"] < name[2], name
    for row in rows:
        if row["is_period"] and row["decided"] is not None and row["decided"]["period"] == row["period"]:
            assert row["decided"]["level"] != row["announced"]


def test_disputes_of_many_subjects_are_those_that_each_ones_records_tell(location: str, tmp_path: Path) -> None:
    """Find reads what was announced from the views, a page of one subject from its records."""
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [*World(1).events(150), *announced_all()], tmp_path)
        for scheme in (REPUTATION, FIREFLY):
            decide(store, scheme, period_of(store, scheme, parse_month("2022-11"), None), None)
        with open_views(store, make=True) as views:
            rebuild(views, Asked(sample=0))
        with snapshot_beside(store) as at:
            moment = resolve(store, Asking(position=at.standing.position))._replace(as_of=at.standing.as_of)
            units = list(at.connection.execute(select(at.tables["levels"].c.subject, at.tables["levels"].c.scheme)))
            expected = []
            for subject, scheme in units:
                claims = claims_on(store, subject, scheme, moment, EVERYTHING_SHOWN)
                past = at.tables["history"]
                rows = select(past).where(past.c.subject == subject, past.c.scheme == scheme).order_by(past.c.number)
                history = [dict(row._mapping) for row in at.connection.execute(rows)]
                expected += not_borne_out(claims, history)
            found = disputes_in(at, store, sorted({subject for subject, _ in units}), EVERYTHING_SHOWN)
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    assert sum(dispute.claim.kind == "announced" for dispute in found) > 5


def test_an_announced_level_is_held_against_what_a_period_is_decided_as_of(location: str, tmp_path: Path) -> None:
    """Of what happens at the very instant that ends a month, a reputation takes in nothing, Firefly points all."""
    at, creator = "2022-12-01T00:00:00+08:00", {"subject": "creator/li"}
    made = [
        event("merchant.onboarded", "open", "2022-09-01T00:00:00+08:00", category="fresh"),
        paid("o-1", "2022-11-30T10:00:00+08:00"),
        event("review.posted", "good", at, order="o-1", quality=5),
        event("creator.registered", "r", "2022-09-01T00:00:00+08:00", **creator),
        event("points.earned", "p", at, task="t-1", points=100, **creator),
    ]
    told = (("merchant/m-1", REPUTATION, (None, "bronze-1")), ("creator/li", FIREFLY, ("firefly-1", "firefly-2")))
    for subject, scheme, levels in told:
        for level in levels:
            announced = {"subject": subject, "scheme": scheme, "period": "2022-11", "level": level}
            made.append(event("level.announced", f"{scheme}-{level}", "2022-12-20T00:00:00+08:00", **announced))
    create_store(location)
    with open_store(location) as store:
        assert ingest_events(store, made, tmp_path)[0].recorded == len(made)
        with open_views(store, make=True) as views:
            rebuild(views, Asked(sample=0))
        by_audit = {(row["scheme"], row["announced"]) for row in audit_json(store, Selection())["announced"]}
        with snapshot_beside(store) as snapshot:
            rows = all_rows(announcements_differing, snapshot)
    assert {(row["scheme"], row["announced"]) for row in rows} == by_audit
    assert by_audit == {(REPUTATION, "bronze-1"), (FIREFLY, "firefly-1")}


# --- the dispute ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def disputed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("disputed")
    location = str(folder / "ledger.db")
    disputed_ledger(location, folder)
    with open_store(location) as store:
        yield store


def test_the_dispute_is_on_the_list(disputed: Store) -> None:
    with snapshot_beside(disputed) as at:
        found = worklist_json(at, disputed, "differing", Filters(), None, 10)
        assert found["next"] is None and found["position"] == disputed.head().position
        (row,) = [row for row in found["rows"] if row["subject"] == MERCHANT]
        assert row["period"] == PERIOD and row["decided"]["level"] == "bronze-2" and row["now"]["level"] == "bronze-1"
        for filters in (Filters(level="bronze-1"), Filters(level="bronze-2"), Filters("merchant-reputation", "rated")):
            assert worklist_json(at, disputed, "differing", filters, None, 10)["rows"] == [row]
        for filters in (Filters(level="gold-1"), Filters("merchant-tier"), Filters(period="2022-10")):
            assert worklist_json(at, disputed, "differing", filters, None, 10)["rows"] == []
        assert worklist_json(at, disputed, "announced", Filters(), None, 10)["rows"] == []


def test_levels_that_changed_are_those_of_the_histories(disputed: Store) -> None:
    with snapshot_beside(disputed) as at:
        months = [f"{year}-{month:02}" for year in (2022, 2023) for month in range(1, 13)]
        found = [row for month in months for row in all_rows(levels_changed, at, Filters(period=month))]
        expected = []
        for subject, scheme in at.connection.execute(
            select(at.tables["levels"].c.subject, at.tables["levels"].c.scheme)
        ):
            replay = replay_subject(disputed, subject, resolve(disputed, Asking()), scheme)
            changes = answer_of(replay).changes_json()
            expected += [
                (subject, scheme, change["before"]["level"], change["after"]["level"]) for change in changes[1:]
            ]
        told = [(row["subject"], row["scheme"], row["before"]["level"], row["after"]["level"]) for row in found]
        assert sorted(told, key=repr) == sorted(expected, key=repr) and len(told) > 5
        last = worklist_json(at, disputed, "changed", Filters(), None, 10)
        assert last["period"] == month_text(month_of(at.standing.as_of))


def test_how_many_stand_where(disputed: Store) -> None:
    with snapshot_beside(disputed) as at:
        found = distribution_json(at, disputed, EVERYTHING)
        levels = list(at.connection.execute(select(at.tables["levels"])))
    counted = Counter((row.scheme, row.state, row.level) for row in levels)
    assert {(row["scheme"], row["state"], row["level"]): row["subjects"] for row in found["rows"]} == counted
    assert found["total"] == len(levels) > 4


def test_how_many_stood_where_at_a_periods_close_is_what_replays_then_give(disputed: Store) -> None:
    """As known now: of each subject that had come to a level or a state by then."""
    with snapshot_beside(disputed) as at:
        subjects = list(at.connection.execute(select(at.tables["levels"].c.subject, at.tables["levels"].c.scheme)))
        for period in ("2022-10", "2022-11", "2022-11-22", "2023-03"):
            _, over = bounds_of(period)
            moment = Asking(as_of=shanghai_text(over - 1))
            counted: Counter[tuple[str, str, str | None]] = Counter()
            for subject, scheme in subjects:
                replay = replay_subject(disputed, subject, resolve(disputed, moment), scheme)
                if replay.changes():
                    counted[(scheme, replay.standing().state, replay.standing().level)] += 1
            found = distribution_json(at, disputed, Filters(period=period))
            assert {(row["scheme"], row["state"], row["level"]): row["subjects"] for row in found["rows"]} == counted
            assert found["total"] == counted.total() > 2


FILTERS = (
    *(EVERYTHING, Filters("merchant-reputation"), Filters(state="rated"), Filters(level="bronze-1")),
    *(Filters(period="2022-11"), Filters("merchant-tier", period="2022-11-22"), Filters("creator-level", "gated")),
    Filters("merchant-reputation", "rated", "bronze-2", "2022-11"),
)


@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_totals_count_what_the_lists_list_under_the_same_filters(disputed: Store, filters: Filters) -> None:
    with snapshot_beside(disputed) as at:
        found = totals_json(at, disputed, filters, looked_at=None)
        expected: dict[str, Counter[str]] = {
            "differing": Counter(row["scheme"] for row in all_rows(decisions_differing, at, filters)),
            "announced": Counter(row["scheme"] for row in all_rows(announcements_differing, at, filters)),
            "set_aside": Counter(row["scheme"] for row in all_rows(levels_set_aside, at, filters)),
        }
        changed_in = filters._replace(period=found["changed_in"])
        listed = worklist_json(at, disputed, "changed", changed_in, None, 1000)
        assert listed["period"] == found["changed_in"] and listed["next"] is None
        expected["changed"] = Counter(row["scheme"] for row in listed["rows"])
        schemes = [filters.scheme] if filters.scheme else list(SCHEMES)
        assert [row["scheme"] for row in found["rows"]] == schemes
        for row in found["rows"]:
            assert row["whole"] and {name: row[name] for name in expected} == {
                name: counted[row["scheme"]] for name, counted in expected.items()
            }
        for row in distribution_json(at, disputed, filters)["rows"]:
            asked = (filters.scheme, filters.state, filters.level)
            assert all(
                value in (None, row[name]) for name, value in zip(("scheme", "state", "level"), asked, strict=True)
            )


def test_totals_say_where_not_all_was_looked_at_and_tell_no_decisions_to_who_may_not_see_them(disputed: Store) -> None:
    with snapshot_beside(disputed) as at:
        (few,) = totals_json(at, disputed, Filters(REPUTATION), looked_at=1)["rows"]
        (whole,) = totals_json(at, disputed, Filters(REPUTATION))["rows"]
        assert not few["whole"] and whole["whole"] and few["differing"] <= 1 <= whole["differing"]
        (hidden,) = totals_json(at, disputed, Filters(REPUTATION), tells_decisions=False)["rows"]
        assert (hidden["differing"], hidden["announced"]) == (None, None) and hidden["changed"] == whole["changed"]
