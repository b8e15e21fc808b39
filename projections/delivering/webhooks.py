"""Sending a webhook: one request for each message, over a connection to an address that was looked at.

The connection is made here and handed to the standard library's HTTP, which then knows no other way to anywhere: no
proxy, no redirect, no second resolving. Of an answer the status alone is read for its meaning, the rest no further
than is needed to use the connection again.
"""

import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse
from select import POLLIN, poll
from threading import Timer
from time import monotonic
from typing import Final, NamedTuple

from domain.version import PROGRAM_VERSION
from projections.delivering.addresses import Resolve, chosen, resolved
from projections.delivering.attempts import retry_after_micros
from projections.delivering.endpoints import Endpoint, http_target
from projections.delivering.messages import Message
from projections.delivering.sending import Sent
from projections.delivering.signing import signatures

ANSWER_BYTES_MAX: Final = 65_536
GONE: Final = 410


class Patience(NamedTuple):
    """How long a receiver may take, in seconds."""

    connect: float = 5
    answer: float = 15
    """Between two pieces of its answer."""
    whole: float = 30
    """For everything, the connection included."""
    kept: float = 60
    """So long a connection is used again before the name is resolved anew."""


PATIENCE: Final = Patience()
_BROKEN: Final = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""How a connection breaks before any of an answer has come."""


class WebhookSender:
    """Sends to one webhook, from one thread; keeps a connection between two messages."""

    at_once = 1

    def __init__(self, endpoint: Endpoint, resolve: Resolve = resolved, patience: Patience = PATIENCE) -> None:
        self._endpoint, self._resolve, self._patience = endpoint, resolve, patience
        self._target = http_target(endpoint.url)
        self._connection: HTTPConnection | None = None
        self._made_at = 0.0
        self._turn = 0
        """Which of several addresses the next connection is made to."""

    def send(self, messages: Sequence[Message], secrets: Sequence[str], now: int) -> Sent:
        """Send one message; it arrived when the answer is of the kind 2xx."""
        (message,) = messages
        try:
            return self._posted(message, secrets, now)
        except Exception as error:  # what a receiver writes, or does, is a failure of this endpoint alone
            self.close()
            self._turn += 1
            return Sent(problem=_told(error))

    def tried(self, message: Message, secrets: Sequence[str], now: int) -> Sent:
        """Send a message that is of no level."""
        return self.send((message,), secrets, now)

    def close(self) -> None:
        """Let the connection go; the next message makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _posted(self, message: Message, secrets: Sequence[str], now: int) -> Sent:
        if self._connection is not None and (
            monotonic() - self._made_at > self._patience.kept or not _is_at_rest(self._connection.sock)
        ):
            self.close()
        with _Cut(self._patience.whole) as cut:
            if self._connection is not None:
                try:
                    return self._exchanged(cut, message, secrets, now)
                except _BROKEN:  # closed while it was at rest: the request has met nobody, and is made once anew
                    self.close()
                    cut.check()
            problem = self._connect(cut)
            if problem is not None:
                return Sent(problem=problem)
            return self._exchanged(cut, message, secrets, now)

    def _exchanged(self, cut: "_Cut", message: Message, secrets: Sequence[str], now: int) -> Sent:
        """Send a message over the connection, and take its answer."""
        connection = self._connection
        assert connection is not None
        cut.watch(connection.sock)
        at_s, body = now // 1_000_000, message.body
        headers = {
            "Host": self._target.authority,
            "Content-Type": "application/json",
            "User-Agent": f"levelbook/{PROGRAM_VERSION}",
            "webhook-id": message.id,
            "webhook-timestamp": str(at_s),
            "webhook-signature": signatures(secrets, message.id, at_s, body),
        }
        connection.request("POST", self._target.path, body, headers)
        with connection.getresponse() as answer:
            cut.check()  # a head that was cut off is none, though it began well
            found = _meaning(answer, now)
            if not _is_read(answer):
                self.close()
        if found.problem is not None:
            self._turn += 1
        return found

    def _connect(self, cut: "_Cut") -> str | None:
        """Make the connection. Gives why none may be made; raises OSError where none can be."""
        target, endpoint = self._target, self._endpoint
        found = chosen(target.host, target.port, self._resolve, allow_private=endpoint.allow_private)
        if found.problem is not None:
            return found.problem
        context = None
        if target.is_https:
            try:
                context = ssl.create_default_context(cafile=endpoint.ca_file)
            except OSError as error:
                return f"the authorities in {endpoint.ca_file} cannot be read: {error.strerror}"
        address = found.addresses[self._turn % len(found.addresses)]
        made = socket.create_connection((address, target.port), self._patience.connect)
        try:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.settimeout(self._patience.answer)
            if context is not None:
                made = context.wrap_socket(made, server_hostname=target.host, do_handshake_on_connect=False)
                cut.watch(made)
                made.do_handshake()
        except BaseException:
            made.close()
            raise
        connection = HTTPConnection(target.host, target.port)
        connection.auto_open = 0  # it would resolve the name by itself
        connection.sock = made
        self._connection, self._made_at = connection, monotonic()
        return None


def _is_at_rest(connection: socket.socket) -> bool:
    """Whether nothing has come over a connection, not even its end."""
    looked = poll()
    looked.register(connection, POLLIN)
    return not looked.poll(0)


class _Cut:
    """Ends a connection when its time is over, however slowly something still comes."""

    def __init__(self, seconds: float) -> None:
        self._watched: socket.socket | None = None
        self._is_over = False
        self._timer = Timer(seconds, self._end)
        self._timer.daemon = True

    def watch(self, connection: socket.socket) -> None:
        self._watched = connection
        self.check()

    def check(self) -> None:
        """Raises TimeoutError once the time is over."""
        if self._is_over:
            raise TimeoutError

    def _end(self) -> None:
        self._is_over = True
        if self._watched is not None:
            with suppress(OSError):
                self._watched.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "_Cut":
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._timer.cancel()
        if self._is_over and error is not None:
            raise TimeoutError from error


def _meaning(answer: HTTPResponse, now: int) -> Sent:
    if 200 <= answer.status < 300:
        return Sent(arrived=1)
    asked = retry_after_micros(answer.headers.get("Retry-After"), now)
    redirects = ", which leads elsewhere: redirects are not followed" if 300 <= answer.status < 400 else ""
    return Sent(0, f"the endpoint answered {answer.status}{redirects}", answer.status == GONE, asked)


def _is_read(answer: HTTPResponse) -> bool:
    """Read no more of an answer than may be; whether that was all of it, and the connection can be used again."""
    try:
        answer.read(ANSWER_BYTES_MAX)
    except Exception:
        return False  # its status has come
    return answer.isclosed() and not answer.will_close


def _told(error: Exception) -> str:
    """What kept a message from arriving, without anything that the receiver wrote."""
    if isinstance(error, TimeoutError):
        return "the endpoint took too long"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of the endpoint is not accepted: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return f"the endpoint cannot be reached: {error.strerror}"
    return f"the endpoint broke off ({type(error).__name__})"
