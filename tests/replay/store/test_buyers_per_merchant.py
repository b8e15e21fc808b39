"""No alias stands under two merchants; a buyer keeps theirs at each; older stores are read and not added to."""

import json
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from cli import main
from replay.errors import UsageError
from replay.history.readers import EVERYTHING_SHOWN
from replay.history.search import Sought, search_events
from replay.integrity.backup import back_up
from replay.integrity.verify import verify
from replay.recording.erase import erase_now
from replay.schema.versions import LATER_TABLES
from replay.store.base.store import Store
from replay.store.location import is_postgres
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.support.aliases import aliases_in, change
from tests.support.making import ingest_events, paid, records, write_lines

BUYERS, MERCHANTS = ("b-1", "b-2", "b-3"), ("merchant/m-1", "merchant/m-2", "merchant/m-3")


def assert_no_alias_stands_under_two_merchants(store: Store) -> None:
    found = aliases_in(store)
    assert sum(map(len, found.values())) == len(set().union(*found.values()))


def test_a_buyer_has_another_alias_at_each_merchant(store: Store, tmp_path: Path) -> None:
    for batch in range(2):
        events = [paid(f"o-{batch}-{n}", subject=subject) for n, subject in enumerate(MERCHANTS)]
        ingest_events(store, events, tmp_path)
    assert {subject: len(aliases) for subject, aliases in aliases_in(store).items()} == dict.fromkeys(MERCHANTS, 1)
    assert_no_alias_stands_under_two_merchants(store)
    assert verify(store).problems == []


batches = st.lists(
    st.lists(st.tuples(st.sampled_from(BUYERS), st.sampled_from(MERCHANTS)), max_size=8), min_size=1, max_size=4
)


@settings(max_examples=12 * SOAK)
@given(runs=batches, erased=st.one_of(st.none(), st.sampled_from(BUYERS)))
def test_each_pair_of_buyer_and_merchant_has_one_alias(
    tmp_path_factory: pytest.TempPathFactory, runs: list[list[tuple[str, str]]], erased: str | None
) -> None:
    """Over runs, stores opened anew and an erasure at the end: pairs and aliases are one to one."""
    folder = tmp_path_factory.mktemp("pairs")
    location = str(folder / "ledger.db")
    create_store(location)
    pairs = [pair for run in runs for pair in run]
    for number, run in enumerate(runs):
        with open_store(location) as store:
            events = [paid(f"o-{number}-{n}", buyer=buyer, subject=merchant) for n, (buyer, merchant) in enumerate(run)]
            ingest_events(store, events, folder)
    with open_store(location) as store:
        borne = [json.loads(record)["event"]["data"]["buyer"] for record in records(store)]
        assert len(set(zip(pairs, borne, strict=True))) == len(set(pairs)) == len(set(borne))
        if any(buyer == erased for buyer, _ in pairs):
            at = {merchant for buyer, merchant in pairs if buyer == erased}
            assert erase_now(store, str(erased), "request").aliases == len(at)
            assert list(store._query("SELECT count(*) FROM buyers")) == [(len(set(pairs)) - len(at),)]
        assert verify(store).problems == []


def test_erasing_deletes_the_rows_at_every_merchant_and_counts_them(store: Store, tmp_path: Path) -> None:
    events = [paid(f"o-{n}", subject=subject) for n, subject in enumerate(MERCHANTS)]
    ingest_events(store, [*events, paid("o-9", buyer="b-2")], tmp_path)
    assert erase_now(store, "b-1", "request") == (5, 3, 0, True)
    assert list(store._query("SELECT count(*) FROM buyers")) == [(1,)]
    assert json.loads(records(store)[-1])["event"]["data"] == {"aliases": 3, "reason": "request"}
    again, _ = ingest_events(store, events, tmp_path)
    assert (again.known, again.refused) == (3, 0)
    assert verify(store).problems == []


def test_a_dry_run_knows_the_aliases_of_each_merchant(location: str, tmp_path: Path) -> None:
    create_store(location)
    lines = [paid("o-1", subject=MERCHANTS[0]), paid("o-2", subject=MERCHANTS[1])]
    with open_store(location) as store:
        ingest_events(store, lines, tmp_path)
    other = {**lines[1], "data": {**lines[1]["data"], "buyer": "b-2"}}
    file = write_lines(tmp_path / "again.jsonl", [*lines, other, paid("o-3", subject=MERCHANTS[2])])
    result = CliRunner().invoke(
        main, ["ingest", file, "--dry-run", "--store", location, "--rejects", str(tmp_path / "r"), "--format", "json"]
    )
    found = json.loads(result.stdout)
    assert (found["recorded"], found["known"], found["refused"]) == (1, 2, 1)


