"""`verify` computes the chains of keys again, and names what is missing, extra or altered."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from replay.errors import StoreError
from replay.integrity import verify as walking
from replay.integrity.backup import back_up
from replay.integrity.verify import verify
from replay.store.key_chains import key_chain_rows, reach, stream_chain_rows
from replay.store.opening import create_store, open_store
from tests.oracles.key_chains import oracle_keys
from tests.support.aliases import change
from tests.support.chains import make_older
from tests.support.making import event, ingest_events, paid, records

KEYS = [
    ["stream merchant/m-1"],
    ["stream mcn/a-1", "bindings c-1"],
    ["stream mcn/a-2", "bindings c-1"],
    ["stream merchant/m-1"],
    ["stream merchant/m-1", "retracts urn:test pay-o-1"],
    ["stream merchant/m-1"],
    ["stream mcn/a-1", "bindings c-1"],
    ["stream merchant/m-2"],
]
"""Of the ledger below, the keys of each record; its chains stand in rows from the first and the fourth on."""


@pytest.fixture
def ledger(location: str, tmp_path: Path) -> str:
    """A ledger of eight records, which came in batches of three and five."""
    retraction = event("event.retracted", "r-1", event="pay-o-1", reason="a mistake")
    retraction["data"]["source"] = "urn:test"
    events = [
        paid("o-1"),
        event("creator.bound", "b-1", subject="mcn/a-1", creator="c-1"),
        event("creator.bound", "b-2", subject="mcn/a-2", creator="c-1"),
        paid("o-2"),
        retraction,
        paid("o-3"),
        event("creator.unbound", "u-1", subject="mcn/a-1", creator="c-1"),
        paid("o-4", subject="merchant/m-2"),
    ]
    create_store(location)
    with open_store(location) as store:
        for batch in (events[:3], events[3:]):
            ingest_events(store, batch, tmp_path)
        assert list(map(oracle_keys, records(store))) == KEYS
        assert [(at, len(chains)) for at, chains in stream_chain_rows(store, 1)] == [(1, 3 * 32), (4, 5 * 32)]
        assert [row[:3] for row in key_chain_rows(store, 1)] == [
            ("bindings c-1", 1, 2),
            ("bindings c-1", 2, 3),
            ("retracts urn:test pay-o-1", 1, 5),
            ("bindings c-1", 3, 7),
        ]
    return location


def flipped(chains: bytes, number: int) -> bytes:
    """With one bit of the chain of a number changed."""
    at = number * 32 + 31
    return chains[:at] + bytes([chains[at] ^ 1]) + chains[at + 1 :]


Statements = list[tuple[str, tuple[Any, ...]]]
ALTERED: dict[str, tuple[Callable[[list[bytes]], Statements], str | dict[bool, str]]] = {
    "a chain": (
        lambda rows: [("UPDATE stream_chains SET chains = ? WHERE position = 4", (flipped(rows[1], 2),))],
        "position 6: in stream_chains the chain of merchant/m-1 is ",
    ),
    "the first chain": (
        lambda rows: [("UPDATE stream_chains SET chains = ? WHERE position = 1", (flipped(rows[0], 0),))],
        "position 1: in stream_chains the chain of merchant/m-1 is ",
    ),
    "the last chain of a stream": (
        lambda rows: [("UPDATE stream_chains SET chains = ? WHERE position = 4", (flipped(rows[1], 4),))],
        "position 8: in stream_chains the chain of merchant/m-2 is ",
    ),
    "a chain where a walk begins": (
        lambda rows: [("UPDATE stream_chains SET chains = ? WHERE position = 4", (flipped(rows[1], 1),))],
        "position 5: ",
    ),
    "the first row is missing": (
        lambda _: [("DELETE FROM stream_chains WHERE position = 1", ())],
        "position 1: stream_chains has a row from position 4 on where one from 1 on belongs",
    ),
    "a row is one chain short": (
        lambda rows: [("UPDATE stream_chains SET chains = ? WHERE position = 1", (rows[0][:64],))],
        "position 3: stream_chains has a row from position 4 on where one from 3 on belongs",
    ),
    "a row is one byte short": (
        lambda rows: [("UPDATE stream_chains SET chains = ? WHERE position = 1", (rows[0][:-1],))],
        "stream_chains has a row from position 1 on of 95 bytes",
    ),
    "a row is empty": (
        lambda _: [("UPDATE stream_chains SET chains = ? WHERE position = 1", (b"",))],
        "stream_chains has a row from position 1 on of 0 bytes",
    ),
    "a row is one chain too long": (
        lambda rows: [("UPDATE stream_chains SET chains = ? WHERE position = 1", (rows[0] + rows[1][:32],))],
        {
            False: "position 5: stream_chains has a row from position 4 on where one from 5 on belongs",
            True: "stream_chains holds 9 chains, but goes on to position 8",
        },
    ),
    "a row too many": (
        lambda rows: [("INSERT INTO stream_chains VALUES (?, ?)", (9, rows[0]))],
        "stream_chains goes on to position 11, but the ledger ends at 8",
    ),
    "a state of another key": (
        lambda _: [("UPDATE key_chains SET chain = ? WHERE position = 3", (bytes(32),))],
        "position 3: key_chains holds 'bindings c-1', number 2, position 3, chain 0000",
    ),
    "a state of another key where a walk began": (
        lambda _: [("UPDATE key_chains SET chain = ? WHERE position = 7", (bytes(32),))],
        "position 7: ",
    ),
    "a state is missing": (
        lambda _: [("DELETE FROM key_chains WHERE position = 5", ())],
        "position 5: key_chains holds 'bindings c-1', number 3, position 7, chain ",
    ),
    "the last state is missing": (
        lambda _: [("DELETE FROM key_chains WHERE position = 7", ())],
        {
            False: "position 7: key_chains holds no more row, but the records give 'bindings c-1', number 3",
            True: "position 7: key_chains holds no more row, but the record has the key 'bindings c-1'",
        },
    ),
    "a state too many": (
        lambda rows: [("INSERT INTO key_chains VALUES (?, ?, ?, ?)", ("bindings c-1", 4, 8, bytes(32)))],
        "position 8: key_chains holds 'bindings c-1', number 4, position 8, chain 00",
    ),
    "a state of a key that nothing has": (
        lambda rows: [("INSERT INTO key_chains VALUES (?, ?, ?, ?)", ("bindings c-9", 1, 1, bytes(32)))],
        "position 2: key_chains holds 'bindings c-9', number 1, position 1, chain 00",
    ),
    "a state behind the end": (
        lambda rows: [("INSERT INTO key_chains VALUES (?, ?, ?, ?)", ("bindings c-9", 1, 12, bytes(32)))],
        "key_chains holds 'bindings c-9', number 1, position 12, chain ",
    ),
    "two keys changed places": (
        lambda _: [("UPDATE key_chains SET key = 'bindings c-2' WHERE count = 3", ())],
        "position 7: key_chains holds 'bindings c-2', number 3, position 7",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("by_two", [False, True], ids=["walked by one", "walked by two"])
@pytest.mark.parametrize("name", ALTERED)
def test_what_is_altered_is_named(ledger: str, name: str, by_two: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    statements, found = ALTERED[name]
    with open_store(ledger) as store:
        assert verify(store).problems == []
        rows = [chains for _, chains in stream_chain_rows(store, 1)]
    change(ledger, statements(rows))
    monkeypatch.setattr(walking, "RECORDS_BEFORE_HELP", 0)
    with open_store(ledger) as store:
        (problem,) = verify(store, workers=2 if by_two else 1).problems
        assert len(verify(store, workers=4).problems) == 1
    if isinstance(found, dict):
        found = found[by_two]
    assert problem.startswith(found) if found.startswith("position") else found in problem


def test_a_ledger_that_is_older_than_the_chains_is_sound_and_is_backed_up_with_them(
    ledger: str, tmp_path: Path
) -> None:
    with open_store(ledger) as store:
        kept = list(stream_chain_rows(store, 1)), list(key_chain_rows(store, 1))
    make_older(ledger)
    with open_store(ledger) as store:
        assert reach(store) == 0 and verify(store).problems == []
        assert back_up(store, tmp_path / "copy.db").source_problems == []
    with open_store(str(tmp_path / "copy.db")) as copy:
        assert reach(copy) == 8 and verify(copy).problems == []
        assert (b"".join(chains for _, chains in stream_chain_rows(copy, 1)), list(key_chain_rows(copy, 1))) == (
            b"".join(chains for _, chains in kept[0]),
            kept[1],
        )


def test_chains_that_are_kept_for_a_part_are_sound(ledger: str, tmp_path: Path) -> None:
    """As after a fill that was ended from outside, or where an earlier program went on recording."""
    behind = [f"DELETE FROM {table} WHERE position > 3" for table in ("stream_chains", "key_chains")]
    change(ledger, [(sql, ()) for sql in behind])
    with open_store(ledger) as store:
        assert reach(store) == 3 and verify(store).problems == []
        ingest_events(store, [paid("o-9")], tmp_path)
        assert reach(store) == 3 and verify(store).problems == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE stream_chains SET chains = chains",
        "DELETE FROM stream_chains",
        "UPDATE key_chains SET chain = chain",
        "DELETE FROM key_chains",
    ],
)
def test_the_guards_refuse_what_would_change_chains(ledger: str, statement: str) -> None:
    refused = pytest.raises(StoreError, match=r"are append only: (UPDATE|DELETE) is refused")
    with open_store(ledger) as store, refused, store.writing() as transaction:
        transaction.execute(statement)


@pytest.mark.parametrize("location", ["sqlite"], indirect=True)
def test_the_guards_of_sqlite_refuse_rows_that_do_not_follow(ledger: str) -> None:
    rows: dict[str, list[tuple[Any, ...]]] = {
        "INSERT INTO stream_chains VALUES (?, ?)": [(10, bytes(32)), (8, bytes(32)), (9, bytes(31)), (9, b"")],
        "INSERT INTO key_chains VALUES (?, ?, ?, ?)": [("bindings c-1", 3, 9, bytes(32)), ("new", 2, 9, bytes(32))],
    }
    with open_store(ledger) as store:
        for statement, refused in rows.items():
            for row in refused:
                with pytest.raises(StoreError, match="chains are append only"), store.writing() as transaction:
                    transaction.execute(statement, row)
