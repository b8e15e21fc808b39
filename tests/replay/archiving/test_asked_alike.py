"""Whatever is asked of the records of a store is answered alike before and after their rows left, wherever the cut."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from domain.events import CATALOGUE
from replay.archiving.limit import archive_limit
from replay.errors import LevelbookError
from replay.recording.own import own_source
from replay.store import queries
from replay.store.base.store import Store
from replay.store.buyers import KEY_VARIABLE
from replay.store.leaving import rows as leaving
from replay.store.opening import open_store
from replay.store.reading.asked import BEFORE_ALL, EVERYTHING, Asked
from replay.store.reading.readable import Readable
from replay.store.reading.row import Row
from replay.store.searching import across, records
from tests.conftest import KEY, SOAK, by_turns
from tests.support.archived import alike_names, archived, contents, made, small_segments
from tests.support.running import run
from tests.worlds.ledgers import SCHEMES

QUESTIONS: Final = 300
ALIKE: Final = (1, 2)
"""Of every four ledgers, one on each database, those in which nearly all that is found by a name is of others."""
DECIDED: Final = "merchant-reputation"
CALLS: Final = 8
"""Of each function, with other arguments each."""


class Chance:
    """What may be asked of a ledger: mostly of what is in it, or near it."""

    def __init__(self, seed: int, store: Store) -> None:
        self._random, self.rows = Random(seed), list(map(Row._make, contents(store)))
        self.own, self.head = own_source(store), len(self.rows)

    def row(self) -> Row:
        return self._random.choice(self.rows)

    def with_ref(self) -> Row:
        return self._random.choice([row for row in self.rows if row.ref is not None])

    def of(self, *values: Any) -> Any:
        return self._random.choice(values)

    def some(self, one: Callable[[], Any], most: int = 6) -> list[Any]:
        """Some values, each once."""
        return list({one(): None for _ in range(self._random.randint(1, most))})

    def position(self) -> int:
        return self._random.randint(1, self.head)

    def bound(self) -> int:
        """A position, or one before the first or behind the last."""
        return self._random.choice([self.position()] * 9 + [-3, 0, self.head + 4])

    def stream(self) -> str:
        return self._random.choice([self.row().stream] * 9 + ["merchant/none"])

    def decided(self) -> str:
        """A stream with decisions."""
        return self._random.choice([row.stream for row in self.rows if row.type == "level.decided"])

    def version(self) -> int:
        return self._random.randint(0, 60)

    def ref(self) -> str:
        return self._random.choice([self.with_ref().ref or ""] * 9 + ["none"])

    def pair(self) -> tuple[str, str]:
        row = self.with_ref()
        return self._random.choice([(row.stream, row.ref or "")] * 5 + [(self.stream(), self.ref())])

    def name(self) -> tuple[str, str]:
        row = self.row()
        return self._random.choice(
            [(row.source, row.event_id)] * 5 + [("urn:none", row.event_id), (row.source, "none")]
        )

    def full_name(self) -> tuple[str, str, str]:
        row = self.row()
        return self._random.choice([(row.stream, row.source, row.event_id)] * 5 + [(self.stream(), *self.name())])

    def retracted(self) -> tuple[str, str, str]:
        row = self._random.choice([row for row in self.rows if row.type == "event.retracted"])
        source, _, event_id = (row.ref or "").partition(" ")
        return row.stream, source, event_id

    def type(self) -> str:
        return self._random.choice([self.row().type] * 3 + sorted(CATALOGUE))

    def instant(self) -> int:
        return self.row().occurred_at + self._random.choice((0, 0, 1, -1))

    def scheme(self) -> str:
        return self._random.choice([DECIDED] * 3 + [*SCHEMES])

    def creator(self) -> str:
        return f"c-{self._random.randint(1, 5)}"

    def text(self) -> str:
        """Before, between or behind the names of streams."""
        return self._random.choice([self.stream()] * 3 + ["", "creator/", "merchant/", "n", "zz"])

    def limit(self) -> int:
        return self._random.choice((1, 2, 5, 40, 1_000))

    def asked(self) -> Asked:
        """A question with some of its parts."""

        def maybe(one: Callable[[], Any], otherwise: Any = None, chance: float = 0.3) -> Any:
            return one() if self._random.random() < chance else otherwise

        return Asked(
            stream=maybe(self.stream, chance=0.6),
            after=maybe(self.bound, BEFORE_ALL),
            last=maybe(self.bound, EVERYTHING),
            versions=maybe(lambda: (self.version(), self.of(self.version(), EVERYTHING))),
            types=maybe(lambda: self.some(self.type)),
            times=maybe(lambda: (self.of(BEFORE_ALL, self.instant()), self.of(EVERYTHING, self.instant()))),
            refs=maybe(lambda: self.some(self.ref)),
            name=maybe(self.name, chance=0.1),
            latest_first=self.of(True, False),
            limit=maybe(self.limit),
        )

    def question(self) -> tuple[str, Asked]:
        """Columns, and of which records. The chain of one that left is told only to who walks through the ledger."""
        asked = self.asked()
        return self.columns(tuple(name for name in Row._fields if asked.is_walk or name != "chain")), asked

    def columns(self, names: tuple[str, ...]) -> str:
        """Some columns in any order; where the record is one of them, the position, too."""
        found = self._random.sample(names, self._random.randint(1, len(names)))
        return ", ".join(found if "position" in found or "record" not in found else [*found, "position"])


@pytest.fixture
def folder(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the records of the store go, in small segments."""
    small_segments(monkeypatch)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    return tmp_path / "ledger.db.records"


