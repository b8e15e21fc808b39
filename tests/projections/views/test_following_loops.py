"""A following process loads the compiled loops in the first moment in which nothing is new, once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from projections.projector.follow import follow
from projections.views.database import open_views
from replay.columnar import size
from replay.schemes import warming
from replay.store.opening import create_store, open_store
from tests.support.making import ingest_events, paid


@pytest.mark.parametrize(("many", "at_hand", "loaded"), [(1, True, 1), (1, False, 0), (1_000, True, 0)])
def test_loops_are_loaded_while_nothing_is_new(
    many: int, at_hand: bool, loaded: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None where the ledger has few records or no loop is kept."""
    begun: list[int] = []

    def load_kept() -> Iterator[str]:
        begun.append(1)
        yield "a scheme"

    monkeypatch.setattr(warming, "load_kept", load_kept)
    monkeypatch.setattr(size, "MANY_TO_JUDGE", many)
    monkeypatch.setattr(size, "is_at_hand", lambda: at_hand)
    looks: list[None] = []
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        ingest_events(store, [paid("o-1", "2022-11-02T10:00:00+08:00")], tmp_path)
        follow(views, stay=True, stopped=lambda: looks.append(None) or len(looks) > 12)  # type: ignore[func-returns-value]
    assert len(begun) == loaded
