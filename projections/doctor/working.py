"""Who is at work on a ledger: which rights processes hold, and whether somebody keeps its views."""

from pathlib import Path

from projections.doctor.observations import OK, WARN, Observation, Observations
from projections.views.database import RIGHTS
from projections.views.location import has_views, views_path
from replay.columnar.places.folder import LOCK
from replay.store.base.store import Store
from replay.store.beside import beside
from replay.store.postgres import APPEND_LOCK, BACKFILL_LOCK, CHECKPOINT_LOCK
from replay.store.running.rights import files_held, numbers_held, sees_all_processes
from replay.store.sqlite import SqliteStore


def working_found(store: Store) -> Observations:
    """What is held now. It is looked up and not tried, which would keep others from getting it."""
    held = _held_of_file(store) if isinstance(store, SqliteStore) else _held_of_server(store)
    if held is None:
        yield Observation("working", OK, "unknown", {})
        return
    told = {"names": ", ".join(sorted(held))}
    is_nobodys = has_views(store) and "follow" not in held
    if isinstance(store, SqliteStore) and (is_nobodys or not held) and not sees_all_processes():
        yield Observation("working", OK, "unseen", told)
    elif is_nobodys:
        yield Observation("working", WARN, "nobody_follows", told)
    elif held:
        yield Observation("working", OK, "held", told)
    else:
        yield Observation("working", OK, "nobody", told)


def _held_of_file(store: SqliteStore) -> set[str] | None:
    views, segments = views_path(store), store.segments_path()
    paths: dict[str, Path] = {work: beside(views, f".{work}") for work in RIGHTS}
    paths |= {"backfill": beside(store.path, ".backfill"), "checkpoint": beside(store.path, ".checkpointing")}
    if isinstance(segments, Path):
        paths["seal"] = segments / LOCK
    return files_held(paths)


def _held_of_server(store: Store) -> set[str]:
    numbers = {**RIGHTS, "append": APPEND_LOCK, "backfill": BACKFILL_LOCK, "checkpoint": CHECKPOINT_LOCK}
    return numbers_held(store, numbers)
