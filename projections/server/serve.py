"""Starting the service: its processes, where it listens, and its end."""

import gc
import logging
import multiprocessing
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import click

from projections.http.settings import Settings, check_settings, host_name
from projections.http.token_store import open_keeping
from projections.schemes.registry import check_views_whole
from projections.views.database import open_views
from projections.views.definitions import check_definitions, check_ledger_definitions
from projections.views.location import has_views
from replay.errors import LevelbookError, StoreError, UsageError
from replay.passing_folders import passing_folder
from replay.store.base.store import Store
from replay.store.location import masked
from replay.store.opening import open_store
from replay.tracing import check as check_tracing

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

LOGGING: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr", "formatter": "plain"}},
    "loggers": {
        "_granian": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "levelbook": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
}
LOSS_BYTES_MAX: Final = 2_000
STOP_SECONDS: Final = 10
"""How long answers under way may take when the service is stopped."""
HEAD_BYTES_MAX: Final = 65_536
FILES_BESIDE: Final = 256
"""Files that a process opens beside its connections: databases, of each thread its own, and what it is made of."""
ENDED_SECONDS: Final = 60
ENDED_MAX: Final = 20
"""Processes that ended by themselves are replaced, but not when so many did within that time."""


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises UsageError or StoreError where that cannot begin, LevelbookError for a scheme whose view is not whole.
    """
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels
    from granian.server import Server

    check_settings(settings)
    if settings.otel:
        check_tracing()
    check_views_whole()
    with open_store(settings.store) as store:
        name = masked(store.location)
        _check_definitions(store)
        _check_kept(store, settings)
    check_free(settings.host, settings.port)
    losses: list[str] = []
    heard, teller = multiprocessing.Pipe(duplex=False)
    stopping = multiprocessing.RawValue("b", 0)  # without a lock, which a process that is killed would keep

    class Stopped(Server):  # type: ignore[misc, valid-type]
        """Tells streams, which have no end of their own, when the service is to stop; replaces processes that ended."""

        ended: tuple[float, ...] = ()

        def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
            stopping.value = 1
            super().signal_handler_interrupt(*args, **kwargs)

        def _respawn_workers(self, workers: Any, *args: Any, **kwargs: Any) -> None:
            super()._respawn_workers(workers, *args, **kwargs)
            at = monotonic()
            self.ended = (*(then for then in self.ended if then > at - ENDED_SECONDS), *(at for _ in workers))
            if len(self.ended) < ENDED_MAX:
                self.respawned_wrks.clear()  # else granian takes the second end within seconds for the last

    server = Stopped(
        "levelbook",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        websockets=False,
        # One protocol, whose connections can be bounded: waiting for which it is to be, granian waits for ever.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=round(settings.head_seconds * 1_000), max_buffer_size=HEAD_BYTES_MAX
        ),
        backpressure=_room_for(settings.connections),
        log_level=LogLevels.warning,
        log_dictconfig=LOGGING,
        workers_kill_timeout=STOP_SECONDS,
        ssl_cert=settings.tls_certificate,
        ssl_key=settings.tls_key,
        respawn_failed_workers=True,
    )
    logging.getLogger("levelbook").setLevel(logging.INFO)
    server.on_startup(partial(_tell, settings, name))
    Thread(target=_end_when_lost, args=(heard, losses, server.signal_handler_interrupt), daemon=True).start()
    loader = partial(_application, settings, partial(_is_set, stopping), partial(_tell_loss, teller))
    with _measuring_together(settings.workers):
        try:
            server.serve(target_loader=loader, wrap_loader=False)
        except SystemExit:
            if not stopping.value:
                raise StoreError(
                    f"the processes of the service ended {len(server.ended)} times within {ENDED_SECONDS} s: too often"
                    " to go on; what stands above says why, or the system's log, where it ended them for want of memory"
                ) from None
    if losses:
        raise StoreError(
            f"the service ends, for its ledger could not be read for {settings.lost_seconds} s: {losses[0]};"
            " bring it back, then start the service again"
        )


def _end_when_lost(heard: "Connection", losses: list[str], end: Callable[[], None]) -> None:
    """Wait in the first process until one that answers tells of a loss; then end the service."""
    try:
        why = heard.recv_bytes()
    except EOFError:  # the service ends as it should: nobody is left to report a loss
        return
    losses.append(why.decode("utf-8", "replace"))
    end()


def _tell_loss(teller: "Connection", why: str) -> None:
    """Short enough to be written at once: processes that tell together do not mix their words."""
    teller.send_bytes(why.encode()[:LOSS_BYTES_MAX])


def _check_definitions(store: Store) -> None:
    """Raises StoreError where somebody has put something between readers and what they read.

    Views that cannot be opened for other reasons are for those to hear of who ask for them.
    """
    if store.held is not None:  # made just now, without what guards a ledger
        return
    check_ledger_definitions(store)
    if not has_views(store):
        return
    try:
        views = open_views(store, only_read=True)
    except LevelbookError:
        return
    with views:
        check_definitions(views)


def _check_kept(store: Store, settings: Settings) -> None:
    """Raises StoreError or UsageError where who may ask could not be found out, or something could swallow accesses.

    Where nobody has to show a token, levels are served although nothing can be written down; a line on stderr says so.
    """
    try:
        opened = open_keeping(store)
    except StoreError as error:
        if settings.needs_token:
            raise
        click.echo(
            f"explanations and decisions are not answered, for who asks cannot be written down: {error}", err=True
        )
        return
    with opened as keeping:
        keeping.check_definitions()
        if settings.needs_token and all(token.revoked_at is not None for token in keeping.tokens()):
            raise UsageError(
                "whoever asks must show a token, beyond 127.0.0.1 always, and there is none yet;"
                " 'levelbook token new' makes one"
            )


@contextmanager
def _measuring_together(workers: int) -> Iterator[None]:
    """A folder in which several processes add up what they measure; one needs none."""
    if workers == 1:
        yield
        return
    with passing_folder() as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        try:
            yield
        finally:
            del os.environ["PROMETHEUS_MULTIPROC_DIR"]


def _application(settings: Settings, is_stopping: Callable[[], bool], lost: Callable[[str], None]) -> Any:
    """Loaded by each worker for itself; one that is stopped meanwhile ends at once, it has nobody to answer yet."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Told before now, it took that by the handler of the first process, as a copy of which it begins.
    if is_stopping():
        os._exit(0)
    _end_with_parent()
    from projections.server.app import application

    made = application(settings, is_stopping, lost)
    gc.collect()
    gc.freeze()  # what was imported stays: looking through it again and again would hold up answers
    return made


def _is_set(flag: Any) -> bool:
    return bool(flag.value)


def _end_with_parent() -> None:
    """A process of the service does not outlive the first one, however that ended: it would keep the port."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(StoreError.exit_status)

    Thread(target=wait, daemon=True).start()


def _room_for(connections: int) -> int:
    """How many connections each process may hold: as many as were asked for, or files may be opened."""
    wanted = connections + FILES_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    may = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (may, hard))
    if may < wanted:
        room = max(may - FILES_BESIDE, 1)
        click.echo(f"a process may open {may} files: it holds {room} connections, not {connections}", err=True)
        return room
    return connections


def check_free(host: str, port: int) -> None:
    """Raises StoreError where another program listens already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            place = f"{host_name(host)}:{port}"
            raise StoreError(
                f"the service cannot listen on {place}: {error.strerror}; give another --host or --port"
            ) from None


def _tell(settings: Settings, store: str) -> None:
    scheme = "http" if settings.tls_certificate is None else "https"
    place = f"{scheme}://{host_name(settings.host)}:{settings.port}{settings.prefix}/"
    click.echo(f"Levelbook serves {store} at {place} (Ctrl-C ends it)", err=True)
