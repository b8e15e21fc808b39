"""Rows of the table of aliases leave it at archive, are found where they are, and what was changed there is named."""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from replay.errors import DamagedError, StoreError, UsageError
from replay.integrity.backup import back_up
from replay.integrity.restore import restore
from replay.integrity.verify import verify
from replay.recording.erase import erase_at_month_end, erase_now
from replay.schema.versions import LEFT_ALIASES
from replay.store import alias_queries
from replay.store.alias_queries import count_aliases, count_here, merchant_of
from replay.store.base.store import Store
from replay.store.buyers import KEY_VARIABLE, hash_buyer, is_sealed, new_row
from replay.store.leaving import aliases as leaving
from replay.store.leaving.aliases import let_aliases_go
from replay.store.location import is_postgres
from replay.store.opening import create_store, open_store
from replay.store.reading.alias_form import AliasKey, AliasRow, Entries, Merged, merged, packed_rows, rows_in
from replay.store.reading.aliases_left import all_alias_rows, left_rows_of, merchants_of
from replay.store.reading.readable import Readable
from tests.conftest import KEY
from tests.support.archived import archived, sealed, small_segments
from tests.support.making import Event, ingest_events, paid

SECRET = bytes.fromhex(KEY)
BUYERS = tuple(f"b-{number}" for number in range(30))
MERCHANTS = tuple(f"merchant/m-{number}" for number in range(4))


def story() -> list[Event]:
    """Each buyer orders at some merchants: the first at all of them."""
    return [
        paid(f"{buyer}-{merchant[-1]}", buyer=buyer, subject=merchant)
        for number, buyer in enumerate(BUYERS)
        for at, merchant in enumerate(MERCHANTS)
        if number % (at + 1) == 0
    ]


PAIRS = len(story())


