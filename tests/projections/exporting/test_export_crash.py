"""kill -9 at any moment of an export: the manifest names whole files, and what was left is taken away."""

from functools import partial
from pathlib import Path
from random import Random

import pytest

from projections.exporting.places import is_ours
from projections.projector.advance import advance
from projections.views.database import Views, open_views
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.support.exports import exported, held, manifest_in, shown
from tests.support.killing import killed
from tests.support.making import ingest_events
from tests.support.views import empty_live
from tests.worlds.ledgers import World

pytestmark = pytest.mark.kills

KILLS = 10 * SOAK


@pytest.mark.slow
def test_an_export_that_is_killed_leaves_the_one_before_or_is_whole(location: str, tmp_path: Path) -> None:
    random, world, place = Random(21), World(21), tmp_path / "out"
    create_store(location)
    with open_store(location) as store, open_views(store, make=True) as views:
        empty_live(views)
        _grow(views, world, tmp_path / "events-0")
        exported(views, place)
        standing = shown(views)
    kills = 0
    for turn in range(1, KILLS + 1):
        with open_store(location) as store, open_views(store) as views:
            _grow(views, world, tmp_path / f"events-{turn}")
            now = shown(views)
        number = manifest_in(place)["number"]
        form, full = random.choice(("parquet", "csv")), random.random() < 0.5
        kills += killed(partial(_export, location, place, form, full), random.uniform(0.01, 0.2))
        standing = standing if manifest_in(place)["number"] == number else now
        assert held(place) == standing
    assert kills > KILLS // 4
    with open_store(location) as store, open_views(store) as views:
        report = exported(views, place, keep=1)
        assert held(place) == shown(views)
    lying = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    named = {file.path for file in report.manifest.named_files()}
    assert {name for name in lying if is_ours(name) and name.startswith(("v1_", "changes"))} == named
    assert not [name for name in lying if name.endswith(".new")]


def _grow(views: Views, world: World, folder: Path) -> None:
    folder.mkdir()
    ingest_events(views.store, world.events(12), folder)
    while advance(views, 1).build.position < views.store.head().position:
        pass


def _export(location: str, place: Path, form: str, full: bool) -> None:
    with open_store(location) as store, open_views(store) as views:
        exported(views, place, form=form, full=full)
