"""Replays of large subjects answer what the plain ones do, whatever is sealed and whatever is asked."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from domain.calendar import parse_month
from replay.answers.diff import diff_json
from replay.answers.explain import ListedStretch, explain_json, explain_stretch, made_beside
from replay.answers.history import history_json
from replay.answers.replay import replay_json
from replay.columnar import size
from replay.columnar.seal import seal
from replay.decisions.appeal import appeal_json
from replay.decisions.decide import decide, period_of
from replay.errors import UsageError
from replay.history.readers import EVERYTHING_SHOWN, Reader
from replay.history.timeline import Moment, decisions_on
from replay.policies.catalog import DEFAULT, Choice, shipped
from replay.replaying.base import Part, Replay
from replay.replaying.in_columns import JudgedInColumns
from replay.schemes.registry import SCHEMES, Scheme, choose, lent, replay_of
from replay.store.base import Store
from replay.store.queries import link_at
from tests.conftest import SOAK
from tests.support.making import event, ingest_events, paid
from tests.worlds.ledgers import AGENCIES, BEGIN, CREATORS, END, MERCHANTS, World

WORLDS = range(4 * SOAK)
EVENTS = 400
MOMENTS = 4
Asked = tuple[Moment, Choice]
LARGE = [scheme for scheme in SCHEMES.values() if scheme.large]
SUBJECTS = {"merchant": MERCHANTS, "creator": CREATORS, "mcn": AGENCIES}


@pytest.mark.slow
@pytest.mark.parametrize("seed", WORLDS)
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


def grow(store: Store, folder: Path, random: Random, seed: int) -> None:
    """A ledger that grows, is sealed in several generations or not, and decided in between."""
    world = World(seed)
    for part in range(4):
        place = folder / f"events-{part}"
        place.mkdir()
        ingest_events(store, world.events(EVENTS // 4), place)
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
    return [
        replay_of(lent(store), scheme.replay, subject, at, choose(store, scheme.replay, at, chosen))
        for at, chosen in moments
    ]


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
        "appeal": answered(lambda: appeal_of(store, scheme, subject)),
    }
    months = sorted({item["at"][:7] for item in (*found["whole"]["verdicts"], *found["whole"]["notes"])})
    for month in months:
        part = Part(parse_month(month))
        found[month] = explain_json(first, part, "en")
        found[f"{month} counts"] = first.verdict_counts(part.month)
        stretch = ListedStretch(2, 3, "counted")
        found[f"{month} stretch"] = explain_stretch(first, part, "en", stretch)
    for number in range(0, EVENTS, 7):
        event_id = f"e-{number}"
        found[event_id] = answered(partial(explain_json, first, Part(None, event_id), "en"))
    decided = [event.id for event in decisions_on(store, subject, scheme.code, first.moment.position)]
    for reader in (EVERYTHING_SHOWN, Reader(sees_decisions=False)):
        shown = first.shown_to(reader)
        found[f"{reader} whole"] = answered(partial(replay_json, shown, "en"))
        for event_id in decided:
            found[f"{reader} {event_id}"] = answered(partial(explain_json, shown, Part(None, event_id), "en"))
    return found


def appeal_of(store: Store, scheme: Scheme, subject: str) -> dict[str, Any]:
    month = parse_month("2022-11") if scheme.periods.unit == "month" else None
    period = period_of(store, scheme.code, month, None if month is not None else 19_300)
    return appeal_json(store, subject, scheme.code, period, None, "en", EVERYTHING_SHOWN)


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
