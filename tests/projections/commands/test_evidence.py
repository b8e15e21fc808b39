"""Evidence by the commands: made of a ledger, checked and asked without it."""

import json
import os
import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from click.testing import CliRunner, Result

from cli import main
from domain.calendar import parse_instant, parse_month
from fixtures.demo import MERCHANT, story
from replay.decisions.decide import decide, decided_events, period_of
from replay.history.readers import EVERYTHING_SHOWN
from replay.store.opening import create_store, open_store
from replay.store.searching.across import row_named
from tests.support.making import event, ingest_events
from tests.support.seals import checkpointed, trust_text

PERIOD: Final = "2022-11"
SCHEME: Final = "merchant-reputation"
LATER: Final = "2022-12-16T12:00:00+08:00"


class Dispute(NamedTuple):
    """A ledger with a decided and an announced month, and files of evidence of both."""

    location: str
    decided: Path
    announced: Path
    trust: Path
    position: int
    """Of the decision."""


def announcement(month: str, level: str) -> dict[str, object]:
    return event(
        "level.announced",
        f"announced-{month}",
        LATER,
        subject=MERCHANT,
        scheme=SCHEME,
        period=month,
        level=level,
        recordedtime=LATER,
    )


@pytest.fixture(scope="module")
def dispute(tmp_path_factory: pytest.TempPathFactory) -> Dispute:
    folder = tmp_path_factory.mktemp("dispute")
    location = str(folder / "ledger.db")
    told = [*story(), announcement("2022-10", "bronze-9")]
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [item for item in told if item["recordedtime"] <= LATER], folder, backfill=True)
        decide(store, SCHEME, period_of(store, SCHEME, parse_month(PERIOD), None))
        ingest_events(store, [item for item in told if item["recordedtime"] > LATER], folder)
        position = dict(decided_events(store, MERCHANT, EVERYTHING_SHOWN)).popitem()[0]
        checkpointed(store)
        (folder / "keys").write_text(trust_text(store.identity.id))
    found = Dispute(location, folder / "decided", folder / "announced", folder / "keys", position)
    for path, month in ((found.decided, PERIOD), (found.announced, "2022-10")):
        made = run("evidence", MERCHANT, "--month", month, "--out", path, "--store", location)
        assert made.exit_code == 0, made.output
    return found


def run(*words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


def test_evidence_is_made_once_and_says_that_it_cannot_be_called_back(dispute: Dispute, tmp_path: Path) -> None:
    wanted = ("evidence", MERCHANT, "--decision", dispute.position, "--store", dispute.location)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path)
        made = run(*wanted, "--gzip", "--format", "json")
        name = f"merchant-tea-house-{SCHEME}-decision-{dispute.position}.evidence"
        assert json.loads(made.stdout) == {
            "file": name,
            "bytes": (tmp_path / name).stat().st_size,
            "subject": MERCHANT,
            "scheme": SCHEME,
            "as_of": 1669823999999999,
            "position": dispute.position - 2,  # the run stands between
            "claim": dispute.position,
            "size": json.loads(made.stdout)["size"],
            "keys": 3,
            "records": json.loads(made.stdout)["records"],
            "checkers": [],
        }
        assert made.stderr.startswith("What is given away cannot be called back: ")
        again = run(*wanted)
        assert again.exit_code == 2
        assert again.stderr == f"Error: {name} exists; evidence never overwrites, name another file with --out\n"
        assert [path.name for path in tmp_path.iterdir()] == [name]
        assert run("verify-evidence", name, "--trust", dispute.trust).exit_code == 0
    assert dispute.decided.read_bytes() == run_plain(wanted, tmp_path / "plain")


def test_checkers_are_written_beside_it_and_accept_it(dispute: Dispute, tmp_path: Path) -> None:
    wanted = ("evidence", MERCHANT, "--decision", dispute.position, "--store", dispute.location, "--checker")
    made = run(*wanted, "--out", tmp_path / "dispute.evidence")
    assert made.exit_code == 0, made.output
    script, page = tmp_path / "check_evidence.py", tmp_path / "check_evidence.html"
    assert made.stdout.splitlines()[1:] == [f"{beside}: checks it without Levelbook" for beside in (script, page)]
    assert b"<script>" in page.read_bytes()
    asked = [sys.executable, "-I", "-S", *map(str, (script, made.stdout.split(":")[0], "--trust", dispute.trust))]
    checked = subprocess.run(asked, check=False, capture_output=True, text=True)
    assert checked.returncode == 0 and "Accepted." in checked.stdout, checked.stdout + checked.stderr
    assert run(*wanted, "--out", tmp_path / "again.evidence").exit_code == 0
    script.write_text("print('mine')")
    refused = run(*wanted, "--out", tmp_path / "third.evidence")
    assert refused.exit_code == 2 and "exists and is another file; evidence never overwrites" in refused.stderr
    assert not (tmp_path / "third.evidence").exists() and script.read_text() == "print('mine')"


