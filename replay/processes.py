"""Using the machine well in bulk work: a second process or thread, and few searches for reference cycles."""

import gc
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from threading import Thread
from typing import Final, TypeVar

NEW_OBJECTS_BEFORE_SEARCH: Final = 200_000
Made = TypeVar("Made")
Serve = Callable[[Connection], None]
"""What the second process does with its end of the connection; a function of a module."""


@contextmanager
def second_core(serve: Serve) -> Iterator[Connection]:
    """Our end of a connection to a process that runs `serve`.

    It is ended with the block, and ends by itself (EOFError at its connection) when this process dies,
    however that comes about.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(serve, theirs), daemon=True)
    # Interrupts are blocked in the child from its first instruction on: the first process is the one that
    # is interrupted. The library's tracker is started before, because starting it unblocks them again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.terminate()
        process.join()


def begun(work: Callable[[], Made]) -> "Future[Made]":
    """What `work` will give or raise, begun in a thread now: for what a database does by itself.

    Nobody waits for it who does not ask for its result: whoever interrupts the process ends it.
    """
    found: Future[Made] = Future()

    def run() -> None:
        try:
            found.set_result(work())
        except BaseException as error:
            found.set_exception(error)

    Thread(target=run, daemon=True).start()
    return found


@contextmanager
def rare_cycle_search() -> Iterator[None]:
    """Searches for reference cycles only after very many new objects.

    Bulk work makes millions of tuples, which are searched in vain; refused lines do leave cycles
    behind (exceptions and their frames), which must go before they fill the memory.
    """
    before = gc.get_threshold()
    gc.set_threshold(NEW_OBJECTS_BEFORE_SEARCH, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _run(serve: Serve, connection: Connection) -> None:
    try:
        with rare_cycle_search():
            serve(connection)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
