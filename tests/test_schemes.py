"""A scheme is a unit: what each registered scheme must have, and that a command names what one lacks beforehand."""

from dataclasses import replace
from typing import get_args

import pytest

from domain.calendar import parse_day, parse_instant, parse_month
from domain.events import CATALOGUE, Scheme
from replay.decisions.decide import decide, period_of
from replay.errors import LevelbookError
from replay.history.timeline import Moment
from replay.policies.catalog import shipped, shipped_schemes
from replay.policies.parameters.finding import parameters_of
from replay.replaying.base import Policies
from replay.replaying.clauses import clauses
from replay.schemes.creator_level.replay import CreatorReplay
from replay.schemes.registry import SCHEMES, check_whole, kinds, scheme_of, schemes_of
from replay.store.base import Store


class Firefly(CreatorReplay):
    """A fifth scheme of which there is nothing but its replay."""

    scheme = "creator-firefly"


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(SCHEMES, Firefly.scheme, replace(SCHEMES["creator-level"], replay=Firefly))
    return Firefly.scheme


def test_the_catalogue_of_events_and_the_rooms_of_the_rules_name_the_registered_schemes() -> None:
    assert {*SCHEMES} == {*get_args(Scheme)} == {*shipped_schemes()}
    assert all(code == scheme.code for code, scheme in SCHEMES.items())
    assert all(schemes_of(kind) for kind in kinds())
    assert {name for row in CATALOGUE.values() for name in row.kinds} >= {*kinds()}


@pytest.mark.parametrize("code", SCHEMES)
def test_a_scheme_has_all_by_which_it_is_replayed_and_decided(code: str) -> None:
    scheme = scheme_of(code)
    check_whole(scheme)
    assert shipped(code) and clauses(code) and parameters_of(code)().fields
    assert scheme in schemes_of(scheme.kind)
    order = list(SCHEMES)
    assert all(order.index(name) < order.index(code) for name in scheme.rests_on)
    policies = Policies(shipped(code), [policy for name in scheme.rests_on for policy in shipped(name)])
    moment = Moment(parse_instant("2023-06-01T00:00:00Z"), 0, 0)
    nobody = scheme.replay(f"{scheme.kind}/none", [], moment, policies)
    assert nobody.standing_json()["state"] in scheme.undecided
    number = {"month": parse_month("2023-04"), "day": parse_day("2023-04-01")}[scheme.periods.unit]
    period = scheme.periods.period(number, lambda *_: shipped(code)[-1])
    assert period.begins < period.as_of <= period.due


def test_a_scheme_that_is_not_whole_is_named_before_anything_is_decided(store: Store, stub: str) -> None:
    for begin in (
        lambda: check_whole(SCHEMES[stub]),
        lambda: period_of(store, stub, parse_month("2023-04"), None),
        lambda: decide(store, stub, period_of(store, "creator-level", parse_month("2023-04"), None)),
    ):
        with pytest.raises(LevelbookError, match=r"Add them, or take it out of replay/schemes/registry\.py$") as told:
            begin()
        begins = (
            "the scheme creator-firefly is registered and not whole, so that nothing was begun: missing are policies"
        )
        assert str(told.value).startswith(begins)
    assert store.head().position == 0
