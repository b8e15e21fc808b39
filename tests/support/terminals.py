"""A program of Python as it writes to terminals."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from threading import Thread
from typing import NamedTuple

from tests import ROOT


class Seen(NamedTuple):
    stdout: str
    stderr: str


def on_terminal(program: str, *, stdout: bool, stderr: bool, width: int = 40, **environment: str) -> Seen:
    """What Python code writes where standard output and error are terminals, or pipes."""
    ends = [pty.openpty() if is_terminal else os.pipe() for is_terminal in (stdout, stderr)]
    for (ours, _), is_terminal in zip(ends, (stdout, stderr), strict=True):
        if is_terminal:
            fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    seen: list[bytes] = [b"", b""]

    def listen(at: int) -> None:
        try:
            while piece := os.read(ends[at][0], 65536):
                seen[at] += piece
        except OSError:  # a terminal that nobody writes to any longer
            pass

    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=kept | {"TERM": "xterm"} | environment,
        stdout=ends[0][1],
        stderr=ends[1][1],
    )
    for _, theirs in ends:
        os.close(theirs)
    listeners = [Thread(target=listen, args=(at,)) for at in range(2)]
    for listener in listeners:
        listener.start()
    assert process.wait(timeout=60) == 0, seen
    for listener, (ours, _) in zip(listeners, ends, strict=True):
        listener.join()
        os.close(ours)
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    return Seen(*(told.decode(encoding).replace("\r\n", "\n") for told in seen))
