"""A page opened in a person's browser, where a terminal is watched that has one."""

import os
import socket
import sys
import time
import webbrowser
from threading import Thread
from typing import Final

_PAUSE_SECONDS: Final = 0.1
_TRIES: Final = 300


def has_browser() -> bool:
    """Whether a person watches, at a desktop: over a plain remote line nothing should be opened."""
    watched = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    has_desktop = sys.platform in ("darwin", "win32") or not {"DISPLAY", "WAYLAND_DISPLAY"}.isdisjoint(os.environ)
    return watched and has_desktop


def open_when_served(address: str, port: int) -> None:
    """Open a page of this machine as soon as it is served; meanwhile and afterwards nobody waits for it."""

    def wait() -> None:
        for _ in range(_TRIES):
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", port)) == 0:
                    webbrowser.open(address)
                    return
            time.sleep(_PAUSE_SECONDS)

    Thread(target=wait, daemon=True).start()
