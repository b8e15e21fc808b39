"""Which place of segments is meant."""

from pathlib import Path

from replay.columnar.places.files import SegmentsPlace
from replay.columnar.places.folder import FolderSegments
from replay.objects.naming import FilesPlace


def segments_at(place: FilesPlace) -> SegmentsPlace:
    """Raises UsageError for what names no place, NotInstalled for storage of objects without what reads it."""
    if isinstance(place, Path):
        return FolderSegments(place)
    from replay.columnar.places.objects import object_segments

    return object_segments(place)
