"""What is laid over a replay is what a replay would be, had it been recorded; and nothing is recorded of it."""

from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from domain.calendar import parse_instant
from replay.answers.explain import explain_json
from replay.answers.replay import replay_json
from replay.columnar import size
from replay.columnar.seal import seal
from replay.errors import UsageError
from replay.hypothetical.overlay import laid_over, overlaid
from replay.replaying.base import Part, Replay
from replay.replaying.hypothetical import Hypothetical
from replay.schemes.registry import SCHEMES
from replay.store.base.store import Store
from replay.store.buyers import key_of
from tests.conftest import SOAK, by_turns
from tests.support.making import Event, event, paid
from tests.support.supposing import AS_OF, OPENED, fingerprint, grow, moment, read, replayed, reviews
from tests.worlds.agencies import AgencyMoves
from tests.worlds.ledgers import AGENCIES, BEGIN, CREATORS, END, MERCHANTS, World

WORLDS = range(3 * SOAK)
SUBJECTS = {"merchant": MERCHANTS, "creator": CREATORS, "mcn": AGENCIES}
YEAR = 366 * 86_400 * 1_000_000
TOLD_OF_THE_RECORD = {"known_at", "position", "learned_at", "asked_known_at", "recorded_at"}


@pytest.mark.slow
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(("location", "seed"), by_turns(WORLDS), indirect=["location"])
def test_laid_over_is_as_recorded(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, large: bool
) -> None:
    """The events are laid over a replay, and then recorded in truth."""
    if large:
        monkeypatch.setattr(size, "MANY_RECORDS_TO_COMPILE", 0)
        monkeypatch.setattr(size, "MANY_RECORDS", 0)
    random, world, moves = Random(seed), World(seed), AgencyMoves(seed)
    grow(store, tmp_path, [*world.events(300), *moves.events(40)])
    if (seed + large) % 2:
        store.named_segments = tmp_path / "segments"
        seal(store, store.named_segments)
        grow(store, tmp_path, world.events(60))
    moved = 0
    for scheme in SCHEMES.values():
        for subject in SUBJECTS[scheme.kind]:
            as_of = random.randrange(BEGIN, END + YEAR)
            base = replayed(store, scheme, subject, moment(store, as_of))
            assert (type(base) is not scheme.replay) == large
            drawn = [*world.events(60), *moves.events(20)]
            events = [made for made in bearing(base, drawn) if parse_instant(made["time"]) <= as_of]
            before = fingerprint(store)
            found = overlaid(base, read(events), as_of, key_of(store))
            told_before = told(found)
            assert fingerprint(store) == before
            grow(store, tmp_path, events)
            recorded = replayed(store, scheme, subject, moment(store, as_of))
            assert told_before == told(recorded), f"{scheme.code} of {subject} at {as_of}"
            moved += told(base) != told_before
    assert moved > 5


def told(replay: Replay) -> dict[str, Any]:
    """All that is said of a replay, but for when the ledger learned of it."""
    found: dict[str, Any] = {
        "replay": replay_json(replay, "en"),
        "explained": explain_json(replay, Part(None), "en"),
        "standing": replay.standing(),
        "effective": replay.effective(),
        "changes": [*replay.changes()],
        "score": replay.score,
        "figures": [*replay.decided_figures],
        "judged": [*replay.judged],
        "notes": dict(replay.notes),
    }
    return dict(without(found))


def without(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without(item) for name, item in value.items() if name not in TOLD_OF_THE_RECORD}
    return [without(item) for item in value] if isinstance(value, list) else value


def bearing(base: Replay, events: Iterable[Event]) -> list[Event]:
    """Those on which a replay rests, agencies' own bindings among them."""
    if not base.subject.startswith("mcn/"):
        return [made for made in events if made["subject"] == base.subject]
    drawn = list(events)
    streams = {base.subject, *known_streams(base)}
    streams |= {f"creator/{made['data']['creator']}" for made in drawn if is_binding(made, base.subject)}
    return [made for made in drawn if made["subject"] in streams or (is_binding(made) and of_any(made, streams))]


def known_streams(base: Replay) -> list[str]:
    assert base.origin is not None
    with base.origin.lend() as store:
        return base.streams(store, base.subject, base.moment.position)


def is_binding(made: Event, agency: str | None = None) -> bool:
    return made["type"] in ("creator.bound", "creator.unbound") and agency in (None, made["subject"])


def of_any(made: Event, streams: set[str]) -> bool:
    return f"creator/{made['data']['creator']}" in streams


# --- cases by hand ----------------------------------------------------------------------------------------------------


def retraction(name: str, named: str, subject: str = "merchant/m-1") -> Event:
    made = event("event.retracted", name, subject=subject, event=named, reason="a mistake")
    made["data"]["source"] = made["source"]
    return made


def test_a_good_review_is_a_point(store: Store, tmp_path: Path) -> None:
    grow(store, tmp_path, [OPENED])
    base = replayed(store, SCHEMES["merchant-reputation"], "merchant/m-1", moment(store, AS_OF))
    assert base.standing() == ("unrated", None, 0)
    at = parse_instant("2022-12-01T10:00:00+08:00")
    events = [
        Hypothetical(at, "merchant/m-1", "order.paid", {"order": "o-1", "buyer": "b-1", "amount": 12_900}),
        Hypothetical(at, "merchant/m-1", "review.posted", {"order": "o-1", "quality": 5}),
    ]
    found = laid_over(base, events, AS_OF)
    assert found.standing() == ("rated", "bronze-1", 10)
    assert found.moment == base.moment
    assert laid_over(base, events, at - 1).standing() == ("unrated", None, 0), "what is later takes no part"
    assert base.standing() == ("unrated", None, 0)


