"""What no manifest names any more is taken away; but where another export may be at work, what may be of it stays."""

from typing import Final, NamedTuple

from projections.exporting.manifest import KEPT, MANIFEST, ExportManifest, kept_name, read_manifest
from projections.exporting.places import ExportPlace
from replay.errors import UsageError

ANOTHER: Final = (
    "another export has put its manifest since this one looked: that one counts, and nothing was taken away; let only"
    " one export run there at a time"
)


class StandingManifest(NamedTuple):
    """The manifest that counts, and its bytes."""

    manifest: ExportManifest
    content: bytes


class Tidied(NamedTuple):
    """What a place holds after it was tidied."""

    sizes: dict[str, int]
    """In bytes, by name, of the files that lie there."""
    removed: int
    """So many files went."""
    left: str | None = None
    """Why nothing was taken away, where nothing may be."""


def tidied(place: ExportPlace, standing: StandingManifest | None, keep: int | None) -> Tidied:
    """Remove what no manifest names: the one that counts, and those before it, or only so many of them.

    Nothing goes where another manifest counts by now, or where one that is kept cannot be read. Raises StoreError where
    the place cannot be used.
    """
    lying = place.files()
    sizes = {name: file.bytes for name, file in lying.items()}
    named: set[str] = set()
    if standing is not None:
        number = standing.manifest.number
        first = 1 if keep is None else number - keep + 1
        named = {file.path for file in standing.manifest.named_files()} | {kept_name(number)}
        for name in sorted({kept_name(older) for older in range(max(first, 1), number)} & sizes.keys()):
            try:
                found = read_manifest(place.read(name) or b"", name)
            except UsageError:
                return Tidied(sizes, 0, _unreadable(f"{place.shown}/{name}"))
            named |= {name, *(file.path for file in found.named_files())}
    if place.read(MANIFEST) != (None if standing is None else standing.content):
        return Tidied(sizes, 0, ANOTHER)
    last = "" if standing is None else kept_name(standing.manifest.number)
    going = [name for name in lying if name not in named and (not lying[name].is_young or _is_older(name, last))]
    for name in sorted(going, key=lambda one: (not one.startswith(KEPT), one)):  # no manifest outlives its files
        place.remove(name)
    return Tidied({name: size for name, size in sizes.items() if name not in going}, len(going))


def _is_older(name: str, last: str) -> bool:
    """Whether a name is of a manifest before the one that counts: no export at work puts such."""
    return name.startswith(f"{KEPT}/") and name < last


def _unreadable(shown: str) -> str:
    return (
        f"{shown} is no manifest that this levelbook reads, and nobody knows which files it names: nothing was taken"
        " away; remove it, and the next export does"
    )
