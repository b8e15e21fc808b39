"""Months of a trial by hand: an event counts in its own month alone, benefits where there is a decision, and policies
that are adopted later move no publication that has been.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.calendar import parse_instant
from replay.decisions.application import Ledger
from replay.lab.report import report_json
from replay.lab.running import run_trial
from replay.lab.tally import limit_way
from replay.lab.trial import AskedTrial, PolicyTrial, trial_of
from replay.policies.catalog import Choice, shipped
from replay.schemes.registry import SCHEMES, Scheme
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.support.making import Event, event
from tests.worlds.merchant_reputation import with_values
from tests.worlds.trials import folder_of, late_ledger, learn

MIDNIGHT = "2022-12-01T00:00:00+08:00"
"""It belongs to December; of November it is the instant as of which creators are judged."""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Store]:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as opened:
        yield opened


def at_once(event_type: str, event_id: str, time: str, subject: str, **rest: object) -> Event:
    """An event that is learned as it happens."""
    return event(event_type, event_id, time, subject=subject, recordedtime=time, **rest)


def trial(store: Store, scheme: Scheme, first: str, last: str) -> PolicyTrial:
    """Of the version in use, under another name."""
    candidate = with_values(shipped(scheme.code)[-1], id="tried")
    return trial_of(store, {scheme.code: candidate}, AskedTrial(scheme.code, first, last))


@pytest.mark.parametrize("code", ["mcn-level", "creator-level", "creator-firefly"])
def test_an_event_counts_in_its_own_month_alone(code: str, ledger: Store, tmp_path: Path) -> None:
    """One at the very beginning of the next month, and one before agencies of the month before are judged."""
    sale = {"amount": 100, "good_goods": True, "channel": "live"}
    told = [
        at_once("mcn.onboarded", "1", "2022-08-01T00:00:00+08:00", "mcn/a"),
        at_once("creator.registered", "2", "2022-08-01T00:00:00+08:00", "creator/c"),
        at_once("creator.bound", "3", "2022-08-02T00:00:00+08:00", "mcn/a", creator="c"),
        at_once("sale.settled", "4", MIDNIGHT, "creator/c", order="o-1", **sale),
        at_once("points.earned", "5", MIDNIGHT, "creator/c", task="t-1", points=5),
        at_once("sale.settled", "6", "2022-12-02T00:00:00+08:00", "creator/c", order="o-2", **sale),
        at_once("points.earned", "7", "2022-12-02T00:00:00+08:00", "creator/c", task="t-2", points=5),
    ]
    learn(ledger, told, tmp_path)
    for months, counted in ((("2022-11", "2022-11"), 0), (("2022-12", "2022-12"), 2), (("2022-11", "2022-12"), 2)):
        made = trial(ledger, SCHEMES[code], *months)
        result = report_json(made, run_trial(ledger, made))["result"]
        assert result["cells"] > 0
        verdicts = {item["verdict"]: (item["baseline"], item["candidate"]) for item in result["verdicts"]}
        assert verdicts.get("counted", (0, 0)) == (counted, counted)


def test_benefits_are_counted_where_there_is_a_decision(ledger: Store, tmp_path: Path) -> None:
    """An agency that comes in before the others are judged has customer service, but no month that was."""
    told = [
        at_once("mcn.onboarded", "1", "2022-08-01T00:00:00+08:00", "mcn/a"),
        at_once("mcn.onboarded", "2", "2022-12-02T00:00:00+08:00", "mcn/b"),
    ]
    learn(ledger, told, tmp_path)
    made = trial(ledger, SCHEMES["mcn-level"], "2022-11", "2022-11")
    result = report_json(made, run_trial(ledger, made))["result"]
    kept = {item["benefit"]: item["kept"] for item in result["benefits"]}
    assert result["cells"] == kept["customer_service"] == 1


def test_a_calendar_that_is_adopted_later_moves_no_publication_that_has_been(ledger: Store, tmp_path: Path) -> None:
    late_ledger(ledger, 3, tmp_path, 200)
    before = trial(ledger, SCHEMES["merchant-reputation"], "2022-10", "2022-12").periods
    later = with_values(shipped("merchant-reputation")[-1], publication={"day": 28, "hour": 0})
    Ledger(ledger).adopt(later)
    after = trial(ledger, SCHEMES["merchant-reputation"], "2022-10", "2022-12").periods
    assert [period.then.moment for period in after] == [period.then.moment for period in before]
    assert before[0].then.moment.known_at == parse_instant("2022-11-16T12:00:00+08:00")


@pytest.mark.parametrize(
    ("was", "now", "way"),
    [
        ({"orders": 50}, {"orders": 50}, "same"),
        ({"orders": None}, {"orders": None}, "same"),
        ({"orders": 50}, {"orders": 51}, "higher"),
        ({"orders": 50}, {"orders": None}, "higher"),
        ({"orders": 50}, {"orders": 49}, "lower"),
        ({"orders": None}, {"orders": 50}, "lower"),
        ({}, {"orders": None}, "gained"),
        ({"orders": None}, {}, "lost"),
    ],
)
def test_what_becomes_of_a_limit(was: dict[str, int | None], now: dict[str, int | None], way: str) -> None:
    assert limit_way("orders", was, now) == way


def test_limits_change_where_nobody_moves(ledger: Store, tmp_path: Path) -> None:
    """One merchant stays in its tier, whose limit of orders the candidate takes away, and of sales halves."""
    told = [at_once("merchant.onboarded", "1", "2022-08-01T00:00:00+08:00", "merchant/m", category="fresh")]
    learn(ledger, told, tmp_path)
    (shown,) = shipped("merchant-tier")
    tiers = json.loads(json.dumps(shown.parameters["tiers"].value))
    (initial,) = (tier for tier in tiers if tier["code"] == "LV1")
    del initial["orders_limit"]
    initial["gmv_limit_fen"] //= 2
    made = trial_of(
        ledger,
        {"merchant-tier": with_values(shown, id="tried", tiers=tiers)},
        AskedTrial("merchant-tier", "2022-08", "2022-09"),
    )
    result = report_json(made, run_trial(ledger, made))["result"]
    assert result["moving"] == 0 and result["cells"] == 2
    nothing = {"same": 0, "higher": 0, "lower": 0, "gained": 0, "lost": 0}
    assert result["limits"] == [
        {"limit": "gmv_fen", **nothing, "lower": 2},
        {"limit": "orders", **nothing, "higher": 2},
    ]


def test_a_version_that_came_in_after_the_month_is_not_what_a_candidate_changes(ledger: Store, tmp_path: Path) -> None:
    """Agencies of December are judged on 3 January, a day after another version came in."""
    learn(ledger, [at_once("mcn.onboarded", "1", "2022-08-01T00:00:00+08:00", "mcn/a")], tmp_path)
    (shown,) = shipped("mcn-level")
    early = with_values(shown, id="early", in_force_from="2020-01-01T00:00:00Z", novice_months=2)
    late = with_values(shown, id="late", in_force_from="2023-01-02T00:00:00+08:00", novice_months=4)
    candidate = with_values(shown, id="tried", novice_months=3)
    creators = shipped("creator-level")
    choice = Choice(folder=folder_of([early, late, *creators], tmp_path / "policies"))
    for month, old in (("2022-12", 2), ("2023-01", 4)):
        made = trial_of(ledger, {"mcn-level": candidate}, AskedTrial("mcn-level", month, month), choice)
        (found,) = report_json(made, run_trial(ledger, made))["parameters"]
        assert (found["parameter"], found["old"], found["new"]) == ("novice_months", old, 3)
