"""Which place is meant: a path, or the URL of a folder or of the storage of objects."""

from pathlib import Path

from projections.exporting.objects import object_place
from projections.exporting.places import ExportPlace, FolderPlace
from replay.objects.naming import FilesPlace, place_of


def place_named(name: str) -> ExportPlace:
    """Raises UsageError for what names neither."""
    return place_at(place_of(name))


def place_at(place: FilesPlace) -> ExportPlace:
    return FolderPlace(place) if isinstance(place, Path) else object_place(place)
