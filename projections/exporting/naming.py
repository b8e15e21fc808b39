"""Which place is meant: a path, or the URL of a folder or of the storage of objects."""

from pathlib import Path

from projections.exporting.objects import object_place
from projections.exporting.places import ExportPlace, FolderPlace
from replay.objects.naming import place_of


def place_named(name: str) -> ExportPlace:
    """Raises UsageError for what names neither."""
    place = place_of(name)
    return FolderPlace(place) if isinstance(place, Path) else object_place(place)
