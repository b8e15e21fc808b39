"""Output on terminals and pipes that are not UTF-8, and files that are UTF-8 whatever the locale."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli import main
from replay.policies.catalog import shipped
from tests import ROOT
from tests.support.commands import commands
from tests.support.making import event, line, paid
from tests.support.policies import toml_of
from tests.worlds.merchant_reputation import with_values


def run(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A command as a process of its own, in an environment that says how it writes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    return subprocess.run(
        [sys.executable, "-m", "cli", *words],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger whose texts need more than Latin-1, with views, and lines of that kind that are refused."""
    path = tmp_path_factory.mktemp("terminal")
    made = [
        event("merchant.onboarded", "open", category="fresh"),
        paid("o-1", actor="客服😀é"),
        event("order.flagged", "flag", order="o-1", reason="fake_trade", case="案件-7"),
        event("order.received", "got", order="o-1"),
        event("review.posted", "rev", order="o-1", quality=5),
        event("mcn.onboarded", "join", subject="mcn/a"),
    ]
    (path / "events.jsonl").write_bytes(b"\n".join(map(line, made)))
    (path / "refused-店.jsonl").write_bytes('{"店": "é"}\n'.encode())
    (path / "店").mkdir()
    (path / "店" / "客").touch()
    shutil.copy(ROOT / "fixtures" / "errors" / "candidate.toml", path)
    (path / "店.toml").write_text('scheme = "店"\n', "utf-8")
    (path / "店-map.toml").write_text(MAP, "utf-8")
    (path / "店.csv").write_text("号,店\n1,m-1\n客,m-1\n", "utf-8")
    (policy,) = shipped("merchant-reputation")
    toml_of(with_values(policy, amount_fen_min=100_000), path / "2022-10-26.toml")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LEVELBOOK_STORE", raising=False)
        patch.chdir(path)
        for words in (["ingest", "events.jsonl"], ["rebuild", "--sample", "1"]):
            result = CliRunner().invoke(main, words)
            assert result.exit_code == 0, result.output
    return path


