"""What was published as known then: a replay at the instant of the publication says the same, whatever came behind."""

from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.calendar import month_start, parse_instant, shanghai_text
from domain.events import Event
from domain.limits import DAY_MICROS
from domain.merchant_reputation.account import Publication
from domain.policy import Policy
from projections.schemes.merchant_reputation import then as then_of_views
from projections.schemes.shared.viewed import Viewed
from projections.views.database import BUILDING, LIVE, open_views
from projections.views.rows import rows_through
from replay.answers.replay import replay_json
from replay.answers.then import KnownThen
from replay.columnar import size
from replay.history.readers import EVERYTHING_SHOWN
from replay.history.timeline import Asked, Moment, resolve
from replay.replaying.base import Policies, Replay
from replay.replaying.known import LargeKnown
from replay.schemes.merchant_reputation.large import LargeReputation
from replay.schemes.merchant_reputation.late import Issue, Reach, touched
from replay.schemes.merchant_reputation.replay import ReputationReplay
from replay.schemes.merchant_reputation.then import Issued, publications_then
from replay.schemes.replaying import replay_subject
from replay.store.base.store import Store
from tests.conftest import SOAK, by_turns
from tests.support.making import event, ingest_events, paid
from tests.support.merchant_columns import as_columns
from tests.support.replays import VERSION_LISTS, candidates
from tests.support.views import filled
from tests.worlds.ledgers import MERCHANTS, recorded_as_they_came
from tests.worlds.merchant_reputation import SUBJECT, World, known_of, worlds

DELAYS = st.lists(st.sampled_from([0, 0, 0, 1, DAY_MICROS, 16 * DAY_MICROS, 40 * DAY_MICROS]), min_size=60, max_size=60)
SCHEME = "merchant-reputation"


def learned(ledger: list[Event], delays: list[int]) -> list[Event]:
    """The same ledger, each record made when it had happened, and some time later than the one before."""
    clock, found = 0, list[Event]()
    for event_made, delay in zip(ledger, [*delays, *[0] * len(ledger)], strict=False):
        clock = max(clock + 1, event_made.occurred_at) + delay // 10
        found.append(event_made._replace(recorded_at=clock))
    return found


def by_itself(versions: list[Policy], known: list[Event], published: Publication) -> Publication | None:
    """The publication of the same month that a replay at its instant gives, with what was recorded by then."""
    then = [made for made in known if made.recorded_at <= published.at]
    moment = Moment(published.at, published.at, then[-1].position if then else 0)
    replay = ReputationReplay(SUBJECT, then, moment, Policies(candidates(versions, published.at)))
    return next((item for item in replay.publications() if item.month == published.month), None)


@pytest.mark.slow
@settings(max_examples=150 * SOAK)
@given(world=worlds(), versions=VERSION_LISTS, delays=DELAYS)
def test_every_publication_as_known_then_is_a_replay_at_its_instant(
    world: World, versions: list[Policy], delays: list[int]
) -> None:
    known = known_of(learned(world.ledger, delays), world.position)
    moment = Moment(world.as_of, known[-1].recorded_at if known else 0, world.position)
    now = ReputationReplay(SUBJECT, known, moment, Policies(candidates(versions, world.as_of)))
    published = now.publications()
    issued = [Issued(item.month, item.at) for item in published]
    found = publications_then(now, issued, KnownThen(now), len(published))
    then = [item.published for item in found]
    assert all(item.is_known for item in found)
    for most in (0, 1):
        fewer = publications_then(now, issued, KnownThen(now), most)
        assert all(item == other for item, other in zip(fewer, found, strict=True) if item.is_known)
    assert then == [by_itself(versions, known, item) for item in published]
    told = replay_json(now, "en")
    assert (told["published"] is None) == (not published)
    if published and then[-1] is not None:
        assert told["published_then"]["level"] == then[-1].shown.level
        same = {name: told["published"][name] for name in ("points", "level")}
        assert told["published_then"]["differs"] == any(told["published_then"][name] != same[name] for name in same)