def test_a_backup_holds_the_aliases_of_each_merchant(store: Store, tmp_path: Path) -> None:
    events = [paid(f"o-{n}", subject=subject) for n, subject in enumerate(MERCHANTS)]
    ingest_events(store, events, tmp_path)
    back_up(store, tmp_path / "copy.db")
    columns = "SELECT key, merchant, alias, seal FROM buyers ORDER BY alias"
    with open_store(str(tmp_path / "copy.db")) as copy:
        assert list(copy._query(columns)) == list(store._query(columns))


# --- stores in which a buyer has one alias everywhere -----------------------------------------------------------------


OLD_SQLITE = (
    '\nCREATE TABLE buyers (\n\t"key" BLOB NOT NULL, \n\talias TEXT NOT NULL, \n\tPRIMARY KEY ("key")\n)'
    "\n WITHOUT ROWID,\n STRICT\n\n"
)
OLD_POSTGRES = 'CREATE TABLE buyers (key BYTEA NOT NULL, alias TEXT COLLATE "C" NOT NULL, PRIMARY KEY (key))'


def make_old(location: str, folder: Path) -> None:
    """A store as it was made with schema version 1, with one payment of one buyer at two merchants."""
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid("o-1", subject=MERCHANTS[0]), paid("o-2", subject=MERCHANTS[1])], folder)
        first, second = map(json.loads, records(store))
        ledger, alias = store.identity.id, first["event"]["data"]["buyer"]
        second["event"]["data"]["buyer"] = alias
        (key,) = next(iter(store._query("SELECT key FROM buyers")))
    from replay.store.reading.row import CHAIN_START, encode_json, leaf_hash, linked

    chain, rows = CHAIN_START, []
    for record in (first, second):
        body = encode_json(record)
        chain = linked(chain, leaf_hash(body))
        rows.append((chain, body, record["position"]))
    assert ledger == first["ledger"]
    statements: list[tuple[str, tuple[object, ...]]] = [
        ("DROP TABLE erasures_due", ()),
        *((f"DROP TABLE {table}", ()) for table in LATER_TABLES),
        ("DROP TABLE buyers", ()),
        (OLD_POSTGRES if is_postgres(location) else OLD_SQLITE, ()),
        ("CREATE UNIQUE INDEX buyers_by_alias ON buyers (alias)", ()),
        ("INSERT INTO buyers VALUES (?, ?)", (bytes(key), alias)),
        *(("UPDATE records SET chain = ?, record = ? WHERE position = ?", row) for row in rows),
        ("UPDATE ledger SET schema_version = 1", ()),
    ]
    change(location, statements)


def test_a_store_with_one_alias_everywhere_is_read_and_not_added_to(location: str, tmp_path: Path) -> None:
    make_old(location, tmp_path)
    with open_store(location) as store:
        assert verify(store).problems == []
        (alias,) = {json.loads(record)["event"]["data"]["buyer"] for record in records(store)}
        found = search_events(store, Sought(alias=alias), EVERYTHING_SHOWN, None, 10)
        assert [item["subject"] for item in found.events] == [*MERCHANTS[:2]] and found.next is None
        back_up(store, tmp_path / "copy.db")
        with pytest.raises(UsageError, match="was made when a buyer had one alias at all merchants"):
            erase_now(store, "b-1", "request")
    with open_store(str(tmp_path / "copy.db")) as copy:
        assert verify(copy).problems == []
        assert len(records(copy)) == 2
    file = write_lines(tmp_path / "more.jsonl", [paid("o-3", recordedtime="2022-11-02T10:00:00+08:00")])
    for words in (["ingest", file], ["ingest", file, "--dry-run"], ["ingest", file, "--backfill"]):
        result = CliRunner().invoke(main, [*words, "--store", location, "--rejects", str(tmp_path / "r")])
        assert result.exit_code == 2, result.output
        assert "nothing more is recorded in it: ingest its sources again into a new store" in result.output
    with open_store(location) as store:
        assert len(records(store)) == 2
    result = CliRunner().invoke(main, ["replay", "merchant/m-1", "--store", location])
    assert result.exit_code == 0, result.output


@pytest.mark.slow
def test_many_pairs_in_one_batch(store: Store, tmp_path: Path) -> None:
    """More pairs than one look-up takes, twice: known the second time, and sound."""
    pick = Random(7)
    events = [
        paid(f"o-{n}", buyer=f"b-{pick.randrange(400)}", subject=f"merchant/m-{pick.randrange(5)}") for n in range(1500)
    ]
    ingest_events(store, events, tmp_path)
    again, _ = ingest_events(store, [*events, paid("o-new", buyer="b-new")], tmp_path)
    assert (again.recorded, again.known, again.refused) == (1, 1500, 0)
    assert_no_alias_stands_under_two_merchants(store)
