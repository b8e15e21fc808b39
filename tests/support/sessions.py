"""Sessions of the documents: what a page shows at a prompt, run in one shell, held against what it prints.

A session is an indented block whose commands begin with `$ `; `> ` goes on with a command, and blank lines may stand
in what it prints. There `…` stands for what differs from run to run, and alone on a line for any number of lines. A
command that ends with `&` is waited for until it listens; of one that ends with `<TAB>` bash completes the last word.
"""

import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

MARK: Final = "== end of a command =="
SHOWN_PORT: Final = "8020"
TIMEOUT_SECONDS: Final = 300
# The clock of a session is ahead by this: what a page shows must hold in later months, too.
AHEAD_SECONDS: Final = 45 * 24 * 3600
_LATER: Final = f"""\
import time
_read, _read_ns = time.time, time.time_ns
time.time = lambda: _read() + {AHEAD_SECONDS}
time.time_ns = lambda: _read_ns() + {AHEAD_SECONDS} * 10**9
"""
_OUTPUT: Final = r"(?:    (?!\$ ).*\n|\n+(?=    (?!\$ )))*"
_SHOWN: Final = re.compile(rf"^    \$ (.*(?:\n    >.*)*)\n({_OUTPUT})", re.MULTILINE)
_NOT_RUN: Final = ("source .venv/bin/activate",)


class Shown(NamedTuple):
    """A command, and what a page says that it prints."""

    command: str
    output: str


def shown_in(page: Path) -> list[Shown]:
    found = _SHOWN.findall(page.read_text("utf-8"))
    return [
        Shown(re.sub(r"\n    > ?", "\n", command), re.sub(r"(?m)^    ", "", output))
        for command, output in found
        if command not in _NOT_RUN
    ]


def fits(output: str, printed: str) -> bool:
    parts = [".*" if line == "…" else re.escape(line).replace("…", r"[^\n]*") for line in output.splitlines()]
    kept = "\n".join(line.rstrip() for line in printed.splitlines())
    return re.fullmatch("\n".join(parts), kept, re.DOTALL) is not None


def run(shown: list[Shown], folder: Path) -> list[str]:
    """What each command of a session prints, on both streams; the last may have stopped the session."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    script = ["trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT"]
    for command, _ in shown:
        script += [_runnable(command.replace(SHOWN_PORT, port), port), f"__s=$?; echo; echo '{MARK}'; (exit $__s)"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LEVELBOOK_")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    with TemporaryDirectory() as clock:
        (Path(clock) / "sitecustomize.py").write_text(_LATER)
        done = subprocess.run(
            ["bash", "-c", "\n".join(script)],
            cwd=folder,
            env=environment
            | {"LC_ALL": "C.UTF-8", "COLUMNS": "160", "XDG_CONFIG_HOME": str(folder), "PYTHONPATH": clock},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    return [part.replace(port, SHOWN_PORT) for part in done.stdout.split(f"\n{MARK}\n")[:-1]]


def _runnable(command: str, port: str) -> str:
    if command.endswith("<TAB>"):
        words = shlex.quote(command.removesuffix("<TAB>"))
        asked = f"COMP_WORDS={words} COMP_CWORD={len(command.split()) - 1} _LEVELBOOK_COMPLETE=bash_complete levelbook"
        return f"{asked} | sed 's/^plain,//' | paste -sd ' ' | sed 's/ /  /g'"
    if not command.endswith(" &"):
        return command
    listening = f"for _ in $(seq 200); do (: < /dev/tcp/127.0.0.1/{port}) 2>/dev/null && break; sleep 0.1; done"
    return f"{{ {command[:-2]}; }} >/dev/null 2>&1 &\n{listening}"