@pytest.mark.slow
@settings(max_examples=150 * SOAK)
@given(world=worlds(), versions=VERSION_LISTS, delays=DELAYS)
def test_columns_say_what_was_published_then_as_events_do(
    world: World, versions: list[Policy], delays: list[int]
) -> None:
    """Without one record of what was known then put together anew."""
    known = known_of(learned(world.ledger, delays), world.position)
    moment = Moment(world.as_of, known[-1].recorded_at if known else 0, world.position)
    policies = Policies(candidates(versions, world.as_of))
    plain = ReputationReplay(SUBJECT, known, moment, policies)
    records: Any = None
    columns = as_columns(known)
    large = LargeReputation(SUBJECT, LargeKnown(columns._replace(subjects=[SUBJECT]), records), moment, policies)
    published = plain.publications()
    assert large.publications() == published
    moments = KnownThen(plain).moments([item.at for item in published])
    issues = [Issue(month_start(item.month + 1), at.position) for item, at in zip(published, moments, strict=True)]
    assert large.touched(issues) == plain.touched(issues)
    for then in moments:
        earlier = KnownThen(plain).policies(then)
        assert large.published_by(then, earlier) == plain.published_by(then, earlier)


def test_nothing_is_replayed_again_of_publications_that_nothing_late_concerns() -> None:
    """Whatever is recorded when it happens concerns later months than those that are published by then."""
    issues = [Issue(100, 5), Issue(200, 9), Issue(300, 12)]
    on_time = [Reach(begins, place) for place, begins in zip(count(1), (10, 20, 90, 99, 100, 150, 199), strict=False)]
    assert touched(issues, on_time) == set()
    assert touched(issues, [Reach(150, 10)]) == {1}, "the month's own publication; the next one knew it"
    assert touched(issues, [Reach(150, 13)]) == {1, 2}
    assert touched(issues, [Reach(300, 13)]) == set(), "it concerns no month that was published"


def published_at(store: Store, subject: str, published: dict[str, Any]) -> dict[str, Any] | None:
    """What a replay that knows what was known at a publication says of it."""
    moment = resolve(store, Asked(as_of=published["at"], known_at=published["at"]))
    found = replay_json(replay_subject(store, subject, moment, SCHEME), "en")["published"]
    return found if found and found["month"] == published["month"] else None


@pytest.mark.slow
@pytest.mark.parametrize(("location", "seed"), by_turns(range(2 * SOAK)), indirect=["location"])
@pytest.mark.parametrize("engine", ["plain", "large"])
def test_in_a_ledger_both_engines_say_what_was_published_then(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, engine: str
) -> None:
    _, watch = ingest_events(store, list(recorded_as_they_came(seed)), tmp_path, backfill=True)
    assert not watch.refusals
    if engine == "large":
        monkeypatch.setattr(size, "MANY_RECORDS_TO_COMPILE", 0)
        monkeypatch.setattr(size, "MANY_RECORDS", 0)
    differing = 0
    for subject in MERCHANTS:
        for as_of in ("2022-10-20", "2022-12-20", "2023-02-01", "2023-03-20", "2023-05-01", "2023-07-01"):
            moment = resolve(store, Asked(as_of=as_of))
            told = replay_json(replay_subject(store, subject, moment, SCHEME), "en")
            now, then = told["published"], told["published_then"]
            if now is None:
                assert then is None
                continue
            expected = published_at(store, subject, now)
            assert (then is None) == (expected is None)
            if then is not None and expected is not None:
                assert {name: then[name] for name in ("month", "at", "points", "level")} == {
                    name: expected[name] for name in ("month", "at", "points", "level")
                }
                differing += then["differs"]
    assert differing, "some publication comes out otherwise now"


def test_a_ledger_that_did_not_exist_then_knew_nothing(store: Store, tmp_path: Path) -> None:
    """What is recorded today of the past was not known when the past was published."""
    opened = event("merchant.onboarded", "open", "2022-10-01T00:00:00+08:00", category="fresh")
    ingest_events(store, [opened, paid("o-1", time="2022-11-01T00:00:00+08:00")], tmp_path)
    told = replay_json(replay_subject(store, "merchant/m-1", resolve(store, Asked(as_of="2022-12-31"))), "en")
    assert told["published"]["month"] == "2022-11" and told["published_then"] is None


