"""How a service was asked to run, and whether that is safe to do."""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NamedTuple

from starlette.types import Scope

from projections.http.tls import check_tls
from replay.errors import UsageError
from replay.objects.naming import FilesPlace

LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
READY_LAG_SECONDS: Final = 60
LOST_SECONDS: Final = 60
"""A ledger that is away for longer than a failover or restart of its database takes is lost."""
PREFIX: Final = r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*"
REPLAY_EVENTS: Final = 1_000_000


class Settings(NamedTuple):
    """What every process of a service is given."""

    store: str
    host: str = "127.0.0.1"
    port: int = 8020
    workers: int = 1
    names: tuple[str, ...] = ()
    """Further names that a request's Host may bear."""
    token_required: bool = False
    ready_lag_seconds: int = READY_LAG_SECONDS
    """How far the views may lie behind before the service says that it is not ready."""

    connections: int = 4_000
    """Connections that each process holds open at a time."""
    head_seconds: float = 15
    """How long the head of a request may take to come, and a connection stay open without one."""
    body_seconds: float = 10
    take_seconds: float = 60
    """How long a piece of a long answer may wait to be taken."""
    replay_events: int = REPLAY_EVENTS
    """On how many events the replays of one process may rest at a time, about 1 KB each."""

    lost_seconds: float = LOST_SECONDS
    """For how long the ledger may be away before the service ends."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_by_proxy: bool = False
    """Whether a proxy before the service ends TLS, so that browsers see https where the service sees http."""

    segments: FilesPlace | None = None
    """Where the sealed segments lie, if not beside the store."""
    candidates: Path | None = None
    """Where candidate policies and reports of trials lie, if not beside the store."""
    otel: bool = False
    """Whether spans of requests are exported."""
    prefix: str = ""
    """What stands before every path where a proxy shares its name with others, such as "/levels"."""

    @property
    def is_https(self) -> bool:
        """Whether browsers reach the service by https."""
        return self.tls_by_proxy or self.tls_certificate is not None

    @property
    def needs_token(self) -> bool:
        """Whether a caller must show a token: always beyond loopback."""
        return self.token_required or not is_loopback(self.host)

    @property
    def hosts(self) -> frozenset[str]:
        """The names by which this service may be asked, without port."""
        here = LOOPBACK_NAMES if is_loopback(self.host) else ()
        return frozenset(name.lower() for name in (*here, host_name(self.host), *self.names))


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def host_name(host: str) -> str:
    """An address as it stands in a Host header."""
    return f"[{host}]" if ":" in host else host


def check_settings(settings: Settings) -> None:
    """Raises UsageError for an address that stands for all, with no name by which it is asked, for half of TLS or files
    that do not serve it, and for a prefix of another form.
    """
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise UsageError("--tls-certificate and --tls-key belong together; give both, or neither")
    if settings.tls_certificate is not None and settings.tls_key is not None:
        check_tls(settings.tls_certificate, settings.tls_key)
    if not re.fullmatch(PREFIX, settings.prefix):
        raise UsageError(
            f"--prefix {settings.prefix!r} has another form; give a path that begins with '/' and does not end with it,"
            " of letters, digits, '.', '_' and '-', such as /levels"
        )
    try:
        for_all = ip_address(settings.host).is_unspecified
    except ValueError:
        return
    if for_all and not settings.names:
        raise UsageError(
            f"--host {settings.host} listens everywhere, so that the name by which the service is asked must be told;"
            " give it with --name, once for each"
        )


def prefix_of(scope: Scope) -> str:
    """What every link of this service begins with; empty where it stands at the root of its name."""
    found: str = scope.get("root_path", "")
    return found