MAP = """format = "csv"
source = "urn:test"
zone = "Asia/Shanghai"
[[event]]
type = "merchant.closed"
subject = "merchant/{店}"
id = "{号}"
time = "2022-11-01 10:00"
"""
SUBJECT = "merchant/m-1"
ASKED: dict[str, list[tuple[str, ...]]] = {
    "ingest": [
        ("refused-店.jsonl",),
        ("events.jsonl", "--format", "json"),
        ("店.jsonl",),
        ("refused-店.jsonl", "--lang", "zh"),
    ],
    "convert": [("店-map.toml", "店.csv"), ("店-map.toml", "没有.csv"), ("店.toml", "店.csv", "--lang", "zh")],
    "consume": [
        ("--servers", "127.0.0.1:9", "--topic", "店", "--map", "没有.toml"),
        ("--servers", "127.0.0.1:9", "--topic", "店", "--properties", "没有.properties", "--lang", "zh"),
    ],
    "map new": [("店.csv",), ("没有.csv",)],
    "map check": [
        ("店-map.toml", "店.csv", "--lang", "zh"),
        ("店-map.toml", "店.csv", "--format", "json"),
        ("店.toml",),
    ],
    "doctor": [("--lang", "zh"), ("--store", "店.db"), ("--format", "json")],
    "verify": [(), ("--lang", "zh"), ("--workers", "3")],
    "seal": [(), ("--lang", "zh")],
    "shard plan": [("--of", "2"), ("--of", "4", "--lang", "zh"), ("--of", "3")],
    "shard make": [("店-{encoding}.shards", "--of", "2"), ("店", "--of", "2", "--lang", "zh")],
    "shard key": [("店-{encoding}.shards",), ("没有.shards",)],
    "shard checkpoint": [("店-{encoding}.shards",), ("店-{encoding}.shards", "--lang", "zh")],
    "shard prove": [("店-{encoding}.shards", "0"), ("没有.shards", "1")],
    "shard check": [("店-{encoding}.shards",), ("没有.shards", "--lang", "zh")],
    "archive": [("--dry-run",), ("--into", "店", "--lang", "zh")],
    "head": [()],
    "backup": [("店-{encoding}.db",), ("店-zh-{encoding}.db", "--lang", "zh"), ("--to", "店-{encoding}")],
    "grants": [("--writer", "w"), ("--writer", "店")],
    "upgrade": [("--dry-run",), ("--dry-run", "--lang", "zh"), ("--dry-run", "--format", "json")],
    "restore": [("店", "--into", "店-{encoding}.new.db"), ("events.jsonl", "--into", "x", "--lang", "zh")],
    "erase-buyer": [("店", "--reason", "客户要求"), ("--due", "--lang", "zh")],
    "events": [(SUBJECT,), (SUBJECT, "--scheme", "merchant-reputation", "--format", "json")],
    "event": [("urn:test", "pay-o-1"), ("urn:test", "pay-o-1", "--format", "json"), ("urn:test", "店")],
    "find": [("--order", "店"), ("--case", "店", "--lang", "zh"), ("--id", "pay-o-1", "--format", "json"), ()],
    "subjects": [()],
    "status": [(), ("--store", "店.db"), ("--lang", "zh")],
    "worklist": [
        ("changed", "--lang", "zh"),
        ("totals", "--lang", "zh"),
        ("distribution",),
        ("differing", "--format", "json"),
    ],
    "rebuild": [
        ("--dry-run",),
        ("--dry-run", "--lang", "zh"),
        ("--policies", "店"),
        ("--into", "店-{encoding}", "--lang", "zh"),
        ("--into", "店-{encoding}", "--format", "json"),
    ],
    "follow": [("--once",)],
    "export": [
        ("levels", "--to", "店-{encoding}"),
        ("--to", "店-{encoding}", "--lang", "zh"),
        ("店", "--to", "店-{encoding}"),
        ("--to", "店-{encoding}", "--format", "json"),
    ],
    "serve": [("--tls-certificate", "店.pem")],  # refused: otherwise it serves until it is stopped
    "token new": [("--name", "店", "--scope", "levels:read")],
    "token list": [(), ("--lang", "zh")],
    "token revoke": [("99",)],
    "accesses": [(), ("--lang", "zh")],
    "deliver add": [
        ("https://店.example/",),
        ("https://receiver.example/{encoding}",),
        ("https://receiver.example/zh-{encoding}", "--lang", "zh", "--scheme", "merchant-tier"),
        ("http://127.0.0.1:1/{encoding}", "--allow-private", "--allow-http", "--format", "json"),
    ],
    "deliver list": [(), ("--lang", "zh"), ("--format", "json")],
    "deliver status": [(), ("--lang", "zh"), ("--format", "json")],
    "deliver test": [("店",)],
    "deliver enable": [("店",)],
    "deliver rotate": [("店",)],
    "deliver remove": [("店", "--lang", "zh")],
    "deliver run": [("--give-up-days", "0", "--lang", "zh")],  # refused: otherwise it waits for names to be resolved
    "retry": [(SUBJECT,), ("--lang", "zh")],
    "replay": [(SUBJECT, "--lang", "zh"), ("mcn/a", "--lang", "zh", "--format", "json")],
    "explain": [(SUBJECT, "--lang", "zh"), (SUBJECT, "--lang", "zh", "--format", "json")],
    "history": [(SUBJECT, "--lang", "zh"), (SUBJECT, "--chart"), (SUBJECT, "--plot", "店-{encoding}.svg")],
    "diff": [(SUBJECT, "--as-of", "2022-11-30", "--to-as-of", "2022-12-30", "--lang", "zh")],
    "what-if": [
        (SUBJECT, "--as-of", "2022-12-01", "--to", "2023-01-31", "--lang", "zh"),
        (SUBJECT, "--events", "没有.jsonl"),
    ],
    "ways": [(SUBJECT, "--lang", "zh"), (SUBJECT, "--events-of", "9")],
    "decide": [("merchant-reputation", "--period", "2022-11"), ("店", "--period", "2022-11")],
    "decided": [(SUBJECT,)],
    "audit": [()],
    "appeal": [
        (SUBJECT, "--scheme", "merchant-reputation", "--month", "2022-11", "--lang", "zh", "--format", form)
        for form in ("text", "json", "html")
    ],
    "evidence": [(SUBJECT, "--as-of", "2022-11-30", "--lang", "zh")],
    "verify-evidence": [("店", "--trust", "店.toml", "--lang", "zh")],
    "refute": [("店.evidence", "店.jsonl", "--trust", "店.txt")],
    "receipts": [("店.jsonl",), ("events.jsonl", "--lang", "zh")],
    "key new": [()],
    "key show": [(), ("--format", "json")],
    "key rotate": [("--reason", "钥匙换了"), ("--lost", "--reason", "钥匙丢了", "--format", "json")],
    "checkpoint": [(), ("--format", "json")],
    "witness new": [("店", "--name", "店")],
    "witness keys": [("店",)],
    "witness add": [("店", "请求", "--trust", "店.txt")],
    "witness request": [()],
    "witness serve": [("没有", "--trust", "店.txt")],  # refused, as above: there is no such witness
    "witness collect": [("答复", "--trust", "店.txt")],
    "rules": [("--lang", "zh"), ("creator-level", "--lang", "zh", "--against", "2021"), ("店",), ("--format", "json")],
    "policies": [(), ("--format", "json")],
    "policy check": [("店.toml",)],
    "policy sweep": [
        ("店.toml", "--set", "x=1..2"),
        ("candidate.toml", "--set", "levels.firefly-2.from_points=90..110:10", "--lang", "zh"),
    ],
    "policy shadow start": [("店.toml",), ("candidate.toml",), ("candidate.toml", "--lang", "zh")],
    "policy shadow status": [(), ("--lang", "zh"), ("--format", "json")],
    "policy shadow stop": [(), ("--lang", "zh")],
    "policy adopt": [("2022-10-26",), ("2022-10-26", "--lang", "zh"), ("店.toml",)],
    "policy try": [
        ("2022-10-26.toml", "--from", "2022-11", "--to", "2022-11", "--hindsight"),
        ("2022-10-26.toml", "--lang", "zh", "--workers", "2"),
        ("2022-10-26.toml", "--format", "json"),
        ("店.toml",),
    ],
    "leaderboard": [("comprehensive", "--month", "2023-05"), ("店", "--month", "2023-05")],
    "answers": [(), ("events",)],
    "asyncapi": [()],
    "openapi": [()],
    "completion": [("bash",), ("zsh",), ("fish",)],
    "config": [("--store", "店.db"), ("--lang", "zh"), ("--format", "json"), ("--config", "店.toml")],
    "demo": [("--folder", "店")],  # refused: the folder holds other things; told whole below, in ASCII
}
"""By command, what it is asked: something that needs more than Latin-1, where it shows such a thing."""
IN_LATIN_1 = set("é±·«»×¥")


