"""Events sought over a ledger: by an index where there is one, else so many at a time, and never silently fewer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.calendar import parse_month
from replay.decisions.decide import decide, period_of
from replay.errors import UsageError
from replay.history import search
from replay.history.readers import EVERYTHING_SHOWN, HiddenError, Reader
from replay.history.search import Sought, search_events
from replay.recording.erase import erase_now
from replay.store.alias_queries import merchant_of
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from replay.store.queries import rows_of_types
from tests.support.making import event, ingest_events, paid

SUBJECTS = ("merchant/m-1", "merchant/m-2", "merchant/m-3")


@pytest.fixture
def store(location: str, tmp_path: Path) -> Iterator[Store]:
    """Three merchants whose orders bear the same names, one with a case."""
    create_store(location)
    made = []
    for number, subject in enumerate(SUBJECTS):
        source = f"urn:shop-{number}"
        made += [paid(f"o-{order}", subject=subject, source=source) for order in range(4)]
        made.append(event("order.flagged", "flag", subject=subject, source=source, order="o-1", reason="fake_trade"))
    made[-1]["data"]["case"] = "案件-7"
    with open_store(location) as found:
        ingest_events(found, made, tmp_path)
        yield found


def found_all(store: Store, sought: Sought, limit: int = 2, reader: Reader = EVERYTHING_SHOWN) -> list[tuple[str, str]]:
    """Subject and id of what every page gives."""
    rows: list[dict[str, Any]] = []
    after = None
    for _ in range(100):
        page = search_events(store, sought, reader, after, limit)
        rows += page.events
        if page.next is None:
            return [(row["subject"], row["event"]["id"]) for row in rows]
        after = page.next
    raise AssertionError("there is no end")


@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.parametrize("at_once", [1, 2, 1_000])
def test_what_is_sought_is_found_whole_in_whatever_pages(
    store: Store, limit: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "SUBJECTS_AT_ONCE", at_once)
    monkeypatch.setattr(search, "RECORDS_AT_ONCE", at_once)
    monkeypatch.setattr(search, "POSITIONS_AT_ONCE", at_once)
    of_order = [(subject, name) for subject in SUBJECTS for name in ("pay-o-1", "flag")]
    assert found_all(store, Sought(about="o-1"), limit) == of_order
    assert found_all(store, Sought(about="o-1", subject=SUBJECTS[1]), limit) == of_order[2:4]
    assert found_all(store, Sought(id="flag"), limit) == [(subject, "flag") for subject in SUBJECTS]
    assert found_all(store, Sought(id="flag", source="urn:shop-1"), limit) == [(SUBJECTS[1], "flag")]
    assert found_all(store, Sought(id="flag", subject=SUBJECTS[2]), limit) == [(SUBJECTS[2], "flag")]
    assert found_all(store, Sought(case="案件-7", subject=SUBJECTS[2]), limit) == [(SUBJECTS[2], "flag")]
    assert found_all(store, Sought(case="案件-7", subject=SUBJECTS[0]), limit) == []
    (first, *_) = rows_of_types(store, SUBJECTS[0], ("order.paid",), 100)
    alias = first.record.partition(b'"buyer":"')[2].partition(b'"')[0].decode()
    paid_by = [(SUBJECTS[0], f"pay-o-{order}") for order in range(4)]
    assert found_all(store, Sought(alias=alias, subject=SUBJECTS[0]), limit) == paid_by
    assert found_all(store, Sought(alias=alias), limit) == paid_by
    assert found_all(store, Sought(alias=alias, subject=SUBJECTS[1]), limit) == []
    assert found_all(store, Sought(case="案件-7"), limit) == [(SUBJECTS[2], "flag")]
    assert found_all(store, Sought(case="案件-8"), limit) == found_all(store, Sought(alias="nobody"), limit) == []
    assert found_all(store, Sought(about="nothing"), limit) == found_all(store, Sought(id="nothing"), limit) == []


def test_a_case_is_found_in_corrections_of_every_kind_and_subject(store: Store, tmp_path: Path) -> None:
    """And in nothing else: not where another field, or another case, holds the same text."""
    made = [
        event("order.flagged", "f", subject=SUBJECTS[0], order="o-2", reason="abnormal_review", case="case-9"),
        event("complaint.dismissed", "d", subject=SUBJECTS[1], order="o-2", case="case-9"),
        event("event.retracted", "r", subject=SUBJECTS[0], event="pay-o-0", reason="a mistake", case="case-9"),
        event("event.retracted", "other", subject=SUBJECTS[0], event="pay-o-0", reason="case-9"),
        event("credit.restored", "c", subject="creator/c-1", violation="v-1", case="case-9"),
        event("credit.restored", "longer", subject="creator/c-1", violation="case-9", case="case-90"),
    ]
    for retraction in made[2:4]:
        retraction["data"]["source"] = "urn:shop-0"
    (tmp_path / "corrected").mkdir()
    assert ingest_events(store, made, tmp_path / "corrected")[0].recorded == len(made)
    told = [(SUBJECTS[0], "f"), (SUBJECTS[1], "d"), (SUBJECTS[0], "r"), ("creator/c-1", "c")]
    assert found_all(store, Sought(case="case-9")) == told
    assert found_all(store, Sought(case="case-9", subject=SUBJECTS[0])) == [told[0], told[2]]


def test_an_alias_that_was_erased_is_found_in_the_ledger(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = rows_of_types(store, SUBJECTS[1], ("order.paid",), 6)
    alias = row.record.partition(b'"buyer":"')[2].partition(b'"')[0].decode()
    with_row = found_all(store, Sought(alias=alias))
    erase_now(store, "b-1", "asked for")
    assert merchant_of(store, alias) is None
    monkeypatch.setattr(search, "POSITIONS_AT_ONCE", 3)
    assert found_all(store, Sought(alias=alias)) == with_row == [(SUBJECTS[1], f"pay-o-{each}") for each in range(4)]


def test_what_a_run_decided_is_found_by_its_run_by_who_may_see_it(store: Store) -> None:
    month = parse_month("2022-11")
    run = decide(store, "merchant-reputation", period_of(store, "merchant-reputation", month, None)).run.run
    decided = search_events(store, Sought(run=run), EVERYTHING_SHOWN, None, 100).events
    held = [row for subject in SUBJECTS for row in rows_of_types(store, subject, ("level.decided",), 1_000)]
    assert sorted(item["position"] for item in decided) == sorted(row.position for row in held)
    with pytest.raises(HiddenError):
        search_events(store, Sought(run=run), Reader(sees_decisions=False), None, 100)


@pytest.mark.parametrize(
    ("sought", "why"),
    [
        (Sought(), "name one thing to be sought: id, run, about"),
        (Sought(id="a", case="b"), "name one thing to be sought: id, run, about"),
        (
            Sought(about="b", subject="nobody"),
            "there is no subject 'nobody'; name it as kind/id, such as merchant/tea-house",
        ),
    ],
)
def test_what_cannot_be_sought_is_refused(store: Store, sought: Sought, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        search_events(store, sought, EVERYTHING_SHOWN, None, 10)


@pytest.mark.parametrize("sought", [Sought(id="flag"), Sought(case="b"), Sought(about="o-1", subject=SUBJECTS[0])])
def test_a_place_in_another_search_is_refused(store: Store, sought: Sought) -> None:
    place = search_events(store, Sought(about="o-1"), EVERYTHING_SHOWN, None, 1).next
    assert place == SUBJECTS[0]
    with pytest.raises(UsageError, match="does not go on behind 'merchant/m-1': that is a place in another search"):
        search_events(store, sought, EVERYTHING_SHOWN, place, 1)


@pytest.mark.parametrize("place", ["", "9" * 19, "9" * 30, "1\n", "-1", "\u0661"])
def test_a_forged_place_is_refused(store: Store, place: str) -> None:
    """The largest that a database can hold has 19 digits."""
    for sought in (Sought(id="flag"), Sought(case="b"), Sought(about="o-1", subject=SUBJECTS[0])):
        with pytest.raises(UsageError, match="that is a place in another search"):
            search_events(store, sought, EVERYTHING_SHOWN, place, 1)
        assert search_events(store, sought, EVERYTHING_SHOWN, "9" * 18, 1).events == []
