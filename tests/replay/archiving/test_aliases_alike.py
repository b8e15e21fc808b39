"""A ledger whose aliases leave, again and again, beside its twin whose aliases stay: all that is asked is alike."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from click.testing import CliRunner

from cli import main
from domain.calendar import instant_text, month_start, parse_month
from domain.limits import DAY_MICROS
from replay.errors import UsageError
from replay.integrity.verify import verify
from replay.recording.erase import DueErasure, erase_at_month_end, erase_due, erase_now
from replay.store.alias_queries import count_here, merchant_of, waiting
from replay.store.base.store import Store
from replay.store.buyers import KEY_VARIABLE, hash_buyer
from replay.store.leaving import aliases as leaving
from replay.store.opening import create_store, open_store
from replay.store.postgres import PostgresStore, PostgresTransaction
from replay.store.reading.alias_form import AliasKey
from replay.store.reading.aliases_left import all_alias_rows
from replay.store.sqlite import SqliteStore
from replay.store.sqlite_transaction import SqliteTransaction
from tests.conftest import KEY, SOAK, by_turns
from tests.support.archived import archived, contents, sealed, small_segments
from tests.support.making import Event, event, ingest_events, paid, write_lines

BUYERS: Final = tuple(f"b-{number}" for number in range(14))
MERCHANTS: Final = tuple(f"merchant/m-{number}" for number in range(7))
BEGIN: Final = month_start(parse_month("2023-03")) + 3 * DAY_MICROS
STEPS: Final = 40


class Twins:
    """Two ledgers to which the same happens, by a clock that both go by."""

    def __init__(self, seed: int, archiving: Store, staying: Store, folder: Path) -> None:
        self.random, self.now, self.folder = Random(seed), BEGIN, folder
        self.archiving, self.both = archiving, (archiving, staying)
        self.made: list[Event] = []

    def happen(self) -> None:
        """What happens next, whose outcome is the same in both."""
        step = self.random.choice(
            (
                self.record,
                self.record,
                self.again,
                self.again,
                self.erase,
                self.ask,
                self.wait,
                self.archive,
                self.try_out,
            )
        )
        step()

    def alike(self, what: Callable[[Store], Any]) -> Any:
        one, other = map(what, self.both)
        assert one == other
        return one

    def record(self) -> None:
        new = [self._payment() for _ in range(self.random.choice((1, 3, 25)))]
        self.made += new
        self._ingest([*new, *self._receipts(new)])

    def again(self) -> None:
        """Events that are recorded, in any order, some of them with another buyer or another amount."""
        some = [self._changed(one) for one in self.random.sample(self.made, min(len(self.made), 20))]
        self.made.append(self._payment())
        self._ingest([*some, self.made[-1]])

    def erase(self) -> None:
        buyer, in_month = self.random.choice(BUYERS), self.random.random() < 0.5

        def erased(store: Store) -> Any:
            try:
                return erase_now(store, buyer, "request", in_month=in_month)
            except UsageError as error:
                return str(error)

        self.alike(erased)

    def ask(self) -> None:
        buyer = self.random.choice(BUYERS)

        def asked(store: Store) -> Any:
            try:
                found = erase_at_month_end(store, buyer, "request")
                return found if isinstance(found, DueErasure) else found._replace(receipt_position=0)
            except UsageError as error:
                return str(error)

        self.alike(asked)

    def wait(self) -> None:
        self.now += self.random.choice((1, 9, 40)) * DAY_MICROS
        if self.random.random() < 0.5:
            self.alike(lambda store: [(one.key, one.aliases) for one in erase_due(store).erased])

    def archive(self) -> None:
        size = self.alike(sealed)
        archived(self.archiving, self.folder / "records", self.random.choice((size // 2 + 1, size + 1)))
        assert self.archiving.left is not None

    def try_out(self) -> None:
        lines = [self._changed(one) for one in self.random.sample(self.made, min(len(self.made), 10))]
        file = write_lines(self.folder / "tried.jsonl", [*lines, self._payment()])
        words = ("ingest", file, "--dry-run", "--format", "json", "--rejects", str(self.folder / "tried.rejects"))

        def tried(store: Store) -> list[int]:
            done = CliRunner().invoke(main, [*words, "--store", store.location])
            return [json.loads(done.stdout)[name] for name in ("recorded", "known", "refused")]

        self.alike(tried)

    def look(self) -> None:
        """All that is asked about aliases, and what a check finds."""
        assert [verify(store).problems for store in self.both] == [[], []]
        self.alike(known)
        self.alike(waiting)
        self.alike(events_of)
        pairs = [
            AliasKey(hash_buyer(bytes.fromhex(KEY), buyer), merchant) for buyer in BUYERS for merchant in MERCHANTS
        ]
        some = self.random.sample(pairs, 20)
        self.alike(lambda store: sorted(row[:2] for row in store.reader().aliases(some)))
        self.alike(lambda store: [store.reader().aliases_of(key) for key, _ in pairs[:: len(MERCHANTS)]])
        for store in self.both:
            borne = sorted(aliases_of(store))
            of = {row.alias: row.merchant for row in all_alias_rows(store)}
            assert store.reader().given([*borne, "ff" * 16, "odd"]) == {*of} <= {*borne}
            assert [merchant_of(store, alias) for alias in borne[:9]] == [of.get(alias) for alias in borne[:9]]

    def _ingest(self, events: list[Event]) -> None:
        def done(store: Store) -> Any:
            counts, silent = ingest_events(store, events, self.folder)
            return vars(counts), [(where.rpartition(":")[2], refusal) for where, refusal in silent.refusals]

        self.alike(done)

    def _payment(self) -> Event:
        number = self.random.randrange(10**9)
        at = instant_text(self.now - self.random.choice((0, 1, 40)) * DAY_MICROS)
        buyer, merchant = self.random.choice(BUYERS), self.random.choice(MERCHANTS)
        return paid(f"o-{number}", at, buyer=buyer, subject=merchant)

    def _receipts(self, payments: list[Event]) -> Iterator[Event]:
        for one in payments:
            order = one["data"]["order"]
            yield event("order.received", f"got-{order}", instant_text(self.now), subject=one["subject"], order=order)

    def _changed(self, one: Event) -> Event:
        chance = self.random.random()
        if chance < 0.8:
            return one
        if chance < 0.9:
            return {**one, "data": {**one["data"], "buyer": self.random.choice(BUYERS)}}
        return {**one, "data": {**one["data"], "amount": 1}}


def known(store: Store) -> set[tuple[bytes, str]]:
    """Which buyers have an alias, and where; each once."""
    rows = list(all_alias_rows(store))
    found = {row[:2] for row in rows}
    assert len(found) == len(rows) == len({row.alias for row in rows})
    return found


def aliases_of(store: Store) -> set[str]:
    """All that stand in records."""
    found = (json.loads(row[-1])["event"]["data"].get("buyer") for row in contents(store))
    return {alias for alias in found if alias is not None}


def events_of(store: Store) -> list[Any]:
    """What the records say, but for what is by chance: aliases numbered as they are first met."""
    numbers: dict[str, int] = {}
    found = []
    for row in contents(store):
        event_type, data = row[3], json.loads(row[-1])["event"]["data"]
        if "buyer" in data:
            data["buyer"] = numbers.setdefault(data["buyer"], len(numbers))
        found.append(
            (event_type, row[1], data if event_type in ("order.paid", "order.received", "buyer.erased") else {})
        )
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("location", "seed"), by_turns(range(4 * SOAK)), indirect=["location"])
def test_whatever_happens_is_alike_whether_aliases_left_or_stayed(
    location: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(monkeypatch)
    monkeypatch.setattr(leaving, "AT_ONCE_FROM_ROWS", (10, 20_000)[seed // 2 % 2])
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    twin = str(tmp_path / "twin.db")
    for place in (location, twin):
        create_store(place)
    with open_store(location) as archiving, open_store(twin) as staying:
        twins = Twins(seed, archiving, staying, tmp_path)
        for kind in (SqliteStore, SqliteTransaction, PostgresStore, PostgresTransaction):
            monkeypatch.setattr(kind, "now", lambda _: twins.now)
        twins.record()
        twins.archive()
        for step in range(STEPS):
            twins.happen()
            if step % 5 == 0:
                twins.look()
        twins.archive()
        twins.look()
        assert count_here(archiving) == 0 < count_here(staying)
