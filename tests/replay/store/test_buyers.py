"""Buyers: aliases instead of people, a key that must be the ledger's own, erasure that changes no record."""

import sqlite3
from pathlib import Path

import psycopg
import pytest

from domain.calendar import instant_text
from replay.errors import StoreError, UsageError
from replay.integrity.verify import verify
from replay.parsing.parse import read_line
from replay.recording.append import Appender, Stamp
from replay.recording.erase import erase_now
from replay.store.base.store import Store
from replay.store.buyers import KEY_VARIABLE, key_of
from replay.store.opening import create_store, open_store
from tests import ROOT
from tests.support.making import event, ingest_events, line, paid, records


def test_a_buyer_has_one_alias_and_is_named_nowhere(store: Store, tmp_path: Path) -> None:
    ingest_events(
        store, [paid("o-1", buyer="b-jane"), paid("o-2", buyer="b-jane"), paid("o-3", buyer="b-joe")], tmp_path
    )
    ingest_events(store, [paid("o-4", buyer="b-jane")], tmp_path)
    aliases = [record.split(b'"buyer":"')[1][:32] for record in records(store)]
    assert aliases[0] == aliases[1] == aliases[3] != aliases[2]
    assert b"jane" not in b"".join(records(store))
    assert {alias for (alias,) in store._query("SELECT alias FROM buyers")} == {a.decode() for a in set(aliases)}