def run_plain(wanted: tuple[object, ...], path: Path) -> bytes:
    assert run(*wanted, "--out", path).exit_code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    return path.read_bytes()


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ((), "evidence is of one thing: give --period for what was decided or announced, --decision for one"),
        (("--month", PERIOD, "--decision", 3), "evidence is of one thing: give --period for what was decided"),
        (("--month", "2022-12"), "; with --as-of the evidence is of a replay that nothing claims"),
        (("--decision", 1), f"no decision on {MERCHANT} stands at position 1; 'levelbook decided"),
        (("--as-of", "2022-11-30", "--position", 1, "--scheme", "mcn-level"), "mcn-level does not judge"),
    ],
)
def test_evidence_is_of_one_thing_that_is_there(dispute: Dispute, asked: tuple[object, ...], error: str) -> None:
    found = run("evidence", MERCHANT, *asked, "--store", dispute.location)
    assert found.exit_code == 2
    assert error in found.stderr


def test_evidence_needs_a_checkpoint_that_reaches_so_far(tmp_path: Path) -> None:
    location, month = str(tmp_path / "ledger.db"), ("--month", PERIOD)
    create_store(location)
    with open_store(location) as store:
        others = event("merchant.onboarded", "e-0", subject="merchant/m-0", category="toys")
        ingest_events(store, [others, event("merchant.onboarded", "e-1", category="toys")], tmp_path)
        made = run("evidence", "merchant/m-1", *month, "--store", location)
        assert (made.exit_code, " has no checkpoint yet, under which evidence could stand;" in made.stderr) == (2, True)
        checkpointed(store)
        decide(store, SCHEME, period_of(store, SCHEME, parse_month(PERIOD), None))
        made = run("evidence", "merchant/m-1", *month, "--store", location)
        assert made.exit_code == 2
        assert "run 'levelbook checkpoint', then make the evidence" in made.stderr
        early = run("evidence", "merchant/m-2", "--as-of", "2022-11-30", "--store", location)
        assert "the ledger knows no merchant/m-2" in early.stderr
        early = run("evidence", "merchant/m-1", "--as-of", "2022-11-30", "--position", 1, "--store", location)
        assert "nothing that concerns merchant/m-1 was recorded; name a later one" in early.stderr


def test_checking_says_what_passed_what_comes_out_and_what_is_not_shown(dispute: Dispute) -> None:
    found = run("verify-evidence", dispute.decided, "--trust", dispute.trust)
    assert found.exit_code == 0, found.output
    lines = found.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:9]] == [
        ["passed", name]
        for name in ("form", "signatures", "quorum", "seal", "keys", "records", "contents", "claim", "policies")
    ]
    assert "recomputed: what was claimed comes out again" in lines
    told = json.loads(run("verify-evidence", dispute.decided, "--trust", dispute.trust, "--format", "json").stdout)
    sealed = told["sealed"]
    assert (told["recomputed"]["decided_again"], told["recomputed"]["retracted"]) == (None, None)
    assert "AGAIN" not in found.stdout and "chosen" not in found.stdout
    assert lines[-5:] == [
        "What it does not show:",
        f"- what was recorded after position {sealed}, up to which is sealed",
        "- that what was never recorded did not happen",
        "- that the ledger worked out its seal honestly, unless a witness who recomputed it has signed",
        "- that the recorded facts are true",
    ]
    chinese = run("verify-evidence", dispute.decided, "--trust", dispute.trust, "--lang", "zh")
    assert len(chinese.stdout.splitlines()) == len(lines) and "它不能证明：" in chinese.stdout


