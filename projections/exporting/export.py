"""An export: files of the views at one moment, then the manifest that names them, then what no manifest names goes."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec

from domain.calendar import shanghai_text
from domain.version import PROGRAM_VERSION
from projections.exporting.going_on import CONTINUED, is_at_rest, why_full
from projections.exporting.making import FilesOfViews, Progress
from projections.exporting.manifest import (
    FORM,
    MANIFEST,
    ExportedBuild,
    ExportedChanges,
    ExportedFeed,
    ExportedFile,
    ExportManifest,
    FileForm,
    is_kept_name,
    kept_name,
    read_manifest,
    written_manifest,
)
from projections.exporting.parts import LEVELS
from projections.exporting.places import ExportPlace, PlacedFile
from projections.exporting.reading import ViewReader
from projections.exporting.tidying import StandingManifest, Tidied, tidied
from projections.exporting.writing import FileWriter
from projections.views.belonging import check_history
from projections.views.changes import last_number
from projections.views.database import FORMAT, Build, Views
from projections.views.definitions import check_definitions
from replay.errors import LevelbookError, StoreError, UsageError
from replay.extras import FAST, need
from replay.store.base.store import Store

KEEP: Final = 3
"""How many manifests stay, with their files, where nothing else is asked for."""


class ExportAsked(NamedTuple):
    """What is to be exported."""

    views: tuple[str, ...]
    form: FileForm = "parquet"
    full: bool = False
    """Whether every file is written, also one that lies there."""
    keep: int = KEEP


class ExportReport(NamedTuple):
    """What an export came to."""

    manifest: ExportManifest
    """The one that counts now."""
    is_new: bool
    """False: nothing had changed since it was written."""
    written: list[ExportedFile]
    removed: int
    """Files that no kept manifest tells of any more."""
    left: str | None = None
    """Why such files were left where they are."""


def export(views: Views, place: ExportPlace, asked: ExportAsked, progress: Progress = lambda *_: None) -> ExportReport:
    """Export views to a place, going on from what lies there where that can be.

    Whatever ends it, whoever opens the manifest finds every file that it names. Raises UsageError where another
    ledger's export lies there, StoreError where the place cannot be used or another export was in it, OtherHistory
    where the views are not of their ledger.
    """
    need(FAST, "an export")
    check_definitions(views)
    with place.alone():
        before = standing_in(views.store, place)
        kept = None if before is None else before.manifest
        try:
            made, written = _made(_Begun(views, place, asked, kept, tidied(place, before, None).sizes), progress)
        except BaseException:  # once the manifest is being put nothing is taken away: that one may count already
            with suppress(LevelbookError):
                tidied(place, before, None)
            raise
        if before is not None and made.kind == "increment" and _says_the_same(before.manifest, made):
            after = tidied_behind(place, before, asked.keep)
            return ExportReport(before.manifest, False, [], after.removed, after.left)
        after = tidied_behind(place, switch(place, before, made), asked.keep)
        return ExportReport(made, True, written, after.removed, after.left)


def standing_in(store: Store, place: ExportPlace) -> StandingManifest | None:
    """The manifest that counts in a place.

    Raises UsageError where it is of another ledger's export, and where none counts but something else lies under the
    names of earlier ones, such as segments: what no export put there would be taken for what one left.
    """
    content = place.read(MANIFEST)
    standing = None if content is None else StandingManifest(_own(store, place, MANIFEST, content), content)
    if standing is not None and place.is_held:
        return standing
    lying = place.files()
    shown = "" if standing is None else kept_name(standing.manifest.number)
    later = dict[str, StandingManifest]()
    for name in sorted(name for name in lying if is_kept_name(name) and name > shown):
        kept = place.read(name)
        if kept is not None:
            later[name] = StandingManifest(_own(store, place, name, kept), kept)
    return standing if place.is_held else _taken_up(place, later, lying) or standing


def _taken_up(
    place: ExportPlace, claimed: Mapping[str, StandingManifest], lying: Mapping[str, PlacedFile]
) -> StandingManifest | None:
    """Let the last manifest count, of those that exports have put and not yet shown: they were killed, or are slow.

    One whose files are gone since goes, too: it would keep every export from its number.
    """
    for name in sorted(claimed, reverse=True):
        if not _missing(claimed[name].manifest, lying):
            place.show(name, claimed[name].content)
            return claimed[name]
        place.remove(name)
    return None


def _missing(manifest: ExportManifest, lying: Mapping[str, PlacedFile]) -> list[str]:
    """The files that a manifest names and that do not lie there whole."""
    return [f.path for f in manifest.named_files() if f.path not in lying or lying[f.path].bytes != f.bytes]


def _own(store: Store, place: ExportPlace, name: str, content: bytes) -> ExportManifest:
    found = read_manifest(content, f"{place.shown}/{name}")
    if found.ledger != store.identity.id:
        raise UsageError(
            f"an export of another ledger lies in {place.shown} ({found.ledger}): nothing was written; name another"
            " place"
        )
    return found


class _Begun(NamedTuple):
    """What an export begins with."""

    views: Views
    place: ExportPlace
    asked: ExportAsked
    before: ExportManifest | None
    sizes: dict[str, int]
    """By name, of the files that lie in the place."""


def _made(begun: _Begun, progress: Progress) -> tuple[ExportManifest, list[ExportedFile]]:
    """Every file of an export, put, and the manifest that is to name them; and which files were written."""
    views, place, asked, before, sizes = begun
    known = [] if before is None or asked.full else before.named_files()
    there = {file.path: file for file in known if sizes.get(file.path) == file.bytes}
    with FileWriter(place, asked.form, there) as writer:
        with views.reading_by_two() as connections:
            connection = connections[0]
            live = views.live(connection)
            check_history(views.store, live)
            feed = ExportedFeed(views.feed_in(connection), last_number(connection, views.changes))
            draft = _draft(begun, live, feed)
            base = before if draft.because is None else None
            at_rest = base is not None and is_at_rest(base, draft)
            with ViewReader(connections, views.schema, live.build) as reader:
                files = FilesOfViews(reader, writer, base, at_rest=at_rest, progress=progress)
                tables = [files.view(view) for view in asked.views]
                changes = list(_changes(begun, draft, files))
        told = [] if before is None or not _goes_on_feed(begun, draft) else before.changes
        made = msgspec.structs.replace(
            draft,
            tables=[table() for table in tables],
            changes=[*told, *(item() for item in changes)][-asked.keep :],
        )
    return made, writer.written


def _draft(begun: _Begun, live: Build, feed: ExportedFeed) -> ExportManifest:
    """The manifest without what it tells of."""
    views, before, asked = begun.views, begun.before, begun.asked
    moved_at, policies = shanghai_text(live.moved_at), json.loads(live.policies)
    draft = ExportManifest(
        form=FORM,
        number=1 if before is None else before.number + 1,
        kind="full",
        because="first",
        made_at=shanghai_text(views.store.now()),
        program=PROGRAM_VERSION,
        ledger=views.store.identity.id,
        position=live.position,
        chain=live.chain,
        as_of=shanghai_text(live.as_of),
        views=ExportedBuild(live.build, FORMAT, live.program, moved_at, policies),
        feed=feed,
        files=asked.form,
        tables=[],
        changes=[],
    )
    if before is None:
        return draft
    why = why_full(before, draft, views.store, begun.sizes) or ("asked" if asked.full else None)
    return msgspec.structs.replace(draft, kind="increment" if why is None else "full", because=why)


def _goes_on_feed(begun: _Begun, draft: ExportManifest) -> bool:
    """Whether who holds the levels of the manifest before can take over what the feed tells behind it."""
    before = begun.before
    had = before is not None and any(table.view == LEVELS for table in before.tables)
    return had and LEVELS in begun.asked.views and draft.because in CONTINUED


def _changes(begun: _Begun, draft: ExportManifest, files: FilesOfViews) -> Iterator[Callable[[], ExportedChanges]]:
    """What the feed tells behind the manifest before, where there is any such thing."""
    before = begun.before
    if before is not None and _goes_on_feed(begun, draft) and draft.feed.number > before.feed.number:
        yield files.changes(before.feed.number, draft.feed.number)


def _says_the_same(before: ExportManifest, made: ExportManifest) -> bool:
    """Whether nothing has changed but when it was looked."""
    names = ("number", "kind", "because", "made_at", "program")
    return before == msgspec.structs.replace(made, **{name: getattr(before, name) for name in names})


def switch(place: ExportPlace, before: StandingManifest | None, made: ExportManifest) -> StandingManifest:
    """Let a manifest count, once every file that it names is there whole.

    Raises StoreError where one is not, or where another export has put its manifest since this one began. That may
    have been tidied away by a later one, which leaves the number free: then what is shown in the end is that later one.
    """
    place.settle()
    missing = _missing(made, place.files())
    if missing:
        raise StoreError(
            f"{len(missing)} files of the export to {place.shown} were taken away or changed while it ran, such as"
            f" {missing[0]}: the manifest was left as it was; let nobody else write there, and export again"
        )
    name, content = kept_name(made.number), written_manifest(made)
    is_overtaken = place.read(MANIFEST) != (None if before is None else before.content)
    if is_overtaken or not place.claim(name, content) or place.show(name, content) != name:
        raise StoreError(
            f"another export has put its manifest into {place.shown} since this one began: that one counts; let only"
            " one export run there at a time, and export again"
        )
    return StandingManifest(made, content)


def tidied_behind(place: ExportPlace, standing: StandingManifest, keep: int) -> Tidied:
    """The export counts by now, whatever becomes of what lies beside it."""
    try:
        return tidied(place, standing, keep)
    except LevelbookError as error:
        return Tidied({}, 0, str(error))
