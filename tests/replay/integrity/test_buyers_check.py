"""What verify finds in the table of aliases and in a ledger's identity: each damage is named."""

import json
from pathlib import Path

import pytest

from replay.errors import StoreError
from replay.integrity.backup import back_up
from replay.integrity.verify import parse_head, verify
from replay.recording.erase import erase_now
from replay.store.base.store import Store
from replay.store.buyers import KEY_VARIABLE, hash_buyer, key_of
from replay.store.opening import create_store, open_store
from tests.support.aliases import change
from tests.support.making import event, ingest_events, paid, records

M_1, M_2 = "merchant/m-1", "merchant/m-2"
STORY = [
    paid("o-1", buyer="b-1", subject=M_1),
    paid("o-2", buyer="b-2", subject=M_1),
    paid("o-1", buyer="b-1", subject=M_2, source="urn:other"),
    paid("o-2", buyer="b-3", subject=M_2, source="urn:other"),
]


def row_of(store: Store, buyer: str, merchant: str) -> tuple[bytes, str, str, bytes]:
    sql = "SELECT key, merchant, alias, seal FROM buyers WHERE key = ? AND merchant = ?"
    ((key, at, alias, seal),) = store._query(sql, (hash_buyer(key_of(store), buyer), merchant))
    return bytes(key), at, alias, bytes(seal)


@pytest.fixture
def storied(location: str, tmp_path: Path) -> str:
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, STORY, tmp_path)
        assert verify(store).problems == []
    return location


def problems(location: str) -> str:
    with open_store(location) as store:
        return "\n".join(verify(store).problems)


def test_deleted_rows_are_told_from_erased_ones(storied: str) -> None:
    change(storied, [("DELETE FROM buyers", ())])
    assert "4 aliases in records have no row in the table of aliases, but the receipts of erasures count 0" in (
        problems(storied)
    )


def test_one_row_deleted_beside_an_erasure_is_found(storied: str) -> None:
    with open_store(storied) as store:
        erase_now(store, "b-1", "request")
        _, _, alias, _ = row_of(store, "b-3", M_2)
        assert verify(store).problems == []
    change(storied, [("DELETE FROM buyers WHERE alias = ?", (alias,))])
    assert "3 aliases in records have no row in the table of aliases, but the receipts of erasures count 2" in (
        problems(storied)
    )


def test_erased_rows_that_are_put_back_are_found(storied: str) -> None:
    with open_store(storied) as store:
        back = row_of(store, "b-1", M_1)
        erase_now(store, "b-1", "request")
    change(storied, [("INSERT INTO buyers (key, merchant, alias, seal) VALUES (?, ?, ?, ?)", back)])
    assert "the receipts of erasures count 2 aliases, but only 1 in records have no row" in problems(storied)


def test_a_row_that_no_record_bears_is_named(storied: str) -> None:
    row = (b"k" * 32, M_1, "f" * 32, b"s" * 32)
    change(storied, [("INSERT INTO buyers (key, merchant, alias, seal) VALUES (?, ?, ?, ?)", row)])
    assert f"has a row for {'f' * 32}, which no record bears" in problems(storied)


def swap(location: str, first: tuple[str, str], second: tuple[str, str]) -> tuple[str, str]:
    """Let two rows change aliases and seals, as somebody without the key can."""
    with open_store(location) as store:
        one, other = row_of(store, *first), row_of(store, *second)
    change(
        location,
        [
            ("DELETE FROM buyers WHERE alias = ? OR alias = ?", (one[2], other[2])),
            ("INSERT INTO buyers (key, merchant, alias, seal) VALUES (?, ?, ?, ?)", (*one[:2], *other[2:])),
            ("INSERT INTO buyers (key, merchant, alias, seal) VALUES (?, ?, ?, ?)", (*other[:2], *one[2:])),
        ],
    )
    return one[2], other[2]


def test_rows_that_changed_places_between_merchants_are_found_without_the_key(
    storied: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = swap(storied, ("b-2", M_1), ("b-3", M_2))
    monkeypatch.setenv(KEY_VARIABLE, "33" * 32)
    assert f"the alias {one} stands in a record of {M_1} and also under {M_2}" in problems(storied)


def test_rows_that_changed_places_at_one_merchant_are_found_with_the_key(
    storied: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = swap(storied, ("b-1", M_1), ("b-2", M_1))
    found = problems(storied)
    for alias in (one, other):
        assert f"the row of the alias {alias} at {M_1} does not bear the seal of this ledger's key" in found
    with open_store(storied) as store, pytest.raises(StoreError, match=r"the table of aliases, in a row of merchant"):
        ingest_events(store, [paid("o-9", buyer="b-1", subject=M_1)], tmp_path)
    with open_store(storied) as store:
        assert len(records(store)) == 4
    monkeypatch.setenv(KEY_VARIABLE, "33" * 32)
    assert problems(storied) == ""


def test_many_problems_of_one_kind_are_counted(storied: str, tmp_path: Path) -> None:
    rows = [(bytes([n]) * 32, M_1, f"{n:032x}", b"s" * 32) for n in range(14)]
    change(storied, [("INSERT INTO buyers (key, merchant, alias, seal) VALUES (?, ?, ?, ?)", row) for row in rows])
    with open_store(storied) as store:
        found = verify(store).problems
    assert sum("which no record bears" in problem for problem in found) == 10
    assert found.count("and 4 more of the same kind") == 2


def test_a_head_noted_before_the_first_record_is_recognised(store: Store, tmp_path: Path) -> None:
    start = store.head()
    assert (start.position, start.chain) == (0, store.identity.chain_start)
    assert verify(store).head == start
    back_up(store, tmp_path / "copy.db")
    ingest_events(store, STORY, tmp_path)
    assert verify(store, parse_head(f"0:{start.chain.hex()}")).problems == []


@pytest.mark.parametrize("column", ["created_at", "key_check"])
def test_an_altered_identity_is_found(storied: str, column: str) -> None:
    change(storied, [(f"UPDATE ledger SET {column} = ?", (7 if column == "created_at" else b"k" * 32,))])
    assert problems(storied) == (
        "position 1: the chain does not fit the record: its bytes, or those of the link, or the ledger's identity"
        " (created_at, key_check), were changed"
    )


def test_a_store_is_not_made_an_old_one_unseen(storied: str) -> None:
    change(storied, [("UPDATE ledger SET schema_version = 1", ())])
    assert problems(storied).startswith("position 1: the chain does not fit the record")


def test_texts_that_look_like_a_buyer_are_no_alias(store: Store, tmp_path: Path) -> None:
    odd = paid("o-1", actor='"data":{"buyer":"x"} 客服')
    ingest_events(store, [odd, event("merchant.closed", "c", actor='"buyer":"y"')], tmp_path)
    assert verify(store).problems == []
    assert json.loads(records(store)[0])["event"]["actor"] == odd["actor"]
