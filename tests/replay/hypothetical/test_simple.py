"""Simple events are what the parser takes, and bring what their names say."""

from pathlib import Path

import pytest

from domain.limits import CREDIT_POINTS_MAX, POINTS_MAX
from replay.errors import UsageError
from replay.hypothetical.laid import supposed
from replay.hypothetical.overlay import laid_over
from replay.hypothetical.simple import NAMES, SIMPLE, simple_events
from replay.schemes.registry import SCHEMES, kinds
from replay.store.base.store import Store
from tests.support.making import event
from tests.support.supposing import AS_OF, OPENED, grow, moment, replayed

NEXT = AS_OF + 1


def test_each_kind_of_subject_has_some_and_each_is_well_formed() -> None:
    assert set(SIMPLE) == set(kinds()) and NAMES
    for kind, names in SIMPLE.items():
        for name in names:
            for count in (1, 3, 500):
                made = simple_events(f"{kind}/x", name, count, NEXT)
                assert len(supposed(made)) == len(made) > 0 and {item.subject for item in made} == {f"{kind}/x"}
    assert simple_events("mcn/x", "good_reviews", 3, NEXT) == []


@pytest.mark.parametrize(
    ("subject", "name", "most"),
    [
        ("merchant/x", "good_reviews", 500),
        ("merchant/x", "complaints", 1_000),
        ("creator/x", "points", 1_000 * POINTS_MAX),
        ("mcn/x", "credit_granted", 1_000 * CREDIT_POINTS_MAX),
    ],
)
def test_what_bounds_them_is_how_many_events_they_take(subject: str, name: str, most: int) -> None:
    assert len(simple_events(subject, name, most, NEXT)) == 1_000
    message = rf"^count {most + 1} of {name} takes more than 1000 events; suppose less at a time$"
    with pytest.raises(UsageError, match=message):
        simple_events(subject, name, most + 1, NEXT)


def test_they_bring_what_they_say(store: Store, tmp_path: Path) -> None:
    registered = event("creator.registered", "reg", "2022-01-02T10:00:00+08:00", subject="creator/c-1")
    grow(store, tmp_path, [OPENED, registered])
    merchant = replayed(store, SCHEMES["merchant-reputation"], "merchant/m-1", moment(store, AS_OF))
    for name, tenths in (("good_reviews", 30), ("bad_reviews", -30), ("complaints", 0)):
        found = laid_over(merchant, simple_events("merchant/m-1", name, 3, NEXT), NEXT)
        assert found.standing().points_tenths == tenths
    creator = replayed(store, SCHEMES["creator-firefly"], "creator/c-1", moment(store, AS_OF))
    assert laid_over(creator, simple_events("creator/c-1", "points", 1_500_000, NEXT), NEXT).score == 1_500_000
    assert (
        sum(item.data["amount"] for item in simple_events("creator/c-1", "good_sales", 150_000_000, NEXT)) == 15 * 10**9
    )
