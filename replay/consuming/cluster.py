"""The brokers: who they are, how one connects, and what their errors mean. Imports the client where it is there."""

import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Final, NamedTuple

from replay.errors import LevelbookError, UsageError
from replay.extras import KAFKA, need

OURS_ALWAYS: Final = {
    "bootstrap.servers": "--servers, or the address of a topic",
    "metadata.broker.list": "--servers, or the address of a topic",
    "transactional.id": "nobody: nothing is sent in a transaction",
    "plugin.library.paths": "nobody: no library is loaded by a file of properties",
}
"""Properties that no file can set, by each of their names, and what settles them."""
OURS: Final = {
    **OURS_ALWAYS,
    "group.id": "--group",
    "auto.offset.reset": "--from-beginning, and what is said when messages are gone",
    "enable.auto.commit": "what is recorded: offsets follow it",
    "enable.auto.offset.store": "what is recorded: offsets follow it",
    "enable.partition.eof": "--once",
    "partition.assignment.strategy": "how partitions are taken over here",
    "group.protocol": "how partitions are taken over here",
    "isolation.level": "what is read: messages of transactions that were not committed never are",
}
"""Those that a file cannot set for whoever consumes."""
_LINE: Final = re.compile(r"\s*([a-z0-9._]+)\s*=\s*(.*?)\s*")
_REFUSING: Final = (
    "_AUTHENTICATION",
    "_SSL",
    "SASL_AUTHENTICATION_FAILED",
    "UNSUPPORTED_SASL_MECHANISM",
    "ILLEGAL_SASL_STATE",
    "TOPIC_AUTHORIZATION_FAILED",
    "GROUP_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
    "INVALID_GROUP_ID",
    "FENCED_INSTANCE_ID",
)
_PASSING: Final = (
    "LEADER_NOT_AVAILABLE",
    "NOT_LEADER_FOR_PARTITION",
    "BROKER_NOT_AVAILABLE",
    "REPLICA_NOT_AVAILABLE",
    "FENCED_LEADER_EPOCH",
    "UNKNOWN_LEADER_EPOCH",
    "OFFSET_NOT_AVAILABLE",
    "KAFKA_STORAGE_ERROR",
    "REQUEST_TIMED_OUT",
    "NETWORK_EXCEPTION",
    "REBALANCE_IN_PROGRESS",
    "COORDINATOR_LOAD_IN_PROGRESS",
    "COORDINATOR_NOT_AVAILABLE",
    "NOT_COORDINATOR",
    "UNSTABLE_OFFSET_COMMIT",
)
"""What brokers answer while they change their places; the client asks again."""
_AWAY: Final = ("_ALL_BROKERS_DOWN", "_TRANSPORT", "_RESOLVE", "_TIMED_OUT", "_TIMED_OUT_QUEUE", "_WAIT_COORD")


class BrokerError(LevelbookError):
    """The brokers refuse what is asked of them, or have lost what was to be consumed."""

    exit_status: ClassVar[int] = 3


class Cluster(NamedTuple):
    """Brokers, and how to connect to them."""

    servers: str
    properties: Mapping[str, str]
    """As the client's library names them: security.protocol, sasl.username."""

    def configuration(self, on_error: Callable[[Any], None], **own: Any) -> dict[str, Any]:
        """For a client of the library, which logs nothing by itself."""
        quiet = logging.getLogger("levelbook.kafka")
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False
        named = {name.replace("_", "."): value for name, value in own.items()}
        return {**self.properties, "bootstrap.servers": self.servers, "error_cb": on_error, "logger": quiet, **named}


def client() -> ModuleType:
    """The client's library. Raises NotInstalled."""
    need([KAFKA], "reading topics of Kafka")
    import confluent_kafka

    found: ModuleType = confluent_kafka
    return found


def read_properties(path: Path | None, ours: Mapping[str, str] = OURS) -> dict[str, str]:
    """The properties in a file, one NAME=VALUE a line, `#` before remarks; none of `ours`. Raises UsageError."""
    if path is None:
        return {}
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"the properties {path} cannot be read: {why}; name a file of NAME=VALUE lines") from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise UsageError(f"{path}:{number}: is no property; write NAME=VALUE, as in security.protocol=SASL_SSL")
        if (settled := ours.get(match[1])) is not None:
            raise UsageError(f"{path}:{number}: {match[1]} cannot be set there; it is settled by {settled}")
        found[match[1]] = match[2]
    return found


def is_refusal(error: Any) -> bool:
    """Whether the brokers refuse, so that waiting would change nothing."""
    return _is_one_of(error, _REFUSING) or bool(error.fatal())


def is_away(error: Any) -> bool:
    """Whether no broker can be reached now."""
    return _is_one_of(error, _AWAY)


def is_passing(error: Any) -> bool:
    """Whether asking again is all that it takes."""
    return is_away(error) or _is_one_of(error, _PASSING)


def _is_one_of(error: Any, names: tuple[str, ...]) -> bool:
    kinds = client().KafkaError
    return error.code() in {getattr(kinds, name) for name in names}


def refused_by_brokers(error: Any) -> BrokerError:
    return BrokerError(
        f"the brokers refuse: {error.str()}; mend the rights, or the properties of the client, and start again: what"
        " was acknowledged is recorded"
    )