def decided(location: str, tmp_path: Path, seed: int) -> None:
    """A random ledger with decisions in several schemes, on several periods."""
    made(location, tmp_path, seed, 320)
    for scheme, month in (
        ("merchant-reputation", "2022-11"),
        ("merchant-reputation", "2022-12"),
        ("mcn-level", "2022-11"),
    ):
        run("decide", scheme, "--month", month, "--store", location)
    run("checkpoint", "--store", location)


def cuts(location: str, folder: Path, seed: int) -> Iterator[Store]:
    """The store after each of some cuts at random; the last one is over all that is sealed."""
    random = Random(seed)
    with open_store(location) as store:
        last = archive_limit(store).last
    for below in (*sorted(random.sample(range(2, last), 3)), last + 1):
        with open_store(location) as store:
            archived(store, folder, below)
            assert store.left is not None and store.left.up_to() == below - 1
        with open_store(location) as store:
            yield store


# --- any question -----------------------------------------------------------------------------------------------------


def answer(readable: Readable, columns: str, asked: Asked) -> list[tuple[Any, ...]]:
    """In its order, where one is promised: where times are asked for, none is."""
    found = [tuple(row) for row in readable._records(columns, asked)]
    return found if asked.times is None else sorted(found, key=repr)


def check(readable: Readable, columns: str, asked: Asked, whole: list[tuple[Any, ...]]) -> None:
    """`whole` is the answer without a limit."""
    found = answer(readable, columns, asked)
    if asked.times is None:
        assert found == whole[: asked.limit], (columns, asked)
        return
    assert len(found) == min(len(whole), EVERYTHING if asked.limit is None else asked.limit), (columns, asked)
    assert all(row in whole for row in found), (columns, asked)


