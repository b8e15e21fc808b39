"""The machine below a ledger: room on its disks, time zones, versions, and rules that are compiled already."""

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.version import PROGRAM_VERSION
from projections.doctor.observations import FAIL, OK, WARN, Observation, Observations
from projections.views.location import has_views, views_path
from replay.columnar.jit import is_kept_at, place_of_kept
from replay.columnar.size import MANY_RECORDS
from replay.extras import FAST, missing_of
from replay.store.base.store import Store
from replay.store.location import is_postgres
from replay.store.running.database import database_of
from replay.store.sqlite import SqliteStore

SPARE_BYTES: Final = 1 << 26
"""With less than that left, what is begun now may not end."""
LIBRARIES: Final = ("eventsourcing", "SQLAlchemy", "psycopg", "msgspec", "granian", "starlette", "cryptography", *FAST)
ZONE: Final = "Asia/Shanghai"


def disk_found(location: str, store: Store | None) -> Observations:
    """The room left on each disk, against a rebuild, which makes the views once more, and a backup of the ledger."""
    if is_postgres(location):
        yield Observation("disk", OK, "of_server", {})
    need = SPARE_BYTES + (0 if store is None else _bytes_of(store))
    disks: dict[int, Path] = {}
    for place in _places(location, store):
        disks.setdefault(place.stat().st_dev, place)
    for place in disks.values():
        free = shutil.disk_usage(place).free
        told = {"place": str(place), "free": free, "need": need}
        if free < SPARE_BYTES:
            yield Observation("disk", FAIL, "full", told)
        elif free < need:
            yield Observation("disk", WARN, "short", told)
        else:
            yield Observation("disk", OK, "room", told)


def _bytes_of(store: Store) -> int:
    """What a ledger in a file takes with its views; of one on a server its own disk says nothing."""
    if not isinstance(store, SqliteStore):
        return 0
    return store.size_bytes() + (views_path(store).stat().st_size if has_views(store) else 0)


def _places(location: str, store: Store | None) -> list[Path]:
    """Folders that are written to, as far as they are there and this user may see that."""
    places = [] if is_postgres(location) else [Path(location).absolute().parent]
    if store is not None and isinstance(segments := store.segments_path(), Path):
        places.append(segments)
    return [place for place in places if os.access(place, os.F_OK) and place.is_dir()]


def zones_found() -> Observations:
    """Whether the names of time zones are known, which mappings of tables may use."""
    try:
        ZoneInfo(ZONE)
    except ZoneInfoNotFoundError:
        yield Observation("zones", WARN, "none", {})
    else:
        yield Observation("zones", OK, "known", {})


def versions_found(store: Store | None) -> Observations:
    """What runs here, and whether the parts are there that many records ask for."""
    told = {"program": PROGRAM_VERSION, "python": platform.python_version(), "database": database_of(store)}
    yield Observation("versions", OK, "run", told)
    libraries = [f"{name} {found}" for name in LIBRARIES if (found := _version(name)) is not None]
    yield Observation("versions", OK, "libraries", {"names": ", ".join(libraries)})
    missing = missing_of(FAST)
    if missing:
        many = store is not None and store.head().position >= MANY_RECORDS
        yield Observation("versions", WARN if many else OK, "slow" if many else "plain", {"names": ", ".join(missing)})


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def loops_found() -> Observations:
    """Whether rules that were compiled are kept, so that the first large replay does not wait for them."""
    if missing_of(FAST):
        return
    place = place_of_kept()
    if place is None:
        yield Observation("loops", OK, "nowhere", {})
    elif is_kept_at(place):
        yield Observation("loops", OK, "kept", {"path": str(place)})
    elif os.access(next(folder for folder in place.parents if folder.exists()), os.W_OK):
        yield Observation("loops", OK, "to_compile", {"path": str(place)})
    else:
        yield Observation("loops", WARN, "unwritable", {"path": str(place)})
