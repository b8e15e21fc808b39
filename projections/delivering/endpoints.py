"""Endpoints: where changes of levels are sent, what may be sent there, and how far each is."""

import re
import secrets
from ipaddress import ip_address
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from projections.delivering.addresses import kind_of
from replay.errors import UsageError

WEBHOOK: Final = "webhook"
KAFKA: Final = "kafka"
URL_CHARS_MAX: Final = 2_000
_ID_BYTES: Final = 4
_PORTS: Final = {"http": 80, "https": 443}
_PORT_MAX: Final = 65_535
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
_BROKER: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")


class Endpoint(NamedTuple):
    """Where changes are sent."""

    id: str
    """Of chance, so that no later endpoint has the id of one that was removed."""
    kind: str
    url: str
    schemes: tuple[str, ...]
    """Only changes of these; of all where there is none."""
    allow_private: bool
    allow_http: bool
    ca_file: str | None
    """Authorities that its certificate may be of, in place of those that the machine trusts."""
    properties: str | None
    """A file of librdkafka's properties."""
    made_at: int

    @property
    def place(self) -> str:
        """What may be shown of the URL to whoever looks: its path or query may hold a secret of the receiver's."""
        if self.kind == KAFKA:
            return self.url
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}/{'…' if len(parts.path) > 1 or parts.query else ''}"


class Progress(NamedTuple):
    """How far an endpoint is. Instants are by the ledger's clock."""

    endpoint: str
    begun: int = 0
    """How often its feed began anew: views were made again from nothing."""
    feed: str | None = None
    """What its feed is called; None before the first look."""
    number: int = 0
    """The last change that arrived; -1 while it is not told yet that the feed begins anew."""
    delivered: int = 0
    delivered_at: int | None = None
    failures: int = 0
    """In a row."""
    failing_since: int | None = None
    due_at: int | None = None
    """When the next attempt may be made."""
    problem: str | None = None
    disabled_at: int | None = None

    @property
    def cursor(self) -> str | None:
        """Where its feed goes on."""
        return None if self.feed is None else f"{self.feed}.{max(self.number, 0)}"


class Delivery(NamedTuple):
    """An endpoint, and how far it is."""

    endpoint: Endpoint
    progress: Progress


class HttpTarget(NamedTuple):
    """The parts of a webhook's URL."""

    is_https: bool
    host: str
    port: int
    authority: str
    """What the header `Host` says."""
    path: str


class TopicTarget(NamedTuple):
    """The parts of a topic's URL."""

    brokers: str
    topic: str


def new_id() -> str:
    return secrets.token_hex(_ID_BYTES)


def new_endpoint(
    url: str,
    schemes: tuple[str, ...],
    *,
    allow_private: bool,
    allow_http: bool,
    ca_file: str | None,
    properties: str | None,
    made_at: int,
) -> Endpoint:
    """An endpoint of a URL. Raises UsageError for one that nothing can be sent to, or that is not allowed."""
    kind = KAFKA if url.startswith("kafka://") else WEBHOOK
    if not (1 <= len(url) <= URL_CHARS_MAX and url.isascii() and url.isprintable() and " " not in url):
        raise UsageError(
            f"the URL of an endpoint is of 1 to {URL_CHARS_MAX} ASCII characters without blanks; this one is not:"
            " write other letters as a URL has them (%E5%BA%97, xn--…)"
        )
    made = Endpoint(new_id(), kind, url, schemes, allow_private, allow_http, ca_file, properties, made_at)
    if kind == KAFKA:
        _check_topic(made)
    else:
        _check_webhook(made)
    return made


def http_target(url: str) -> HttpTarget:
    """The parts of a webhook's URL. Raises UsageError for what is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(
            f"the URL of an endpoint cannot be read: {error}; give one such as https://host/path"
        ) from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise UsageError(
            f"an endpoint cannot be of {_named(parts)}: give https://host/path, or kafka://broker:9092/topic"
        )
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise UsageError(
            "the URL of an endpoint has a user, a password or a fragment in it, which no request would bear;"
            " leave them out: receivers know a request by its signature"
        )
    if port == 0:
        raise UsageError("the URL of an endpoint has port 0, on which nobody listens; give the receiver's, or none")
    path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    return HttpTarget(parts.scheme == "https", parts.hostname, port or _PORTS[parts.scheme], parts.netloc, path)


def topic_target(url: str) -> TopicTarget:
    """The parts of a topic's URL, `kafka://broker:port,broker:port/topic`. Raises UsageError for what is none."""
    brokers, _, topic = url.removeprefix("kafka://").partition("/")
    if not all(_is_broker(broker) for broker in brokers.split(",")) or not _TOPIC.fullmatch(topic):
        raise UsageError(
            "the URL of a topic has another form: give kafka://broker:9092/topic, several brokers with a comma between"
            " them; what else Kafka needs stands in the file of --properties"
        )
    return TopicTarget(brokers, topic)


def _is_broker(text: str) -> bool:
    return _BROKER.fullmatch(text) is not None and 1 <= int(text.rpartition(":")[2]) <= _PORT_MAX


def _named(parts: SplitResult) -> str:
    return f"{parts.scheme}://" if parts.scheme else "a URL without scheme"


def _check_webhook(made: Endpoint) -> None:
    target = http_target(made.url)
    if made.properties is not None:
        raise UsageError("--properties is of topics; leave it out for a webhook")
    if not target.is_https and not made.allow_http:
        raise UsageError(
            "a webhook by http:// is read and altered by whoever is between; give https://, or --allow-http where"
            " nobody is"
        )
    if not target.is_https and made.ca_file is not None:
        raise UsageError("--ca-file is of https; a webhook by http:// shows no certificate")
    try:
        kind = kind_of(str(ip_address(target.host)))
    except ValueError:
        return  # a name, which is resolved whenever something is sent
    if kind is not None and not (made.allow_private and kind in ("private", "loopback")):
        raise UsageError(
            f"{target.host} is {kind}: nothing is sent there; give an address of the public network"
            + (", or --allow-private" if kind in ("private", "loopback") else "")
        )


def _check_topic(made: Endpoint) -> None:
    topic_target(made.url)
    if len(made.schemes) != 1:
        raise UsageError(
            "a topic holds the levels of one scheme, for its key is the subject, and compacting would leave one level"
            " of each; give --scheme once, and a topic to each scheme"
        )
    if made.ca_file is not None or made.allow_http or made.allow_private:
        raise UsageError(
            "--ca-file, --allow-http and --allow-private are of webhooks; what a topic needs stands in the file of"
            " --properties"
        )
