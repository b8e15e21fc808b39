"""Starting the service: its processes, where it listens, and its end."""

import logging
import socket
from functools import partial
from typing import Any, Final

import click

from projections.service.settings import Settings, check_names, host_name
from replay.errors import StoreError
from replay.store import masked, open_store

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
STOP_SECONDS: Final = 10
"""How long answers under way may take when the service is stopped."""


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises UsageError or StoreError where that cannot begin."""
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    check_names(settings)
    with open_store(settings.store) as store:
        name = masked(store.location)
    _check_free(settings)
    server = Server(
        "levelbook",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        websockets=False,
        log_level=LogLevels.warning,
        log_dictconfig=LOGGING,
        workers_kill_timeout=STOP_SECONDS,
        respawn_failed_workers=True,
    )
    logging.getLogger("levelbook").setLevel(logging.INFO)
    server.on_startup(partial(_tell, settings, name))
    server.serve(target_loader=partial(_application, settings), wrap_loader=False)


def _application(settings: Settings) -> Any:
    """Loaded by each worker for itself."""
    from projections.service.app import application

    return application(settings)


def _check_free(settings: Settings) -> None:
    """Raises StoreError where another program listens already."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((settings.host, settings.port))
        except OSError as error:
            place = f"{host_name(settings.host)}:{settings.port}"
            raise StoreError(
                f"the service cannot listen on {place}: {error.strerror}; give another --host or --port"
            ) from None


def _tell(settings: Settings, store: str) -> None:
    place = f"http://{host_name(settings.host)}:{settings.port}/"
    click.echo(f"Levelbook serves {store} at {place} (Ctrl-C ends it)", err=True)
