"""Output on terminals and pipes that are not UTF-8, and files that are UTF-8 whatever the locale."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import main
from tests.making import event, line, paid

ROOT = Path(__file__).parent.parent


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
    """A ledger whose texts need more than Latin-1, and lines of that kind that are refused."""
    path = tmp_path_factory.mktemp("terminal")
    made = [
        event("merchant.onboarded", "open", category="fresh"),
        paid("o-1", actor="客服😀é"),
        event("order.flagged", "flag", order="o-1", reason="fake_trade", case="案件-7"),
        event("order.received", "got", order="o-1"),
        event("review.posted", "rev", order="o-1", quality=5),
    ]
    (path / "events.jsonl").write_bytes(b"\n".join(map(line, made)))
    (path / "refused-店.jsonl").write_bytes('{"店": "é"}\n'.encode())
    os.environ.pop("LEVELBOOK_STORE", None)
    result = CliRunner().invoke(main, ["ingest", str(path / "events.jsonl"), "--store", str(path / "levelbook.db")])
    assert result.exit_code == 0, result.output
    return path


SUBJECT = "merchant/m-1"
COMMANDS = [
    ("replay", SUBJECT, "--lang", "zh"),
    ("explain", SUBJECT, "--lang", "zh"),
    ("explain", SUBJECT, "--lang", "zh", "--as-of", "2022-12-01", "--format", "json"),
    ("event", "urn:test", "pay-o-1"),
    ("event", "urn:test", "pay-o-1", "--format", "json"),
    ("events", SUBJECT),
    ("ingest", "refused-店.jsonl"),
    ("policies",),
]
ENCODINGS = {
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "c-locale": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
}


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:1] + words[2:]))
def test_no_command_fails_on_a_character_that_latin_1_lacks(folder: Path, words: tuple[str, ...]) -> None:
    done = run(folder, *words, **ENCODINGS["latin-1"])
    assert b"Traceback" not in done.stderr and done.returncode == (1 if words[0] == "ingest" else 0), done.stderr
    text = done.stdout.decode("latin-1")
    if words[-1] == "json":
        assert json.loads(text) == json.loads(run(folder, *words, PYTHONUTF8="1").stdout)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_encoding_ends_in_a_traceback(folder: Path, encoding: str) -> None:
    words = ("event", "urn:test", "pay-o-1")
    done = run(folder, *words, **ENCODINGS[encoding])
    assert done.returncode == 0 and done.stderr == b""
    refused = run(folder, "ingest", "refused-店.jsonl", **ENCODINGS[encoding])
    assert b"Traceback" not in refused.stderr and refused.returncode in (1, 2)


def test_what_is_replaced_can_be_read(folder: Path) -> None:
    done = run(folder, "event", "urn:test", "pay-o-1", **ENCODINGS["latin-1"])
    assert "\\u5ba2\\u670d\\ud83d\\ude00é" in done.stdout.decode("latin-1")


def test_a_page_for_a_pipe_that_is_not_utf_8_is_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    from projections import terminal

    page = "<p>客é</p>"
    assert terminal.as_page(page) == page
    with Path(os.devnull).open("w", encoding="latin-1") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert terminal.as_page(page) == "<p>&#23458;&#233;</p>"
        monkeypatch.undo()


def test_a_pipe_that_is_closed_stays_quiet(folder: Path) -> None:
    command = f"{sys.executable} -m cli policies --format json | head -1"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == (b"[\n", b"")


def test_files_are_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    """Python itself names every file that is opened in the encoding of the locale."""
    strict = {"PYTHONWARNDEFAULTENCODING": "1", "PYTHONWARNINGS": "error::EncodingWarning"}
    done = run(tmp_path, "demo", **strict, **ENCODINGS["c-locale"])
    assert done.returncode == 0, done.stderr
    (tmp_path / "bad.jsonl").write_bytes('{"店": "é"}\n'.encode())
    refused = run(tmp_path, "ingest", "bad.jsonl", "--rejects", "rejects.jsonl", **strict, **ENCODINGS["c-locale"])
    assert refused.returncode == 1, refused.stderr
    assert '{"店": "é"}' in (tmp_path / "rejects.jsonl").read_text("utf-8")
