"""What an appender remembers of the ends of streams is right, whoever records in between and whatever fails."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from replay.integrity.verify import verify
from replay.parsing.parse import read_line
from replay.recording import append
from replay.recording.append import Appended, Appender, ledger_clock
from replay.store.base.store import Store
from replay.store.base.transaction import Transaction
from replay.store.buyers import key_of
from replay.store.key_chains import reach
from replay.store.opening import create_store, open_store
from replay.store.record import Candidate
from tests.conftest import SOAK
from tests.support.making import line, paid


class NotCommitted(Exception):
    """Ends a transaction before its commit."""


def failing() -> None:
    raise NotCommitted


def candidates(first: int, chance: Random) -> list[Candidate]:
    """One to four payments at few merchants."""
    made = []
    for number in range(first, first + chance.randrange(1, 5)):
        found = read_line(line(paid(f"o-{number}", subject=f"merchant/m-{chance.randrange(4)}")))
        assert isinstance(found, Candidate)
        made.append(found)
    return made


def appended(
    store: Store, appender: Appender, items: list[Candidate], *, fails: bool = False, at_rows: bool = False
) -> Appended:
    with store.append() as transaction:
        if at_rows:
            transaction.run_deferred = failing  # type: ignore[method-assign]
        done = appender.append(transaction, items, ledger_clock(transaction, clock_behind=False))
        if fails:
            raise NotCommitted
    return done


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3 * SOAK))
def test_appenders_that_take_turns_and_fail_number_and_chain_rightly(
    location: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(append, "STREAMS_REMEMBERED_MAX", 3)
    chance = Random(seed)
    create_store(location)
    with open_store(location) as one, open_store(location) as two:
        stores = (one, two)
        appenders = [Appender(store.identity.id, key_of(store)) for store in stores]
        for number in range(0, 160, 4):
            which = 0 if chance.random() < 0.7 else 1
            items = candidates(number, chance)
            if chance.random() < 0.3:
                with pytest.raises(NotCommitted):
                    appended(stores[which], appenders[which], items, fails=True, at_rows=chance.random() < 0.5)
                if chance.random() < 0.5:  # something else than what was not committed
                    items = candidates(number, chance)
            assert appended(stores[which], appenders[which], items).recorded == len(items)
        assert verify(one).problems == [] and reach(one) == one.head().position > 80


def test_an_appender_asks_once_for_the_end_of_a_stream(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_store(location)
    asked: list[str] = []
    with open_store(location) as store:
        kind = type(store.reader())
        versions = kind.versions

        def asking(transaction: Transaction, streams: Sequence[str]) -> dict[str, int]:
            asked.extend(streams)
            return versions(transaction, streams)

        monkeypatch.setattr(kind, "versions", asking)
        appender, chance = Appender(store.identity.id, key_of(store)), Random(1)
        for number in range(0, 40, 4):
            appended(store, appender, candidates(number, chance))
    assert sorted(asked) == [f"merchant/m-{n}" for n in range(4)]
