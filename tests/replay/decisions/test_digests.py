"""Digests of form 2 as docs/reference/digests.md says them, and the keys that they rest on."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from domain.events import CATALOGUE, Event
from domain.keys import keys_of, stream_key
from replay.decisions.digests import facts_of, findings_of, outcome_of
from replay.history.browse import list_subjects
from replay.history.timeline import Moment
from replay.replaying.base import Replay
from replay.schemes.registry import SCHEMES, Scheme, choose
from replay.store.base.store import Store
from replay.store.queries import rows_of
from replay.store.reading.row import leaf_hash
from replay.store.record import reference
from tests.conftest import by_turns
from tests.support.making import ingest_events
from tests.worlds.ledgers import World


def replays_of(store: Store, scheme: Scheme) -> list[Replay]:
    head, judging = store.head().position, scheme.replay
    moment = Moment(store.now(), store.now(), head)
    policies = choose(store, judging, moment)
    subjects = [item["subject"] for item in list_subjects(store, scheme.kind)]
    return [judging(subject, judging.load(store, subject, head), moment, policies) for subject in subjects]


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=list(SCHEMES))
def test_digests_are_what_their_page_says(scheme: Scheme, store: Store, tmp_path: Path) -> None:
    ingest_events(store, World(3).events(150), tmp_path)
    for replay in replays_of(store, scheme):
        told = [judged for judged in replay.judged if judged.verdict != "not_used"]
        parts = [len(told).to_bytes(8, "big")]
        for judged in told:
            parts += [judged.position.to_bytes(8, "big"), (judged.tenths or 0).to_bytes(8, "big", signed=True)]
            parts += [judged.verdict.encode("ascii").ljust(24, b"\0")]
        figures = replay.decided_figures
        parts += [number.to_bytes(8, "big", signed=True) for number in (len(figures), *figures)]
        assert findings_of(replay) == sha256(b"".join(parts)).hexdigest()


def test_facts_are_over_the_chains_of_the_keys_that_were_read(store: Store, tmp_path: Path) -> None:
    ingest_events(store, World(3).events(60), tmp_path)
    scheme, head = SCHEMES["merchant-reputation"], store.head().position
    for replay in replays_of(store, scheme):
        chain, count = bytes(32), 0
        for row in rows_of(store, replay.subject):
            chain = sha256(b"\3" + chain + row.position.to_bytes(8, "big") + leaf_hash(row.record)).digest()
            count += 1
        listed = [
            ["stream policy/merchant-reputation", 0, 64 * "0"],
            [f"stream {replay.subject}", count, chain.hex()],
        ]
        listed.sort()
        text = json.dumps(listed, separators=(",", ":"))
        assert facts_of(store, scheme.code, [outcome_of(store, replay)], head) == [sha256(text.encode()).hexdigest()]


@pytest.mark.slow
@pytest.mark.parametrize(("location", "seed"), by_turns(range(4)), indirect=["location"])
def test_no_record_is_read_but_by_a_key_of_the_replay(seed: int, store: Store, tmp_path: Path) -> None:
    ingest_events(store, World(seed).events(300), tmp_path)
    for scheme in SCHEMES.values():
        for replay in replays_of(store, scheme):
            keys = set(replay.keys(store, replay.subject, replay.moment.position))
            assert stream_key(replay.subject) in keys
            for event in replay.known:
                assert keys.intersection(keys_of(event.type, event.originator_id, ref_of(event)))


def ref_of(event: Event) -> str | None:
    assert event.type in CATALOGUE
    return reference(event.type, event.data)


def test_every_word_of_a_verdict_has_room() -> None:
    """A longer one would be cut off where columns are digested."""
    for scheme in SCHEMES.values():
        assert not scheme.in_bulk or max(len(word.encode("ascii")) for word in scheme.replay.words) <= 24, scheme.code
