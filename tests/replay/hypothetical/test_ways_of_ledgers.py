"""Ways from recorded ledgers: every one that a scheme proposes is proved, and a large replay proposes what a plain one
does.
"""

from pathlib import Path
from random import Random

import pytest

from domain.calendar import month_of, month_start
from replay.columnar import size
from replay.hypothetical.proving import Proved, proved_ways
from replay.schemes.registry import SCHEMES
from replay.store.base.store import Store
from tests.conftest import SOAK, by_turns
from tests.support.supposing import grow, moment, replayed
from tests.worlds.agencies import AgencyMoves
from tests.worlds.ledgers import AGENCIES, BEGIN, CREATORS, END, MERCHANTS, World

SUBJECTS = {
    "merchant-reputation": MERCHANTS,
    "merchant-tier": MERCHANTS,
    "creator-level": CREATORS,
    "creator-firefly": CREATORS,
    "mcn-level": AGENCIES,
}


@pytest.mark.slow
@pytest.mark.parametrize(("location", "seed"), by_turns(range(2 * SOAK)), indirect=["location"])
def test_ways_are_proved_and_the_same_of_either_kind_of_replay(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    world, moves, random = World(seed), AgencyMoves(seed), Random(seed)
    grow(store, tmp_path, [*world.events(400), *moves.events(60)])
    asked = [
        (code, subject, _instant(random))
        for code, subjects in SUBJECTS.items()
        for subject in subjects
        for _ in range(3)
    ]
    plain = [_ways(store, *one, large=False) for one in asked]
    monkeypatch.setattr(size, "MANY_RECORDS_TO_COMPILE", 0)
    monkeypatch.setattr(size, "MANY_RECORDS", 0)
    assert [_ways(store, *one, large=True) for one in asked] == plain
    assert [(one, found) for one, found in zip(asked, plain, strict=True) if found.unproved] == []
    assert sum(len(found.ways) for found in plain) > 20


def _instant(random: Random) -> int:
    """Any, or about the end of a month."""
    at = random.randrange(BEGIN, END)
    return random.choice((at, month_start(month_of(at)), month_start(month_of(at)) - 1))


def _ways(store: Store, code: str, subject: str, as_of: int, *, large: bool) -> Proved:
    replay = replayed(store, SCHEMES[code], subject, moment(store, as_of))
    assert (type(replay) is not SCHEMES[code].replay) == large
    found = proved_ways(replay)
    assert found is not None
    return found
