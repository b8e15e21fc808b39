"""Completion: what a shell is given to choose from, by click's own way and in the shells themselves."""

import os
import pty
import re
import select
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.shell_completion import CompletionItem, ShellComplete
from click.testing import CliRunner

from cli import main
from projections.commands.asking.completing import SUBJECTS_MAX
from projections.commands.asking.options import COMPLETE_VARIABLE
from projections.terminal.shells import ANSWER_SECONDS, PLACES, ColonsInBash
from replay.store.opening import create_store, open_store
from tests.support.commands import commands
from tests.support.making import event, ingest_events, paid

BIN = Path(sys.executable).parent
COMMANDS = dict(commands())


def completed(*words: str) -> list[str]:
    """What is offered for the last word."""
    found = ShellComplete(main, {}, "levelbook", COMPLETE_VARIABLE).get_completions(list(words[:-1]), words[-1])
    return [item.value for item in found]


@pytest.fixture
def ledger(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A ledger of four subjects, named by LEVELBOOK_STORE; the working folder is empty."""
    create_store(location)
    subjects = ("merchant/tea-house", "merchant/tea-stall", "creator/lin", "mcn/harbour")
    with open_store(location) as store:
        made = [paid(f"o-{n}", subject=subject) for n, subject in enumerate(subjects[:2])]
        made += [event("creator.registered", "lin", subject=subjects[2])]
        made += [event("mcn.onboarded", "harbour", subject=subjects[3])]
        assert ingest_events(store, made, tmp_path)[0].recorded == 4
    monkeypatch.setenv("LEVELBOOK_STORE", location)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    return location


def test_commands_and_options_are_offered() -> None:
    assert completed("re") == ["rebuild", "receipts", "refute", "replay", "restore", "retry"]
    assert completed("token", "") == ["list", "new", "revoke"]
    assert completed("serve", "--tls") == ["--tls-certificate", "--tls-key", "--tls-by-proxy"]
    assert completed("replay", "--lang", "") == ["en", "zh"]
    assert completed("completion", "") == list(PLACES)


@pytest.mark.parametrize("name", [name for name, found in COMMANDS.items() if not isinstance(found, click.Group)])
def test_every_argument_and_option_can_be_asked_about(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    in_one_form = (
        "demo",
        "asyncapi",
        "openapi",
        "grants",
        "serve",
        "completion",
        "receipts",
        "refute",
        "convert",
        "map new",
        "shard prove",
    )
    has_one_form = name in in_one_form or name.startswith("witness ")
    assert f"--{'help' if has_one_form else 'format'}" in completed(*name.split(), "--")
    for option in COMMANDS[name].params:
        if isinstance(option, click.Option) and not option.is_flag:
            completed(*name.split(), option.opts[0], "")
    completed(*name.split(), "")
    assert list(tmp_path.iterdir()) == []


def test_schemes_policies_months_and_others_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"merchant-reputation", "merchant-tier"} <= set(completed("replay", "--scheme", "mer"))
    assert "leaderboard" in completed("decide", "") and "leaderboard" not in completed("rebuild", "")
    assert completed("policies", "--scheme", "merchant-rep") == ["merchant-reputation"]
    assert "2022-10-26" in completed("replay", "--scheme", "merchant-reputation", "--policy", "")
    assert "2022-10-26" not in completed("replay", "--scheme", "creator-level", "--policy", "")
    assert completed("rules", "creator-l") == ["creator-level"]
    assert completed("rules", "creator-level", "--against", "") == ["2022-07-19", "2021"]
    months = completed("decide", "merchant-reputation", "--period", "")
    assert len(months) == 24 and months == sorted(months, reverse=True)
    assert all(re.fullmatch(r"20\d\d-(0[1-9]|1[012])", month) for month in months)
    assert "order.paid" in completed("events", "merchant/m", "--type", "order.")
    assert completed("subjects", "m") == ["merchant", "mcn"]
    assert completed("leaderboard", "") == ["comprehensive", "growth"]


def test_subjects_come_from_the_ledger(ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ("replay", "explain", "history", "diff", "decided", "appeal", "events", "retry", "accesses"):
        assert completed(command, "merchant/tea-s") == ["merchant/tea-stall"], command
    assert completed("replay", "m") == ["merchant/tea-house", "merchant/tea-stall", "mcn/harbour"]
    assert completed("audit", "--subject", "creator/") == ["creator/lin"]
    assert completed("replay", "merchant/tea-house", "--store", "nowhere.db", "x") == []
    monkeypatch.delenv("LEVELBOOK_STORE")
    assert completed("replay", "m") == []
    assert completed("replay", "--store", ledger, "mcn") == ["mcn/harbour"]
    settings = tmp_path / "settings.toml"
    settings.write_text(f"store = '{ledger}'\n", "utf-8")
    assert completed("replay", "--config", str(settings), "mcn") == ["mcn/harbour"]
    assert list(Path.cwd().iterdir()) == []


def test_of_many_subjects_the_first_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid(f"o-{n}", subject=f"merchant/m-{n:03d}") for n in range(120)], tmp_path)
    monkeypatch.setenv("LEVELBOOK_STORE", location)
    assert completed("replay", "") == [f"merchant/m-{n:03d}" for n in range(SUBJECTS_MAX)]
    assert completed("replay", "merchant/m-11") == [f"merchant/m-{n:03d}" for n in range(110, 120)]


def asked(shell: str, words: str, at: int, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a script of a shell would get from the command."""
    return subprocess.run(
        [BIN / "levelbook"],
        env=os.environ
        | {COMPLETE_VARIABLE: f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("what", ["a store of rubbish", "settings of rubbish", "a word of rubbish", "no store"])
def test_nothing_is_told_of_what_fails(what: str, tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish"
    rubbish.write_bytes(b"\xff rubbish")
    about = {"a store of rubbish": "LEVELBOOK_STORE", "settings of rubbish": "LEVELBOOK_CONFIG"}.get(what)
    store = {about: str(rubbish)} if about else {"LEVELBOOK_STORE": str(tmp_path / "none.db")}
    word = "\udcff" if what == "a word of rubbish" else "mer"
    done = asked("bash", f"levelbook replay {word}", 2, **store)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


@pytest.mark.slow
def test_a_database_that_does_not_answer_holds_up_no_prompt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/db"
        begun = time.monotonic()
        done = asked("bash", "levelbook replay mer", 2, LEVELBOOK_STORE=url)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
    assert time.monotonic() - begun < ANSWER_SECONDS + 5


def test_bash_takes_no_word_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    bash = ColonsInBash(main, {}, "levelbook", COMPLETE_VARIABLE)
    for pieces, at, expected in (
        ("levelbook replay --as-of 2022-11-30T12 : 00 mer", 6, (["replay", "--as-of", "2022-11-30T12:00"], "mer")),
        (
            "levelbook replay --store postgresql : //jo@host : 1/db ",
            8,
            (["replay", "--store", "postgresql://jo@host:1/db"], ""),
        ),
        ("levelbook event urn : demo :", 5, (["event"], "urn:demo:")),
        ("levelbook event", 2, (["event"], "")),
        ("levelbook", 1, ([], "")),
    ):
        monkeypatch.setenv("COMP_WORDS", pieces)
        monkeypatch.setenv("COMP_CWORD", str(at))
        assert bash.get_completion_args() == expected
    monkeypatch.setenv("COMP_WORDS", "levelbook event urn : de")
    monkeypatch.setenv("COMP_CWORD", "4")
    bash.get_completion_args()
    assert bash.format_completion(CompletionItem("urn:demo")) == "plain,demo"


IN_SHELL = {
    "bash": """source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _levelbook_completion levelbook; printf '%s\\n' "${COMPREPLY[@]}" """,
    "zsh": """script=$1; shift
        compdef() { }
        compadd() { print -rl -- "${(@P)argv[-1]}" }
        _describe() { print -rl -- "${(@P)3}" }
        source $script; words=("$@"); CURRENT=$#; _levelbook_completion""",
    "fish": """source $argv[1]; complete --do-complete (string join -- ' ' $argv[2..])""",
}
"""By shell, a program that loads a script and completes the last of the words that follow."""


def in_shell(shell: str, script: Path, *words: str) -> list[str]:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here; 'make shells' installs it where there is apt")
    plain = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    before = ["--"] if shell == "fish" else ["name"]
    done = subprocess.run(
        [program, *plain, "-c", IN_SHELL[shell], *before, str(script), "levelbook", *words],
        env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(script.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return [re.split(r"[:\t]", line)[0] for line in done.stdout.splitlines() if line]


@pytest.mark.slow
@pytest.mark.parametrize("shell", PLACES)
def test_a_shell_completes_by_the_script_that_is_printed_for_it(shell: str, ledger: str, tmp_path: Path) -> None:
    printed = CliRunner().invoke(main, ["completion", shell])
    assert printed.exit_code == 0 and f"# Put this into {PLACES[shell]}.\n" in printed.output
    assert shell != "zsh" or printed.output.startswith("#compdef levelbook\n")
    script = tmp_path / "script"
    script.write_text(printed.output)
    assert in_shell(shell, script, "re") == ["rebuild", "receipts", "refute", "replay", "restore", "retry"]
    assert in_shell(shell, script, "replay", "merchant/tea-") == ["merchant/tea-house", "merchant/tea-stall"]
    assert in_shell(shell, script, "replay", "merchant/tea-house", "--sch") == ["--scheme"]
    assert in_shell(shell, script, "replay", "x", "--scheme", "merchant-r") == ["merchant-reputation"]


def test_who_types_in_bash_gets_the_word(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(CliRunner().invoke(main, ["completion", "bash"]).output)
    ours, theirs = pty.openpty()
    environment = os.environ | {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TERM": "dumb",
        "PS1": "> ",
    }
    command = ["bash", "--norc", "--noprofile", "-i"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as bash:
        os.close(theirs)
        os.write(ours, f"source {script}\nlevelbook expl\t".encode())
        seen, until = b"", time.monotonic() + 30
        while b"levelbook explain " not in seen and time.monotonic() < until:
            if select.select([ours], [], [], 1)[0]:
                seen += os.read(ours, 4096)
        bash.kill()
    os.close(ours)
    assert b"levelbook explain " in seen
