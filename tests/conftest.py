"""Stores to test on: every test that asks for `location` runs on SQLite and on a real PostgreSQL."""

import os
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from projections.configuration.settings import language_of_locale
from projections.configuration.settings import settings as settings_of_the_program
from replay.sealing.keys import NEXT_VARIABLE, SIGNING_VARIABLE
from replay.store.base.store import RECORDS_VARIABLE, Store
from replay.store.buyers import KEY_VARIABLE
from replay.store.opening import create_store, open_store
from tests.support.pace import Pace
from tests.support.servers import in_memory, outlive_no_power_cut, postgres

SOAK = int(os.environ.get("LEVELBOOK_SOAK", "1"))
"""How many times as much the random tests do; `make soak` sets it."""
KEY = "5a" * 32

if (_memory := in_memory(programs=True)) is not None:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_memory))  # where pytest makes the folders of `tmp_path`

if language_of_locale(os.environ) != "en":
    os.environ["LC_ALL"] = "C.UTF-8"  # no test answers in the language of whoever runs it

settings.register_profile(
    "levelbook",
    max_examples=100 * SOAK,
    deadline=None,
    derandomize=SOAK == 1,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("levelbook")
_numbers = count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Where the slow tests are left out, what is left must be quick."""
    if config.option.markexpr == "not slow":
        config.pluginmanager.register(Pace())


@pytest.fixture(scope="session")
def nobodys_settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for XDG_CONFIG_HOME that holds no settings."""
    return tmp_path_factory.mktemp("settings")


@pytest.fixture(autouse=True)
def nobodys_ledger(nobodys_settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may reach the ledger or use the key and settings that whoever runs the tests has in the environment."""
    for setting in settings_of_the_program().values():
        if setting.key != "cache":
            monkeypatch.delenv(setting.variable, raising=False)
    monkeypatch.delenv("LEVELBOOK_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(nobodys_settings))
    for variable in (KEY_VARIABLE, SIGNING_VARIABLE, NEXT_VARIABLE, RECORDS_VARIABLE):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL server of this session's own."""
    with postgres() as server:
        outlive_no_power_cut(server.get_uri())
        yield server.get_uri()


@pytest.fixture
def postgres_location(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty database, dropped afterwards."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        # From template0, to which nobody can be connected: vacuuming template1 would refuse it on a busy machine.
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
    yield postgres_server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store may be made: a path, or the URL of an empty database."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    url: str = request.getfixturevalue("postgres_location")
    return url


def by_turns(seeds: Iterable[int]) -> list[Any]:
    """Values of `location` and `seed`: seeds on either database by turns, where SQL is not the point of a law.

    `make soak` tries each on both.
    """
    both = (("sqlite", ()), ("postgres", (pytest.mark.postgres,)))
    return [
        pytest.param(database, seed, marks=marks)
        for number, seed in enumerate(seeds)
        for database, marks in (both if SOAK > 1 else both[number % 2 :][:1])
    ]


@pytest.fixture
def store(location: str) -> Iterator[Store]:
    """An empty store."""
    create_store(location)
    with open_store(location) as opened:
        yield opened
