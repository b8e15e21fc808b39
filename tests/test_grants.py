"""Roles that are granted what the README says can run the commands that only examine, and nothing more."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from cli import main
from projections.rebuild import Asked, rebuild
from projections.views import open_views
from replay.store import create_store, open_store
from tests.making import ingest_events
from tests.worlds import World

README = (Path(__file__).parent.parent / "README.md").read_text()


@pytest.fixture
def granted(postgres_location: str, tmp_path: Path) -> Iterator[str]:
    """A ledger with views in whose database the roles of the README were made."""
    create_store(postgres_location)
    with open_store(postgres_location) as store, open_views(store, make=True) as views:
        ingest_events(store, World(3).events(60), tmp_path)
        rebuild(views, Asked())
    found = re.search(r"```sql\n(CREATE ROLE levelbook_reader.*?)```", README, re.DOTALL)
    assert found is not None
    roles = re.findall(r"CREATE ROLE (\w+)", found[1])
    with psycopg.connect(postgres_location, autocommit=True) as connection:
        connection.execute(found[1].encode())
    yield postgres_location
    with psycopg.connect(postgres_location, autocommit=True) as connection:
        for role in roles:
            connection.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}".encode())


def run_as(role: str, location: str, *words: str) -> str:
    theirs = location.replace("//postgres:", f"//{role}:", 1)
    assert theirs != location
    done = CliRunner().invoke(main, [*words, "--store", theirs])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def test_a_reader_and_an_auditor_need_no_right_to_write(granted: str) -> None:
    listed = run_as("levelbook_reader", granted, "subjects", "merchant", "--format", "json")
    subject = json.loads(listed)[0]["subject"]
    for words in (["head"], ["status"], ["events", subject], ["replay", subject], ["explain", subject], ["audit"]):
        assert run_as("levelbook_reader", granted, *words)
    told = run_as("levelbook_reader", granted, "verify")
    assert "views up to position 65 fit the ledger" in told
    assert "this check was not kept: " in told
    told = run_as("levelbook_auditor", granted, "verify")
    assert "views up to position 65 fit the ledger" in told and "not kept" not in told
    assert "ledger sound" in run_as("levelbook_auditor", granted, "verify", "--list")