def test_refused_and_known_lines_make_no_alias(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1")], tmp_path)
    ingest_events(store, [paid("o-1", buyer="b-2"), paid("o-9", "2999-01-01T00:00:00Z", buyer="b-3")], tmp_path)
    assert list(store._query("SELECT count(*) FROM buyers")) == [(1,)]


def test_erasure_changes_no_record_and_leaves_a_receipt(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1", buyer="b-jane"), paid("o-2", buyer="b-joe")], tmp_path)
    before = records(store)
    receipt = erase_now(store, "b-jane", "request 2291")
    after = records(store)
    assert after[:2] == before
    assert receipt == (3, 1, 0, True)
    assert len(after) == 3
    alias = before[0].split(b'"buyer":"')[1][:32]
    assert b"jane" not in after[2] and alias not in after[2] and b"request 2291" in after[2]
    assert list(store._query("SELECT count(*) FROM buyers")) == [(1,)]
    assert verify(store).problems == []


def test_after_erasure_all_else_equal_is_known_and_a_new_event_gets_a_new_alias(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1", buyer="b-jane"), paid("o-2", buyer="b-joe")], tmp_path)
    erase_now(store, "b-jane", "request")
    counts, _ = ingest_events(
        store,
        [
            paid("o-1", buyer="b-jane"),  # all else equal, its buyer erased
            paid("o-1", buyer="b-joe"),  # the same: nobody can tell any more
            paid("o-1", buyer="b-jane", amount=1),
            paid("o-2", buyer="b-jane"),  # joe is still known
            paid("o-3", buyer="b-jane"),
        ],
        tmp_path,
    )
    assert (counts.recorded, counts.known, counts.refused) == (1, 2, 2)
    found = records(store)
    assert found[0].split(b'"buyer":"')[1][:32] != found[3].split(b'"buyer":"')[1][:32]


def test_sqlite_keeps_nothing_of_an_erased_row(tmp_path: Path) -> None:
    location = tmp_path / "ledger.db"
    create_store(str(location))
    with open_store(str(location)) as store:
        ingest_events(store, [paid(f"o-{n}", buyer=f"b-{n}") for n in range(50)], tmp_path)
        (key,) = next(iter(store._query("SELECT key FROM buyers LIMIT 1")))
        before = {found for (found,) in store._query("SELECT key FROM buyers")}
        erase_now(store, "b-7", "request")
        (gone,) = before - {found for (found,) in store._query("SELECT key FROM buyers")}
        kept = b"".join(path.read_bytes() for path in tmp_path.glob("ledger.db*"))
        assert bytes(gone) not in kept
        assert bytes(key) in kept or key == gone


def test_the_key_of_another_ledger_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "11" * 32)
    with pytest.raises(UsageError, match="belongs to another ledger; give the one of"):
        key_of(store)
    monkeypatch.setenv(KEY_VARIABLE, "not a key")
    with pytest.raises(UsageError, match="holds no key for buyers: 64 hexadecimal digits are needed"):
        key_of(store)


def test_a_lost_key_is_named(tmp_path: Path) -> None:
    create_store(str(tmp_path / "ledger.db"))
    (tmp_path / "ledger.db.key").unlink()
    with open_store(str(tmp_path / "ledger.db")) as store, pytest.raises(UsageError) as caught:
        key_of(store)
    assert "the key for buyers is missing: " in str(caught.value)
    assert "; bring it back from its copy, or set " in str(caught.value)


def test_postgres_needs_its_key_from_the_environment(
    postgres_location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(UsageError, match=" hexadecimal digits that you make once and keep"):
        create_store(postgres_location)
    monkeypatch.setenv(KEY_VARIABLE, "11" * 32)
    create_store(postgres_location)
    monkeypatch.delenv(KEY_VARIABLE)
    with (
        open_store(postgres_location) as store,
        pytest.raises(UsageError, match=" is not set; put its 64 hexadecimal digits into"),
    ):
        key_of(store)


def test_a_key_from_the_environment_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "22" * 32)
    create_store(str(tmp_path / "ledger.db"))
    assert not (tmp_path / "ledger.db.key").exists()
    with open_store(str(tmp_path / "ledger.db")) as store:
        counts, _ = ingest_events(store, [paid("o-1"), event("merchant.closed", "c")], tmp_path)
    assert counts.recorded == 2
    raw = sqlite3.connect(tmp_path / "ledger.db")
    assert "22" * 32 not in "".join(raw.iterdump())
    raw.close()


def test_a_row_that_another_reader_keeps_in_the_files_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replay.store.sqlite.BUSY_SECONDS", 0.1)
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid("o-1")], tmp_path)
        reader = sqlite3.connect(location, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM records").fetchone()
        assert store.reader().given([alias_of(store)])
        assert erase_now(store, "b-1", "request").scrubbed is False
        reader.close()


def alias_of(store: Store) -> str:
    ((alias,),) = store._query("SELECT alias FROM buyers")
    return str(alias)


def test_erasure_goes_on_behind_a_clock_that_was_wrong(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1")], tmp_path)
    appender = Appender(store.identity.id, key_of(store))
    ahead = Stamp(store.now() + 3_600_000_000, backfill=False)
    with store.append() as transaction:
        appender.append(transaction, [read_line(line(paid("o-2")))], lambda _item, _last: ahead)
    with pytest.raises(StoreError, match="--clock-behind"):
        erase_now(store, "b-1", "request")
    assert erase_now(store, "b-1", "request", clock_behind=True).receipt_position == 3


def test_a_role_that_only_writes_can_record_and_change_nothing(
    postgres_location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statements of docs/how-to/postgresql.md, word for word."""
    page = (ROOT / "docs" / "how-to" / "postgresql.md").read_text("utf-8")
    script = page.split("```sql\n")[1].split("```")[0].replace("levelbook_writer", "writer_of_test")
    create_store(postgres_location)
    with psycopg.connect(postgres_location, autocommit=True) as owner:
        try:
            owner.execute(script.encode())
            with open_store(postgres_location.replace("postgres:@", "writer_of_test:@")) as store:
                counts, _ = ingest_events(store, [paid("o-1")], tmp_path)
                assert counts.recorded == 1
                for statement in ("UPDATE records SET type = 'x'", "DELETE FROM records", "TRUNCATE records"):
                    with pytest.raises(StoreError, match="permission denied"), store.append() as transaction:
                        transaction.execute(statement)
                with pytest.raises(StoreError, match="permission denied"):
                    erase_now(store, "b-1", "request")
                assert verify(store).problems == []
        finally:
            owner.execute("DROP OWNED BY writer_of_test")
            owner.execute("DROP ROLE writer_of_test")


def test_an_erasure_says_where_the_pair_cap_begins_anew(store: Store, tmp_path: Path) -> None:
    """Paid long ago and reviewed now at one merchant, paid now by somebody else at the other."""
    now = instant_text(store.now())
    old = [paid("o-1", subject="merchant/m-1"), paid("o-2", subject="merchant/m-2")]
    review = event("review.posted", "r-1", now, subject="merchant/m-1", order="o-1", quality=5)
    other = paid("o-3", now, subject="merchant/m-2", buyer="b-2")
    ingest_events(store, [*old, review, other], tmp_path)
    with pytest.raises(UsageError) as refused:
        erase_now(store, "b-1", "request")
    assert "at 1 of 2 merchants something happened to the buyer's orders this month." in str(refused.value)
    assert "nothing was erased. Give --now to erase all the same, or --at-month-end to" in str(refused.value)
    assert list(store._query("SELECT count(*) FROM buyers")) == [(3,)]
    assert erase_now(store, "b-1", "request", in_month=True).merchants_this_month == 1
