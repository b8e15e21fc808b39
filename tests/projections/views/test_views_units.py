"""Every way in which a subject can come to be known: following, rebuilds, lists and replays agree on it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from domain.calendar import parse_instant
from projections.projector import rebuild as building
from projections.projector.advance import advance
from projections.views.database import BUILDING, Views, open_views
from projections.views.readahead import Windows
from replay.decisions.application import Ledger
from replay.errors import UsageError
from replay.history.browse import list_subjects
from replay.history.timeline import Asked as AskedMoment
from replay.history.timeline import resolve
from replay.schemes.registry import kinds, schemes_of
from replay.schemes.replaying import replay_subject
from replay.store.base.store import Store
from tests.support.making import Event, event, ingest_events
from tests.support.views import assert_same_rows, empty_live, filled, proof_of, tables_of
from tests.worlds.ledgers import SCHEMES, revised

STEPS = tuple(f"2023-0{month}-{day}+08:00" for month in (1, 2, 3) for day in ("01T00:00:00", "17T09:00:00"))
"""Where the views stand after each step; what is not said to be later occurs on 10 December."""
TIME = "2022-12-10T10:00:00+08:00"
LATER = "2023-02-10T10:00:00+08:00"
Batches = list[list[Event]]
"""What the ledger learns before each step."""


def first(subject: str, time: str = TIME) -> Event:
    kind = subject.partition("/")[0]
    name, data = {
        "merchant": ("merchant.onboarded", {"category": "fresh"}),
        "creator": ("creator.registered", {}),
        "mcn": ("mcn.onboarded", {}),
    }[kind]
    return event(name, f"first-{subject}", time, subject=subject, **data)


def correction(subject: str) -> Event:
    if subject.startswith("merchant/"):
        return event("order.flagged", f"flag-{subject}", TIME, subject=subject, order="o", reason="fake_trade")
    return event("credit.restored", f"restored-{subject}", TIME, subject=subject, violation="v")


def announced(subject: str) -> Event:
    scheme = schemes_of(subject.partition("/")[0])[0].code
    return event(
        "level.announced", f"told-{subject}", TIME, subject=subject, scheme=scheme, period="2022-12", level="x"
    )


def retraction(subject: str, named: str, number: int = 1) -> Event:
    made = event("event.retracted", f"gone-{number}-{subject}", TIME, subject=subject, event=named, reason="a mistake")
    made["data"]["source"] = "urn:test"
    return made


def bound(creator: str, agency: str = "mcn/binding") -> Event:
    name = creator.partition("/")[2]
    return event("creator.bound", f"bound-{name}", TIME, subject=agency, creator=name)


WAYS: dict[str, Callable[[str], Batches]] = {
    "first": lambda it: [[first(it)]],
    "unread": lambda it: [[announced(it)]],
    "correction": lambda it: [[correction(it)]],
    "nothing-retracted": lambda it: [[retraction(it, "nothing")]],
    "nothing-retracted-later": lambda it: [[], [retraction(it, "nothing")], [first(it)]],
    "own-retracted": lambda it: [[first(it), retraction(it, f"first-{it}")]],
    "own-retracted-later": lambda it: [[first(it)], [retraction(it, f"first-{it}")]],
    "brought-back": lambda it: [
        [first(it)],
        [retraction(it, f"first-{it}")],
        [retraction(it, f"gone-1-{it}", 2)],
    ],
    "ahead": lambda it: [[first(it, LATER)]],
    "ahead-retracted": lambda it: [[first(it, LATER)], [], [], [retraction(it, f"first-{it}")]],
}
NAMED: dict[str, Batches] = {
    "creator/named": [[bound("creator/named")]],
    "creator/named-first": [[bound("creator/named-first")], [], [first("creator/named-first")]],
    "creator/named-unread": [[bound("creator/named-unread")], [retraction("creator/named-unread", "nothing")]],
    "creator/named-known": [[bound("creator/named-known"), announced("creator/named-known")]],
    "creator/named-later": [[], [], [bound("creator/named-later")]],
    "creator/known-named": [[announced("creator/known-named")], [bound("creator/known-named")]],
}
UNKNOWN = ("creator/named", "creator/named-later")


def batches() -> Batches:
    """All ways at once, a subject of each kind for each."""
    found: Batches = [[] for _ in STEPS]
    stories = [way(f"{kind}/{name}") for kind in kinds() for name, way in WAYS.items()]
    for story in (*stories, *NAMED.values()):
        for number, batch in enumerate(story):
            found[number] += batch
    return found


def followed(views: Views, folder: Path, *, adopts: bool) -> int:
    """The live build moved on over all batches; with `adopts` other policies judge in the same step as each."""
    windows, now = Windows(), 0
    for number, (at, batch) in enumerate(zip(STEPS, batches(), strict=True)):
        now = parse_instant(at)
        if adopts:
            for scheme in SCHEMES:
                Ledger(views.store).adopt(revised(scheme, number % 2))
        if batch:
            ingest_events(views.store, batch, folder)
        moved = advance(views, 1, now, windows=windows)
        assert moved.set_aside == 0 and proof_of(views).problems == []
    return now


@pytest.mark.slow
@pytest.mark.parametrize("adopts", [False, True])
def test_all_ways_in_which_a_subject_comes_to_be_known_give_the_same(
    adopts: bool, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_views(store, make=True) as views:
        empty_live(views)
        as_of = followed(views, tmp_path, adopts=adopts)
        levels = {(row[0], row[1]): row[2:4] for row in tables_of(views, 1)["levels"]}
        filled(views, 2, BUILDING, as_of)
        assert_same_rows(views)
        with views.moving() as connection:
            views.drop_build(connection, 2)
        monkeypatch.setattr(building, "RECORDS_BEFORE_BULK", 0)
        filled(views, 2, BUILDING, as_of)
        assert_same_rows(views)
    known = {item["subject"] for kind in kinds() for item in list_subjects(store, kind)}
    assert {subject for subject, _ in levels} == known and known.isdisjoint(UNKNOWN)
    assert len(known) == 3 * len(WAYS) + len(NAMED) + 1 - len(UNKNOWN)
    moment = resolve(store, AskedMoment(as_of=STEPS[-1]))
    for (subject, scheme), (state, level) in levels.items():
        standing = replay_subject(store, subject, moment, scheme).standing()
        assert (standing.state, standing.level) == (state, level), (subject, scheme)
    for subject in UNKNOWN:
        with pytest.raises(UsageError, match=f"the ledger knows no {subject}"):
            replay_subject(store, subject, moment)
