"""Which place is meant: a path, or the URL of a folder or of the storage of objects."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from projections.exporting.objects import names_objects, object_place
from projections.exporting.places import ExportPlace, FolderPlace
from replay.errors import UsageError


def place_named(name: str) -> ExportPlace:
    """Raises UsageError for what names neither."""
    if not names_objects(name):
        return FolderPlace(Path(name))
    found = urlsplit(name)
    if found.scheme != "file":
        return object_place(name)
    if found.netloc not in ("", "localhost") or not found.path.strip("/"):
        raise UsageError(f"{name} names no folder of this machine; write file:///PATH, or the path alone")
    return FolderPlace(Path(unquote(found.path)))
