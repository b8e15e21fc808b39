"""Whether an export can go on from the one before, and why it cannot."""

from collections.abc import Mapping
from typing import Final

from domain.calendar import parse_instant
from projections.exporting.manifest import ExportManifest, FullBecause
from projections.views.belonging import other_history
from replay.store.base.store import Store

CONTINUED: Final = (None, "asked", "build")
"""Why an export is full where the feed goes on all the same; None of an increment."""


def why_full(
    before: ExportManifest, draft: ExportManifest, store: Store, sizes: Mapping[str, int]
) -> FullBecause | None:
    """Why nothing of the manifest before can be gone on from, by where the views stand now; None where all can.

    `sizes`: of the files that lie in the place.
    """
    if before.files != draft.files:
        return "files"
    if before.views.form != draft.views.form:
        return "form"
    went_back = draft.position < before.position or parse_instant(draft.as_of) < parse_instant(before.as_of)
    if went_back or other_history(store, before.position, before.chain) is not None:
        return "history"
    if before.feed.name != draft.feed.name or draft.feed.number < before.feed.number:
        return "feed"
    if before.views.build != draft.views.build:
        return "build"
    if any(sizes.get(file.path) != file.bytes for file in before.named_files()):
        return "damaged"
    return None


def is_at_rest(before: ExportManifest, draft: ExportManifest) -> bool:
    """Whether the views have taken no step since."""
    told = ("position", "chain", "as_of", "views", "feed")
    return all(getattr(before, name) == getattr(draft, name) for name in told)