def test_a_claim_that_was_decided_again_or_retracted_is_told(tmp_path: Path) -> None:
    location, keys = str(tmp_path / "ledger.db"), tmp_path / "keys"
    back = event("event.retracted", "back", LATER, subject=MERCHANT, recordedtime=LATER)
    back["data"] = {"case": "c-1", "event": "announced-2022-10", "reason": "another month", "source": "urn:test"}
    create_store(location)
    with open_store(location) as store:
        told = [*story(), announcement("2022-10", "bronze-9"), back]
        ingest_events(store, [item for item in told if item["recordedtime"] <= LATER], tmp_path, backfill=True)
        announced = row_named(store, "urn:test", "announced-2022-10")
        retracted = row_named(store, "urn:test", "back")
        for again in (None, "a hearing", "another hearing"):
            decide(store, SCHEME, period_of(store, SCHEME, parse_month(PERIOD), None), again)
        decided = [position for position, _ in decided_events(store, MERCHANT, EVERYTHING_SHOWN)]
        checkpointed(store)
        keys.write_text(trust_text(store.identity.id))
    assert announced is not None and retracted is not None and len(decided) == 3

    def checked(path: Path, **header: int) -> tuple[dict[str, Any], str]:
        first, rest = path.read_bytes().split(b"\n", 1)
        changed = json.dumps(json.loads(first) | header, sort_keys=True, separators=(",", ":")).encode()
        path.write_bytes(changed + b"\n" + rest)
        asked = ("verify-evidence", path, "--trust", keys)
        return json.loads(run(*asked, "--format", "json").stdout)["recomputed"], run(*asked).stdout

    for number, later in enumerate((decided[-1], decided[-1], None)):
        path = tmp_path / f"decided-{number}"
        made = run("evidence", MERCHANT, "--decision", decided[number], "--store", location, "--out", path)
        assert made.exit_code == 0, made.output
        found, text = checked(path)
        assert (found["decided_again"], found["retracted"]) == (later, None)
        assert ("the same period was DECIDED AGAIN at position" in text) == (later is not None)
    path = tmp_path / "replayed"
    asked = ("--as-of", "2022-11-30", "--scheme", SCHEME, "--store", location, "--out", path)
    assert run("evidence", MERCHANT, *asked).exit_code == 0
    found, text = checked(path)
    assert (found["claimed"], found["retracted"]) == (None, None)
    assert "the moment was chosen by whoever made the file: nothing in the ledger binds it" in text
    found, text = checked(path, claim=announced.position)
    assert (found["decided_again"], found["retracted"]) == (None, retracted.position)
    assert f"what was claimed was RETRACTED at position {retracted.position}\n" in text and "was chosen by" in text


