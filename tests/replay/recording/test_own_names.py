"""The names under which a ledger records itself cannot be taken, neither from outside nor by records of old."""

from pathlib import Path
from typing import Any

import pytest

from domain.calendar import parse_instant
from domain.events import CATALOGUE
from fixtures.demo import story
from replay.decisions.application import Ledger
from replay.decisions.decide import RunOutcome, decide, period_of
from replay.integrity.verify import verify
from replay.parsing.fast import read_fast
from replay.parsing.parse import read_careful
from replay.parsing.refusals import RefusalError
from replay.policies.catalog import shipped
from replay.recording.append import Appender, ledger_clock
from replay.recording.own import own_candidate, own_source
from replay.store.base.store import Store
from replay.store.buyers import key_of
from tests.support.making import ingest_events, line, paid

NOVEMBER = 2022 * 12 + 10


@pytest.mark.parametrize("source", ["urn:levelbook:1", "URN:LEVELBOOK:1", "urn:LevelBook:", "urn:levelbook:x:run-1"])
def test_a_source_of_ledgers_is_refused_from_outside(source: str) -> None:
    raw = line({**paid("o-1"), "source": source})
    assert read_fast(raw) is None
    with pytest.raises(RefusalError, match="name what ledgers record"):
        read_careful(raw)
    assert read_fast(line({**paid("o-1"), "source": "urn:levelbook"})) is not None


def taken(store: Store, source: str, *names: str) -> None:
    """Record events under names that the ledger would give itself, as an older version let in from outside."""
    when = parse_instant("2022-11-01T00:00:00Z")
    closed = CATALOGUE["merchant.closed"].data()
    items = [own_candidate("merchant/m-1", "merchant.closed", source, name, when, closed) for name in names]
    with store.append() as transaction:
        stamper = ledger_clock(transaction, clock_behind=False)
        done = Appender(store.identity.id, key_of(store)).append(transaction, items, stamper)
    assert done.recorded == len(names)


def test_names_that_are_taken_block_no_adoption(store: Store) -> None:
    taken(store, own_source(store), *(f"policy/merchant-reputation-{n}" for n in range(1, 5)))
    (policy,) = shipped("merchant-reputation")
    assert Ledger(store).adopt(policy) == 5
    assert Ledger(store).adopt(policy) is None, "twice is once"


def test_names_that_are_taken_block_no_run(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest_events(store, story(), tmp_path, backfill=True)
    period = period_of(store, "merchant-reputation", NOVEMBER, None)
    kept = Ledger.save

    class Killed(Exception):
        pass

    def save(self: Ledger, *objs: Any, **rest: Any) -> Any:
        done = kept(self, *objs, **rest)
        if any(item.id == "ledger/decisions" for item in objs):
            raise Killed
        return done

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Ledger, "save", save)
        decide(store, "merchant-reputation", period)
    (run,) = Ledger(store).decision_book().runs
    subjects = ("merchant/tea-house", "merchant/tea-stall")
    taken(store, f"{own_source(store)}:{run.run}", *subjects)
    taken(store, own_source(store), f"{run.run}-finished")

    found = decide(store, "merchant-reputation", period)
    assert (found.run.run, found.resumed, found.decided) == (run.run, True, 2)
    head = store.head()
    again: RunOutcome = decide(store, "merchant-reputation", period)
    assert (again.already_finished, again.decided, store.head()) == (True, 2, head)
    assert verify(store).problems == []
