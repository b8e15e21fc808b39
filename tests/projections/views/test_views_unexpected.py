"""Failures that nobody foresaw: a unit is worked out from nothing at once; what fails again shows its trace."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import main
from domain.calendar import parse_instant
from projections.http.settings import Settings
from projections.projector.advance import advance, retry
from projections.projector.rebuild import Asked, rebuild
from projections.schemes.creator_level import view as creator_view
from projections.schemes.mcn_level import view as mcn_view
from projections.schemes.merchant_reputation import running as reputation_running
from projections.schemes.merchant_reputation import view as reputation_view
from projections.schemes.merchant_tier import view as tier_view
from projections.views.database import open_views
from projections.views.readahead import Windows
from replay.store.base.store import Store
from tests.support.making import ADOPTED, event, ingest_events, paid
from tests.support.serving import serving
from tests.support.views import empty_live, proof_of

AT = "2022-11-05T10:00:00+08:00"
NEXT = "2022-11-05T11:00:00+08:00"
FIRST = [
    event("merchant.onboarded", "on", "2022-09-01T00:00:00+08:00", category="fresh"),
    paid("o-1", AT),
    event("creator.registered", "c", AT, subject="creator/c"),
    event("mcn.onboarded", "a", AT, subject="mcn/a"),
    event("creator.bound", "bound", AT, subject="mcn/a", creator="c"),
]
LATER = [
    paid("o-2", NEXT),
    event("live.held", "l", NEXT, subject="creator/c", minutes=5),
    event("credit.granted", "g", NEXT, subject="mcn/a", points=5),
]


def broken(*_: Any, **__: Any) -> Any:
    raise TypeError("no such thing")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name", "unit"),
    [
        (reputation_running, "go_on_with", ("merchant/m-1", "merchant-reputation")),
        (tier_view, "add_to_open_day", ("merchant/m-1", "merchant-tier")),
        (creator_view, "months_of", ("creator/c", "creator-level")),
        (mcn_view, "months_of", ("mcn/a", "mcn-level")),
    ],
)
def test_a_unit_that_fails_as_nobody_foresaw_is_worked_out_from_nothing(
    module: Any, name: str, unit: tuple[str, str], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = Windows()
    with open_views(store, make=True) as views:
        empty_live(views, parse_instant(AT) - 1)
        ingest_events(store, FIRST, tmp_path)
        advance(views, 1, parse_instant(AT), windows=windows)
        ingest_events(store, LATER, tmp_path)
        with monkeypatch.context() as patched:
            patched.setattr(module, name, broken)
            moved = advance(views, 1, parse_instant(NEXT), windows=windows)
        assert [failed[:2] for failed in moved.recovered] == [unit] and moved.set_aside == 0
        assert "TypeError: no such thing" in moved.recovered[0].trace and " in broken" in moved.recovered[0].trace
        assert proof_of(views).problems == []
        ingest_events(store, [paid("o-3", NEXT)], tmp_path)
        assert advance(views, 1, parse_instant(NEXT) + 1, windows=windows).recovered == []
        assert proof_of(views).problems == []


def run(store: Store, *command: str, status: int = 0) -> Result:
    done = CliRunner().invoke(main, [*command, "--store", store.location])
    assert done.exit_code == status, done.output
    return done


@pytest.mark.slow
def test_what_fails_again_from_nothing_is_shown_with_its_trace_and_the_service_is_not_ready(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest_events(store, FIRST, tmp_path)
    with open_views(store, make=True) as views:
        rebuild(views, Asked())
        ingest_events(store, LATER, tmp_path)
        with monkeypatch.context() as patched:
            patched.setattr(reputation_view, "advance", broken)
            patched.setattr(reputation_running, "go_on_with", broken)
            run(store, "follow", "--once", status=1)
        told = run(store, "status", status=1).stdout
        line = f"set aside       merchant/m-1 merchant-reputation at position {6 + ADOPTED}: TypeError: no such thing"
        assert line in told and "                Traceback (most recent call last):" in told
        assert "unexpected      1 of them: a fault of the program; report it with its trace" in told
        shown = json.loads(run(store, "status", "--format", "json", status=1).stdout)["views"]
        assert shown["unexpected"] == 1 and " in broken" in shown["set_aside"][0]["trace"]
        assert ready(store) == (
            503,
            "1 levels failed unexpectedly and are set aside; 'levelbook status' shows their traces",
        )
        assert retry(views).taken_up == [("merchant/m-1", "merchant-reputation")]
        assert ready(store) == (200, None)
        assert proof_of(views).problems == []
        assert json.loads(run(store, "status", "--format", "json").stdout)["views"]["unexpected"] == 0


def ready(store: Store) -> tuple[int, str | None]:
    with serving(Settings(store.location)) as client:
        found = client.get("/readyz")
        return found.status_code, found.json().get("why")


@pytest.mark.slow
def test_a_follower_tells_what_it_recovered_from(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest_events(store, FIRST, tmp_path)
    with open_views(store, make=True) as views:
        rebuild(views, Asked())
    ingest_events(store, LATER, tmp_path)
    monkeypatch.setattr(creator_view, "months_of", broken)
    done = run(store, "follow", "--once")
    assert "creator/c creator-level: failed unexpectedly, and was worked out from nothing" in done.stdout
    assert "TypeError: no such thing" in done.stderr and "TypeError" not in done.stdout