@pytest.mark.slow
@pytest.mark.parametrize(("location", "seed"), by_turns(range(4 * SOAK)), indirect=["location"])
def test_any_question_is_answered_alike(
    location: str, folder: Path, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "AT_ONCE_FROM_ROWS", (30, 20_000)[seed // 2 % 2])
    if seed % 4 in ALIKE:
        alike_names(monkeypatch, 5)
    decided(location, tmp_path, seed)
    with open_store(location) as store:
        chance = Chance(seed, store)
        asked = [chance.question() for _ in range(QUESTIONS)]
        whole = [answer(store, columns, one._replace(limit=None)) for columns, one in asked]
        assert sum(map(bool, whole)) > QUESTIONS / 3
        assert sum(len(found) > 1 and one.limit is not None for found, (_, one) in zip(whole, asked, strict=True)) > 9
        for (columns, one), found in zip(asked, whole, strict=True):
            check(store, columns, one, found)
    for store in cuts(location, folder, seed):
        for number, ((columns, one), found) in enumerate(zip(asked, whole, strict=True)):
            check(store if number % 2 else store.reader(), columns, one, found)
        with store.snapshot():
            for (columns, one), found in zip(asked[:30], whole, strict=False):
                check(store, columns, one, found)


# --- any function -----------------------------------------------------------------------------------------------------

ROOMS: Final = (queries, across, records)
NO_QUESTION: Final = {"rows_wanted", "has_table"}
"""What the others are made of, and what asks the database for a table."""
IN_NO_ORDER: Final = {
    *("rows_at", "event_rows_at", "records_at", "event_rows_between", "event_rows_about", "places_at_instant"),
    *(
        "event_rows_of_last_decisions",
        "event_rows_of_decisions_on",
        "event_rows_with_refs",
        "places_with_refs",
        "records_with_refs",
    ),
    *("sealed_rows_of_bindings", "sealed_rows_of_retractions", "sealed_rows_of_streams", "sealed_rows_since"),
    *("sealed_rows_with_refs", "records_with_refs"),
}


def positions(chance: Chance) -> list[Any]:
    return [chance.some(chance.bound, 12)]


def between(chance: Chance) -> list[Any]:
    found: list[Any] = chance.of([chance.bound(), chance.bound()], sorted((chance.bound(), chance.bound())))
    return found


def versions(chance: Chance) -> list[Any]:
    return [chance.stream(), *sorted((chance.version(), chance.version()))]


def instants(chance: Chance) -> list[Any]:
    return [chance.stream(), *sorted((chance.instant(), chance.instant()))]


def names(chance: Chance) -> list[Any]:
    return sorted((chance.text(), chance.text()))


def up_to(chance: Chance) -> list[Any]:
    return [chance.stream(), chance.bound()]


GIVEN: Final[dict[str, Callable[[Chance], list[Any]]]] = {
    "plain_rows": between,
    "sealed_rows": between,
    "sealed_rows_of": versions,
    "event_rows_of_types_between": lambda c: [c.some(c.type), *between(c)],
    "event_rows": between,
    "row_at": lambda c: [c.bound()],
    "event_row_at": lambda c: [c.position()],
    "rows_at": positions,
    "event_rows_at": positions,
    "link_at": lambda c: [c.bound()],
    "link_up_to": lambda c: [c.bound()],
    "recorded_up_to": lambda c: [c.bound()],
    "recorded_at_each": positions,
    "chain_at": lambda c: [c.bound()],
    "chains_from": between,
    "records_at": positions,
    "place_at": lambda c: [c.position()],
    "stream_at": lambda c: [c.bound()],
    "notifications": lambda c: [*between(c), c.of([], c.some(c.type)), c.limit()],
    "tally": lambda _: [],
    "counts_behind": lambda c: [c.bound()],
    "counts_of": up_to,
    "streams_touched": between,
    "lengths_of": lambda c: [c.some(c.stream)],
    "first_position": lambda c: [c.stream()],
    "length_of": lambda c: [c.stream()],
    "length_at": up_to,
    "position_of": lambda c: c.of([*c.row()[1:3]], [c.stream(), c.version()]),
    "count_between": instants,
    "rows_of": lambda c: c.of([c.stream()], [c.stream(), *between(c)], [c.stream(), *between(c), c.ref()]),
    "places_in": up_to,
    "rows_of_types": lambda c: [c.stream(), c.some(c.type), c.bound(), c.of(True, False)],
    "rows_about": lambda c: [*c.pair()],
    "refs_of_types": lambda c: [c.stream(), c.some(lambda: c.with_ref().type), c.bound()],
    "event_rows_of": up_to,
    "event_rows_behind": lambda c: [c.stream(), c.version(), c.bound()],
    "event_rows_of_types": lambda c: [c.stream(), c.some(c.type), c.bound()],
    "event_rows_between": lambda c: [*instants(c), c.bound()],
    "event_rows_about": lambda c: [c.stream(), c.some(c.ref), c.bound(), c.instant()],
    "event_rows_of_decisions": lambda c: [c.decided(), c.scheme(), c.bound()],
    "event_rows_of_last_decisions": lambda c: [c.some(c.decided), c.scheme(), c.of("2022-11", "2022-12", "2022-10")],
    "event_rows_of_decisions_on": lambda c: [c.some(c.decided), c.scheme(), c.of("2022-11", None)],
    "streams_behind": lambda c: [c.bound(), c.some(c.type)],
    "all_rows_of_type": lambda c: [c.type(), c.bound()],
    "places_of_type": lambda c: [(row := c.row()).stream, row.type, c.bound()],
    "versions_of": lambda c: [*versions(c), c.limit(), c.of(True, False)],
    "event_rows_named": lambda c: [c.name()[1], c.bound()],
    "row_named": lambda c: [*c.name()],
    "subjects_between": names,
    "first_subject": names,
    "binding_rows": lambda c: [c.creator(), c.bound()],
    "sealed_rows_of_bindings": lambda c: [c.some(c.creator), c.bound()],
    "sealed_rows_of_retractions": lambda c: [c.some(c.retracted), c.bound()],
    "latest_retractions": lambda c: [c.limit()],
    "places_named": lambda c: [c.some(c.name)],
    "names_between": between,
    "places_of": lambda c: [c.some(c.full_name, 20)],
    "event_rows_with_refs": lambda c: [c.some(c.pair), c.bound()],
    "sealed_rows_of_streams": lambda c: [c.some(c.stream), c.bound()],
    "sealed_rows_since": lambda c: [{stream: c.instant() for stream in c.some(c.stream)}, c.bound()],
    "sealed_rows_with_refs": lambda c: [c.some(c.pair), c.bound(), c.instant()],
    "places_with_refs": lambda c: [c.some(c.pair)],
    "records_with_refs": lambda c: [c.some(c.pair), "position, ref, record"],
    "places_at_instant": lambda c: [(row := c.row()).stream, row.occurred_at],
    "rows_from": lambda c: [c.own, c.of("", c.row().event_id), c.limit()],
    "streams_behind_name": lambda c: [*names(c), c.limit()],
    "rows_about_in": lambda c: [c.some(c.stream), c.ref()],
    "rows_bearing": lambda c: [c.some(c.type), *between(c)],
}
"""By function, arguments for it but the first."""


def functions() -> dict[str, Callable[..., Any]]:
    """By name, those that ask a store, or a transaction, something about records."""
    found: dict[str, Callable[..., Any]] = {}
    for room in ROOMS:
        for name, one in inspect.getmembers(room, inspect.isfunction):
            first = next(iter(inspect.signature(one).parameters), "")
            own = one.__module__ == room.__name__ and not name.startswith("_")
            if own and first in ("store", "readable", "transaction") and name not in NO_QUESTION:
                found[name] = one
    return found


def said(one: Callable[..., Any], store: Store, given: list[Any]) -> Any:
    """What a function gives, as plain values; or the error that it raises."""
    named = dict(zip(list(inspect.signature(one).parameters)[1:], given, strict=False))
    asks = store.reader() if next(iter(inspect.signature(one).parameters)) == "transaction" else store
    try:
        found = one(asks, **named)
        if not isinstance(found, Iterable) or isinstance(found, (str, bytes, dict, set, tuple)):
            return plainly(found, one.__name__)
        plain = [plainly(row, one.__name__) for row in found]
    except LevelbookError as error:
        return type(error), str(error)
    return sorted(plain, key=repr) if one.__name__ in IN_NO_ORDER else plain


def plainly(found: Any, of: str) -> Any:
    """A row as a plain tuple. The chain of one that left is empty but in walks through the ledger."""
    if isinstance(found, Row) and of not in WALKS:
        found = found._replace(chain=b"")
    return tuple(found) if isinstance(found, tuple) else found


WALKS = ("plain_rows", "unchained_rows", "all_rows_of_type", "rows_bearing")


def test_arguments_are_known_for_each_function() -> None:
    assert sorted(functions()) == sorted(GIVEN) and {*IN_NO_ORDER} <= {*GIVEN} and len(GIVEN) > 60


@pytest.mark.slow
@pytest.mark.parametrize(("location", "seed"), by_turns(range(4 * SOAK)), indirect=["location"])
def test_any_function_answers_alike(
    location: str, folder: Path, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "AT_ONCE_FROM_ROWS", (30, 20_000)[seed // 2 % 2])
    if seed % 4 in ALIKE:
        alike_names(monkeypatch, 5)
    decided(location, tmp_path, seed)
    found = functions()
    with open_store(location) as store:
        chance = Chance(seed, store)
        calls = [(found[name], given(chance)) for name, given in GIVEN.items() for _ in range(CALLS)]
        before = [said(*call[:1], store, *call[1:]) for call in calls]
        told = {one.__name__ for (one, _), says in zip(calls, before, strict=True) if says not in (None, [], {}, 0)}
        assert len({*GIVEN} - told) < 4, {*GIVEN} - told
    for store in cuts(location, folder, seed):
        for (one, given), says in zip(calls, before, strict=True):
            assert said(one, store, given) == says, (one.__name__, given)
