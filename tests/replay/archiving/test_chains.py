"""Chains of streams leave with the records: what is said of any key at any position, and what is checked, stays."""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from replay.archiving.limit import archive_limit
from replay.errors import DamagedError, StoreError
from replay.integrity import verify as walking
from replay.integrity.backup import back_up
from replay.integrity.log_tree import sizes_needed
from replay.integrity.restore import restore
from replay.integrity.verify import verify
from replay.recording.chaining import chain_keys
from replay.recording.completing import complete
from replay.schema.versions import KEY_CHAINS, LEFT_STREAMS, STREAM_CHAINS
from replay.store import key_chains
from replay.store.base.store import Store
from replay.store.buyers import KEY_VARIABLE
from replay.store.evidence.heads import MovedHeads, moved_heads
from replay.store.key_chains import chains_here, key_states, reach, stream_chain_rows
from replay.store.leaving import rows
from replay.store.opening import create_store, open_store
from replay.store.reading.key_state import NO_RECORD
from tests.conftest import KEY, SOAK, by_turns
from tests.oracles.key_chains import oracle_keys, oracle_state, oracle_states_rising
from tests.support.aliases import change
from tests.support.archived import archived, archived_as_bytes, contents, sealed, small_segments
from tests.support.chains import make_older
from tests.support.making import event, ingest_events, paid
from tests.worlds.ledgers import World

NOBODYS = ("stream merchant/nobody", "bindings creator/nobody", "retracts urn:test nothing")
EVENTS = 130


