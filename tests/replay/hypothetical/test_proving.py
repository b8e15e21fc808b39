"""A way is shown only where it reaches its level, no earlier than it says, and not with one unit less."""

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest

from domain.calendar import parse_instant
from domain.languages import LANGUAGES
from domain.rules.contributions import REVIEWS
from projections.contract.parts.hypothetical import WaysAnswer
from projections.text.lab.hypothetical import ways_lines
from projections.text.words import Words
from replay.answers.ways import way_at, ways_json
from replay.columnar import size
from replay.errors import UsageError
from replay.hypothetical import proving
from replay.hypothetical.laid import line_of
from replay.hypothetical.proving import proved, proved_ways
from replay.replaying.base import Replay
from replay.replaying.hypothetical import TOO_MANY_TO_PROVE, Hypothetical, Need, NoWay, Way, Ways
from replay.schemes.registry import SCHEMES
from replay.store.base.store import Store
from tests.conftest import SOAK, by_turns
from tests.support.making import event, paid
from tests.support.supposing import AS_OF, OPENED, fingerprint, grow, moment, replayed, reviews
from tests.worlds.ledgers import AGENCIES, BEGIN, CREATORS, END, MERCHANTS, World

DUE = parse_instant("2022-12-10T10:00:00+08:00")
AT = AS_OF + 60_000_000
THREE = {"review.posted": {"quality": 3}}


@pytest.fixture
def base(store: Store, tmp_path: Path) -> Replay:
    """A merchant with 49.0 points, two under the second level."""
    grow(store, tmp_path, [OPENED, *reviews(49)])
    return replayed(store, SCHEMES["merchant-reputation"], "merchant/m-1", moment(store, AS_OF))


def good(count: int, at: int = AT) -> tuple[Hypothetical, ...]:
    return tuple(
        made
        for n in range(count)
        for made in (
            Hypothetical(at, "merchant/m-1", "order.paid", {"order": f"h-{n}", "buyer": f"h-{n}", "amount": 500}),
            Hypothetical(at, "merchant/m-1", "review.posted", {"order": f"h-{n}", "quality": 5}),
        )
    )


