"""Roles granted what docs/how-to/postgresql.md says can run the commands that they are for, and nothing more."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from click.testing import CliRunner

from cli import main
from projections.http.settings import Settings
from projections.server import serve
from projections.upkeep.consumed import PartitionNote, consumed_status, open_consumed
from replay.errors import StoreError
from replay.proving.notes import parse_signatures
from replay.store.opening import create_store, open_store
from replay.witnessing.kept import Grade, new_witness
from tests import ROOT
from tests.support.making import ingest_events, paid, records, write_lines
from tests.support.receiving import receiving
from tests.support.running import run
from tests.support.serving import serving, shown_levels
from tests.support.signed import keep_checkpoint, log_keys, request, sealed_size
from tests.worlds.ledgers import World

PAGE = (ROOT / "docs" / "how-to" / "postgresql.md").read_text("utf-8")
OWNER = "levelbook_owner"


def plain(sql: str) -> list[str]:
    """Statements without layout, remarks and the making of roles."""
    bare = " ".join(re.sub(r"--.*", "", sql).split())
    return [text.strip() for text in bare.split(";") if text.strip() and "CREATE ROLE" not in text]


def test_the_command_prints_what_that_page_says() -> None:
    writer, others = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    roles = [
        word for task in ("reader", "auditor", "follower", "service") for word in (f"--{task}", f"levelbook_{task}")
    ]
    assert plain(run("grants", *roles)) == plain(others)
    printed, told = plain(run("grants", "--writer", "levelbook_writer")), plain(writer)
    rights = {(right, table) for sql in told for right, table in rights_of(sql)}
    assert {pair for sql in printed for pair in rights_of(sql)} == rights and len(rights) > 20
    for words, wrong in (
        ((), "no role is named; give one for each task, such as --follower"),
        (("--writer", "W"), "is no plain name of a role; give one of small letters"),
        (("--reader", "r"), "who reads views is given rights by the role that makes them"),
    ):
        assert wrong in CliRunner().invoke(main, ["grants", *words]).output


def test_the_command_prints_what_the_guide_of_webhooks_says() -> None:
    page = (ROOT / "docs" / "how-to" / "webhooks.md").read_text("utf-8")
    before, after = (plain(block) for block in re.findall(r"```sql\n(.*?)```", page, re.DOTALL))
    tasks = ("follower", "service", "deliverer")
    text = run("grants", *(word for task in tasks for word in (f"--{task}", f"levelbook_{task}")))
    now, _, later = text.partition("-- once 'levelbook deliver add' has made its tables:\n")
    assert plain(later.replace("-- ", "")) == after and len(after) == 2
    alone = plain(run("grants", "--follower", "levelbook_follower", "--deliverer", "levelbook_deliverer"))
    of_it = [re.sub(r"\b(TO|GRANT) levelbook_follower, ", r"\1 ", sql) for sql in alone]
    asked = [sql for sql in of_it if sql.endswith("levelbook_deliverer") or sql.startswith("GRANT levelbook_deliverer")]
    already = "GRANT SELECT ON ALL TABLES IN SCHEMA levelbook_views TO levelbook_deliverer"
    assert [sql for sql in before if sql != already] == asked, "but for what there is already when it comes later"
    assert all(any(sql.split(" TO ")[0] == other.split(" TO ")[0] for other in plain(now)) for sql in asked[1:])


def rights_of(sql: str) -> list[tuple[str, str]]:
    """Each right of a GRANT with each table."""
    found = re.fullmatch(r"GRANT (.*) ON (.*) TO .*", sql)
    assert found is not None, sql
    return [(right, table) for right in found[1].split(", ") for table in found[2].split(", ")]


class Granted(NamedTuple):
    """A ledger in whose database the roles of that page were made by a role that is no superuser."""

    location: str
    token: str

    def run(self, role: str, *words: str, status: int = 0) -> str:
        done = CliRunner().invoke(main, [*words, "--store", as_role(role, self.location)])
        assert done.exit_code == status, (done.output, done.exception)
        return done.output

    def refuses(self, role: str, *statements: str) -> None:
        with psycopg.connect(as_role(role, self.location), autocommit=True) as connection:
            for statement in statements:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.encode())


def as_role(role: str, location: str) -> str:
    theirs = location.replace("//postgres:", f"//{role}:", 1)
    assert theirs != location
    return theirs


@pytest.fixture
def granted(postgres_location: str, tmp_path: Path) -> Iterator[Granted]:
    """Views are made by the role that follows."""
    with psycopg.connect(postgres_location, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"CREATE ROLE {OWNER} LOGIN CREATEROLE; GRANT CREATE ON DATABASE {name} TO {OWNER}".encode())
    owners = as_role(OWNER, postgres_location)
    create_store(owners)
    with open_store(owners) as store:
        ingest_events(store, World(3).events(20), tmp_path)
    made = CliRunner().invoke(main, ["token", "new", "--name", "w", "--format", "json", "--store", owners])
    found = re.search(r"```sql\n(CREATE ROLE levelbook_reader.*?)```", PAGE, re.DOTALL)
    assert found is not None
    roles = [*re.findall(r"CREATE ROLE (\w+)", found[1]), OWNER]
    with psycopg.connect(owners, autocommit=True) as connection:
        connection.execute(found[1].encode())
    ledger = Granted(postgres_location, json.loads(made.stdout)["secret"])
    ledger.run("levelbook_follower", "rebuild", "--sample", "0")
    yield ledger
    with psycopg.connect(postgres_location, autocommit=True) as connection:
        for role in roles:
            connection.execute(f"DROP OWNED BY {role} CASCADE".encode())
        connection.execute(f"DROP ROLE {', '.join(roles)}".encode())


@pytest.mark.slow
def test_a_witness_recomputes_and_receipts_are_made_as_a_reader(granted: Granted, tmp_path: Path) -> None:
    with open_store(as_role(OWNER, granted.location)) as store:
        size = sealed_size(store)
        keep_checkpoint(store, size)
        logs = "".join(f"log {key.verifier.text}\n" for key in log_keys(store))
        (tmp_path / "request").write_bytes(request(store, 0, size))
        stored = json.loads(records(store)[0])["event"]
    (tmp_path / "logs").write_text(f"{logs}quorum none\n")
    (tmp_path / "sent").write_text(json.dumps({"id": stored["id"], "source": stored["source"]}))
    new_witness(tmp_path / "w", "w.example", Grade.RECOMPUTED)
    words = ["witness", "add", str(tmp_path / "w"), str(tmp_path / "request"), "--trust", str(tmp_path / "logs")]
    assert len(parse_signatures(granted.run("levelbook_reader", *words))) == 2
    assert granted.run("levelbook_reader", "receipts", str(tmp_path / "sent")).startswith('{"proof":')


@pytest.mark.slow
def test_a_reader_and_an_auditor_need_no_right_to_write(granted: Granted) -> None:
    listed = granted.run("levelbook_reader", "subjects", "merchant", "--format", "json")
    subject = json.loads(listed)[0]["subject"]
    examining = (["head"], ["status"], ["events", subject], ["replay", subject], ["explain", subject])
    for words in examining:
        assert granted.run("levelbook_reader", *words)
    audited = granted.run("levelbook_reader", "audit", status=1)
    assert "1 announced otherwise" in audited and "this audit was not kept: " in audited
    told = granted.run("levelbook_auditor", "verify")
    assert re.search(r"views up to position \d+ fit the ledger\nthe tables of the service are defined as", told)
    assert "not kept" not in told and "ledger sound" in granted.run("levelbook_auditor", "verify", "--list")
    assert granted.run("levelbook_auditor", "accesses").startswith("nothing was noted: ")
    with psycopg.connect(granted.location, autocommit=True) as connection:
        for role in ("levelbook_reader", "levelbook_auditor"):
            connection.execute(f"ALTER ROLE {role} SET default_transaction_read_only = on".encode())
    for words in (*examining, ["verify", "--list"], ["accesses"]):
        assert granted.run("levelbook_auditor", *words)
    assert "1 announced otherwise" in granted.run("levelbook_auditor", "audit", status=1)
    told = granted.run("levelbook_reader", "verify")
    assert re.search(r"views up to position \d+ fit the ledger\nthe tables of the service are defined as", told)
    assert "this check was not kept: " in told
    with psycopg.connect(granted.location, autocommit=True) as connection:
        connection.execute("REVOKE USAGE ON SCHEMA levelbook_views FROM levelbook_reader")
    told = granted.run("levelbook_reader", "verify", status=3)
    assert "the ledger is sound" in told and "views could not be compared" in told and "NOT" not in told
    refused = "cannot be read or moved by this role (permission denied for schema levelbook_views)"
    assert refused in told and "); docs/how-to/postgresql.md has the rights that each role needs" in told
    assert "cannot be read or moved by this role" in granted.run("levelbook_reader", "status", status=1)


def test_a_role_that_may_not_look_into_the_schema_is_told_so_and_makes_no_other(
    granted: Granted, tmp_path: Path
) -> None:
    with psycopg.connect(as_role(OWNER, granted.location), autocommit=True) as connection:
        connection.execute("REVOKE USAGE ON SCHEMA levelbook FROM levelbook_reader")
    lines = write_lines(tmp_path / "e.jsonl", [paid("o-1")])
    for words in (["subjects"], ["ingest", lines]):
        told = granted.run("levelbook_reader", *words, status=2)
        assert "holds a schema 'levelbook' into which this role may not look: " in told
        assert "GRANT USAGE ON SCHEMA levelbook to it, or" in told


@pytest.mark.slow
def test_a_follower_keeps_views_and_records_what_they_judge_by(granted: Granted, tmp_path: Path) -> None:
    follower = "levelbook_follower"
    assert "policy.adopted" in granted.run(follower, "status"), "recorded by the rebuild"
    with open_store(as_role(OWNER, granted.location)) as store:
        ingest_events(store, World(4).events(20), tmp_path)
        head = store.head().position
    for words in (
        ["follow", "--once"],
        ["retry"],
        ["rebuild", "--sample", "0"],
        ["rebuild", "--back"],
        ["follow", "--once"],
    ):
        granted.run(follower, *words)
    assert f"views up to position {head} fit the ledger" in granted.run("levelbook_auditor", "verify")
    granted.refuses(
        follower,
        "UPDATE levelbook.records SET ref = 'x'",
        "DELETE FROM levelbook.records",
        "DROP TABLE levelbook.tally",
    )


@pytest.mark.slow
def test_a_service_notes_accesses_and_can_change_nothing(granted: Granted) -> None:
    location = as_role("levelbook_service", granted.location)
    settings = Settings(location, token_required=True, ready_lag_seconds=10**12)
    subject = json.loads(granted.run("levelbook_reader", "subjects", "merchant", "--format", "json"))[0]["subject"]
    with open_store(location) as store:
        serve._check_definitions(store)
        serve._check_kept(store, settings)
    with serving(settings) as client:
        assert client.get("/readyz").status_code == 200
        signed_in = client.post("/login", data={"token": granted.token, "next": "/"})
        assert signed_in.status_code == 303 and client.post("/logout").status_code == 303
        for what in ("levels/merchant-reputation", "explanation", "decisions"):
            headers = {"Authorization": f"Bearer {granted.token}"}
            assert client.get(f"/v1/subjects/{subject}/{what}", headers=headers).status_code == 200
    noted = granted.run("levelbook_auditor", "accesses", subject)
    assert [line.split()[3] for line in noted.splitlines()] == ["explanation", "decisions"]
    told = CliRunner().invoke(main, ["token", "new", "--name", "more", "--store", location])
    assert told.exit_code == 3 and "permission denied for table tokens; docs/how-to/postgresql.md has" in told.output
    granted.refuses(
        "levelbook_service",
        *("UPDATE levelbook.records SET ref = 'x'", "DELETE FROM levelbook.records"),
        *("INSERT INTO levelbook.tally VALUES ('x', 1)", "DELETE FROM levelbook_views.builds"),
        *("UPDATE levelbook_service.accesses SET subject = 'x'", "DELETE FROM levelbook_service.accesses"),
        *("UPDATE levelbook_service.tokens SET revoked_at = NULL", "TRUNCATE levelbook_service.accesses"),
        "ALTER TABLE levelbook_service.accesses DISABLE TRIGGER USER",
    )


@pytest.mark.slow
def test_who_delivers_keeps_its_secrets_from_who_serves(granted: Granted) -> None:
    page = (ROOT / "docs" / "how-to" / "webhooks.md").read_text("utf-8")
    before, after = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    owners = as_role(OWNER, granted.location)
    with receiving() as receiver, psycopg.connect(owners, autocommit=True) as connection:
        connection.execute(before.encode())
        granted.run("levelbook_deliverer", "deliver", "add", receiver.url, "--allow-private", "--allow-http")
        connection.execute(after.encode())
        granted.run("levelbook_follower", "rebuild", "--sample", "0")
        granted.run("levelbook_deliverer", "deliver", "run", "--once")
        with serving(Settings(as_role("levelbook_service", granted.location))) as client:
            assert receiver.levels == shown_levels(client) != {}
            assert "levelbook_delivery_behind{" in client.get("/metrics").text
    tables = "levelbook_deliveries.secrets", "levelbook_deliveries.progress"
    granted.refuses("levelbook_service", f"SELECT * FROM {tables[0]}", f"DELETE FROM {tables[1]}")
    granted.refuses(
        "levelbook_deliverer", "INSERT INTO levelbook.tally DEFAULT VALUES", "DELETE FROM levelbook.records"
    )
    with psycopg.connect(granted.location, autocommit=True) as connection:
        connection.execute(b"DROP OWNED BY levelbook_deliverer CASCADE; DROP ROLE levelbook_deliverer")


@pytest.mark.slow
def test_who_writes_may_be_let_note_how_far_topics_are_consumed(granted: Granted) -> None:
    page = (ROOT / "docs" / "how-to" / "kafka.md").read_text("utf-8")
    (sql,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    writer, service = (as_role(f"levelbook_{name}", granted.location) for name in ("writer", "service"))
    with psycopg.connect(as_role(OWNER, granted.location), autocommit=True) as connection:
        connection.execute(re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)[0].encode())
    with open_store(writer) as store:
        with pytest.raises(StoreError, match=r"what is kept of consuming beside .* cannot be used: permission denied"):
            open_consumed(store)
        with psycopg.connect(as_role(OWNER, granted.location), autocommit=True) as connection:
            connection.execute(sql.encode())
        with open_consumed(store) as kept:
            kept.note([PartitionNote("g", "orders", 0, 7, 1, store.now())])
    with open_store(service) as store:
        (shown,) = consumed_status(store)
    assert (shown["next_offset"], shown["behind"]) == (7, 1)
    granted.refuses("levelbook_service", "DELETE FROM levelbook_consuming.progress")
    granted.refuses("levelbook_writer", "DELETE FROM levelbook.records")
    with psycopg.connect(granted.location, autocommit=True) as connection:
        connection.execute(b"DROP OWNED BY levelbook_writer CASCADE; DROP ROLE levelbook_writer")