def test_what_is_taken_back_stands_before_it_whatever_their_times(store: Store, tmp_path: Path) -> None:
    """As it would be recorded: a retraction names what comes before it, though it bears an earlier time."""
    grow(store, tmp_path, [OPENED])
    base = replayed(store, SCHEMES["merchant-reputation"], "merchant/m-1", moment(store, AS_OF))
    review = reviews(1)
    taken_back = retraction("taken-back", "rev-o-0") | {"time": "2022-06-01T10:00:00+08:00"}
    told = [overlaid(base, read(events), AS_OF).standing().points_tenths for events in (review, [*review, taken_back])]
    assert told == [10, 0]
    assert overlaid(base, read([taken_back, *review]), AS_OF).standing().points_tenths == 10


def test_time_that_moves_on_makes_a_credit_fall_due(store: Store, tmp_path: Path) -> None:
    received = event("order.received", "rec", "2022-11-02T10:00:00+08:00", order="o-1")
    grow(store, tmp_path, [OPENED, paid("o-1"), received])
    due = parse_instant("2022-11-17T10:00:00+08:00")
    base = replayed(store, SCHEMES["merchant-reputation"], "merchant/m-1", moment(store, due - 1))
    assert base.standing().points_tenths == 0
    assert laid_over(base, [], due).standing().points_tenths == 7


@pytest.mark.parametrize("large", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_buyer_is_recognised_by_the_key_alone(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    """Six points of one buyer in a month are the cap: a seventh counts of somebody new alone."""
    if large:
        monkeypatch.setattr(size, "MANY_RECORDS_TO_COMPILE", 0)
        monkeypatch.setattr(size, "MANY_RECORDS", 0)
    grow(store, tmp_path, [OPENED, *reviews(2, "z"), *reviews(6, "o", "b-1")])
    base = replayed(store, SCHEMES["merchant-reputation"], "merchant/m-1", moment(store, AS_OF))
    assert base.standing().points_tenths == 80
    more = read(reviews(1, "more", "b-1"))
    assert overlaid(base, more, AS_OF, key_of(store)).standing().points_tenths == 80
    assert overlaid(base, more, AS_OF).standing().points_tenths == 90
    somebody = read(reviews(7, "new", "b-unknown"))
    assert overlaid(base, somebody, AS_OF, key_of(store)).standing().points_tenths == 140


@pytest.mark.parametrize("large", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_what_was_known_earlier_is_laid_over_alone(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    """Records behind the position play no part, though hypothetical events stand behind these."""
    if large:
        monkeypatch.setattr(size, "MANY_RECORDS_TO_COMPILE", 0)
        monkeypatch.setattr(size, "MANY_RECORDS", 0)
    grow(store, tmp_path, [OPENED, *reviews(3)])
    early = store.head().position
    grow(store, tmp_path, [*reviews(4, "late"), event("order.flagged", "flag", order="o-0", reason="fake_trade")])
    base = replayed(store, SCHEMES["merchant-reputation"], "merchant/m-1", moment(store, AS_OF, early))
    assert base.standing().points_tenths == 30
    found = overlaid(base, read(reviews(2, "new")), AS_OF, key_of(store))
    assert found.standing().points_tenths == 50
    out = retraction("out", "rev-o-1")
    unknown = retraction("out-2", "rev-late-1")
    assert overlaid(base, read([out, unknown]), AS_OF).standing().points_tenths == 20


def test_what_nothing_rests_on_is_refused(store: Store, tmp_path: Path) -> None:
    bound = event("creator.bound", "bound", subject="mcn/a-1", creator="c-1")
    other = event("creator.bound", "other", subject="mcn/a-2", creator="c-1")
    grow(store, tmp_path, [OPENED, bound, other])
    merchant = replayed(store, SCHEMES["merchant-reputation"], "merchant/m-1", moment(store, AS_OF))
    agency = replayed(store, SCHEMES["mcn-level"], "mcn/a-1", moment(store, AS_OF))
    of_another = event("merchant.closed", "e", subject="merchant/m-2")
    with pytest.raises(UsageError, match=r"^e is of merchant/m-2, and a replay of merchant/m-1 in merchant-reputation"):
        overlaid(merchant, read([of_another]), AS_OF)
    unbound = event("creator.bound", "e", subject="mcn/a-2", creator="c-2")
    with pytest.raises(UsageError, match=r"^e is of mcn/a-2, and .* rests on it, on the creators that it bound"):
        overlaid(agency, read([unbound]), AS_OF)
    own = event("creator.bound", "own", subject="mcn/a-1", creator="c-2")
    takes_out = retraction("out", "other", "mcn/a-2")
    assert overlaid(agency, read([own, unbound, takes_out]), AS_OF).known[-1].id in ("own", "e", "out")


def test_names_are_told_apart(store: Store, tmp_path: Path) -> None:
    grow(store, tmp_path, [OPENED])
    base = replayed(store, SCHEMES["merchant-reputation"], "merchant/m-1", moment(store, AS_OF))
    with pytest.raises(UsageError, match="opening bears the name of an event that is recorded at position 1: urn:test"):
        overlaid(base, read([OPENED]), AS_OF)
    twice = event("merchant.closed", "c")
    with pytest.raises(UsageError, match="c bears the name of an event before it: urn:test c; give it another id"):
        overlaid(base, read([twice, twice]), AS_OF)
    with pytest.raises(UsageError, match=r"^event 1 holds no event that could happen: data\.amount: "):
        laid_over(base, [Hypothetical(AS_OF, "merchant/m-1", "order.paid", {"order": "o", "buyer": "b"})], AS_OF)
