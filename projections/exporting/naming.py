"""Which place is meant: a path, or the URL of a folder or of the storage of objects."""

from pathlib import Path

from projections.exporting.objects import object_place
from projections.exporting.places import ExportPlace, FolderPlace
from replay.errors import UsageError
from replay.objects.naming import FilesPlace, are_one, place_of
from replay.store.base.store import Store


def place_named(name: str) -> ExportPlace:
    """Raises UsageError for what names neither."""
    return place_at(place_of(name))


def place_for(name: str, store: Store, segments: FilesPlace | None = None) -> ExportPlace:
    """The place that is named for an export of a ledger.

    Raises UsageError for what names none, and for where sealed segments are looked for: they have a manifest, too.
    """
    place, sealed = place_of(name), segments or store.segments_path()
    if sealed is not None and are_one(place, sealed):
        raise UsageError(
            f"{place} is where sealed segments of {store.name} are looked for: nothing was written; name another place"
        )
    return place_at(place)


def place_at(place: FilesPlace) -> ExportPlace:
    return FolderPlace(place) if isinstance(place, Path) else object_place(place)
