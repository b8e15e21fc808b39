"""Replays of large subjects answer what the plain ones do, whatever is sealed and whatever is asked."""

from collections import Counter
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from domain.calendar import parse_month
from domain.events import Event
from replay.answers.diff import diff_json
from replay.answers.explain import ListedStretch, explain_json, explain_stretch, made_beside
from replay.answers.history import history_json
from replay.answers.replay import replay_json
from replay.columnar import size
from replay.columnar.seal import seal
from replay.columnar.subject import subject_columns
from replay.decisions.appeal import appeal_of
from replay.decisions.decide import decide, period_of
from replay.errors import UsageError
from replay.history.readers import EVERYTHING_SHOWN, Reader
from replay.history.timeline import Moment, decisions_on
from replay.policies.catalog import DEFAULT, Choice, shipped
from replay.replaying.base import Part, Replay
from replay.replaying.in_columns import JudgedInColumns
from replay.replaying.records import Records
from replay.schemes.creator_level.replay import CreatorReplay
from replay.schemes.mcn_level.replay import McnReplay
from replay.schemes.merchant_tier.replay import TierReplay
from replay.schemes.registry import SCHEMES, Scheme, choose
from replay.schemes.replaying import lent, replay_of
from replay.store.base.store import Store
from replay.store.queries import link_at
from tests.conftest import SOAK, by_turns
from tests.support.making import event, ingest_events, paid
from tests.worlds.agencies import OTHERS, AgencyMoves
from tests.worlds.ledgers import AGENCIES, BEGIN, CREATORS, END, MERCHANTS, World

WORLDS = range(2 * SOAK)
EVENTS = 400
REFUNDS = 40
MOVES = 60
MOMENTS = 4
Asked = tuple[Moment, Choice]
LARGE = [scheme for scheme in SCHEMES.values() if scheme.large]
SUBJECTS = {"merchant": MERCHANTS, "creator": CREATORS, "mcn": AGENCIES}