def test_a_pipe_is_no_file_of_evidence(dispute: Dispute, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found = run("verify-evidence", pipe, "--trust", dispute.trust)
    assert found.exit_code == 2
    assert f"{pipe} is no regular file, and evidence is read from one alone: copy it into a file" in found.stderr


def test_what_was_announced_and_does_not_come_out_is_accepted_and_said(dispute: Dispute) -> None:
    found = run("verify-evidence", dispute.announced, "--trust", dispute.trust, "--format", "json")
    assert found.exit_code == 1
    told = json.loads(found.stdout)
    assert told["accepted"] and not told["comes_out"]
    assert told["recomputed"]["outcome"] == "other_level"
    assert told["recomputed"]["claimed"] == {"record": "announcement", "period": "2022-10", "level": "bronze-9"}
    assert len(told["signed_by"]) == 2 and told["not_looked_at"] == []


def test_the_moment_of_a_file_is_told_and_is_one_that_a_ledger_could_answer_for(
    dispute: Dispute, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    asked = ("--as-of", "2022-11-30", "--position", dispute.position - 3)
    assert run("evidence", MERCHANT, *asked, "--store", dispute.location, "--out", made).exit_code == 0

    def told_of(**header: int) -> Result:
        first, rest = made.read_bytes().split(b"\n", 1)
        changed = json.dumps(json.loads(first) | header, sort_keys=True, separators=(",", ":")).encode()
        (tmp_path / "other").write_bytes(changed + b"\n" + rest)
        return run("verify-evidence", tmp_path / "other", "--trust", dispute.trust)

    found = told_of()
    assert found.exit_code == 0, found.output
    assert (
        f"\n    as of 2022-11-30T23:59:59.999999+08:00, known up to position {dispute.position - 3}\n" in found.stdout
    )
    late = told_of(as_of=parse_instant("9998-01-01T00:00:00Z"))
    assert late.exit_code == 2
    assert "points at 9998-01-01T08:00:00+08:00, which is in the future; it is" in late.stderr
    assert ": nothing was worked out; ask for a file of a moment that has come" in late.stderr
    early = told_of(position=0)
    assert (early.exit_code, "up to position 0 the file knows of no record: nothing was" in early.stderr) == (2, True)
    for never in (2**63 - 1, -(2**63), 10**30):
        refused = told_of(as_of=never)
        assert (refused.exit_code, f"as_of {never} is not in the years 1 to 9999" in refused.stdout) == (9, True)


def test_no_name_in_a_file_steers_the_terminal(dispute: Dispute, tmp_path: Path) -> None:
    name, dash = "w\x9b31m\u202e", "\u2014"
    line = f"{dash} {name} {b64encode(bytes(70)).decode()}\n".encode()
    whole = dispute.decided.read_bytes()
    lines = whole.replace(f"\n{dash} ".encode(), b"\n" + line + f"{dash} ".encode(), 1).splitlines(keepends=True)
    (tmp_path / "other").write_bytes(b"".join(lines[:-1]) + b'{"end":%d}\n' % (len(lines) - 1))
    found = run("verify-evidence", tmp_path / "other", "--trust", dispute.trust)
    assert found.exit_code == 0, found.output
    assert r"a signature of w\x9b31m\u202e+00000000, whom the trust file does not name" in found.stdout


def test_what_is_not_accepted_has_a_status_of_its_own(dispute: Dispute, tmp_path: Path) -> None:
    (tmp_path / "altered").write_bytes(dispute.decided.read_bytes().replace(b'"order":"', b'"order":"x', 1))
    found = run("verify-evidence", tmp_path / "altered", "--trust", dispute.trust)
    assert found.exit_code == 9
    assert found.stdout.splitlines()[-2].split()[:2] == ["FAILED", "keys"]
    told = run("verify-evidence", tmp_path / "altered", "--trust", dispute.trust, "--format", "json")
    assert (json.loads(told.stdout)["failed"], json.loads(told.stdout)["accepted"]) == ("keys", False)
    asked = run("replay", MERCHANT, "--evidence", tmp_path / "altered")
    assert asked.exit_code == 9 and "is not accepted: the check 'keys' failed" in asked.stderr
    missing = run("verify-evidence", tmp_path / "none", "--trust", dispute.trust)
    assert missing.exit_code == 3


@pytest.mark.parametrize(
    "words",
    [
        ("replay", MERCHANT, "--as-of", "2022-11-30"),
        ("explain", MERCHANT, "--as-of", "2022-11-30", "--lang", "zh"),
        ("history", MERCHANT, "--as-of", "2022-11-30"),
        ("diff", MERCHANT, "--as-of", "2022-11-30", "--position", "DECIDED"),
        ("appeal", MERCHANT, "--scheme", SCHEME, "--month", PERIOD),
        ("audit", "--subject", MERCHANT),
        ("events", MERCHANT, "--scheme", SCHEME, "--as-of", "2022-11-30"),
    ],
    ids=lambda words: words[0],
)
def test_commands_answer_out_of_evidence_as_out_of_the_ledger(dispute: Dispute, words: tuple[str, ...]) -> None:
    words = tuple(str(dispute.position - 2) if word == "DECIDED" else word for word in words)
    ledger = run(*words, "--format", "json", "--store", dispute.location)
    told = run(*words, "--format", "json", "--evidence", dispute.decided, "--trust", dispute.trust)
    assert (told.exit_code, told.stderr) == (ledger.exit_code, ledger.stderr)
    assert without_chain(told.stdout) == without_chain(ledger.stdout)
    assert len(told.stdout) > 500


def without_chain(text: str) -> str:
    """What evidence does not hold: the ledger's chain at each event."""
    return re.sub(r'"chain": "[0-9a-f]*"', "", text)


def test_the_moment_and_the_scheme_of_evidence_are_the_default(dispute: Dispute) -> None:
    found = json.loads(run("replay", MERCHANT, "--evidence", dispute.decided, "--format", "json").stdout)
    assert (found["scheme"], found["position"]) == (SCHEME, dispute.position - 2)
    assert found["as_of"].startswith("2022-11-30T23:59:59")
    tier = run("replay", MERCHANT, "--scheme", "merchant-tier", "--evidence", dispute.decided)
    assert tier.exit_code == 2
    assert "does not hold policy/merchant-tier whole, so that nothing is said of it; ask for" in tier.stderr
    other = run("replay", "merchant/other", "--evidence", dispute.decided)
    assert "does not hold merchant/other whole" in other.stderr
    lonely = run("replay", MERCHANT, "--trust", dispute.trust)
    assert lonely.stderr == "Error: --trust says whose signatures count on evidence; give --evidence FILE, too\n"
