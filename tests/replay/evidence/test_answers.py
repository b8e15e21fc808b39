"""Out of evidence alone, every answer is the ledger's own, byte for byte but for the ledger's chain."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from domain.calendar import parse_month
from replay.answers.diff import diff_json
from replay.answers.explain import explain_json, made_beside
from replay.answers.history import history_json
from replay.answers.replay import replay_json
from replay.columnar import size
from replay.decisions.appeal import appeal_of
from replay.decisions.audit import Selection, audit_json
from replay.decisions.decide import decide, decisions_json, period_of
from replay.errors import UsageError
from replay.evidence.checking import checked_evidence
from replay.evidence.making import SealedLedger, make_evidence
from replay.evidence.pointing import Pointed, point_at_moment
from replay.history.browse import Chosen, list_events
from replay.history.readers import EVERYTHING_SHOWN
from replay.history.timeline import Moment, has_subject
from replay.proving.trust import parse_trust
from replay.replaying.base import Part
from replay.schemes.registry import SCHEMES, Scheme, choose
from replay.schemes.replaying import lent, replay_of
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from replay.store.queries import link_up_to
from tests.conftest import SOAK
from tests.support.making import ingest_events
from tests.support.seals import sealed, trust_text
from tests.worlds.ledgers import AGENCIES, BEGIN, CREATORS, END, MERCHANTS, World

EVENTS = 400
PAIRS = 2 * len(MERCHANTS) + 2 * len(CREATORS) + len(AGENCIES)
DAYS = (19_310, 19_350)
"""2022-11-14 and 2022-12-24."""
MOMENTS = 3
SUBJECTS = {"merchant": MERCHANTS, "creator": CREATORS, "mcn": AGENCIES}
WORLDS = range(1, 1 + 5 * SOAK)
MONTHS = ("2022-10", "2022-11", "2023-01")


def test_every_answer_is_the_ledgers_own(tmp_path: Path) -> None:
    assert compare(tmp_path, 0, MOMENTS - 2, subjects=1) == len(SCHEMES)


@pytest.mark.slow
@pytest.mark.parametrize("seed", WORLDS)
def test_every_answer_is_the_ledgers_own_in_random_worlds(tmp_path: Path, seed: int) -> None:
    """Three merchants, four creators and two agencies in all their schemes, in each world."""
    assert compare(tmp_path, seed, MOMENTS) == PAIRS


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_large_replays_out_of_evidence_are_the_ledgers_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(size, "MANY_RECORDS_TO_COMPILE", 0)
    monkeypatch.setattr(size, "MANY_RECORDS", 0)
    assert compare(tmp_path, seed + 100, 1) == PAIRS


def compare(folder: Path, seed: int, moments: int, subjects: int = 9) -> int:
    """Compare all answers of a random ledger, sealed at its end, with those out of evidence; of how many pairs."""
    random, location = Random(seed), str(folder / "ledger.db")
    create_store(location)
    compared = 0
    with open_store(location) as store:
        grow(store, folder, random, seed)
        seal = sealed(store)
        for scheme in SCHEMES.values():
            for subject in SUBJECTS[scheme.kind][:subjects]:
                if not has_subject(store, subject):
                    continue
                with evidence_of(store, folder, seal, subject, scheme, random) as held:
                    compare_answers(store, held, scheme, subject, random, moments)
                compared += 1
    return compared


def grow(store: Store, folder: Path, random: Random, seed: int) -> None:
    """A ledger that grows, and decides in between."""
    world = World(seed)
    for part in range(3):
        place = folder / f"events-{part}"
        place.mkdir()
        ingest_events(store, world.events(EVENTS // 3), place)
        if part == 2:
            continue
        for scheme in SCHEMES.values():
            is_daily = scheme.periods.unit == "day"
            month = None if is_daily else parse_month(random.choice(MONTHS))
            period = period_of(store, scheme.code, month, random.choice(DAYS) if is_daily else None)
            try:
                decide(store, scheme.code, period, None if part == 0 else "once more")
            except UsageError:
                decide(store, scheme.code, period)


@contextmanager
def evidence_of(
    store: Store, folder: Path, seal: SealedLedger, subject: str, scheme: Scheme, random: Random
) -> Iterator[Store]:
    """The partial store of evidence that passes all checks."""
    path = folder / "some.evidence"
    asked = Moment(random.randrange(BEGIN, END), 0, random.randrange(seal.size // 2, seal.size))
    pointed = point_at_moment(store, subject, scheme.code, asked, seal.size)
    write(store, path, pointed, seal, compressed=random.random() < 0.5)
    trust = parse_trust(trust_text(store.identity.id).encode())
    with checked_evidence(path, trust) as found, open_store(found.location) as held:
        yield held


def write(store: Store, path: Path, pointed: Pointed, seal: SealedLedger, *, compressed: bool = False) -> None:
    with path.open("wb") as file:
        make_evidence(store, file, pointed, seal, compressed=compressed)


def compare_answers(store: Store, held: Store, scheme: Scheme, subject: str, random: Random, moments: int) -> None:
    for _ in range(moments):
        asked = [moment(held, random) for _ in range(2)]
        found = answers(held, scheme, subject, asked)
        for name, answer in answers(store, scheme, subject, asked).items():
            assert without_chain(found[name]) == without_chain(answer), f"{scheme.code} of {subject} at {asked}: {name}"


def moment(held: Store, random: Random) -> Moment:
    """Any moment that evidence can name, or the present."""
    while True:
        link = link_up_to(held, random.randrange(1, held.head().position + 1))
        if link is not None:
            return Moment(random.randrange(BEGIN, END), link.recorded_at, link.position)


def answers(store: Store, scheme: Scheme, subject: str, moments: list[Moment]) -> dict[str, Any]:
    first, other = (
        replay_of(lent(store), scheme.replay, subject, at, choose(store, scheme.replay, at)) for at in moments
    )
    return {
        "replay": replay_json(first, "zh"),
        "explain": explain_json(first, Part(None), "en"),
        "history": history_json(first),
        "diff": diff_json(first, other),
        "beside": made_beside(first),
        "events": list(list_events(store, subject, Chosen(), moments[0], EVERYTHING_SHOWN, made_beside(first))),
        "decided": decisions_json(store, subject, scheme.code, EVERYTHING_SHOWN),
        "audit": answered(lambda: audit_json(store, Selection(scheme.code, None, subject))),
        "appeals": [answered(partial(file_of, store, scheme, subject, day)) for day in DAYS],
    }


def file_of(store: Store, scheme: Scheme, subject: str, day: int) -> dict[str, Any]:
    is_daily = scheme.periods.unit == "day"
    period = period_of(store, scheme.code, None if is_daily else parse_month("2022-11"), day if is_daily else None)
    found = appeal_of(store, subject, scheme.code, period, None, "en", EVERYTHING_SHOWN).found
    return found | {"ledger": found["ledger"] | {"chain": None}}  # that of the whole ledger is not known to evidence


def answered(ask: Callable[[], Any]) -> Any:
    """An answer, or why there is none."""
    try:
        return ask()
    except UsageError as error:
        return str(error)


def without_chain(answer: Any) -> str:
    """As JSON, the ledger's chain at each event left out, which evidence does not hold."""
    if isinstance(answer, dict) and "hashes" in answer:
        answer = answer | {"hashes": answer["hashes"] | {"chain": ""}}
    if isinstance(answer, list):
        return "\n".join(map(without_chain, answer))
    if isinstance(answer, dict):
        return "\n".join(f"{json.dumps(key)}: {without_chain(value)}" for key, value in answer.items())
    return json.dumps(answer, ensure_ascii=False, default=repr)
