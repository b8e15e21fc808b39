"""What the views hold of a subject says what its replay says, key for key, however the views came to stand there."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from domain.calendar import day_of, parse_instant
from domain.merchant_tier.values import NEVER
from projections.reading.freshness import Judges, ViewsStanding
from projections.schemes.registry import view_of
from projections.schemes.shared.viewed import Viewed
from projections.views.database import BUILDING, LIVE, Views, open_views
from projections.views.rows import rows_through
from replay.answers.then import KnownThen
from replay.history.readers import EVERYTHING_SHOWN, Reader
from replay.history.timeline import Asked, resolve
from replay.schemes.registry import answer_of
from replay.schemes.replaying import replay_subject
from replay.store.base.store import Store
from tests.conftest import SOAK, by_turns
from tests.support.making import event, ingest_events, paid
from tests.support.views import empty_live, filled, grown

READERS = (EVERYTHING_SHOWN, Reader(sees_decisions=False))


def check_told(views: Views, number: int, seen: Counter[str]) -> None:
    """Every level of a build, told from its rows, is what a replay at the build's moment tells."""
    store = views.store
    with views.reading() as connection:
        build, tables = views.build(connection, number), views.tables(number)
        standing = ViewsStanding(number, build.position, build.as_of, build.chain, build.policies, 0, build.position)
        judges = Judges(store, build.policies)
        moment = resolve(store, Asked(position=build.position))._replace(as_of=build.as_of)
        levels = tables["levels"]
        for row in connection.execute(select(levels).order_by(levels.c.subject, levels.c.scheme)):
            rows = rows_through(connection, tables, row.subject, row.scheme)
            policies = judges.taking_part(row.scheme, store, standing)
            replay = replay_subject(store, row.subject, moment, row.scheme)
            for reader in READERS:
                moment_of_build = build.as_of, build.position
                viewed = Viewed(row.subject, row, policies, *moment_of_build, reader, rows, judges.by_hash, store)
                own = view_of(row.scheme).own_json(viewed)
                answer = answer_of(shown := replay.shown_to(reader))
                assert own == answer.own_json(), (row.subject, row.scheme)
                then = view_of(row.scheme).then_json(viewed)
                assert then == answer.then_json(KnownThen(shown)), (row.subject, row.scheme)
            seen[f"{row.scheme} {row.state}"] += 1
            for name in ("preview", "fast_upgrade", "clear_out", "published"):
                seen[name] += own.get(name) is not None


@pytest.mark.slow
@pytest.mark.parametrize(("location", "seed"), by_turns(range(2 * SOAK)), indirect=["location"])
def test_views_that_were_moved_step_by_step_tell_what_replays_tell(store: Store, tmp_path: Path, seed: int) -> None:
    seen: Counter[str] = Counter()
    with open_views(store, make=True) as views:
        empty_live(views)
        for now in grown(views, tmp_path, 400 + seed, 400):
            if not now % 3:
                check_told(views, 1, seen)
        check_told(views, 1, seen)
        filled(views, 2, BUILDING, now)
        check_told(views, 2, seen)
    for name in ("merchant-reputation unrated", "merchant-tier rated", "creator-level gated", "published"):
        assert seen[name], (name, seen)


def test_the_version_that_can_be_previewed_is_shown_from_the_views_as_by_a_replay(store: Store, tmp_path: Path) -> None:
    """One who would rise, one who would be gated, and one who is not evaluated yet."""
    events = [
        *(registered("lin", "2022-05-02"), sale("lin", "2022-05-03"), scored("lin", "2022-05-20", "4.60")),
        *(registered("mei", "2022-05-02"), sale("mei", "2022-05-03"), scored("mei", "2022-05-20", "4.10")),
        registered("new", "2022-06-02"),
    ]
    ingest_events(store, events, tmp_path)
    seen: Counter[str] = Counter()
    with open_views(store, make=True) as views:
        filled(views, 1, LIVE, parse_instant("2022-06-10T00:00:00+08:00"))
        check_told(views, 1, seen)
    assert seen["preview"] == 2 and seen["creator-level no_evaluation_yet"] == 1


def test_refunds_beyond_the_sales_of_a_month_are_told_from_the_views_as_missing(store: Store, tmp_path: Path) -> None:
    """Of one whose month has refunds alone, one with nothing at all, and one before the version that can be
    previewed.
    """
    back = made("sale.refunded", "lin", "2022-06-03", order="s-1", amount=70_000)
    ingest_events(
        store,
        [registered("lin", "2022-05-02"), sale("lin", "2022-05-03"), back, registered("new", "2022-05-02")],
        tmp_path,
    )
    told: dict[str, Any] = {}
    with open_views(store, make=True) as views:
        for number, (state, day) in enumerate(((LIVE, "2022-07-10"), (BUILDING, "2022-08-10")), 1):
            filled(views, number, state, parse_instant(f"{day}T00:00:00+08:00"))
            check_told(views, number, Counter())
            moment = resolve(store, Asked())._replace(as_of=parse_instant(f"{day}T00:00:00+08:00"))
            answers = [
                answer_of(replay_subject(store, f"creator/{name}", moment)).own_json() for name in ("lin", "new")
            ]
            told[day] = [answer["diagnosis"]["settled_missing"] for answer in answers]
            if answers[0]["preview"]:
                told["preview"] = answers[0]["preview"]["diagnosis"]["settled_missing"]
    assert told == {"2022-07-10": [100_000, 30_000], "2022-08-10": [30_000, 30_000], "preview": 100_000}


def registered(creator: str, day: str) -> dict[str, Any]:
    return made("creator.registered", creator, day)


def sale(creator: str, day: str) -> dict[str, Any]:
    return made("sale.settled", creator, day, order="s-1", amount=3_500_000, good_goods=True, channel="live")


def scored(creator: str, day: str, value: str) -> dict[str, Any]:
    return made("creator.scored", creator, day, score="reputation", value=value)


def made(name: str, creator: str, day: str, **data: Any) -> dict[str, Any]:
    return event(name, f"{name}-{creator}", f"{day}T00:00:00+08:00", subject=f"creator/{creator}", **data)


def test_readers_by_sql_get_the_figures_of_indicators_and_the_next_evaluation(store: Store, tmp_path: Path) -> None:
    opened, at = (
        event("merchant.onboarded", "o", "2022-09-01T00:00:00+08:00", category="fresh"),
        "2022-09-03T00:00:00+08:00",
    )
    ingest_events(store, [opened, paid("1", at), paid("2", at), registered("new", "2022-09-02")], tmp_path)
    with open_views(store, make=True) as views:
        filled(views, 1, LIVE, parse_instant("2022-09-10T00:00:00+08:00"))
        prefix = "" if views.schema is None else f"{views.schema}."
        with views.moving() as connection:
            views.switch(connection, 1)
        with views.reading() as connection:
            figures = connection.execute(text(f"SELECT subject, day, orders, gmv_fen FROM {prefix}v1_tier_figures"))
            assert [tuple(row) for row in figures] == [("merchant/m-1", day_of(parse_instant(at)), 2, 25_800)]
            days = connection.execute(text(f"SELECT since_day, lowest_since_day FROM {prefix}v1_tier_days"))
            assert [tuple(row) for row in days] == [(day_of(parse_instant(opened["time"])), NEVER)]
            due = f"SELECT next_at FROM {prefix}v1_calendar WHERE scheme = 'creator-level'"
            assert connection.execute(text(due)).scalar_one() == parse_instant("2022-10-01T00:00:00+08:00")
