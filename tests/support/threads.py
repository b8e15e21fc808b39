"""What another process does, done by a thread of this one."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, Pipe
from threading import Thread

from replay.processes import Serve


@contextmanager
def second_thread(serve: Serve) -> Iterator[Connection]:
    """As `second_core`, in this process, which sees what a test has changed."""
    ours, theirs = Pipe()

    def run() -> None:
        with suppress(EOFError, OSError), theirs:
            serve(theirs)

    thread = Thread(target=run)
    thread.start()
    try:
        yield ours
    finally:
        ours.close()
        thread.join()


@contextmanager
def ended_at_once(_: Serve) -> Iterator[Connection]:
    """As `second_core`, of a process that ends before it was told anything."""
    ours, theirs = Pipe()
    theirs.close()
    yield ours
    ours.close()
