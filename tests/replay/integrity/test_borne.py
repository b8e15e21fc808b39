"""Aliases in records held against the table of aliases all together: sure of nothing that each alone would not be."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from replay.integrity import aliases as checking
from replay.integrity import verify as walking
from replay.integrity.aliases import buyer_problems, problems_beside, table_of
from replay.integrity.borne import BorneAliases, count_without_row
from replay.integrity.verify import verify
from replay.recording.erase import erase_now
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.support.aliases import change
from tests.support.making import ingest_events, paid

Pair = tuple[str, str]
"""A stream and an alias."""
ODD = ["", "ab", "z" * 32, "A" * 32, " " + "a" * 31, "a" * 33, "ü" * 32]


def kept(pairs: list[Pair]) -> BorneAliases:
    found = BorneAliases()
    found.add([stream for stream, _ in pairs], [alias for _, alias in pairs])
    return found


def plainly(records: list[Pair], rows: list[Pair]) -> int | None:
    """What `count_without_row` promises, pair by pair."""
    streams = {alias: {stream for stream, other in records + rows if other == alias} for _, alias in records + rows}
    aliases, counted = {alias for _, alias in records}, Counter(alias for _, alias in rows)
    if any(len(found) > 1 for found in streams.values()) or any(count > 1 for count in counted.values()):
        return None
    return None if counted.keys() - aliases else len(aliases - counted.keys())


@pytest.mark.parametrize("seed", range(3))
def test_the_count_is_that_of_pairs_looked_at_one_by_one(seed: int) -> None:
    random, found = Random(seed), Counter[bool]()
    for _ in range(300 * SOAK):
        # The first halves of some are alike, and so are the second halves of others.
        names = [f"{random.randrange(2):016x}{random.randrange(3):016x}" for _ in range(6)]
        of = {name: f"merchant/m-{random.randrange(3)}" for name in names}
        records = [(of[name], name) for name in random.choices(names, k=random.randrange(8))]
        rows = [pair for pair in sorted(set(records)) if random.random() < 0.8]
        match random.randrange(5):
            case 0:
                records.append((f"merchant/m-{random.randrange(3)}", random.choice(names)))
            case 1:
                rows.append((f"merchant/m-{random.randrange(4)}", random.choice(names)))
        expected = plainly(records, rows)
        found[expected is None] += 1
        cut = random.randrange(len(records) + 1)
        assert count_without_row(kept(records[:cut]).then(kept(records[cut:])), kept(rows)) == expected
    assert min(found[True], found[False]) > 20 * SOAK


@pytest.mark.parametrize("odd", ODD)
def test_of_aliases_of_another_form_nothing_is_known(odd: str) -> None:
    usual = [("merchant/m-1", "ab" * 16)]
    assert count_without_row(kept(usual), kept(usual)) == 0
    for records, rows in (([*usual, ("merchant/m-1", odd)], usual), (usual, [*usual, ("merchant/m-1", odd)])):
        assert count_without_row(kept(records), kept(rows)) is None
        assert count_without_row(kept(usual).then(kept(records)), kept(rows)) is None


@pytest.fixture
def storied(location: str, tmp_path: Path) -> str:
    create_store(location)
    with open_store(location) as store:
        events = [paid(f"o-{n}", buyer=f"b-{n % 3}", subject=f"merchant/m-{n % 4}") for n in range(12)]
        ingest_events(store, [*events, paid("o-x", buyer="b-x") | {"traceparent": "00-ab-cd-01"}], tmp_path)
        erase_now(store, "b-1", "request")
    return location


def borne_in(store: Store) -> BorneAliases:
    last = store.head().position
    span = walking.WalkedSpan(walking._before_first(store), last, from_start=True)
    return walking._walked(store, span, lambda _: None).borne


def test_where_all_comes_out_even_the_store_is_not_asked_again(storied: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(_: Store) -> list[str]:
        raise AssertionError("asked again")

    with open_store(storied) as store:
        table = table_of(store)
        assert table is not None
        monkeypatch.setattr(checking, "buyer_problems", asked)
        assert problems_beside(store, borne_in(store), table) == []


CHANGED = {
    "a row is gone": "DELETE FROM buyers WHERE alias = (SELECT max(alias) FROM buyers)",
    "all rows are gone": "DELETE FROM buyers",
    "a row is of another merchant": "UPDATE buyers SET merchant = 'merchant/m-9' WHERE merchant = 'merchant/m-2'",
    "a seal is another": "UPDATE buyers SET seal = key",
    "an alias is another": f"UPDATE buyers SET alias = '{'e' * 32}' WHERE alias = (SELECT max(alias) FROM buyers)",
    "an alias of another form": "UPDATE buyers SET alias = 'e' WHERE alias = (SELECT max(alias) FROM buyers)",
}


@pytest.mark.parametrize("name", CHANGED)
def test_what_is_wrong_is_named_as_where_each_is_looked_at(storied: str, name: str) -> None:
    change(storied, [(CHANGED[name], ())])
    with open_store(storied) as store:
        table, problems = table_of(store), buyer_problems(store)
        assert table is not None
        assert problems_beside(store, borne_in(store), table) == problems != []


@pytest.mark.slow
@pytest.mark.parametrize("name", [None, *CHANGED])
def test_two_processes_find_the_same(storied: str, name: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if name is not None:
        change(storied, [(CHANGED[name], ())])
    with open_store(storied) as store:
        alone = verify(store)
        monkeypatch.setattr(walking, "RECORDS_BEFORE_HELP", 1)
        assert verify(store) == alone and (alone.problems == []) is (name is None)
