"""Views judge by nothing that the ledger has not recorded with its whole content first."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eventsourcing.persistence import IntegrityError

from domain.aggregates import PolicyBook
from domain.calendar import parse_instant
from projections.projector.check import check_views
from projections.projector.follow import follow
from projections.projector.rebuild import Asked, rebuild
from projections.views.database import Views, open_views
from replay.decisions import adopt as adopting
from replay.decisions.adopt import adopt_used_by_views
from replay.decisions.application import Ledger
from replay.errors import StoreError, UsageError
from replay.policies.catalog import adopted_policies, shipped
from replay.store.base.store import Store
from tests.support.making import event, ingest_events, paid
from tests.support.views import proof_of
from tests.worlds.ledgers import SCHEMES, revised

EVENTS = [paid("o-1"), event("creator.registered", "c", subject="creator/c")]


@pytest.fixture
def views(store: Store, tmp_path: Path) -> Iterator[Views]:
    """Views of a small ledger, still to be made."""
    ingest_events(store, EVENTS, tmp_path)
    with open_views(store, make=True) as opened:
        yield opened


def adopted(store: Store) -> set[tuple[str, str]]:
    return {(item.policy.id, item.policy.hash) for scheme in SCHEMES for item in adopted_policies(store, scheme)}


def judged_by(views: Views) -> set[tuple[str, str]]:
    """The revisions that the live build notes."""
    with views.reading() as connection:
        noted: dict[str, list[list[str]]] = json.loads(views.live(connection).policies)
    return {(name, digest) for revisions in noted.values() for name, digest in revisions}


def assert_recorded(views: Views) -> None:
    assert judged_by(views) and judged_by(views) <= adopted(views.store)
    with views.reading() as connection:
        assert views.live(connection).position == views.store.head().position
    assert proof_of(views).problems == [] and check_views(views).problems == []


@pytest.mark.slow
def test_a_rebuild_records_what_it_judges_by_and_a_dry_run_records_nothing(views: Views) -> None:
    rebuild(views, Asked(dry_run=True))
    assert adopted(views.store) == set()
    assert rebuild(views, Asked()).resumed
    assert_recorded(views)
    head = views.store.head()
    rebuild(views, Asked())
    rebuild(views, Asked(schemes=("mcn-level",)))
    follow(views, stay=False)
    assert views.store.head() == head, "what is adopted is adopted once"


@pytest.mark.slow
def test_following_records_what_it_judges_by_also_for_views_made_before(
    views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    from projections.projector import rebuild as building

    with monkeypatch.context() as patched:
        patched.setattr(building, "adopt_used_by_views", lambda *_: 0)
        rebuild(views, Asked())
    assert adopted(views.store) == set()
    follow(views, stay=False)
    assert_recorded(views)


def test_a_rebuild_that_is_refused_and_an_empty_ledger_are_left_as_they_are(store: Store) -> None:
    with open_views(store, make=True) as empty:
        with pytest.raises(UsageError, match="holds no record"):
            rebuild(empty, Asked())
        follow(empty, stay=False)
        adopt_used_by_views(store, parse_instant("2026-01-01T00:00:00+08:00"))
    assert store.head().position == 0


def test_what_is_not_in_force_yet_is_adopted_when_it_comes_into_force(store: Store, tmp_path: Path) -> None:
    ingest_events(store, EVENTS, tmp_path)
    first, second = shipped("creator-level")
    before = second.in_force_from - 1
    assert adopt_used_by_views(store, before) == second.in_force_from
    assert (first.id, first.hash) in adopted(store) and (second.id, second.hash) not in adopted(store)
    adopt_used_by_views(store, second.in_force_from)
    assert (second.id, second.hash) in adopted(store)


def test_a_revision_that_another_process_adopts_at_the_same_time_stays_the_one_that_counts(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other's files may be newer, or older: what was adopted first is not replaced by what this one holds."""
    ingest_events(store, EVENTS, tmp_path)
    other, real = revised("merchant-tier", 1), Ledger.policy_book

    def overtaken(ledger: Ledger, scheme: str) -> PolicyBook:
        """The other process adopts after this one has read what is adopted."""
        book = real(ledger, scheme)
        if scheme == other.scheme and not book.latest:
            monkeypatch.setattr(Ledger, "policy_book", real)
            ledger.adopt(other)
        return book

    def lost(*_: Any) -> None:
        raise IntegrityError("the stream has moved on")

    monkeypatch.setattr(Ledger, "policy_book", overtaken)
    adopt_used_by_views(store, store.now())
    assert [item.policy.hash for item in adopted_policies(store, "merchant-tier")] == [other.hash]
    monkeypatch.setattr(adopting, "adopt_all", lost)
    with pytest.raises(StoreError, match="are adopted by other processes again and again; try again"):
        adopt_used_by_views(store, store.now())


@pytest.mark.slow
def test_who_may_not_write_is_told_what_to_adopt(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> Any:
        raise StoreError("permission denied for table records")

    with monkeypatch.context() as patched:
        patched.setattr(type(views.store), "append", refused)
        said = (
            "a policy must be recorded before views judge by it, and this process may not record merchant-reputation"
            r" 2022-10-26@.* \(permission denied for table records\);"
            " let one who may write run 'levelbook policy adopt'"
        )
        with pytest.raises(StoreError, match=said):
            rebuild(views, Asked())
    for scheme in SCHEMES:
        for policy in shipped(scheme):
            Ledger(views.store).adopt(policy)
    with monkeypatch.context() as patched:
        patched.setattr(type(views.store), "append", refused)
        rebuild(views, Asked())
        follow(views, stay=False)
    assert_recorded(views)