@pytest.fixture
def store(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Store":
    """A store that is sealed, whose aliases are where they were recorded."""
    small_segments(monkeypatch)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    create_store(location)
    made = open_store(location)
    ingest_events(made, story(), tmp_path)
    sealed(made)
    return made


def entries_in(store: Store) -> list[Entries]:
    sql = f"SELECT first, entries FROM {LEFT_ALIASES} ORDER BY first"
    return [Entries(first, bytes(packed)) for first, packed in store._query(sql)]


def rows(store: Store) -> list[AliasRow]:
    return sorted(all_alias_rows(store))


def hashed(buyer: str) -> bytes:
    return hash_buyer(SECRET, buyer)


# --- leaving ----------------------------------------------------------------------------------------------------------


def test_all_rows_leave_and_are_the_same(store: Store, tmp_path: Path) -> None:
    with store:
        before = rows(store)
        assert len(before) == PAIRS == count_aliases(store) == count_here(store)
        archived(store, tmp_path / "records", 2)
        assert count_here(store) == 0 and rows(store) == before
        entries = entries_in(store)
        assert [row for one in entries for row in rows_in(one)] == before
        assert len(entries) > 7 and max(len(one.packed) for one in entries) <= 400
        assert verify(store).problems == []


def test_what_is_asked_of_one_buyer_is_answered_alike(store: Store, tmp_path: Path) -> None:
    def asked() -> list[Any]:
        reader, wanted = (
            store.reader(),
            [AliasKey(hashed(buyer), merchant) for buyer in BUYERS for merchant in MERCHANTS],
        )
        found = sorted(reader.aliases(wanted))
        return [
            found,
            sorted(reader.aliases(wanted[::7])),
            [reader.aliases_of(hashed(buyer)) for buyer in (*BUYERS, "nobody")],
            [sorted(reader.rows_of_buyer(hashed(buyer))) for buyer in BUYERS],
            reader.given([row.alias for row in found] + ["0f" * 16, "none"]),
            [merchant_of(store, alias) for alias in [row.alias for row in found[:5]] + ["0f" * 16, "none"]],
        ]

    with store:
        before = asked()
        assert len(before[0]) == PAIRS and before[2][0] == len(MERCHANTS) and before[2][-1] == 0
        archived(store, tmp_path / "records", 40)
        assert asked() == before
        ingest_events(store, [paid("more", buyer=BUYERS[1], subject=MERCHANTS[3])], tmp_path)
        assert store.reader().aliases_of(hashed(BUYERS[1])) == before[2][1] + 1
        assert count_here(store) == 1
        archived(store, tmp_path / "records")
        assert count_here(store) == 0 and store.reader().aliases_of(hashed(BUYERS[1])) == before[2][1] + 1


def test_many_buyers_take_few_statements(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with store:
        archived(store, tmp_path / "records")
        wanted = [AliasKey(hashed(f"b-{number}"), MERCHANTS[0]) for number in range(1_200)]
        reader, asked = store.reader(), list[str]()
        execute = reader.execute

        def counted(sql: str, parameters: Any = ()) -> Any:
            asked.append(sql)
            return execute(sql, parameters)

        monkeypatch.setattr(reader, "execute", counted)
        assert len(reader.aliases(wanted)) == len(BUYERS)
        assert sum(LEFT_ALIASES in sql for sql in asked) == 3 and len(asked) <= 6


def test_rows_of_another_form_stay(store: Store, tmp_path: Path) -> None:
    """Each as somebody put it in, or as an earlier program might have: they are found as before."""
    key = hashed(BUYERS[0])
    odd = [
        AliasRow(key, "merchant/" + "a" * 65, "01" * 16, b"s" * 32),
        AliasRow(key, "creator/c-1", "02" * 16, b"s" * 32),
        AliasRow(key, "merchant/x", "AB" * 16, b"s" * 32),
        AliasRow(key, "merchant/y", "ab", b"s" * 32),
        AliasRow(key, "merchant/z", "03" * 16, b"s" * 20),
        AliasRow(b"", "merchant/x", "04" * 16, b"s" * 32),
        AliasRow(b"\xff" * 40, "merchant/x", "05" * 16, b"s" * 32),
    ]
    with store:
        with store.writing() as transaction:
            transaction.execute_many("INSERT INTO buyers (key, merchant, alias, seal) VALUES (?, ?, ?, ?)", odd)
        before = rows(store)
        for _ in range(2):
            archived(store, tmp_path / "records")
            assert count_here(store) == len(odd) and rows(store) == before
        assert store.reader().aliases_of(key) == len(MERCHANTS) + 5
        with store.writing() as transaction:
            assert transaction.delete_aliases(key) == len(MERCHANTS) + 5
        assert len(rows(store)) == len(before) - len(MERCHANTS) - 5


def test_a_row_that_stands_in_both_stays_and_is_named(store: Store, tmp_path: Path) -> None:
    with store:
        one = rows(store)[7]
        archived(store, tmp_path / "records")
        with store.writing() as transaction:
            transaction.execute("INSERT INTO buyers (key, merchant, alias, seal) VALUES (?, ?, ?, ?)", one)
        let_aliases_go(store)
        assert count_here(store) == 1
        assert verify(store).problems == [
            f"the alias {one.alias} has two rows: one was put in beside that which left the table of aliases"
        ]


def test_a_second_alias_of_a_buyer_at_a_merchant_is_named(store: Store, tmp_path: Path) -> None:
    """What left was taken away while he ordered once more, and put back: both rows are sealed, and stand in records."""
    put = f"INSERT INTO {LEFT_ALIASES} (first, entries) VALUES (?, ?)"
    with store:
        archived(store, tmp_path / "records")
        (one,) = (row for row in rows(store) if row[:2] == (hashed(BUYERS[0]), MERCHANTS[0]))
        left = entries_in(store)
        with store.writing() as transaction:
            transaction.execute(f"DELETE FROM {LEFT_ALIASES}")
        ingest_events(store, [paid("second", buyer=BUYERS[0], subject=MERCHANTS[0])], tmp_path)
        ((other,),) = store._query("SELECT alias FROM buyers")
        with store.writing() as transaction:
            transaction.execute_many(put, left)
        let_aliases_go(store)
        assert count_here(store) == 1
        said = f"a buyer has the aliases {other} and {one.alias} at {MERCHANTS[0]}: rows were changed or put in"
        assert verify(store).problems == [said]


def test_seals_of_an_earlier_program_are_cut_and_hold(store: Store, tmp_path: Path) -> None:
    """They had 32 bytes; the first half is what others get now, and nothing else is taken for a seal."""
    at = AliasKey(hashed("b-x"), MERCHANTS[0])
    row = new_row(SECRET, at)
    assert len(row.seal) == 16 and is_sealed(SECRET, row) and not is_sealed(b"k" * 32, row)
    for wrong in (row.seal[:15], b"", row.seal + b"\0" * 16, row.seal[:8]):
        assert not is_sealed(SECRET, row._replace(seal=wrong))
    with store:
        made = [one._replace(seal=whole_seal(one)) for one in rows(store)]
        assert all(len(one.seal) == 32 and is_sealed(SECRET, one) for one in made)
        with store.writing() as transaction:
            transaction.execute_many(
                "UPDATE buyers SET seal = ? WHERE alias = ?", [(one.seal, one.alias) for one in made]
            )
        assert verify(store).problems == []
        archived(store, tmp_path / "records")
        assert rows(store) == [one._replace(seal=one.seal[:16]) for one in made] and verify(store).problems == []


def whole_seal(row: AliasRow) -> bytes:
    """As it is documented: keyed, over the three with a zero byte before each."""
    import hmac

    return hmac.digest(SECRET, b"\0" + row.key + b"\0" + row.merchant.encode() + b"\0" + row.alias.encode(), "sha256")


def test_few_rows_beside_many_that_left_wait_for_more(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that left is written anew, so that rows go once they are a tenth of it, here."""
    monkeypatch.setattr(leaving, "MERGED_FROM_PART", 10)
    monkeypatch.setattr(leaving, "aliases_about", lambda store: PAIRS)
    with store:
        archived(store, tmp_path / "records")
        few = PAIRS // 10
        ingest_events(store, [paid(f"n-{number}", buyer=f"n-{number}") for number in range(few)], tmp_path)
        archived(store, tmp_path / "records")
        assert count_here(store) == few and len(rows(store)) == PAIRS + few
        ingest_events(store, [paid("one", buyer="one-more")], tmp_path)
        archived(store, tmp_path / "records")
        assert count_here(store) == 0 and len(rows(store)) == PAIRS + few + 1


def test_many_rows_go_at_once_in_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_segments(monkeypatch)
    monkeypatch.setattr(leaving, "AT_ONCE_FROM_ROWS", 3)
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, story(), tmp_path)
        sealed(store)
        before = rows(store)
        archived(store, tmp_path / "records")
        assert rows(store) == before and count_here(store) == 0 and verify(store).problems == []
        assert store.has_index("buyers_by_alias")
        ingest_events(store, [paid("new", buyer="new")], tmp_path)
        monkeypatch.setattr(leaving, "merged", _without_the_last)
        ingest_events(store, [paid(f"n-{number}", buyer=f"n-{number}") for number in range(3)], tmp_path)
        with pytest.raises(StoreError, match="aliases that were to leave their table are not there, or others"):
            let_aliases_go(store)
        assert store.has_index("buyers_by_alias") and len(rows(store)) == PAIRS + 4 and verify(store).problems == []


def _without_the_last(there: Sequence[Entries], rows: Sequence[AliasRow]) -> Merged:
    """As if the last row were lost on the way."""
    return merged(there, rows[:-1])._replace(added=list(rows))


def test_no_row_leaves_where_nothing_is_archived(store: Store, tmp_path: Path) -> None:
    with store:
        archived(store, tmp_path / "records", 1)
        assert store.left is None and count_here(store) == PAIRS


# --- what the database swallows ---------------------------------------------------------------------------------------

_NULL = "CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"


@pytest.mark.parametrize(
    ("table", "event", "said"),
    [
        (LEFT_ALIASES, "INSERT", "aliases that were to leave their table are not there, or others"),
        ("buyers", "DELETE", "an alias that was to leave its table is still there"),
    ],
)
def test_what_the_database_swallows_leaves_rows_where_they_were(
    store: Store, tmp_path: Path, table: str, event: str, said: str
) -> None:
    with store:
        archived(store, tmp_path / "records")
        ingest_events(store, [paid("new", buyer="new")], tmp_path)
        before = rows(store)
        on_server = is_postgres(store.location)
        quiet = f"{_NULL} CREATE TRIGGER quiet BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION quiet()"
        owned(
            store,
            quiet if on_server else f"CREATE TRIGGER quiet BEFORE {event} ON {table} BEGIN SELECT RAISE(IGNORE); END",
        )
        with pytest.raises(StoreError, match=f"the database does not do what it was told: {said}"):
            archived(store, tmp_path / "records")
        assert rows(store) == before and count_here(store) == 1
        assert any(f"trigger quiet of {table}" in problem for problem in verify(store).problems)
    drop = "DROP TRIGGER quiet"
    with open_store(store.location) as again:
        owned(again, f"{drop} ON {table}" if on_server else drop)
        archived(again, tmp_path / "records")
        assert rows(again) == before and count_here(again) == 0


@pytest.mark.parametrize("event", ["UPDATE", "DELETE"])
def test_an_erasure_that_the_database_swallows_is_told(store: Store, tmp_path: Path, event: str) -> None:
    """Of a buyer beside whom others stand, and of one who stands alone."""
    with store:
        archived(store, tmp_path / "records")
        repacked(store, 10_000 if event == "UPDATE" else 1)
        buyers = {len({row.key for row in rows_in(one)}) for one in entries_in(store)}
        assert buyers == {len(BUYERS) if event == "UPDATE" else 1}
        quiet = f"{_NULL} CREATE TRIGGER quiet BEFORE {event} ON {LEFT_ALIASES} FOR EACH ROW EXECUTE FUNCTION quiet()"
        plain = f"CREATE TRIGGER quiet BEFORE {event} ON {LEFT_ALIASES} BEGIN SELECT RAISE(IGNORE); END"
        owned(store, quiet if is_postgres(store.location) else plain)
        with pytest.raises(StoreError, match="a row that was deleted is still there"):
            erase_now(store, BUYERS[0], "request", in_month=True)
        assert len(rows(store)) == PAIRS


def owned(store: Store, script: str) -> None:
    """Run statements as who owns the tables can."""
    if is_postgres(store.location):
        with psycopg.connect(store.location, options="-c search_path=levelbook", autocommit=True) as owner:
            owner.execute(script.encode())
        return
    with closing(sqlite3.connect(store.location)) as raw:
        raw.executescript(script)


def repacked(store: Store, size: int, change: Callable[[list[AliasRow]], list[AliasRow]] = lambda found: found) -> None:
    """Write what left anew, perhaps changed, in entries of so many bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("replay.store.reading.alias_form.ENTRIES_BYTES_MAX", size)
        made = list(packed_rows(sorted(change(rows(store)))))
    with store.writing() as transaction:
        transaction.execute(f"DELETE FROM {LEFT_ALIASES}")
        transaction.execute_many(f"INSERT INTO {LEFT_ALIASES} (first, entries) VALUES (?, ?)", made)


# --- erasing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 400, 10_000])
def test_an_erasure_takes_a_buyer_out_wherever_his_entries_stand(store: Store, tmp_path: Path, size: int) -> None:
    with store:
        archived(store, tmp_path / "records")
        repacked(store, size)
        left = rows(store)
        for buyer in BUYERS:
            mine = [row for row in left if row.key == hashed(buyer)]
            done = erase_now(store, buyer, "request", in_month=True)
            assert (done.aliases, done.scrubbed) == (len(mine), True)
            left = [row for row in left if row not in mine]
            assert rows(store) == left
            assert store.reader().given([row.alias for row in mine]) == set()
        assert entries_in(store) == [] and verify(store).problems == []
        with pytest.raises(UsageError, match="no such buyer has an alias in this ledger"):
            erase_now(store, BUYERS[0], "request")


def test_nothing_of_an_erased_buyer_is_left_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where the row was recorded, nor where it went, nor where entries were written anew."""
    small_segments(monkeypatch)
    location = tmp_path / "ledger.db"
    create_store(str(location))
    with open_store(str(location)) as store:
        ingest_events(store, [*story(), *(paid(f"x-{n}", buyer=f"x-{n}") for n in range(400))], tmp_path)
        sealed(store)
    key = hashed_by(location, "b-0")
    assert key in location.read_bytes()
    with open_store(str(location)) as store:
        archived(store, tmp_path / "records")
        assert store.reader().aliases_of(key) == len(MERCHANTS)
        repacked(store, 3_000)
        repacked(store, 400)
        assert erase_now(store, "b-0", "request", in_month=True).scrubbed
        files = [path for path in tmp_path.glob("ledger.db*") if path.is_file()]
        assert len(files) > 2 and not [path for path in files if key in path.read_bytes()]


def hashed_by(location: Path, buyer: str) -> bytes:
    """By the key beside a store."""
    return hash_buyer(bytes.fromhex(location.with_name("ledger.db.key").read_text().strip()), buyer)


# --- damage, and what somebody changed --------------------------------------------------------------------------------


def problems(store: Store) -> list[str]:
    with open_store(store.location) as again:
        return verify(again).problems


def with_rows(change: Callable[[list[AliasRow]], list[AliasRow]]) -> Callable[[Store], None]:
    return lambda store: repacked(store, 400, change)


def swapped(found: list[AliasRow]) -> list[AliasRow]:
    """Two buyers of the first merchant change aliases and seals."""
    one, other = [row for row in found if row.merchant == MERCHANTS[0]][:2]
    pair = {
        one: one._replace(alias=other.alias, seal=other.seal),
        other: other._replace(alias=one.alias, seal=one.seal),
    }
    return [pair.get(row, row) for row in found]


def moved(found: list[AliasRow]) -> list[AliasRow]:
    """A row is said to be of a merchant at whom its buyer never ordered."""
    one = next(row for row in found if row.key == hashed(BUYERS[1]))
    return [row for row in found if row != one] + [one._replace(merchant=MERCHANTS[3])]


def of_another_buyer(found: list[AliasRow]) -> list[AliasRow]:
    return [row._replace(key=b"k" * 32) if row == found[0] else row for row in found]


def doubled(found: list[AliasRow]) -> list[AliasRow]:
    return [*found, found[0]._replace(key=b"k" * 32)]


def put_in(found: list[AliasRow]) -> list[AliasRow]:
    return [*found, AliasRow(b"k" * 32, MERCHANTS[0], "0f" * 16, b"s" * 16)]


def with_bytes(change: Callable[[bytes], bytes], first_change: int = 0) -> Callable[[Store], None]:
    """Change the fourth of the entries."""

    def changed(store: Store) -> None:
        one = entries_in(store)[3]
        with store.writing() as transaction:
            sql = f"UPDATE {LEFT_ALIASES} SET entries = ?, first = ? WHERE first = ?"
            transaction.execute(sql, (change(one.packed), one.first + first_change, one.first))

    return changed


DAMAGED = "the table of aliases that left, in its row from"


@pytest.mark.parametrize(
    ("change", "said", "needs_key"),
    [
        (with_rows(swapped), "does not bear the seal of this ledger's key", True),
        (with_rows(of_another_buyer), "does not bear the seal of this ledger's key", True),
        (with_rows(moved), "and also under merchant/m-3: rows of the table of aliases changed places", False),
        (with_rows(lambda found: found[3:]), "3 aliases in records have no row in the table of aliases", False),
        (with_rows(put_in), f"has a row for {'0f' * 16}, which no record bears", False),
        (with_rows(doubled), "has two rows: one was put in beside", False),
        (with_bytes(lambda _: b""), DAMAGED, False),
        (with_bytes(lambda packed: packed[:-1]), DAMAGED, False),
        (with_bytes(lambda packed: packed[:32] + b"\0" + packed[33:]), DAMAGED, False),
        (with_bytes(lambda packed: packed, -(2**46)), "holds a buyer out of order", False),
        (with_bytes(lambda packed: packed, 2**43), "holds a buyer out of order", False),
    ],
)
def test_what_somebody_changed_is_named(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Store], None],
    said: str,
    needs_key: bool,
) -> None:
    with store:
        archived(store, tmp_path / "records")
        assert problems(store) == []
        change(store)
        found = problems(store)
        assert any(said in problem for problem in found), found
        monkeypatch.setenv(KEY_VARIABLE, "33" * 32)
        assert any(said in problem for problem in problems(store)) == (not needs_key)


def test_damage_is_named_by_whoever_asks(store: Store, tmp_path: Path) -> None:
    with store:
        archived(store, tmp_path / "records")
        *_, one = rows_in(entries_in(store)[3])
        with_bytes(lambda packed: packed[:-1])(store)
        buyer = next(name for name in BUYERS if hashed(name) == one.key)
        asks: list[Callable[[], Any]] = [
            lambda: list(all_alias_rows(store)),
            lambda: merchants_of(store, [f"{number:032x}" for number in range(99)]),
            lambda: erase_now(store, buyer, "request", in_month=True),
            lambda: ingest_events(store, [paid("new", buyer=buyer, subject=one.merchant)], tmp_path),
        ]
        for ask in asks:
            with pytest.raises(DamagedError, match=f"{DAMAGED} .* is damaged and cannot be read"):
                ask()
        ingest_events(store, [paid("other", buyer="somebody-else")], tmp_path)
        with pytest.raises(DamagedError, match=DAMAGED):
            archived(store, tmp_path / "records")


def test_a_request_for_a_buyer_who_left_is_no_request_for_nobody(store: Store, tmp_path: Path) -> None:
    with store:
        archived(store, tmp_path / "records")
        put = "INSERT INTO erasures_due (key, due_at, asked_at, reason) VALUES (?, ?, ?, ?)"
        with store.writing() as transaction:
            transaction.execute(put, (hashed(BUYERS[5]), 2**50, 1, "asked"))
        assert problems(store) == []
        with store.writing() as transaction:
            transaction.execute(put, (b"k" * 32, 2**50, 2, "asked"))
        (problem,) = problems(store)
        assert problem.startswith(
            "an erasure asked for at 1970-01-01T08:00:00.000002+08:00 is due for a buyer who has no"
        )


def test_a_buyer_who_is_erased_amid_a_check_was_asked_for_as_somebody(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the question who has no row in the table and that who has one that left, the request is carried out."""

    def erased_before(readable: Readable, buyers: Collection[bytes]) -> Iterator[AliasRow]:
        monkeypatch.setattr(alias_queries, "left_rows_of", left_rows_of)
        with open_store(store.location) as other:
            assert erase_now(other, BUYERS[5], "request", in_month=True).aliases == 1
        return left_rows_of(readable, buyers)

    with store:
        archived(store, tmp_path / "records")
        erase_at_month_end(store, BUYERS[5], "request")
        monkeypatch.setattr("replay.integrity.verify.RECORDS_BEFORE_HELP", 1)
        monkeypatch.setattr(alias_queries, "left_rows_of", erased_before)
        assert verify(store, workers=2).problems == []
        assert len(rows(store)) == PAIRS - 1 and verify(store).problems == []


# --- backups ----------------------------------------------------------------------------------------------------------


def test_a_backup_has_all_aliases_and_is_a_store_like_any_other(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store:
        archived(store, tmp_path / "records")
        ingest_events(store, [paid("new", buyer="new")], tmp_path)
        before = rows(store)
        assert back_up(store, tmp_path / "backup.db").source_problems == []
        assert restore(tmp_path / "backup.db", store.location).stood_there
    with open_store(str(tmp_path / "backup.db")) as copy:
        assert rows(copy) == before and copy.left is None and count_here(copy) == PAIRS + 1
        counts, _ = ingest_events(copy, story(), tmp_path)
        assert (counts.known, counts.refused) == (PAIRS, 0)
    restore(tmp_path / "backup.db", str(tmp_path / "again.db"))
    with open_store(str(tmp_path / "again.db")) as again:
        assert rows(again) == before and verify(again).problems == []
        archived(again, tmp_path / "others")
        assert rows(again) == before and count_here(again) == 0 and verify(again).problems == []
        erase_now(again, "new", "request", in_month=True)
    assert len(before) == PAIRS + 1


def test_a_restore_knows_its_ledger_whose_aliases_left_since(store: Store, tmp_path: Path) -> None:
    """Though their seals were cut then; and tells one that has other aliases."""
    with store:
        whole = [(whole_seal(row), row.alias) for row in rows(store)]
        with store.writing() as transaction:
            transaction.execute_many("UPDATE buyers SET seal = ? WHERE alias = ?", whole)
        back_up(store, tmp_path / "backup.db")
        archived(store, tmp_path / "records")
        assert restore(tmp_path / "backup.db", store.location).stood_there
        repacked(store, 400, lambda found: found[1:])
        with pytest.raises(UsageError, match="holds this ledger already, but other rows of buyers than the backup"):
            restore(tmp_path / "backup.db", store.location)


# --- roles ------------------------------------------------------------------------------------------------------------


def test_who_might_erase_may_erase_what_left_and_who_reads_may_not(
    postgres_location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(monkeypatch)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    create_store(postgres_location)
    roles = ("alias_writer", "alias_eraser", "alias_reader")
    appended = "buyers, stream_chains, key_chains, log_tree, heads, head_buckets, checkpoints, cosignatures"
    with psycopg.connect(postgres_location, options="-c search_path=levelbook", autocommit=True) as owner:
        for role in roles:
            owner.execute(f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA levelbook TO {role}".encode())
            owner.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA levelbook TO {role}".encode())
        owner.execute(f"GRANT INSERT ON records, {appended} TO alias_writer, alias_eraser".encode())
        owner.execute(b"GRANT INSERT, UPDATE ON tally TO alias_writer, alias_eraser")
        owner.execute(b"GRANT DELETE ON buyers, erasures_due TO alias_eraser")
        try:
            with open_store(postgres_location) as store:
                ingest_events(store, story(), tmp_path)
                sealed(store)
                archived(store, tmp_path / "records")
            as_role = {role: postgres_location.replace("postgres:@", f"{role}:@") for role in roles}
            with open_store(as_role["alias_reader"]) as store:
                assert verify(store).problems == [] and len(rows(store)) == PAIRS
                assert not store.reader().may_erase()
                with pytest.raises(StoreError, match="permission denied"):
                    ingest_events(store, [paid("no", buyer=BUYERS[0])], tmp_path)
            with open_store(as_role["alias_writer"]) as store:
                assert ingest_events(store, [paid("new", buyer=BUYERS[0])], tmp_path)[0].recorded == 1
                assert not store.reader().may_erase() and len(rows(store)) == PAIRS
                with pytest.raises(StoreError, match="permission denied for table"):
                    erase_now(store, BUYERS[0], "request", in_month=True)
                refused = pytest.raises(StoreError, match=f"permission denied for table {LEFT_ALIASES}")
                with refused, store.writing() as transaction:
                    transaction.execute(f"UPDATE {LEFT_ALIASES} SET entries = entries")
            with open_store(as_role["alias_eraser"]) as store:
                assert store.reader().may_erase()
                assert erase_now(store, BUYERS[0], "request", in_month=True).aliases == len(MERCHANTS)
                assert len(rows(store)) == PAIRS - len(MERCHANTS) and verify(store).problems == []
                owner.execute(f"REVOKE UPDATE ON {LEFT_ALIASES} FROM alias_eraser".encode())
                assert not store.reader().may_erase()
        finally:
            for role in roles:
                owner.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
