"""Sealed segments: however often a ledger is sealed they say the same as the store, and what does not fit is named."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from domain.creator_facts import hundredths
from domain.events import Event as Recorded
from domain.reputation_facts import KINDS
from replay import archive as archive_module
from replay import encoding
from replay.archive import Archive, open_archive, seal
from replay.columns import CHANNELS, SCORES, TYPES, WHATS, Columns, first_out_of_order
from replay.encoding import ROW_COLUMNS
from replay.numbering import BUYER, CREATOR, KEY, SUBJECT, TEXT, columns_of
from replay.segments import AGENCIES, BUCKETS, bucket_of
from replay.store import Store
from replay.timeline import events_of
from tests.conftest import SOAK
from tests.making import Event, event, ingest_events

SOURCES = ("urn:a", "urn:b")
Told = tuple[Any, ...]
"""A row with names in the place of numbers, and the numbers beside them."""


def world(seed: int, count: int) -> list[Event]:
    """Events of every type that has a row and of some that have none; few names, many retractions."""
    chance = Random(seed)
    events: list[Event] = []
    for number in range(count):
        kind = chance.choice(sorted([*WHATS, "level.announced", "content.published", "order.paid", "event.retracted"]))
        subject = f"{_kind_of(kind, chance)}/s-{chance.randrange(9)}"
        at = f"2022-{chance.randrange(1, 13):02d}-{chance.randrange(1, 20):02d}T10:00:0{chance.randrange(3)}+08:00"
        made = event(kind, f"e-{number}", at, subject=subject, source=chance.choice(SOURCES))
        made["data"] = _data(kind, chance, number)
        if kind == "event.retracted" and events and chance.random() < 0.5:
            named = chance.choice(events)
            made |= {"subject": named["subject"]}
            made["data"] |= {"source": named["source"], "event": named["id"]}
        events.append(made)
    return events


def _kind_of(kind: str, chance: Random) -> str:
    first = kind.partition(".")[0]
    if kind in ("creator.bound", "creator.unbound", "credit.granted", "mcn.onboarded"):
        return "mcn"
    if first in ("merchant", "order", "complaint", "review"):
        return "merchant"
    if kind in ("credit.deducted", "credit.restored"):
        return chance.choice(("creator", "mcn"))
    return chance.choice(("merchant", "creator", "mcn")) if first in ("event", "level") else "creator"


def _data(kind: str, chance: Random, number: int) -> dict[str, Any]:
    order, amount = f"o-{chance.randrange(12)}", chance.randrange(10**6)
    return {
        "merchant.onboarded": {"category": chance.choice(("fresh", "toys", "home"))},
        "merchant.tier_set": {"level": f"LV{chance.randrange(8)}"},
        "order.paid": {
            "order": order,
            "buyer": f"b-{chance.randrange(7)}",
            "amount": amount,
            "kind": chance.choice(KINDS),
        },
        "order.received": {"order": order},
        "order.flagged": {"order": order, "reason": "fake_trade"},
        "order.cleared": {"order": order},
        "order.complained": {"order": order},
        "complaint.dismissed": {"order": order},
        "review.posted": {"order": order, "quality": chance.randrange(1, 6)}
        | ({"service": chance.randrange(1, 6)} if chance.random() < 0.5 else {}),
        "creator.scored": {"score": chance.choice(SCORES), "value": chance.choice(("4", "4.5", "3.07", "0.9"))},
        "credit.deducted": {"violation": order, "points": chance.randrange(1, 9)},
        "credit.restored": {"violation": order},
        "credit.granted": {"points": chance.randrange(1, 9)},
        "sale.settled": {
            "order": order,
            "amount": amount,
            "channel": chance.choice(CHANNELS),
            "good_goods": chance.random() < 0.5,
            "worry_free": chance.random() < 0.5,
        },
        "sale.refunded": {"order": order, "amount": amount},
        "live.held": {"minutes": chance.randrange(1, 90)},
        "creator.bound": {"creator": f"s-{chance.randrange(9)}"},
        "creator.unbound": {"creator": f"s-{chance.randrange(9)}"},
        "content.published": {"content": order, "good": True},
        "level.announced": {"scheme": "mcn-level", "period": "2022-11", "level": None},
        # Of an earlier or later event of this or another subject, or of none.
        "event.retracted": {
            "source": chance.choice(SOURCES),
            "event": f"e-{max(0, number - chance.randrange(-3, 40))}",
            "reason": "r",
        },
    }.get(kind, {})


def expected_of(store: Store, subject: str) -> list[Told]:
    """What the columns have to say of a subject, made anew from its events, one by one."""
    events = list(events_of(store, subject, store.head().position))
    earlier: dict[tuple[str, str], int] = {}
    keys: dict[str, int] = {}
    buyers: dict[str, int] = {}
    rows = []
    for made in events:
        if made.type in WHATS:
            name = getattr(made.data, "order", getattr(made.data, "violation", None))
            key = None if name is None else (name, keys.setdefault(name, len(keys)))
            buyer = getattr(made.data, "buyer", None)
            alias = None if buyer is None else (buyer, buyers.setdefault(buyer, len(buyers)))
            values = _values(made, earlier)
            rows.append((made.occurred_at, made.position, made.type, key, alias, *values))
        earlier[made.source, made.id] = made.position
    return sorted(rows)


def _values(made: Recorded, earlier: dict[tuple[str, str], int]) -> tuple[Any, ...]:
    data = made.data
    match made.type:
        case "order.paid":
            return data.amount, KINDS.index(data.kind), 0, None
        case "review.posted":
            return 0, data.quality, data.service or 0, None
        case "merchant.onboarded":
            return 0, None, 0, data.category
        case "merchant.tier_set":
            return 0, int(data.level.removeprefix("LV")), 0, None
        case "creator.scored":
            return hundredths(data.value), SCORES.index(data.score), 0, None
        case "sale.settled":
            return data.amount, CHANNELS.index(data.channel), data.good_goods + 2 * data.worry_free, None
        case "event.retracted":
            return earlier.get((data.source, data.event), 0), 0, 0, None
        case "creator.bound" | "creator.unbound":
            return 0, 0, 0, data.creator
    return next((getattr(data, n) for n in ("amount", "points", "minutes") if hasattr(data, n)), 0), 0, 0, None


def told_by(archive: Archive, bucket: int, columns: Columns) -> dict[str, list[Told]]:
    """What the columns of a bucket say of each subject, with the names that the archive has for their numbers."""
    names = {(row["kind"], row["subject"], row["number"]): row["name"] for row in archive.names(bucket).to_pylist()}
    types = {number: name for name, number in WHATS.items()}
    told: dict[str, list[Told]] = {name: [] for name in columns.subjects}
    rows = zip(*(getattr(columns, name).tolist() for name in TYPES), strict=True)
    for subject, at, position, what, key, buyer, amount, detail, extra in rows:
        kind, who = types[what], columns.subjects[subject]
        assert names[SUBJECT, 0, subject] == who
        named, about, alias, shown = None, None, None, detail
        if kind in ("creator.bound", "creator.unbound"):
            about = columns.creators[key]
            assert names[CREATOR, 0, key] == about
        elif kind == "merchant.onboarded":
            about, shown = columns.texts[detail], None
            assert names[TEXT, 0, detail] == about
        elif key >= 0:
            named = (names[KEY, subject, key], key)
        if buyer >= 0:
            alias = (names[BUYER, subject, buyer], buyer)
        told[who].append((at, position, kind, named, alias, amount, shown, extra, about))
    return told


def buckets() -> Iterator[int]:
    yield from range(BUCKETS)
    yield AGENCIES


def assert_equal(found: Columns, expected: Columns) -> None:
    for name in TYPES:
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name
        assert getattr(found, name).dtype == TYPES[name]
    assert found[len(TYPES) :] == expected[len(TYPES) :]


def folder_of(tmp_path: Path, name: str = "segments") -> Path:
    return tmp_path / name


@pytest.mark.parametrize("seed", range(SOAK))
def test_segments_say_what_the_events_say_however_they_were_sealed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(encoding, "READ_ROWS", 70)
    chance = Random(f"split {seed}")
    events, folder = world(seed, 900), folder_of(tmp_path)
    while events:
        some = chance.randrange(1, 300)
        ingest_events(store, events[:some], tmp_path)
        events = events[some:]
        if chance.random() < 0.7:
            monkeypatch.setattr(archive_module, "GENERATION_RECORDS", chance.randrange(20, 300))
            assert seal(store, folder).position == store.head().position
    monkeypatch.setattr(archive_module, "GENERATION_RECORDS", 10**6)
    seal(store, folder)
    parted = open_archive(store, folder)
    assert len(parted.manifest.generations) > 3
    assert seal(store, folder_of(tmp_path, "once")).generations == 1
    once = open_archive(store, folder_of(tmp_path, "once"))
    told: dict[str, list[Told]] = {}
    for bucket in buckets():
        columns = once.read(bucket)
        assert first_out_of_order(columns) is None
        assert_equal(parted.read(bucket), columns)
        assert parted.names(bucket).sort_by(_BY_NUMBER).equals(once.names(bucket).sort_by(_BY_NUMBER))
        told |= told_by(once, bucket, columns)
        assert all(bucket_of(subject) == bucket for subject in columns.subjects)
    streams = [stream for (stream,) in store.query("SELECT DISTINCT stream FROM records ORDER BY stream")]
    assert sorted(told) == streams
    for stream in streams:
        assert told[stream] == expected_of(store, stream)
    assert sum(row[2] == "event.retracted" and row[5] > 0 for rows in told.values() for row in rows) > 3


_BY_NUMBER = [("kind", "ascending"), ("subject", "ascending"), ("number", "ascending")]


def test_a_tail_and_rows_of_the_store_say_the_same_as_sealed_segments(store: Store, tmp_path: Path) -> None:
    events = world(1, 600)
    ingest_events(store, events[:400], tmp_path)
    folder = folder_of(tmp_path)
    seal(store, folder)
    archive = open_archive(store, folder)
    ingest_events(store, events[400:], tmp_path)
    position = store.head().position
    tail = archive.tail(store, position)
    whole = open_archive(store, None)
    assert whole.position == 0
    unsealed = whole.tail(store, position)
    seal(store, folder)
    for bucket in buckets():
        sealed = open_archive(store, folder).read(bucket)
        assert_equal(archive.read(bucket, tail), sealed)
        assert_equal(whole.read(bucket, unsealed), sealed)
    rows = store.query(f"SELECT {ROW_COLUMNS} FROM records ORDER BY position")
    together = columns_of(store, rows)
    assert len(together.at) == sum(len(whole.read(bucket, unsealed).at) for bucket in buckets())
    for number, subject in enumerate(together.subjects):
        sealed = archive.read(bucket_of(subject) or 0, tail)
        mine, theirs = together.subject == number, sealed.subject == sealed.subjects.index(subject)
        for name in ("at", "position", "what", "buyer", "amount", "extra"):
            assert np.array_equal(getattr(together, name)[mine], getattr(sealed, name)[theirs])
