"""A cluster for the tests of this room, on which each has topics and groups of its own."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.support.brokers import Brokers, cluster

_numbers = count(1)


@pytest.fixture(scope="session")
def brokers() -> Iterator[Brokers]:
    with cluster() as found:
        yield found


@pytest.fixture
def topic(brokers: Brokers) -> str:
    """A topic of two partitions."""
    name = f"orders-{next(_numbers)}"
    brokers.topic(name, 2)
    return name


@pytest.fixture
def properties(tmp_path: Path) -> Path:
    """So that a member that was killed is soon forgotten."""
    path = tmp_path / "client.properties"
    path.write_text("# soon\n\nsession.timeout.ms = 4000\nheartbeat.interval.ms=300\n")
    path.chmod(0o600)
    return path
