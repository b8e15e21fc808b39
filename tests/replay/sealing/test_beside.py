"""Seals and announced keys beside everything else: no level, view or segment reads them; erasures and roles go on."""

import json
from pathlib import Path

import psycopg
import pytest

from replay.errors import UsageError
from replay.integrity.verify import verify
from replay.recording.erase import erase_at_month_end, erase_now
from replay.sealing.checkpoint import begin_keys, make_checkpoint
from replay.sealing.keys import SIGNING_VARIABLE
from replay.store.evidence.seals import seals
from replay.store.opening import create_store, open_store
from tests import ROOT
from tests.support.aliases import change
from tests.support.making import ingest_events, paid, records
from tests.support.running import run
from tests.worlds.ledgers import World

SECRET = "11" * 32


def told(location: str) -> dict[str, object]:
    """What a ledger says of its subjects, at fixed moments."""
    found: dict[str, object] = {}
    for item in json.loads(run("subjects", "--format", "json", "--store", location)):
        subject = item["subject"]
        if subject.partition("/")[0] in ("merchant", "creator", "mcn"):
            moment = ("--as-of", "2023-03-01", "--position", "300")
            found[subject] = run("explain", subject, *moment, "--format", "json", "--store", location)
    return found


@pytest.mark.slow
def test_levels_views_and_segments_pass_over_seals(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SIGNING_VARIABLE, SECRET)
    segments = str(tmp_path / "segments")
    create_store(location)
    with open_store(location) as store:
        events = list(World(6).events(420))
        ingest_events(store, events[:300], tmp_path)
    before = told(location)
    run("rebuild", "--store", location)
    run("seal", "--store", location, "--segments", segments)
    with open_store(location) as store:
        begin_keys(store)
        make_checkpoint(store)
        ingest_events(store, events[300:], tmp_path)
        make_checkpoint(store)
    assert told(location) == before
    run("follow", "--once", "--store", location)
    run("seal", "--store", location, "--segments", segments)
    found = json.loads(run("verify", "--format", "json", "--store", location, "--segments", segments))
    assert found["verdicts"] == {"ledger": "sound", "segments": "sound", "views": "sound", "service": "none"}
    run("rebuild", "--store", location, "--segments", segments)
    found = json.loads(run("verify", "--format", "json", "--store", location, "--segments", segments))
    assert found["verdicts"]["views"] == "sound"
    kinds = json.loads(run("status", "--format", "json", "--store", location))["types"]
    assert (kinds["heads.sealed"], kinds["keys.announced"]) == (2, 1)
    shown = json.loads(run("events", "ledger/heads", "--format", "json", "--store", location))
    assert [item["event"]["type"] for item in shown] == ["heads.sealed"] * 2


def test_an_erasure_changes_nothing_that_was_signed(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SIGNING_VARIABLE, SECRET)
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid("o-1", buyer="b-1"), paid("o-2", buyer="b-2")], tmp_path)
        begin_keys(store)
        made = make_checkpoint(store)
        signed = records(store)
        erase_now(store, "b-1", "request", in_month=True)
        assert records(store)[: len(signed)] == signed and verify(store).problems == []
        assert make_checkpoint(store).seal.size == made.seal.position + 1


def test_a_checkpoint_carries_out_the_erasures_that_are_due(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their receipts stand below its seal, which is over what was there when it began."""
    monkeypatch.setenv(SIGNING_VARIABLE, SECRET)
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid("o-1", buyer="b-1")], tmp_path)
        begin_keys(store)
        erase_at_month_end(store, "b-1", "request")
    change(location, [("UPDATE erasures_due SET due_at = 1", ())])
    with open_store(location) as store:
        first = make_checkpoint(store).seal
        assert (first.size, first.position) == (2, 4)
        assert json.loads(records(store)[2])["event"]["type"] == "buyer.erased"
        second = make_checkpoint(store).seal
        assert (second.size, second.position) == (4, 5)
        assert make_checkpoint(store).seal == second and verify(store).problems == []


def test_a_role_that_writes_signs_checkpoints(
    postgres_location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the rights that docs/how-to/postgresql.md gives it, word for word."""
    monkeypatch.setenv(SIGNING_VARIABLE, SECRET)
    page = (ROOT / "docs" / "how-to" / "postgresql.md").read_text("utf-8")
    script = page.split("```sql\n")[1].split("```")[0].replace("levelbook_writer", "sealer_of_test")
    create_store(postgres_location)
    with psycopg.connect(postgres_location, autocommit=True) as owner:
        try:
            owner.execute(script.encode())
            with open_store(postgres_location.replace("postgres:@", "sealer_of_test:@")) as store:
                ingest_events(store, [paid("o-1")], tmp_path)
                begin_keys(store)
                assert make_checkpoint(store).is_new
                ingest_events(store, [paid("o-2")], tmp_path)
                assert make_checkpoint(store).is_new and verify(store).problems == []
        finally:
            owner.execute("DROP OWNED BY sealer_of_test")
            owner.execute("DROP ROLE sealer_of_test")


def test_a_store_to_which_nothing_is_appended_gets_no_keys(location: str, tmp_path: Path) -> None:
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid("o-1")], tmp_path)
    change(location, [("UPDATE ledger SET schema_version = 1", ())])
    with open_store(location) as store:
        with pytest.raises(UsageError, match="was made when a buyer had one alias at all merchants"):
            begin_keys(store)
        assert list(seals(store)) == [] and not list(tmp_path.glob("*.signing*"))
