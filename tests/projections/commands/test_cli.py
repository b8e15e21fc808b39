"""The command: help with examples, the reference, exit statuses, both forms of answer, no traceback."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli import main
from docs.generated import pages
from projections.commands.asking.options import Commands
from replay.store.location import masked
from replay.store.opening import create_store, open_store
from tests import ROOT
from tests.support.commands import commands
from tests.support.making import event, ingest_events, paid, write_lines
from tests.support.running import run

COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_an_example_and_a_place_in_the_reference(name: str) -> None:
    shown = CliRunner().invoke(main, [*name.split(), "--help"]).output
    assert re.search(rf"Example:\n +levelbook {name}\b", shown)
    assert COMMANDS[name].help
    for option in COMMANDS[name].params:
        assert not isinstance(option, click.Option) or option.help or option.hidden, option
    assert f"\n## levelbook {name}\n" in pages()["reference/commands.md"]


def test_help_lists_every_command_under_what_it_is_for() -> None:
    shown = CliRunner().invoke(main, ["--help"], terminal_width=100).output
    assert isinstance(main, Commands)
    groups = list(dict.fromkeys(entry.group for entry in main.entries.values()))
    assert re.findall(r"(?m)^(\w.*):$", shown) == ["Options", *groups] and 4 <= len(groups) <= 10
    for name in main.entries:
        assert len(re.findall(rf"(?m)^  {name} ", shown)) == 1, name


@pytest.mark.parametrize("name", [name for name, found in COMMANDS.items() if not isinstance(found, click.Group)])
def test_help_speaks_only_of_what_the_command_takes(name: str) -> None:
    command = COMMANDS[name]
    options = [item for item in command.params if isinstance(item, click.Option)]
    taken = {option for item in command.params for option in (*item.opts, *item.secondary_opts)}
    metavars = [str(item.metavar or item.name).upper() for item in command.params]
    named = {word for metavar in metavars for word in re.findall("[A-Z]{4,}", metavar)}
    for text in (item.help or "" for item in options):
        assert set(re.findall(r"(?<![\w'-])--[a-z][a-z-]*[a-z]", text)) <= taken, text
        assert not ("SUBJECT" in text and "SUBJECT" not in named and "SUBJECTS" not in named), text


def test_help_imports_nothing_heavy() -> None:
    script = "import sys, cli\ntry: cli.main(['ingest', '--help'])\nfinally: print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    for heavy in ("msgspec", "eventsourcing", "sqlalchemy", "marshmallow", "rich", "psycopg", "sqlite3"):
        assert f"'{heavy}'" not in done.stdout


def test_a_replay_on_sqlite_imports_no_sqlalchemy(tmp_path: Path) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store:
        ingest_events(store, [paid("o-1")], tmp_path)
    command = ["replay", "--store", str(tmp_path / "ledger.db"), "merchant/m-1"]
    script = f"import sys, cli\ntry: cli.main({command})\nfinally: print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    for heavy in ("sqlalchemy", "marshmallow", "rich", "psycopg"):
        assert f"'{heavy}'" not in done.stdout


@pytest.fixture
def ledger(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A ledger with a bit of everything, named by LEVELBOOK_STORE."""
    create_store(location)
    with open_store(location) as store:
        ingest_events(
            store,
            [
                event("merchant.onboarded", "on", "2022-10-01T00:00:00+08:00", category="tea"),
                paid("o-1", actor="clerk-1", correlationid="cor-1", causationid="cau-1"),
                event("review.posted", "rev-1", "2022-11-02T00:00:00+08:00", order="o-1", quality=5),
                event("order.flagged", "flag-1", "2022-11-20T00:00:00+08:00", order="o-1", reason="fake_trade"),
                event("event.retracted", "ret-1", "2022-11-21T00:00:00+08:00")
                | {"data": {"source": "urn:test", "event": "flag-1", "reason": "mistake"}},
                event("creator.bound", "bind-1", subject="mcn/a-1", creator="c-1"),
                paid("o-1", subject="merchant/m-10") | {"id": "pay-m-10"},
            ],
            tmp_path,
        )
    monkeypatch.setenv("LEVELBOOK_STORE", location)
    monkeypatch.chdir(tmp_path)
    return location