def test_a_closing_learned_late_of_a_merchant_without_points_changes_nothing_that_people_saw(
    store: Store, tmp_path: Path
) -> None:
    """Closed or not, no points and no level were shown: two rows that read alike are not marked as different."""
    opened = event("merchant.onboarded", "open", "2022-10-01T00:00:00+08:00", category="fresh")
    closed = event("merchant.closed", "gone", "2022-10-03T00:00:00+08:00")
    recorded = ("2022-10-01T12:00:00+08:00", "2022-12-01T12:00:00+08:00")
    lines = [made | {"recordedtime": at} for made, at in zip((opened, closed), recorded, strict=True)]
    ingest_events(store, lines, tmp_path, backfill=True)
    moment = resolve(store, Asked(as_of="2022-12-10"))
    told = replay_json(replay_subject(store, "merchant/m-1", moment, SCHEME), "en")
    shown = {name: told["published"][name] for name in ("month", "points", "level")}
    assert shown == {"month": "2022-10", "points": "0.0", "level": None}
    assert told["published_then"] == shown | {"at": told["published"]["at"], "differs": False}


def test_a_replay_that_knows_less_than_was_known_at_a_publication_claims_no_more(store: Store, tmp_path: Path) -> None:
    """Of a position before the publication it is what that position tells, so that an answer stands for ever."""
    opened = event("merchant.onboarded", "open", "2022-10-01T00:00:00+08:00", category="fresh")
    closed = event("merchant.closed", "gone", "2022-10-03T00:00:00+08:00")
    lines = [made | {"recordedtime": f"{made['time'][:11]}12:00:00+08:00"} for made in (opened, closed)]
    ingest_events(store, lines, tmp_path, backfill=True)
    moment = resolve(store, Asked(as_of="2022-12-31", position=1))
    before = replay_json(replay_subject(store, "merchant/m-1", moment, SCHEME), "en")
    assert before["published_then"]["differs"] is False


def test_knowledge_of_earlier_instants_is_told_by_the_ledger(store: Store, tmp_path: Path) -> None:
    lines = [
        event("merchant.onboarded", f"open-{day}", f"2022-10-0{day}T00:00:00+08:00", category="fresh")
        | {"recordedtime": f"2022-10-0{day}T01:00:00+08:00"}
        for day in (1, 3, 5)
    ]
    ingest_events(store, lines, tmp_path, backfill=True)
    replay: Replay = replay_subject(store, "merchant/m-1", resolve(store, Asked(as_of="2022-12-31")), SCHEME)
    asked = [parse_instant(f"2022-10-0{day}T12:00:00+08:00") for day in (1, 2, 4, 6)]
    found = KnownThen(replay).moments(asked)
    assert [moment.position for moment in found] == [1, 1, 2, 3]
    assert shanghai_text(found[0].as_of) == "2022-10-01T12:00:00+08:00"


def test_the_views_answer_says_the_same(store: Store, tmp_path: Path) -> None:
    seen: Counter[Any] = Counter()
    ingest_events(store, list(recorded_as_they_came(0)), tmp_path, backfill=True)
    for number, as_of in enumerate(("2022-12-20", "2023-03-20", "2023-07-01"), 1):
        at = parse_instant(f"{as_of}T00:00:00+08:00")
        with open_views(store, make=True) as views:
            filled(views, number, LIVE if number == 1 else BUILDING, at)
            with views.reading() as connection:
                build, tables = views.build(connection, number), views.tables(number)
                for subject in MERCHANTS:
                    moment = resolve(store, Asked(position=build.position))._replace(as_of=at)
                    replay = replay_subject(store, subject, moment, SCHEME)
                    rows = rows_through(connection, tables, subject, SCHEME)
                    place: Any = (subject, None, replay.policies, at, build.position, EVERYTHING_SHOWN, rows, {}, store)
                    found = then_of_views.then_json(Viewed(*place))["published_then"]
                    assert found == replay_json(replay, "en")["published_then"]
                    seen[found and found["differs"]] += 1
    assert seen[False] and seen[True], seen