@pytest.fixture
def folder(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the records of the store go, in small segments and stretches."""
    small_segments(monkeypatch)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    return tmp_path / "ledger.db.records"


def ingested(location: str, tmp_path: Path, seed: int, *cuts: int) -> World:
    """A random world in batches that end at the cuts, each of them sealed."""
    create_store(location)
    world = World(seed)
    with open_store(location) as store:
        for first, end in zip((0, *cuts), cuts, strict=False):
            ingest_events(store, world.events(end - first), tmp_path)
            sealed(store)
    return world


def records(store: Store) -> dict[int, bytes]:
    return {row[0]: row[-1] for row in contents(store)}


def assert_told(store: Store, step: int = 1) -> None:
    """What is said of all keys at all positions, or some of them, is what the oracle works out of the records."""
    held = records(store)
    keys = {key for record in held.values() for key in oracle_keys(record)} | {*NOBODYS}
    assert key_states(store, keys, 0) == dict.fromkeys(keys, NO_RECORD)
    for position, states in oracle_states_rising(held):
        if position % step == 0 or position == len(held):
            assert key_states(store, keys, position) == dict.fromkeys(keys, NO_RECORD) | states, position


# --- made by hand -----------------------------------------------------------------------------------------------------

STREAMS = ["merchant/m-1", "mcn/a-1", "merchant/m-1", "merchant/m-2", "merchant/m-1", "mcn/a-1", "merchant/m-2"]
"""Of the ledger below, behind the announcement of its keys; the seal of all that comes last."""


def by_hand(location: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger of nine records from which five have left in stretches of three, whose chains stand in rows of two."""
    monkeypatch.setattr(key_chains, "CHAINS_A_ROW", 2)
    monkeypatch.setattr(rows, "STRETCH_ROWS", 3)
    create_store(location)
    events = [
        event("creator.bound", f"b-{number}", subject=stream, creator=f"c-{number}")
        if stream.startswith("mcn")
        else paid(f"o-{number}", subject=stream)
        for number, stream in enumerate(STREAMS)
    ]
    with open_store(location) as store:
        ingest_events(store, events[:4], tmp_path)
        ingest_events(store, events[4:], tmp_path)
        sealed(store)
        assert [row[1] for row in contents(store)] == [*STREAMS, "ledger/keys", "ledger/heads"]
        archived(store, folder, 6)


def noted(store: Store) -> list[tuple[Any, ...]]:
    """(stretch, stream, position, chain) of what is noted."""
    return list(store._query(f"SELECT last, stream, last_position, chain FROM {LEFT_STREAMS} ORDER BY last, stream"))


def test_the_last_chain_of_each_stream_in_a_stretch_is_noted_and_those_before_go(
    location: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand(location, folder, tmp_path, monkeypatch)
    with open_store(location) as store:
        held = records(store)
        expected = [(3, "mcn/a-1", 2), (3, "merchant/m-1", 3), (5, "merchant/m-1", 5), (5, "merchant/m-2", 4)]
        assert noted(store) == [
            (end, stream, at, oracle_state(held, f"stream {stream}", end)[1]) for end, stream, at in expected
        ]
        # The row of positions 5 and 6 straddles the end; the one before it, and the two of the first batch, went.
        assert [(at, len(chains)) for at, chains in stream_chain_rows(store, 1)] == [(5, 64), (7, 32), (8, 32), (9, 32)]
        assert reach(store) == 9 and chains_here(store, 5) == (5, 5)
        assert verify(store).problems == [] and store.definition_problems() == []
        assert_told(store)


def test_what_is_recorded_goes_on_with_chains_that_left(
    location: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand(location, folder, tmp_path, monkeypatch)
    more = [
        paid("more-1"),  # its stream's last record has left
        event("creator.unbound", "more-2", subject="mcn/a-1", creator="c-1"),  # the row of its stream's last one stays
        paid("more-3", subject="merchant/m-2"),
        paid("more-4", subject="merchant/m-3"),
    ]
    with open_store(location) as store:
        ingest_events(store, more, tmp_path)
        assert reach(store) == 13 and verify(store).problems == []
        assert_told(store)
        sealed(store)
        archived(store, folder)
        assert [at for at, _ in stream_chain_rows(store, 1)] == [store.head().position]
        assert_told(store)
        ingest_events(store, [event("creator.bound", "more-5", subject="mcn/a-1", creator="c-1")], tmp_path)
        assert verify(store).problems == []
        assert_told(store)


# --- random worlds ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("location", "seed"), by_turns(range(4 * SOAK)), indirect=["location"])
def test_any_key_is_told_at_any_position_wherever_the_cuts_are(
    location: str, folder: Path, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(seed)
    monkeypatch.setattr(rows, "STRETCH_ROWS", random.choice((5, 31, 97)))
    monkeypatch.setattr(key_chains, "CHAINS_A_ROW", random.choice((1, 7, 60)))
    world = ingested(location, tmp_path, seed, *sorted(random.sample(range(20, EVENTS), 2)), EVENTS)
    with open_store(location) as store:
        last = archive_limit(store).last
        for below in sorted(random.sample(range(2, last), 2)):
            archived(store, folder, below)
            assert_told(store, step=17)
            assert verify(store).problems == []
        archived(store, folder)
        assert_told(store)
        with store.snapshot():
            assert_told(store, step=29)
        head = store.head().position
        ingest_events(store, world.events(20), tmp_path)
        assert reach(store) == store.head().position == head + 20 and verify(store).problems == []
        assert_told(store, step=29)


@pytest.mark.slow
@pytest.mark.parametrize(("location", "seed"), by_turns(range(2 * SOAK)), indirect=["location"])
def test_heads_moved_between_any_sizes_are_those_from_before(
    location: str, folder: Path, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "STRETCH_ROWS", 31)
    random = Random(seed)
    ingested(location, tmp_path, seed, EVENTS)
    with open_store(location) as store:
        last = archive_limit(store).last
        pairs = [tuple(sorted(random.sample(range(last + 1), 2))) for _ in range(40)]
        pairs += [(0, 31), (31, 62), (31, 60), (30, 62), (0, last), (62, last), (last - 1, last)]
        rising = sorted(random.sample(range(1, last), 12))
        before = [moved_heads(store, *pair) for pair in pairs]
        one_by_one = [moved_heads(store, *pair) for pair in zip((0, *rising), rising, strict=False)]
        assert sum(map(len, before)) > 200
        for below in (random.randrange(40, last), None):
            archived(store, folder, below)
            assert [moved_heads(store, *pair) for pair in pairs] == before
            heads = MovedHeads(store)
            assert [heads.over(size) for size in rising] == one_by_one


@pytest.mark.slow
def test_stores_whose_bytes_alone_had_left_let_chains_go_with_the_rows(
    location: str, folder: Path, tmp_path: Path
) -> None:
    ingested(location, tmp_path, 6, EVENTS)
    with open_store(location) as store:
        archived_as_bytes(store, folder, 90)
    with open_store(location) as store:
        archived(store, folder)
        assert_told(store, step=11)
        assert verify(store).problems == [] and chains_here(store, 0).first > 90


@pytest.mark.slow
def test_a_backup_has_all_chains_again(location: str, folder: Path, tmp_path: Path) -> None:
    ingested(location, tmp_path, 7, EVENTS)
    with open_store(location) as store:
        whole = b"".join(chains for _, chains in stream_chain_rows(store, 1))
        archived(store, folder, 100)
        assert len(whole) > len(b"".join(chains for _, chains in stream_chain_rows(store, 1)))
        assert back_up(store, tmp_path / "copy.db").source_problems == []
    restore(tmp_path / "copy.db", str(tmp_path / "again.db"))
    with open_store(str(tmp_path / "again.db")) as again:
        assert b"".join(chains for _, chains in stream_chain_rows(again, 1)) == whole
        assert_told(again, step=29)


# --- what archiving asks for ------------------------------------------------------------------------------------------


def test_nothing_is_archived_whose_keys_are_not_chained(location: str, folder: Path, tmp_path: Path) -> None:
    ingested(location, tmp_path, 8, 60)
    make_older(location, STREAM_CHAINS, KEY_CHAINS)
    with open_store(location) as store:
        kept = r"the chains of keys are kept in .* up to position 0, and records are to leave up to"
        then = r" position 61: nothing was archived. Run 'levelbook upgrade', which adds what is missing, then archive"
        with pytest.raises(StoreError, match=f"^{kept}{then}$"):
            archived(store, folder)
        assert store.left is None and store.record_segments() == []
        complete(store)
        archived(store, folder)
        assert_told(store, step=13)
        assert verify(store).problems == []


def test_chains_that_were_removed_are_not_begun_anew_once_a_part_has_left(
    location: str, folder: Path, tmp_path: Path
) -> None:
    ingested(location, tmp_path, 8, 60)
    with open_store(location) as store:
        archived(store, folder, 50)
    make_older(location, STREAM_CHAINS, KEY_CHAINS)
    with open_store(location) as store:
        for mend in (complete, chain_keys):
            with pytest.raises(DamagedError, match="the table key_chains, which rows had when they left and which is"):
                mend(store)
        assert "key_chains holds no more row, but the records give 'bindings " in verify(store).problems[0]


def test_chains_behind_what_left_are_added_where_they_are_missing(location: str, folder: Path, tmp_path: Path) -> None:
    """As where an earlier program went on recording."""
    world = ingested(location, tmp_path, 9, 60)
    with open_store(location) as store:
        archived(store, folder, 50)
        head = store.head().position
        ingest_events(store, world.events(20), tmp_path)
    change(location, [(f"DELETE FROM {table} WHERE position > {head}", ()) for table in (STREAM_CHAINS, KEY_CHAINS)])
    with open_store(location) as store:
        assert reach(store) == head and verify(store).problems == []
        assert_told(store, step=13)
        archived(store, folder)
        assert_told(store, step=13)
        chain_keys(store)
        assert reach(store) == store.head().position == head + 20 and verify(store).problems == []
        assert_told(store, step=13)


# --- what is altered --------------------------------------------------------------------------------------------------

OF_ONE = (
    f"WHERE stream = 'merchant/m-1' AND last = (SELECT min(last) FROM {LEFT_STREAMS} WHERE stream = 'merchant/m-1')"
)
OTHER = f"(SELECT chain FROM {LEFT_STREAMS} WHERE stream = 'merchant/m-2' ORDER BY last LIMIT 1)"
LAST_BUT_ONE = f"SELECT position FROM {STREAM_CHAINS} ORDER BY position DESC LIMIT 1 OFFSET 1"
ALTERED: dict[str, tuple[str, str]] = {
    "a chain that is noted": (
        f"UPDATE {LEFT_STREAMS} SET chain = {OTHER} {OF_ONE}",
        "in left_streams the chain of merchant/m-1 is ",
    ),
    "a chain that is noted last": (
        f"UPDATE {LEFT_STREAMS} SET chain = {OTHER} WHERE stream = 'merchant/m-1' AND last = 120",
        "in left_streams the chain of merchant/m-1 is ",
    ),
    "a part of a chain": (
        f"UPDATE {LEFT_STREAMS} SET chain = substr(chain, 1, 31) {OF_ONE}",
        "in left_streams the chain of merchant/m-1 is ",
    ),
    "the row that straddles": (
        f"DELETE FROM {STREAM_CHAINS} WHERE position = (SELECT min(position) FROM {STREAM_CHAINS})",
        "stream_chains has a row from position ",
    ),
    "a row behind": (
        f"DELETE FROM {STREAM_CHAINS} WHERE position = ({LAST_BUT_ONE})",
        "stream_chains has a row from position ",
    ),
    "the table": (f"DROP TABLE {STREAM_CHAINS}", "the table stream_chains is missing, which was there when rows left"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ALTERED)
def test_what_is_altered_is_named_by_however_many(
    name: str, location: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql, said = ALTERED[name]
    monkeypatch.setattr(walking, "RECORDS_BEFORE_HELP", 0)
    monkeypatch.setattr(rows, "STRETCH_ROWS", 41)
    ingested(location, tmp_path, 10, 140)
    with open_store(location) as store:
        archived(store, folder, 121)
        for workers in (1, 2, 3, 4):
            assert verify(store, workers=workers).problems == []
        assert not store.definition_problems()
    change(location, [(sql, ())])
    with open_store(location) as store:
        for workers in (1, 2, 3, 4):
            problems = [one for one in verify(store, workers=workers).problems if "the guard " not in one]
            assert problems and said in problems[0], (workers, problems)


def test_a_chain_that_is_cut_off_is_never_taken(location: str, folder: Path, tmp_path: Path) -> None:
    ingested(location, tmp_path, 10, 140)
    with open_store(location) as store:
        archived(store, folder, 121)
    change(location, [(f"UPDATE {LEFT_STREAMS} SET chain = substr(chain, 1, 31)", ())])
    with open_store(location) as store:
        for position in (120, 119):
            with pytest.raises(DamagedError, match="the table left_streams, where a chain of merchant/m-1 is missing,"):
                key_states(store, ["stream merchant/m-1"], position)
        with pytest.raises(DamagedError, match="the table left_streams, where a chain of"):
            moved_heads(store, 0, 119)


# --- beside one another -----------------------------------------------------------------------------------------------


def more_leaves(location: str, folder: Path, step: int) -> Callable[..., None]:
    """Whenever it is called, as many records more leave."""
    upper = iter(range(step, 10_000, step))

    def leave(*_: object) -> None:
        with open_store(location) as other:
            archived(other, folder, min(next(upper), archive_limit(other).last + 1))

    return leave


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_chains_leave_while_a_ledger_is_verified(
    workers: int, location: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "ROWS_TOGETHER", 10)
    monkeypatch.setattr(walking, "RECORDS_BEFORE_HELP", 0)
    monkeypatch.setattr(key_chains, "_ROWS_A_PAGE", 2)
    monkeypatch.setattr(rows, "STRETCH_ROWS", 41)
    ingested(location, tmp_path, 11, 200)
    with open_store(location) as store:
        archived(store, folder, 5)
        assert verify(store, progress=more_leaves(location, folder, 23), workers=workers).problems == []
        assert store.left is not None and store.left.up_to() > 150


def test_what_is_recorded_and_leaves_once_a_ledger_is_begun_to_be_verified_is_no_fault(
    location: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = ingested(location, tmp_path, 11, 60)

    def overtaken(store: Store, last: int) -> tuple[int, ...]:
        with open_store(location) as other:
            ingest_events(other, world.events(20), tmp_path)
            sealed(other)
            archived(other, folder)
            assert other.left is not None and other.left.up_to() > last
        return sizes_needed(store, last)

    with open_store(location) as store:
        archived(store, folder, 30)
        monkeypatch.setattr(walking, "sizes_needed", overtaken)
        assert verify(store, workers=1).problems == []


@pytest.mark.slow
@pytest.mark.parametrize("location", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
def test_a_walk_that_chains_leave_beside_still_holds_those_that_are_noted(
    location: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In SQLite a walk sees one moment."""
    monkeypatch.setattr(walking, "ROWS_TOGETHER", 10)
    monkeypatch.setattr(key_chains, "_ROWS_A_PAGE", 2)
    ingested(location, tmp_path, 11, 200)
    with open_store(location) as store:
        archived(store, folder, 5)
    done: list[int] = []

    def once(walked: int) -> None:
        if walked >= 20 and not done:
            done.append(walked)
            more_leaves(location, folder, 150)()
            change(location, [(f"UPDATE {LEFT_STREAMS} SET chain = {OTHER} WHERE stream = 'merchant/m-1'", ())])

    with open_store(location) as store:
        assert "in left_streams the chain of merchant/m-1 is " in verify(store, progress=once).problems[0]


def test_chains_leave_while_keys_are_asked_for(
    location: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of agencies stay; their chains do not."""
    ingested(location, tmp_path, 12, 100)
    asked, leave = key_chains._states_here, more_leaves(location, folder, 40)
    times: list[int] = []

    def overtaken(*given: Any) -> Iterator[Any]:
        if len(times) < 2:
            times.append(1)
            leave()
        return asked(*given)

    with open_store(location) as store:
        archived(store, folder, 5)
        expected = {key: oracle_state(records(store), key, 79) for key in ("stream mcn/a-1", "stream merchant/m-1")}
        monkeypatch.setattr(key_chains, "_states_here", overtaken)
        assert key_states(store, expected, 79) == expected
        assert len(times) == 2 and store.left is not None and store.left.up_to() == 79