def test_events_of_a_subject(ledger: str) -> None:
    found = json.loads(run("events", "merchant/m-1", "--format", "json"))
    assert [item["position"] for item in found] == [1, 2, 3, 4, 5]
    assert found[1]["event"]["actor"] == "clerk-1"
    assert [(item["corrected_by"], item["retracted_by"], item["retracted"]) for item in found] == [
        ([], [], False),
        ([4], [], False),
        ([4], [], False),
        ([], [5], True),
        ([], [], False),
    ]
    for item in found:
        single = json.loads(run("event", item["event"]["source"], item["event"]["id"], "--format", "json"))
        assert {name: single["hashes"][name] for name in item["hashes"]} == item["hashes"]
        assert single["retracted"] == item["retracted"]
        assert [other["position"] for other in single["corrected_by"]] == item["corrected_by"]
    assert "retracted by 5" in run("events", "merchant/m-1", "--type", "order.flagged")
    assert found[1]["occurred_at"] == "2022-11-01T10:00:00+08:00"
    only = json.loads(run("events", "merchant/m-1", "--order", "o-1", "--format", "json"))
    assert [item["event"]["type"] for item in only] == ["order.paid", "review.posted", "order.flagged"]
    typed = run("events", "merchant/m-1", "--type", "order.flagged", "--type", "event.retracted")
    assert [text.split()[0] for text in typed.splitlines()] == ["4", "5"]
    early = json.loads(run("events", "merchant/m-1", "--as-of", "2022-10-31", "--format", "json"))
    assert [item["position"] for item in early] == [1, 4, 5], "corrections reach back"
    assert json.loads(run("events", "merchant/m-1", "--known-at", "2022-12-01", "--format", "json")) == []
    assert run("events", "merchant/m-1", "--position", "2").count("\n") == 2


def test_an_event_shows_what_corrects_and_retracts_it(ledger: str) -> None:
    found = json.loads(run("event", "urn:test", "pay-o-1", "--format", "json"))
    assert [other["id"] for other in found["corrected_by"]] == ["flag-1"]
    assert found["retracted"] is False and found["hashes"]["fits"] == "yes"
    assert set(found["hashes"]) == {"content", "leaf", "chain", "fits"}
    flag = json.loads(run("event", "urn:test", "flag-1", "--format", "json"))
    assert flag["retracted"] is True and [other["id"] for other in flag["retracted_by"]] == ["ret-1"]
    text = run("event", "urn:test", "pay-o-1")
    for word in ("clerk-1", "cor-1", "cau-1", "recorded_at", "hash.chain", "order.flagged urn:test flag-1"):
        assert word in text


def test_subjects_and_their_kinds(ledger: str) -> None:
    assert json.loads(run("subjects", "--format", "json")) == [
        {"subject": "mcn/a-1", "events": 1},
        {"subject": "merchant/m-1", "events": 5},
        {"subject": "merchant/m-10", "events": 1},
    ]
    assert run("subjects", "mcn").split() == ["1", "mcn/a-1"]
    assert json.loads(run("subjects", "creator", "--format", "json")) == []


def test_status_and_head_and_verify_agree(ledger: str) -> None:
    found = json.loads(run("status", "--format", "json"))
    assert found["position"] == 7 and found["schema_version"] == 2 and found["size_bytes"] > 0
    assert found["types"]["order.paid"] == 2 and sum(found["types"].values()) == 7
    head = run("head").strip()
    assert head == f"7:{found['chain']}:{found['ledger']}"
    told = json.loads(run("head", "--format", "json"))
    assert told == {"position": 7, "chain": found["chain"], "ledger": found["ledger"]}
    checked = json.loads(run("verify", "--head", head, "--format", "json"))
    old_form = f"7:{found['chain']}"
    assert json.loads(run("verify", "--head", old_form, "--format", "json")) == checked
    assert checked.pop("kept").endswith("checks") and checked.pop("not_kept") is None
    assert checked.pop("verdicts") == {"ledger": "sound", "segments": "none", "views": "none", "service": "none"}
    nothing = dict.fromkeys(("segments", "views", "service", "seals_unchecked"))
    assert checked == {"records": 7, "head": old_form, "problems": [], **nothing}
    assert "the ledger is sound" in run("verify")
    assert "order.paid" in run("status")