def way(events: Any, less: Any, reached_at: int = AT, level: str = "bronze-2", **rest: Any) -> Way:
    asks = (Need("good_reviews", len(events) // 2, REVIEWS),)
    return Way("good_reviews", asks, level, events, reached_at, None, less, **rest)


def test_two_reviews_reach_fifty_one_points_and_one_does_not(base: Replay) -> None:
    assert proved(base, way(good(2), good(1)))
    assert not proved(base, way(good(1), good(0))), "it does not reach the level"
    assert not proved(base, way(good(3), good(2))), "one less reaches it, too"
    assert not proved(base, way(good(2), good(1), AT + 1)), "it reaches it earlier"
    assert not proved(base, way(good(2), good(1), AT - 1)), "it does not reach it yet"
    assert not proved(base, way(good(2), good(1), level="bronze-3")), "it reaches another level"
    assert not proved(base, way(good(2), good(1), level="nowhere"))
    assert not proved(base, way(good(2), good(1), others_less=(good(2),))), "less of another thing reaches it, too"


def test_it_counts_from_the_instant_on_that_is_said(base: Replay) -> None:
    """January, at whose end the two reviews are done, closes a second later; February is published on 16 March."""
    reached, march = way(good(2), good(1)), parse_instant("2023-03-16T12:00:00+08:00")
    assert proved(base, reached._replace(effective_at=march))
    assert not proved(base, reached._replace(effective_at=march - 1)), "it does not count yet"
    assert not proved(base, reached._replace(effective_at=march + 1)), "it counts already"


def test_what_counts_already_by_an_earlier_month_denies_no_way(store: Store, tmp_path: Path) -> None:
    """December closes with 51 points, published in January; the level counts though a bad review then takes it."""
    bad = event("review.posted", "bad", "2023-01-20T10:00:00+08:00", order="worst", quality=1)
    grow(store, tmp_path, [OPENED, *reviews(51), paid("worst"), bad])
    at = parse_instant("2023-01-25T10:00:00+08:00")
    fallen = replayed(store, SCHEMES["merchant-reputation"], "merchant/m-1", moment(store, at))
    assert fallen.standing().level != fallen.effective().level == "bronze-2"
    found = proved_ways(fallen)
    assert found.unproved == () and [item.kind for item in found.ways] == ["good_reviews"]


def test_what_a_way_asked_for_may_have_been_recorded_since(store: Store, base: Replay, tmp_path: Path) -> None:
    """Two reviews reach bronze-2; recorded with three stars they bring nothing, and two others still do."""
    (asked,) = proved_ways(base).ways
    made = [json.loads(line_of(item, number)) for number, item in enumerate(asked.events)]
    grow(store, tmp_path, [item | {"data": {**item["data"], **THREE.get(item["type"], {})}} for item in made])
    later = replayed(store, SCHEMES["merchant-reputation"], "merchant/m-1", moment(store, AS_OF + 3_600_000_000))
    found = proved_ways(later)
    assert (found.unproved, [item.asks for item in found.ways]) == ((), [asked.asks])


def test_lines_of_another_instant_bear_other_ids() -> None:
    (one, *_), (other, *_) = good(1), good(1, AT + 1)
    ids = [json.loads(line_of(made, number))["id"] for made, number in ((one, 1), (one, 2), (other, 1))]
    assert ids == [f"what-if-{AT}-1", f"what-if-{AT}-2", f"what-if-{AT + 1}-1"]


def test_a_way_beyond_the_next_level_is_none_where_less_reaches_that(base: Replay) -> None:
    """201 points are bronze-3: of 152 reviews one less is bronze-2 as before, which two bring."""
    beyond = way(good(152), good(151), level="bronze-3")
    assert proved(base, beyond) and not proved(base, beyond, "bronze-2")
    assert proved(base, way(good(2), good(1)), "bronze-2")


def test_a_way_of_more_events_than_are_laid_is_only_told_of(base: Replay) -> None:
    full, told = proved_ways(base), proved_ways(base, 3)
    (reviewed,) = full.ways
    assert proved_ways(base, len(reviewed.events)) == full and len(reviewed.events) == 4
    assert not told.ways and not told.unproved
    assert told.unreachable == (NoWay(reviewed.kind, TOO_MANY_TO_PROVE, reviewed.asks), *full.unreachable)


def test_time_alone_reaches_at_its_instant(store: Store, tmp_path: Path) -> None:
    received = event("order.received", "rec", "2022-11-25T10:00:00+08:00", order="last")
    early = event("order.received", "rec-2", "2022-11-24T10:00:00+08:00", order="last-2")
    grow(store, tmp_path, [OPENED, *reviews(50), paid("last"), paid("last-2"), received, early])
    asked_at = parse_instant("2022-12-01T00:00:00+08:00")
    waiting = replayed(store, SCHEMES["merchant-reputation"], "merchant/m-1", moment(store, asked_at))
    assert proved(waiting, way((), None, DUE)), "50.0 and twice 0.7"
    assert not proved(waiting, way((), None, DUE + 1)) and not proved(waiting, way((), None, DUE - 1))


@pytest.mark.slow
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(("location", "seed"), by_turns(range(2 * SOAK)), indirect=["location"])
def test_whatever_a_scheme_proposes_is_proved(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, large: bool
) -> None:
    """Out of ledgers of every kind of subject, plain and large alike; and each of what is told has its words."""
    if large:
        monkeypatch.setattr(size, "MANY_RECORDS_TO_COMPILE", 0)
        monkeypatch.setattr(size, "MANY_RECORDS", 0)
    random, found = Random(seed), 0
    grow(store, tmp_path, World(seed).events(300))
    before = fingerprint(store)
    for scheme in SCHEMES.values():
        for subject in {"merchant": MERCHANTS, "creator": CREATORS, "mcn": AGENCIES}[scheme.kind]:
            now = replayed(store, scheme, subject, moment(store, random.randrange(BEGIN, END)))
            assert (type(now) is not scheme.replay) == large
            shown = proved_ways(now)
            assert shown.unproved == (), (scheme.code, subject, now.moment)
            told = ways_json(now, shown, "en")
            assert WaysAnswer().validate(told) == {}
            for language in LANGUAGES:
                lines = "\n".join(ways_lines(told, Words(language, now.level_names(language))))
                assert not re.search(r"[a-z]_[a-z]", lines), lines
            found += len(shown.ways)
    assert fingerprint(store) == before
    assert found > 10


def test_what_the_proof_denies_is_left_out_and_named(base: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    holds, false = way(good(2), good(1)), way(good(1), good(0))._replace(kind="wishing")
    found = Ways("bronze-2", (holds, false), (NoWay("time_alone", "nothing_comes"),))
    monkeypatch.setattr(proving, "ways_of", lambda _: lambda replay, lay: found)
    shown = proved_ways(base)
    told = ways_json(base, shown, "en")
    assert [item["kind"] for item in told["ways"]] == ["good_reviews"]
    assert told["unproved"] == ["wishing"] and told["hypothetical"] is True
    assert told["ways"][0]["asks"] == [{"figure": "good_reviews", "amount": 2, "unit": "reviews"}]
    assert told["ways"][0]["level_name"] == "Bronze Lv2" == told["next_level_name"]
    assert told["unreachable"] == [{"kind": "time_alone", "why": "nothing_comes", "asks": []}]
    assert way_at(shown, 1) == holds
    for number in (0, 2):
        with pytest.raises(UsageError, match=rf"^there is no way {number} here; 'levelbook ways' lists 1"):
            way_at(shown, number)
