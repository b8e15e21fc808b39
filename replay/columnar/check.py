"""Checking an archive: its files against the manifest, what they say against what the store gives when sealed anew."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from domain.buckets import AGENCIES, BUCKETS
from replay.columnar.archive import Archive, check_there, open_archive, whole_stretch
from replay.columnar.columns import TYPES
from replay.columnar.numbering import Numbered
from replay.columnar.places.files import MANIFEST, SegmentsPlace
from replay.columnar.segments import (
    COLUMNS_FILE,
    NAMES_FILE,
    SUBJECTS_FILE,
    Generation,
    Progress,
    columns_in,
    few_and_many,
    file_name,
    names_in,
)
from replay.errors import DamagedError, NotExaminedError
from replay.extras import FAST, missing_of
from replay.objects.naming import FilesPlace
from replay.store.base.store import Store

if TYPE_CHECKING:
    import pyarrow as pa


class Checked(NamedTuple):
    """What a check of the segments found; they can be used when `problems` is empty."""

    position: int
    """Up to which position they go."""
    problems: list[str]


def check_archive(store: Store, named: FilesPlace, progress: Progress = lambda _: None) -> Checked | None:
    """Compare the segments in a place with the store; None when nothing was sealed there.

    First the manifest, then every file by its hash; when these fit, each row and name by itself, up to the first that
    differs. Raises NotExaminedError where a place that was named is not there or cannot be reached.
    """
    check_there(store, named)
    if isinstance(named, Path) and not (named / MANIFEST).exists():
        return None
    missing = missing_of(FAST)
    if missing:
        raise NotExaminedError(
            f"the segments in {named} cannot be compared without {' and '.join(missing)}, which this installation of"
            " Levelbook lacks: pip install 'levelbook[fast]', then verify again"
        )
    try:
        archive = open_archive(store, named)
    except DamagedError as error:
        return Checked(0, [str(error)])
    if not archive.manifest.generations:
        return None
    problems = []
    for generation in archive.manifest.generations:
        for file in generation.files:
            try:
                archive.place.check(file)
            except DamagedError as error:
                problems.append(str(error))
    if not problems:
        try:
            for place in range(len(archive.manifest.generations)):
                _compare(store, archive, place, progress)
        except DamagedError as error:
            problems.append(str(error))
    return Checked(archive.position, problems)


def _compare(store: Store, archive: Archive, place: int, progress: Progress) -> None:
    """Raises DamagedError unless a generation is what sealing its stretch of the store gives."""
    generation = archive.manifest.generations[place]
    parts = whole_stretch(store, generation.first - 1, generation.last, progress)
    before = archive.before(place)
    for bucket, part in sorted(parts.items()):
        _compare_bucket(archive.place, generation, bucket, before.numbered(bucket, part))
    for bucket in {*range(BUCKETS), AGENCIES} - parts.keys():
        for kind in (COLUMNS_FILE, SUBJECTS_FILE, NAMES_FILE):
            if generation.file(bucket, kind) is not None:
                name = file_name(generation.number, bucket, kind)
                raise archive.place.misfit(name, "holds what the store does not")


def _compare_bucket(place: SegmentsPlace, generation: Generation, bucket: int, found: Numbered) -> None:
    few, many = few_and_many(found.names)
    expected = {
        COLUMNS_FILE: {name: getattr(found.columns, name) for name in TYPES},
        SUBJECTS_FILE: _names_by_column(few),
        NAMES_FILE: _names_by_column(many),
    }
    for kind, columns in expected.items():
        rows = len(next(iter(columns.values())))
        name = file_name(generation.number, bucket, kind)
        file = generation.file(bucket, kind)
        if file is None:
            if rows:
                raise place.misfit(name, f"is not in the manifest, but the store has {rows} rows for it")
            continue
        if kind == COLUMNS_FILE:
            (read,) = columns_in(place, file)
            held = {column: getattr(read, column) for column in TYPES}
        else:
            (names,) = names_in(place, file)
            held = _names_by_column(names)
        _compare_rows(partial(place.misfit, name), held, columns)


def _names_by_column(names: "pa.Table") -> dict[str, Any]:
    return {name: names[name].to_numpy() for name in names.column_names}


def _compare_rows(misfit: Callable[[str], DamagedError], held: dict[str, Any], expected: dict[str, Any]) -> None:
    """Raises DamagedError for the first row that differs, naming its first column that does."""
    import numpy as np

    counts = len(next(iter(held.values()))), len(next(iter(expected.values())))
    shared = min(counts)
    differing = [np.flatnonzero(held[name][:shared] != column[:shared]) for name, column in expected.items()]
    first = min((int(rows[0]) for rows in differing if len(rows)), default=None)
    if first is not None:
        name = next(name for name, rows in zip(expected, differing, strict=True) if len(rows) and rows[0] == first)
        where = f"row {first}, position {expected['position'][first]}" if "position" in expected else f"row {first}"
        raise misfit(f"holds {name} {held[name][first]} in {where}, the store says {expected[name][first]}")
    if counts[0] != counts[1]:
        raise misfit(f"holds {counts[0]} rows, the store says {counts[1]}")