def test_replay_names_all_that_a_result_depends_on(ledger: str) -> None:
    found = json.loads(run("replay", "merchant/m-1", "--as-of", "2022-11-30", "--format", "json"))
    assert {name: found[name] for name in ("state", "level", "points", "to_next", "policy", "position")} == {
        "state": "rated",
        "level": "bronze-1",
        "points": "1.0",
        "to_next": "50.0",
        "policy": "2022-10-26",
        "position": 7,
    }
    assert len(found["policy_hash"]) == 64
    assert (found["as_of"], found["in_force"]) == ("2022-11-30T23:59:59.999999+08:00", True)
    assert found["assumed"] == ["levels", "star_classes"]
    assert found["effective"] == {"state": "unrated", "level": None, "since": "2022-11-16T12:00:00+08:00"}
    assert found["published"] == {
        "month": "2022-10",
        "points": "0.0",
        "level": None,
        "at": "2022-11-16T12:00:00+08:00",
        "decided": None,
        "in_force": True,
    }
    assert found["months"] == [
        {
            "month": "2022-11",
            "opening": "0.0",
            "growth": "+1.0",
            "cap": "5001.0",
            "closing": "1.0",
            "level": "bronze-1",
            "verdicts": {"counted": 1},
        }
    ]
    early = json.loads(run("replay", "merchant/m-1", "--as-of", "2022-10-25", "--format", "json"))
    assert early["in_force"] is False


def test_explain_gives_each_event_its_verdict_or_note(ledger: str) -> None:
    found = json.loads(run("explain", "merchant/m-1", "--as-of", "2022-11-30", "--format", "json"))
    (verdict,) = found["verdicts"]
    assert verdict == {
        "source": "urn:test",
        "event": "rev-1",
        "position": 3,
        "verdict": "counted",
        "points": "+1.0",
        "contribution": [{"figure": "points", "unit": "tenths", "amount": 10, "periods": ["2022-11"]}],
        "at": "2022-11-02T00:00:00+08:00",
        "policy": "2022-10-26",
        "policy_hash": found["policy_hash"],
        "balance": "1.0",
        "order": "o-1",
        "compared": {"what": "stars", "found": 5, "bound": "good"},
        "same_instant": None,
        "retracted_in_vain_by": [],
    }
    assert [(item["event"], item["note"]) for item in found["notes"]] == [("flag-1", "retracted")]
    assert found["notes"][0]["compared"]["event"] == "ret-1"
    assert found["adds_up"] == {"opening": "0.0", "verdicts": "+1.0", "closing": "1.0"}
    flagged = run("explain", "merchant/m-1", "--position", "4", "--as-of", "2022-11-30")
    assert "unrated, no level, 0.0 points" in flagged and "flagged" in flagged
    whole_order = json.loads(run("explain", "merchant/m-1", "--event", "pay-o-1", "--format", "json"))
    assert [item["event"] for item in whole_order["verdicts"]] == ["rev-1"]
    nothing = json.loads(run("explain", "merchant/m-1", "--month", "2022-10", "--format", "json"))
    assert (nothing["verdicts"], nothing["adds_up"]["closing"]) == ([], "0.0")
    after = json.loads(run("explain", "merchant/m-1", "--month", "2022-12", "--format", "json"))
    assert (after["verdicts"], after["adds_up"]) == ([], {"opening": "1.0", "verdicts": "+0.0", "closing": "1.0"})


def test_events_show_what_a_scheme_made_of_them(ledger: str) -> None:
    asked = ("events", "merchant/m-1", "--scheme", "merchant-reputation")
    found = json.loads(run(*asked, "--format", "json"))
    under = {name: found[2]["made"][name] for name in ("policy", "policy_hash")}
    assert [item["made"] for item in found] == [
        None,
        None,
        {"verdict": "counted", "points": "+1.0", "at": "2022-11-02T00:00:00+08:00"} | under,
        {"note": "retracted"} | under,
        None,
    ]
    assert (under["policy"], len(under["policy_hash"])) == ("2022-10-26", 64)
    shown = run(*asked)
    assert "=> counted +1.0" in shown and "=> retracted" in shown


def test_policies_show_what_is_published_and_what_is_assumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    listed = json.loads(run("policies", "--scheme", "merchant-reputation", "--format", "json"))
    (policy,) = (item for item in listed if item["used"])
    assert (policy["scheme"], policy["id"], len(policy["hash"])) == ("merchant-reputation", "2022-10-26", 64)
    assert policy["in_force_from"] == "2022-10-26T00:00:00+08:00"
    statuses = {name: item["status"] for name, item in policy["parameters"].items()}
    assert {name for name, status in statuses.items() if status == "assumed"} == {"levels", "star_classes"}
    assert all(item["source"] for item in policy["parameters"].values())
    text = run("policies")
    assert "pair_cap_tenths   rule text  60" in text and "ours" in text