@pytest.mark.slow
@pytest.mark.parametrize(("location", "seed"), by_turns(WORLDS), indirect=["location"])
def test_a_large_replay_answers_what_the_plain_one_does(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    random = Random(seed)
    grow(store, tmp_path, random, seed)
    for scheme in LARGE:
        for subject in SUBJECTS[scheme.kind]:
            for _ in range(MOMENTS):
                moments = [(moment(store, random), choice(scheme, random)) for _ in range(2)]
                plain = told(store, scheme, subject, moments)
                with monkeypatch.context() as patched:
                    patched.setattr(size, "MANY_RECORDS_TO_COMPILE", 0)
                    patched.setattr(size, "MANY_RECORDS", 0)
                    assert all(type(item) is not scheme.replay for item in replays(store, scheme, subject, moments))
                    large = told(store, scheme, subject, moments)
                for name, answer in plain.items():
                    assert large[name] == answer, f"{scheme.code} of {subject} at {moments}: {name}"


def test_what_one_replay_has_read_serves_another_that_knows_less(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [made for n in range(40) for made in (paid(f"o-{n}"), received(n), reviewed(n))]
    events.append(event("event.retracted", "out", source="urn:test", event="rev-3"))
    ingest_events(store, events, tmp_path)
    monkeypatch.setattr(size, "MANY_RECORDS_TO_COMPILE", 0)
    monkeypatch.setattr(size, "MANY_RECORDS", 0)
    read = list[int]()

    def noted(store: Store, archive: Any, subject: str, position: int, meanwhile: Any) -> Any:
        read.append(position)
        return subject_columns(store, archive, subject, position, meanwhile)

    monkeypatch.setattr("replay.replaying.known.subject_columns", noted)
    scheme, head = SCHEMES["merchant-reputation"], store.head()
    later, earlier = (Moment(END, head.recorded_at, head.position - less) for less in (0, 50))
    alone = [replays(store, scheme, "merchant/m-1", [(at, DEFAULT)])[0] for at in (later, earlier)]
    read.clear()
    beside = replays(store, scheme, "merchant/m-1", [(later, DEFAULT), (earlier, DEFAULT)])
    assert read == [later.position]
    for found, expected in zip(beside, alone, strict=True):
        assert explain_json(found, Part(None), "en") == explain_json(expected, Part(None), "en")
    assert answered(lambda: explain_json(beside[1], Part(None, "rev-39"), "en")).startswith("merchant/m-1 has no event")
    read.clear()
    replays(store, scheme, "merchant/m-1", [(earlier, DEFAULT), (later, DEFAULT)])
    assert read == [earlier.position, later.position], "who knows less serves nobody who knows more"


def test_what_a_month_of_an_agency_tells_is_read_together(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each refund names a sale of a month before: many of them are read as one."""
    day = {"subject": "creator/c-1", "time": "2022-10-20T00:00:00Z"}
    events = [
        event("mcn.onboarded", "onboarded", subject="mcn/a-1", time="2022-09-01T00:00:00Z"),
        event("creator.registered", "registered", subject="creator/c-1", time="2022-09-01T00:00:00Z"),
        event("creator.bound", "bound", subject="mcn/a-1", time="2022-09-02T00:00:00Z", creator="c-1"),
    ]
    for n in range(REFUNDS):
        sale, later = {"order": f"s-{n}"}, {**day, "time": "2022-11-20T00:00:00Z"}
        events.append(event("sale.settled", f"sold-{n}", **day, **sale, amount=500, good_goods=True, channel="live"))
        events.append(event("sale.refunded", f"back-{n}", **later, **sale, amount=100))
    ingest_events(store, events, tmp_path)
    monkeypatch.setattr(size, "MANY_RECORDS_TO_COMPILE", 0)
    monkeypatch.setattr(size, "MANY_RECORDS", 0)
    head = store.head()
    asked = [(Moment(END, head.recorded_at, head.position), DEFAULT)]
    (found,) = replays(store, SCHEMES["mcn-level"], "mcn/a-1", asked)
    reads = list[int]()
    at = Records.at

    def counted(records: Records, positions: Collection[int]) -> list[Event]:
        reads.append(len(positions))
        return at(records, positions)

    monkeypatch.setattr(Records, "at", counted)
    told = explain_json(found, Part(parse_month("2022-11")), "en")
    refunded = [verdict["contribution"] for verdict in told["verdicts"] if "back-" in verdict["event"]]
    assert len(refunded) == REFUNDS and all(refunded)
    assert sum(reads) >= 2 * REFUNDS and len(reads) < REFUNDS // 4


@pytest.mark.slow
def test_the_worlds_draw_what_agencies_share(store: Store, tmp_path: Path) -> None:
    """Else the law above would hold of agencies that have nothing to do with each other."""
    grow(store, tmp_path, Random(0), 0)
    head = store.head()
    at = Moment(END, head.recorded_at, head.position)
    drawn: Counter[str] = Counter()
    for subject in AGENCIES:
        (found,) = replays(store, SCHEMES["mcn-level"], subject, [(at, DEFAULT)])
        assert type(found) is McnReplay
        told = explain_json(found, Part(None), "en")
        of_others = {event.position for event in found.known if event.originator_id in {*AGENCIES, *OTHERS} - {subject}}
        drawn["retracted of others"] += len(of_others & found.retracted.keys())
        drawn["in vain of others"] += len(of_others & found.in_vain.keys())
        drawn["retracted of creators"] += sum(note["subject"] in CREATORS for note in told["notes"])
        drawn["moved"] += sum(len({*slot.holders} - {None}) > 1 for slot in found.history.slots.values())
        drawn["cause behind it"] += sum(item["same_instant"] is not None for item in told["verdicts"])
        drawn["named in vain"] += sum(bool(item["retracted_in_vain_by"]) for item in told["verdicts"])
    assert min(drawn.values()) > 0, drawn


def grow(store: Store, folder: Path, random: Random, seed: int) -> None:
    """A ledger that grows, is sealed in several generations or not, and decided in between."""
    world, moves = World(seed), AgencyMoves(seed)
    for part in range(4):
        place = folder / f"events-{part}"
        place.mkdir()
        _, watch = ingest_events(store, [*world.events(EVENTS // 4), *moves.events(MOVES // 4)], place)
        assert not watch.refusals
        if random.random() < 0.5:
            store.named_segments = folder / "segments"
            seal(store, store.named_segments)
        if random.random() < 0.5:
            month = parse_month(random.choice(("2022-10", "2022-11", "2023-01")))
            scheme = random.choice([item for item in SCHEMES.values() if item.periods.unit == "month"])
            again = None if part == 0 else "once more"
            try:
                decide(store, scheme.code, period_of(store, scheme.code, month, None), again)
            except UsageError:
                decide(store, scheme.code, period_of(store, scheme.code, month, None))


def moment(store: Store, random: Random) -> Moment:
    position = random.randrange(1, store.head().position + 1)
    link = link_at(store, position)
    assert link is not None
    return Moment(random.randrange(BEGIN, END), link.recorded_at, position)


def choice(scheme: Scheme, random: Random) -> Choice:
    """The policies in force, or one version by its id."""
    ids = sorted({policy.id for policy in shipped(scheme.code)})
    return DEFAULT if random.random() < 0.5 else Choice(random.choice(ids))


def replays(store: Store, scheme: Scheme, subject: str, moments: list[Asked]) -> list[Replay]:
    """Each made beside the one before, whether that knows more or less."""
    found = list[Replay]()
    for at, chosen in moments:
        policies = choose(store, scheme.replay, at, chosen)
        found.append(replay_of(lent(store), scheme.replay, subject, at, policies, found[-1] if found else None))
    return found


def told(store: Store, scheme: Scheme, subject: str, moments: list[Asked]) -> dict[str, Any]:
    """Every answer, by what was asked."""
    first, other = replays(store, scheme, subject, moments)
    found: dict[str, Any] = {
        "replay": replay_json(first, "en"),
        "score": first.score,
        "whole": explain_json(first, Part(None), "en"),
        "history": history_json(first),
        "diff": diff_json(first, other),
        "beside": made_beside(first),
        "about the same": sorted(first.beside({item.position for item in first.judged})),
        "appeal": answered(lambda: file_of(store, scheme, subject)),
    }
    months = sorted({item["at"][:7] for item in (*found["whole"]["verdicts"], *found["whole"]["notes"])})
    for month in months:
        part = Part(parse_month(month))
        found[month] = explain_json(first, part, "en")
        found[f"{month} counts"] = first.verdict_counts(first.instants_of(part))
        stretch = ListedStretch(2, 3, "counted")
        found[f"{month} stretch"] = explain_stretch(first, part, "en", stretch)
    if scheme.periods.unit == "day":
        for day in (19_230, 19_290, 19_330):
            found[f"day {day}"] = answered(partial(explain_json, first, Part(day=day), "en"))
    named = [f"e-{number}" for number in range(0, EVENTS, 7)]
    named += [f"m-{number}{after}" for number in range(MOVES) for after in ("", "-after") if scheme.kind == "mcn"]
    for event_id in named:
        found[event_id] = answered(partial(explain_json, first, Part(None, event_id), "en"))
    decided = [event.id for event in decisions_on(store, subject, scheme.code, first.moment.position)]
    for reader in (EVERYTHING_SHOWN, Reader(sees_decisions=False)):
        shown = first.shown_to(reader)
        found[f"{reader} whole"] = answered(partial(replay_json, shown, "en"))
        for event_id in decided:
            found[f"{reader} {event_id}"] = answered(partial(explain_json, shown, Part(None, event_id), "en"))
    return found


def file_of(store: Store, scheme: Scheme, subject: str) -> dict[str, Any]:
    month = parse_month("2022-11") if scheme.periods.unit == "month" else None
    period = period_of(store, scheme.code, month, None if month is not None else 19_300)
    return appeal_of(store, subject, scheme.code, period, None, "en", EVERYTHING_SHOWN).found


def answered(asked: Callable[[], Any]) -> Any:
    """An answer, or why there is none."""
    try:
        return asked()
    except UsageError as error:
        return str(error)


def test_a_page_makes_values_of_what_it_lists_alone(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How the verdicts add up is told of all of them on every page, but not by making each."""
    events = [made for n in range(120) for made in (paid(f"o-{n}"), received(n), reviewed(n))]
    ingest_events(store, events, tmp_path)
    head = store.head()
    at = Moment(END, head.recorded_at, head.position)
    monkeypatch.setattr(size, "MANY_RECORDS_TO_COMPILE", 0)
    monkeypatch.setattr(size, "MANY_RECORDS", 0)
    (found,) = replays(store, SCHEMES["merchant-reputation"], "merchant/m-1", [(at, DEFAULT)])
    explain_stretch(found, Part(None), "en", ListedStretch(0, 5, None))
    values: list[int] = []
    made = JudgedInColumns._made

    def noted(self: JudgedInColumns, stretch: slice) -> Any:
        values.append(1)
        return made(self, stretch)

    monkeypatch.setattr(JudgedInColumns, "_made", noted)
    page, total = explain_stretch(found, Part(None), "en", ListedStretch(5, 5, None))
    assert total >= 120 and len(page["verdicts"]) == 5 and page["adds_up"]["closing"] is not None
    assert len(values) < 60


def received(number: int) -> dict[str, Any]:
    return event("order.received", f"rec-{number}", "2022-11-02T10:00:00+08:00", order=f"o-{number}")


def reviewed(number: int) -> dict[str, Any]:
    return event("review.posted", f"rev-{number}", "2022-11-03T10:00:00+08:00", order=f"o-{number}", quality=5)


def test_a_month_is_told_by_flags_that_came_after_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flag takes back what its order gave, whenever it comes; an order whose receipt has no note shows it."""
    events = [made for n in range(3) for made in (paid(f"o-{n}"), reviewed(n))]
    events.insert(0, event("merchant.onboarded", "opening", "2022-01-02T10:00:00+08:00", category="tea"))
    for number, at in enumerate(("2022-11-20", "2022-12-20")):
        flag = {"order": f"o-{number}", "reason": "fake_trade"}
        events.append(event("order.flagged", f"flag-{number}", f"{at}T10:00:00+08:00", **flag))
    ingest_events(store, events, tmp_path)
    head = store.head()
    asked: list[Asked] = [(Moment(END, head.recorded_at, head.position), DEFAULT)]

    def november() -> dict[str, Any]:
        (found,) = replays(store, SCHEMES["merchant-reputation"], "merchant/m-1", asked)
        return explain_json(found, Part(parse_month("2022-11")), "en")

    plain = november()
    monkeypatch.setattr(size, "MANY_RECORDS_TO_COMPILE", 0)
    monkeypatch.setattr(size, "MANY_RECORDS", 0)
    assert november() == plain
    named = {item["event"]: item["verdict"] for item in plain["verdicts"]}
    assert named["rev-0"] == named["rev-1"] != named["rev-2"]


def test_a_month_is_told_without_what_became_of_its_orders_later(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of tiers and creators' levels: a verdict rests on what its order's events of the same kind were until then."""
    sale = {"amount": 5_000, "good_goods": True, "channel": "live", "order": "s-1"}
    events = [
        event("merchant.onboarded", "opening", "2022-01-02T10:00:00+08:00", category="fresh"),
        event("order.paid", "paid", "2022-11-02T10:00:00+08:00", order="o-1", buyer="b-1", amount=100, kind="normal"),
        event("review.posted", "review", "2022-12-02T10:00:00+08:00", order="o-1", quality=5),
        event("sale.settled", "sale", "2022-11-02T10:00:00+08:00", subject="creator/c-1", **sale),
        event("sale.refunded", "refund", "2022-12-02T10:00:00+08:00", subject="creator/c-1", order="s-1", amount=100),
    ]
    ingest_events(store, events, tmp_path)
    head = store.head()
    monkeypatch.setattr(size, "MANY_RECORDS_TO_COMPILE", 0)
    monkeypatch.setattr(size, "MANY_RECORDS", 0)
    for scheme, subject, kinds in (
        ("merchant-tier", "merchant/m-1", {"merchant.onboarded", "order.paid"}),
        ("creator-level", "creator/c-1", {"sale.settled"}),
    ):
        asked: list[Asked] = [(Moment(END, head.recorded_at, head.position), DEFAULT)]
        (found,) = replays(store, SCHEMES[scheme], subject, asked)
        november = found.instants_of(Part(parse_month("2022-11")))
        teller, _ = found.teller(found.verdicts_in(november, None)[0])
        assert isinstance(teller, TierReplay | CreatorReplay)
        assert {item.type for item in teller.took_part} == kinds
