"""Once every loop was loaded, a rebuild in bulk compiles nothing."""

from pathlib import Path

import pytest
from numba.core.event import install_recorder

from projections.projector import rebuild as building
from projections.projector.rebuild import Asked, rebuild
from projections.views.database import open_views
from replay.columnar.seal import seal
from replay.schemes.warming import warm
from replay.store.base.store import Store
from tests.support.making import ingest_events
from tests.worlds.ledgers import World


@pytest.mark.slow
def test_nothing_is_compiled_once_warm(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warm()
    ingest_events(store, World(3).events(300), tmp_path)
    seal(store, tmp_path / "segments")
    monkeypatch.setattr(building, "RECORDS_BEFORE_BULK", 0)
    with open_views(store, make=True) as views, install_recorder("numba:compile") as compiled:
        rebuild(views, Asked(sample=0, segments=tmp_path / "segments"))
    assert compiled.buffer == []