def test_backup_and_erasure(ledger: str, tmp_path: Path) -> None:
    assert "7 records in copy.db, verified" in run("backup", "copy.db")
    assert json.loads(run("backup", "copy2.db", "--format", "json"))["records"] == 7
    assert json.loads(run("erase-buyer", "b-1", "--reason", "r", "--format", "json")) == {
        "aliases": 2,
        "merchants_this_month": 0,
        "erased": 1,
        "receipt_position": 8,
        "scrubbed": True,
    }
    result = CliRunner().invoke(main, ["erase-buyer", "-", "--reason", "r"], input="b-1\n")
    assert result.exit_code == 2 and "nothing was erased" in result.output
    result = CliRunner().invoke(main, ["erase-buyer", "-", "--reason", "r"], input=b"\xff\n")
    assert result.exit_code == 2 and "standard input is not valid UTF-8; mend it" in result.output


def test_a_long_chain_of_retractions_is_followed_to_its_end(tmp_path: Path) -> None:
    def retract(n: int) -> dict[str, object]:
        data = {"source": "urn:test", "event": f"r-{n - 1}" if n else "pay-o-1", "reason": "r"}
        return event("event.retracted", f"r-{n}") | {"data": data}

    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid("o-1"), *(retract(n) for n in range(1_500))], tmp_path)
    found = json.loads(run("event", "urn:test", "pay-o-1", "--store", location, "--format", "json"))
    assert found["retracted"] is False, "an even number of retractions cancels out"
    listed = json.loads(run("events", "merchant/m-1", "--store", location, "--format", "json"))
    assert [item["retracted"] for item in listed] == [n % 2 == 1 for n in range(1501)]
    last = json.loads(run("event", "urn:test", "r-1498", "--store", location, "--format", "json"))
    assert last["retracted"] is True


def test_a_reader_who_leaves_gets_no_traceback(tmp_path: Path) -> None:
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid(f"o-{n}") for n in range(3_000)], tmp_path)
    for form in ("text", "json"):
        command = f"{sys.executable} -m cli events --store {location} --format {form} merchant/m-1 | head -1"
        done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stderr == "" and len(done.stdout.splitlines()) == 1


def test_an_argument_that_is_no_text_is_wrong_use() -> None:
    for words in (["events", "\udcff"], ["status", "--store", "\udcff"], ["event", "a", "\udcff"]):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 2 and "an argument is not valid UTF-8; rename the file" in result.output


def test_a_reader_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LEVELBOOK_STORE", raising=False)
    for words in (["status"], ["head"], ["verify"], ["subjects"], ["events", "a"], ["replay", "merchant/a"]):
        run(*words, status=2)
    run("backup", "b.db", status=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("postgresql://jo:secret@host:5432/db", "postgresql://jo:***@host:5432/db"),
        ("postgresql://jo@host/db?password=secret", "postgresql://jo@host/db?password=***"),
        ("postgresql://jo:se@cret@host/db", "postgresql://jo:***@host/db"),
        ("postgresql://jo:s#e?c/ret@host:5432/db?sslmode=require", "postgresql://jo:***@host:5432/db?sslmode=require"),
        ("postgresql://host/db?user=jo&sslpassword=secret", "postgresql://host/db?user=jo&sslpassword=***"),
        ("postgresql://jo:secret", "postgresql://***"),
        ("postgresql:///db?host=/run/pg", "postgresql:///db?host=/run/pg"),
        ("ledger.db", "ledger.db"),
    ],
)
def test_passwords_are_masked(location: str, shown: str) -> None:
    assert masked(location) == shown


@pytest.mark.slow
@pytest.mark.parametrize("words", [["status"], ["ingest", "e.jsonl"], ["ingest", "--dry-run", "e.jsonl"]])
def test_a_server_that_is_not_there_is_one_clear_line_without_the_password(words: list[str], tmp_path: Path) -> None:
    write_lines(tmp_path / "e.jsonl", [paid("o-1")])
    done = subprocess.run(
        [sys.executable, "-m", "cli", *words],
        cwd=tmp_path,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "LEVELBOOK_STORE": "postgresql://jo:hush-hush@127.0.0.1:1/db?connect_timeout=3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert re.fullmatch(r"Error: .* cannot be used: .*\n", done.stderr), done.stderr
    assert "hush" not in done.stderr + done.stdout