def test_every_command_is_asked() -> None:
    assert {name for name, found in commands() if not isinstance(found, click.Group)} == set(ASKED)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("command", ASKED)
def test_no_command_fails_or_writes_what_the_stream_cannot_hold(
    command: str, encoding: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("LEVELBOOK_STORE", raising=False)
    runner = CliRunner(charset=encoding)
    for words in [*ASKED[command], ("--help",)]:
        asked = [*command.split(), *(word.format(encoding=encoding) for word in words)]
        done = runner.invoke(main, asked)
        assert isinstance(done.exception, SystemExit | None) and done.exit_code in (0, 1, 2), (asked, done.exc_info)
        told = done.output_bytes.decode(encoding)
        assert {letter for letter in told if not letter.isascii()} <= IN_LATIN_1, asked
        assert told or words in [(), ("--once",)], asked
        if words[-1:] == ("json",):
            assert json.loads(done.stdout_bytes.decode(encoding)) is not None


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_is_replaced_can_be_read(encoding: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("LEVELBOOK_STORE", raising=False)
    asked = ["event", "urn:test", "pay-o-1"]
    shown = CliRunner(charset=encoding).invoke(main, asked).stdout_bytes.decode(encoding)
    last = "é" if encoding == "latin-1" else "\\u00e9"
    assert f"\\u5ba2\\u670d\\ud83d\\ude00{last}" in shown
    asked = ["explain", SUBJECT, "--lang", "zh", "--as-of", "2022-12-01", "--format", "json"]
    shown, whole = (
        CliRunner(charset=name).invoke(main, asked).stdout_bytes.decode(name) for name in (encoding, "utf-8")
    )
    assert "案件-7" not in shown and json.loads(shown) == json.loads(whole) and "案件-7" in whole


ASCII = {"PYTHONIOENCODING": "ascii"}
C_LOCALE = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def test_a_stream_that_says_ascii_gets_ascii(folder: Path) -> None:
    """click takes such a stream for a mistake, and would write UTF-8 to it."""
    done = run(folder, "event", "urn:test", "pay-o-1", **ASCII)
    assert done.returncode == 0 and done.stderr == b""
    assert b"\\u5ba2\\u670d" in done.stdout and done.stdout.isascii()


def test_a_page_for_a_pipe_that_is_not_utf_8_is_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    from projections.terminal import streams

    page = "<p>客é</p>"
    assert streams.as_page(page) == page
    with Path(os.devnull).open("w", encoding="latin-1") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert streams.as_page(page) == "<p>&#23458;&#233;</p>"
        monkeypatch.undo()


def test_a_pipe_that_is_closed_stays_quiet(folder: Path) -> None:
    command = f"{sys.executable} -m cli policies --format json | head -1"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == (b"[\n", b"")


@pytest.mark.slow
def test_files_are_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    """Python itself names every file that is opened in the encoding of the locale."""
    strict = {"PYTHONWARNDEFAULTENCODING": "1", "PYTHONWARNINGS": "error::EncodingWarning"}
    done = run(tmp_path, "demo", **strict, **C_LOCALE)
    assert done.returncode == 0 and done.stdout.isascii() and done.stderr.isascii(), done.stderr
    (tmp_path / "bad.jsonl").write_bytes('{"店": "é"}\n'.encode())
    refused = run(tmp_path, "ingest", "bad.jsonl", "--rejects", "rejects.jsonl", **strict, **C_LOCALE)
    assert refused.returncode == 1, refused.stderr
    assert '{"店": "é"}' in (tmp_path / "rejects.jsonl").read_text("utf-8")
