"""What is derived from a ledger: its sealed segments and its views, whether they are of it, and how far behind."""

from collections.abc import Callable
from random import Random
from typing import Any, Final

from domain.limits import DAY_MICROS
from projections.doctor.observations import FAIL, OK, WARN, Observation, Observations
from projections.projector.status import status_beside
from projections.views.database import open_views
from projections.views.definitions import check_definitions
from replay.columnar.archive import open_archive
from replay.columnar.size import MANY_RECORDS
from replay.store.base.store import Store

FILES_LOOKED_AT: Final = 8
"""So many segments are held against their hashes; 'verify' reads them all."""
BEHIND_SECONDS_MAX: Final = 60
"""So far may views lie behind, as the service takes them to be ready."""
STALLED_SECONDS: Final = 300
"""A rebuild that has not moved for so long is nobody's."""


def segments_found(store: Store, clock: Callable[[], int]) -> Observations:
    """Whether the segments are of this ledger, some files by hash, others each day, and how much is not sealed."""
    check, head = "segments", store.head().position
    archive = open_archive(store, store.segments_path())
    files = [file for generation in archive.manifest.generations for file in generation.files]
    looked_at = Random(f"{archive.position} {clock() // DAY_MICROS}").sample(files, min(len(files), FILES_LOOKED_AT))
    for file in looked_at:
        archive.place.check(file)
    told = {"position": archive.position, "behind": head - archive.position, "files": len(looked_at)}
    wanted = told["behind"] >= MANY_RECORDS and told["behind"] > archive.position
    if wanted:
        yield Observation(check, WARN, "unsealed", told)
    elif files:
        yield Observation(check, OK, "fit", told)
    elif store.named_segments is not None and head:
        yield Observation(check, WARN, "none_there", told | {"place": str(store.named_segments)})
    else:
        yield Observation(check, OK, "none", told)


def views_found(store: Store) -> Observations:
    """Whether the views can be used, and what of them waits for somebody."""
    found = status_beside(store)
    if found is None:
        yield Observation("views", OK, "none", {})
        return
    for problem in found["problems"]:
        yield Observation("views", FAIL, "unfit", {"problem": problem})
    if found["problems"]:
        return
    with open_views(store, only_read=True) as views:
        check_definitions(views)
    yield from _standing(found)


def _standing(found: dict[str, Any]) -> Observations:
    """What the status of views that can be used tells."""
    live, rebuild = found["live"], found["rebuild"]
    if live is None:
        yield Observation("views", WARN, "none_live", {})
    else:
        told = {name: live[name] for name in ("build", "position", "lag_events", "lag_seconds")}
        late = live["lag_seconds"] > BEHIND_SECONDS_MAX
        yield Observation("views", WARN if late else OK, "late" if late else "stand", told)
    aside = len(found["set_aside"])
    if found.get("unexpected"):
        yield Observation("views", FAIL, "unexpected", {"count": found["unexpected"]})
    elif aside:
        yield Observation("views", WARN, "aside", {"count": aside})
    if rebuild is not None:
        told = {name: rebuild[name] for name in ("build", "phase", "done_events", "total_events")}
        left = rebuild["seconds_since_moved"] > STALLED_SECONDS
        yield Observation("views", WARN if left else OK, "unfinished" if left else "rebuilding", told)
    for other in found["candidates"]:
        if other["problem"] is not None:
            yield Observation("views", WARN, "stopped", {"hash": other["hash"], "problem": other["problem"]})
