"""The compiled loops that are kept are loaded beside other work: whoever asks for a large subject finds them."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Final

from replay.columnar.jit import NotKept, is_at_hand, kept_alone

END_SECONDS: Final = 5
"""How long the end of a process waits for what is being loaded: one scheme's loops, and the compiler itself."""
_TURN_SECONDS: Final = 0.0005
"""While both work: who reads often hands the interpreter over, and would wait ten times as long to get it back."""
_USUAL_TURN_SECONDS: Final = sys.getswitchinterval()


@contextmanager
def loaded_beside(load: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Loops that are kept are loaded by a thread in the block, which reads meanwhile, and are loaded at its end.

    Gives what waits for them, and compiles those that are not kept: never the thread, for an interrupt must end that.
    """
    from replay.processes import begun  # no replay of few records needs what it imports

    if not is_at_hand():
        yield load
        return

    def load_kept() -> None:
        with suppress(NotKept), kept_alone():
            load()

    def wait() -> None:
        loading.result()
        load()

    sys.setswitchinterval(_TURN_SECONDS)
    loading = begun(load_kept)
    try:
        yield wait
    finally:
        try:
            loading.result()
        finally:
            sys.setswitchinterval(_USUAL_TURN_SECONDS)


class Loading:
    """Loads in a thread of its own until it is ended. What a class of its kind says decides whether, and what then."""

    def __init__(self, after_seconds: float = 0) -> None:
        self._after_seconds = after_seconds
        self._ended = Event()
        self.is_over = Event()
        """Whether everything is loaded that will be."""
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join(END_SECONDS)

    def _work(self) -> None:
        try:
            if not self._ended.wait(self._after_seconds) and self.is_wanted():
                self._load()
        finally:
            self.is_over.set()

    def is_wanted(self) -> bool:
        """Whether anything is to be loaded, asked in the thread."""
        return True

    def loaded(self) -> None:
        """What is done once everything is loaded."""

    def _load(self) -> None:
        from replay.schemes.warming import load_kept

        for _ in load_kept():
            if self._ended.is_set():
                return
        self.loaded()
