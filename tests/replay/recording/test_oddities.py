"""What the intake counts although it takes it: retractions of nothing, and effects before causes at one instant."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli import main
from replay.history import in_vain
from replay.history.browse import find_event, status
from replay.history.in_vain import LISTED_MAX
from replay.recording.oddities import Oddities
from replay.schema.versions import INDEX_OF_RETRACTIONS
from replay.store.base.store import Store
from tests.support.making import event, ingest_events, paid, write_lines

AT = "2022-11-01T10:00:00+08:00"
LATER = "2022-11-01T10:00:01+08:00"


def retraction(event_id: str, of: str, subject: str = "merchant/m-1") -> dict[str, Any]:
    return event("event.retracted", event_id, subject=subject) | {
        "data": {"source": "urn:test", "event": of, "reason": "mistake"}
    }


def of_creator(event_type: str, event_id: str, **rest: Any) -> dict[str, Any]:
    return event(event_type, event_id, AT, subject="creator/c-1", order="o-1", amount=5, **rest)


SETTLED = of_creator("sale.settled", "settled", good_goods=True, channel="live")
REFUNDED = of_creator("sale.refunded", "refunded")
BOUND = event("creator.bound", "bound", AT, subject="mcn/a-1", creator="c-1")
UNBOUND = event("creator.unbound", "unbound", AT, subject="mcn/a-1", creator="c-1")
OPENED = event("merchant.onboarded", "opened", AT, category="fresh")
REVIEW = event("review.posted", "review", AT, order="o-1", quality=5)
RECEIPT = event("order.received", "receipt", AT, order="o-1")
PAID = paid("o-1", AT)

CASES: list[tuple[list[dict[str, Any]], Oddities]] = [
    ([PAID, retraction("r-1", "pay-o-1")], Oddities()),
    ([retraction("r-1", "pay-o-1"), PAID], Oddities(retract_nothing=1)),
    ([PAID, retraction("r-1", "pay-o-1", "merchant/m-2")], Oddities(retract_nothing=1)),
    ([retraction("r-1", "r-1")], Oddities(retract_nothing=1)),
    ([PAID, REVIEW, RECEIPT], Oddities()),
    ([REVIEW, RECEIPT, PAID], Oddities(effects_first=2)),
    ([event("review.posted", "review", LATER, order="o-1", quality=5), PAID], Oddities()),
    ([event("review.posted", "review", AT, order="o-2", quality=5), PAID], Oddities()),
    ([PAID, REVIEW, PAID | {"id": "again"}], Oddities()),
    ([REFUNDED, SETTLED], Oddities(effects_first=1)),
    ([SETTLED, REFUNDED], Oddities()),
    ([UNBOUND, BOUND], Oddities(effects_first=1)),
    ([BOUND, UNBOUND], Oddities()),
    ([PAID, REVIEW, OPENED], Oddities(effects_first=2)),
    ([OPENED, PAID, REVIEW], Oddities()),
    ([event("merchant.tier_set", "set", AT, level="LV2"), OPENED], Oddities(effects_first=1)),
]


@pytest.mark.parametrize("one_by_one", [False, True], ids=["one batch", "batch by batch"])
def test_what_may_surprise_is_counted_within_a_batch_and_against_the_past(
    one_by_one: bool, store: Store, tmp_path: Path
) -> None:
    """Each case at subjects of its own, so that one store does for all."""
    for number, (made, expected) in enumerate(CASES):
        own = [moved(item, number) for item in made]
        found = [0, 0]
        for batch in ([item] for item in own) if one_by_one else [own]:
            counts, _ = ingest_events(store, batch, tmp_path)
            assert counts.refused == 0
            found = [found[0] + counts.odd.retract_nothing, found[1] + counts.odd.effects_first]
        assert Oddities(*found) == expected, (number, made)


def moved(item: dict[str, Any], number: int) -> dict[str, Any]:
    """An event at another subject and with other names."""
    data = item["data"] | ({"event": f"{item['data']['event']}-{number}"} if "event" in item["data"] else {})
    return item | {"id": f"{item['id']}-{number}", "subject": f"{item['subject']}-{number}", "data": data}


def test_an_event_tells_what_named_it_in_vain(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [retraction("early", "pay-o-1"), PAID, retraction("late", "pay-o-1")], tmp_path)
    found = find_event(store, "urn:test", "pay-o-1")
    assert [other["id"] for other in found["retracted_in_vain_by"]] == ["early"]
    assert [other["id"] for other in found["retracted_by"]] == ["late"]
    nothing = {name: find_event(store, "urn:test", name)["retracts_nothing"] for name in ("early", "late", "pay-o-1")}
    assert nothing == {"early": True, "late": False, "pay-o-1": False}


def of_stranger(number: int) -> dict[str, Any]:
    """A retraction at one merchant of what stands at another."""
    return retraction(f"stranger-{number}", "pay-o-1", "merchant/m-2")


def test_the_status_lists_retractions_of_nothing(store: Store, tmp_path: Path) -> None:
    assert status(store)["retract_nothing"] == {"looked_at": 0, "count": 0, "latest": []}
    made = [
        retraction("early", "pay-o-1"),
        PAID,
        retraction("late", "pay-o-1"),
        of_stranger(0),
        retraction("own", "own"),
    ]
    ingest_events(store, made, tmp_path)
    found = status(store)["retract_nothing"]
    assert (found["looked_at"], found["count"]) == (4, 3)
    assert [(item["event"], item["names"]["event"], item["names"]["position"]) for item in found["latest"]] == [
        ("own", "own", None),
        ("stranger-0", "pay-o-1", None),
        ("early", "pay-o-1", 2),
    ]
    assert found["latest"][2]["position"] == 1 and found["latest"][2]["subject"] == "merchant/m-1"
    ingest_events(store, [retraction("mended", "early")], tmp_path)
    assert [item["event"] for item in status(store)["retract_nothing"]["latest"]] == ["own", "stranger-0"]
    ingest_events(store, [of_stranger(number) for number in range(1, 31)], tmp_path)
    found = status(store)["retract_nothing"]
    assert (found["count"], len(found["latest"]), found["latest"][0]["event"]) == (32, LISTED_MAX, "stranger-30")


def test_only_the_last_retractions_are_looked_at(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_vain, "LOOKED_AT_MAX", 2)
    ingest_events(store, [of_stranger(number) for number in range(5)], tmp_path)
    found = status(store)["retract_nothing"]
    assert (found["looked_at"], [item["event"] for item in found["latest"]]) == (2, ["stranger-4", "stranger-3"])


def test_a_ledger_made_before_the_index_says_so_until_views_are_moved(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [retraction("early", "pay-o-1")], tmp_path)
    with store.writing() as transaction:
        transaction.execute(f"DROP INDEX {INDEX_OF_RETRACTIONS}")
    assert status(store)["retract_nothing"] is None
    assert store.definition_problems() == []
    store.index_later()
    assert status(store)["retract_nothing"]["count"] == 1
    assert store.definition_problems() == [] and store.row_problems() == []


def test_the_status_says_in_words_what_retracts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "odd.jsonl", [retraction("early", "pay-o-1"), PAID, retraction("never", "pay-o-9")])
    CliRunner().invoke(main, ["ingest", "odd.jsonl"])
    told = CliRunner().invoke(main, ["status"]).output
    assert "2 of the last 2 retractions retract nothing" in told
    assert "urn:test early, learned" in told and "names urn:test pay-o-1, recorded later at position 2" in told


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["order.paid pay-o-1 of the same instant was recorded after it (position 4)", "named in vain by early"]),
        ("zh", ["同一时刻的 订单支付 pay-o-1 入账在其后（位置 4）", "early（", "先于本事件入账，撤回无效"]),
    ],
)
def test_an_explanation_says_in_words_what_may_surprise(
    language: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    opened = event("merchant.onboarded", "opened", "2022-10-01T00:00:00+08:00", category="fresh")
    write_lines(tmp_path / "odd.jsonl", [opened, retraction("early", "pay-o-1"), REVIEW, PAID])
    CliRunner().invoke(main, ["ingest", "odd.jsonl"])
    told = CliRunner().invoke(main, ["explain", "merchant/m-1", "--lang", language]).output
    assert all(word in told for word in ["retracts_nothing", "named_in_vain", *words]), told
    of_payment = CliRunner().invoke(main, ["explain", "merchant/m-1", "--event", "pay-o-1"]).output
    assert "unknown_order" in of_payment and "named_in_vain" in of_payment, "the order's verdicts beside its own note"


def test_the_intake_says_what_it_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "odd.jsonl", [retraction("early", "pay-o-1"), REVIEW, PAID])
    told = CliRunner().invoke(main, ["ingest", "odd.jsonl"]).output
    assert "1 retractions name no event of their subject that is recorded before them" in told
    assert "1 times an effect stands before its cause at the same instant" in told
