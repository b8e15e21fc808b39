"""`rebuild --into`: all views of a ledger worked out by processes and written as Parquet; none is kept in a database.

Files, manifest and switch are those of an export, so that whoever reads an export reads this. Whatever ends it,
whoever opens the manifest finds every file that it names.
"""

import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import pyarrow as pa

from domain.buckets import BUCKETS
from domain.calendar import shanghai_text
from domain.version import PROGRAM_VERSION
from projections.exporting.columns import exported_views, file_columns
from projections.exporting.export import KEEP, standing_in, switch, tidied_behind
from projections.exporting.making import order_in_files, told_columns
from projections.exporting.manifest import FORM, ExportedBuild, ExportedFeed, ExportedFile, ExportedView, ExportManifest
from projections.exporting.naming import place_for
from projections.exporting.places import ExportPlace
from projections.exporting.tidying import StandingManifest, tidied
from projections.exporting.writing import FileWriter
from projections.projector.fill import FILLING, Progress
from projections.projector.prove import SAMPLE, SHOWN_MAX, Proof, sample_of
from projections.projector.rebuild import PROVING
from projections.schemes.registry import check_views_of_shard, check_views_whole
from projections.spreading.across import Across, begun_across
from projections.spreading.files import (
    BucketDone,
    BucketWork,
    FilesByView,
    Left,
    ViewFiles,
    largest_first,
    leave,
    left_of,
    write_bucket,
)
from projections.spreading.processes import Helpers, ProcessAsked
from projections.views.database import FORMAT
from replay.columnar.archive import Tail
from replay.columnar.ledger_columns import BEGINS
from replay.errors import LevelbookError
from replay.objects.naming import FilesPlace
from replay.store.base.store import Store
from replay.tracing import span

if TYPE_CHECKING:
    from projections.spreading.spark import OnSpark

NO_FEED: Final = ExportedFeed("", 0)
NO_BUILD: Final = 0


class AskedInto(NamedTuple):
    """How a rebuild into files was asked for."""

    to: str
    """A folder, or the URL of one or of storage of objects."""
    sample: int = SAMPLE
    """How many subjects of a kind are held against independent replays."""
    seed: int | None = None
    """Which ones: chosen at random where left out."""
    segments: FilesPlace | None = None
    """Where the sealed segments lie; beside a SQLite ledger where left out."""
    as_of: int | None = None
    """Now where left out."""
    keep: int = KEEP
    """How many manifests stay with their files, this one among them."""


class IntoReport(NamedTuple):
    """What a rebuild into files came to."""

    place: str
    manifest: ExportManifest
    proof: Proof
    seed: int
    written: int
    """Files that did not lie there already."""
    removed: int
    left: str | None
    """Why files that no kept manifest tells of were left where they are."""

    @property
    def digest(self) -> str:
        """SHA-256 over what the manifest tells of all files: equal however many processes made them."""
        return sha256(msgspec.json.encode(self.manifest.tables)).hexdigest()


def rebuild_into(
    store: Store, asked: AskedInto, beside: "Helpers | OnSpark", progress: Progress = lambda *_: None
) -> IntoReport:
    """Work out all views at the ledger's head, prove a sample, write them as Parquet and switch the manifest.

    `beside`: processes that work out buckets, too; or Spark, which works out all of them.

    Raises LevelbookError where the proof fails or a record of the sample cannot be read, UsageError for a ledger
    without records and where another ledger's export lies in the place, StoreError where that cannot be used.
    """
    check_views_whole()
    check_views_of_shard(store)
    place = place_for(asked.to, store, asked.segments)
    with span("rebuild into") as tell, place.alone():
        before = standing_in(store, place)
        sizes = tidied(place, before, None).sizes
        try:
            with begun_across(store, asked.segments, asked.as_of) as across:
                made = _made(_IntoBegun(place, asked, across, beside, _known(before, sizes)), progress)
                manifest = _manifest(across, made.tables, before)
        except BaseException:  # once the manifest is being put nothing is taken away: that one may count already
            with suppress(LevelbookError):
                tidied(place, before, None)
            raise
        after = tidied_behind(place, switch(place, before, manifest), asked.keep)
        tell({"levelbook.position": manifest.position})
        return IntoReport(place.shown, manifest, made.proof, made.seed, made.written, after.removed, after.left)


def _known(before: StandingManifest | None, sizes: Mapping[str, int]) -> dict[str, ExportedFile]:
    """By path, the files of the manifest before that lie there whole."""
    named = [] if before is None else before.manifest.named_files()
    return {file.path: file for file in named if sizes.get(file.path) == file.bytes}


class _IntoBegun(NamedTuple):
    """What a rebuild into files begins with."""

    place: ExportPlace
    asked: AskedInto
    across: Across
    beside: "Helpers | OnSpark"
    known: dict[str, ExportedFile]


class _Made(NamedTuple):
    """Every file, put, and the proof."""

    tables: list[ExportedView]
    written: int
    proof: Proof
    seed: int


def _made(begun: _IntoBegun, progress: Progress) -> _Made:
    across, asked = begun.across, begun.asked
    across.keep()
    seed = secrets.randbelow(2**32) if asked.seed is None else asked.seed
    chosen = sample_of(across.views.store, Random(seed), asked.sample)
    sample = frozenset(subject for subjects in chosen.values() for subject in subjects)
    work = BucketWork(across.ground(), sample, begun.known)
    if isinstance(begun.beside, Helpers):
        found = _buckets(begun, begun.beside, work, progress)
        across.fill(found.subjects)
    else:
        found = _BucketsDone()
        for done, left in begun.beside.worked_out(across, work, asked.to, progress):
            found.take(done, left)
        across.fill(found.subjects, are_agencies_judged=True)
    _put_rest(begun, found)
    with span("rebuild proving"):
        proof = across.prove(chosen, found.sampled, lambda done: progress(PROVING, done, 0))
    _check(proof, seed)
    return _Made([_view(view, found) for view in exported_views()], found.written, proof, seed)


class _BucketsDone:
    """What has come of the buckets that are done."""

    def __init__(self) -> None:
        self.files = dict[int, FilesByView]()
        """By bucket, BUCKETS what is worked out of all of them."""
        self.written = 0
        self.sampled = list[dict[str, pa.Table]]()
        self.subjects = set[str]()
        """Who has a level."""

    def take(self, done: BucketDone, left: Left) -> None:
        self.files[done.bucket] = done.files
        self.written += done.written
        self.sampled += left.sampled
        self.subjects |= left.subjects

    def of_view(self, view: str) -> list[ExportedFile]:
        return [file for bucket in sorted(self.files) for file in self.files[bucket].get(view, ())]


def _buckets(begun: _IntoBegun, beside: Helpers, work: BucketWork, progress: Progress) -> _BucketsDone:
    """Every bucket, by this process and those beside it."""
    across, folder, found, records = begun.across, beside.folder, _BucketsDone(), 0
    archive = across.reader.archive

    def here(bucket: int) -> BucketDone:
        done, left = write_bucket(work, begun.place, bucket, across.reader.parts_of(bucket))
        leave(folder, bucket, left)
        return done

    def tail_of(bucket: int) -> Tail:
        return across.reader.tail_of(BEGINS[bucket])

    asked = ProcessAsked(work, archive, begun.asked.to, folder, largest_first(archive))
    for done in beside.done(asked, tail_of, here):
        left = left_of(folder, done.bucket)
        for tables in left.for_agencies:
            across.take(tables)
        found.take(done, left)
        records += done.records
        progress(FILLING, records, max(across.build.total, records))
    return found


def _put_rest(begun: _IntoBegun, found: _BucketsDone) -> None:
    """The files of what is worked out of all buckets; of a view without rows an empty one."""
    with FileWriter(begun.place, "parquet", begun.known) as writer, begun.across.shown() as reader:
        files = ViewFiles(writer, None)
        for view in exported_views():
            for rows in reader.rows(view):
                files.add(view, rows)
        found.files[BUCKETS] = files.put([view for view in exported_views() if not found.of_view(view)])
    found.written += len(writer.written)


def _check(proof: Proof, seed: int) -> None:
    """Raises the error of a record of the sample that cannot be read, and LevelbookError where the proof fails."""
    if proof.problems:
        shown = "\n".join(proof.problems[:SHOWN_MAX])
        raise LevelbookError(
            f"what was worked out is not what independent replays give, the manifest was left as it was (sample"
            f" {seed}):\n{shown}"
        )
    for _, _, error in proof.unread:
        raise error


def _view(view: str, found: _BucketsDone) -> ExportedView:
    files = found.of_view(view)
    columns = told_columns(file_columns(view))
    return ExportedView(view, sum(file.rows for file in files), order_in_files(view), columns, files)


def _manifest(across: Across, tables: list[ExportedView], before: StandingManifest | None) -> ExportManifest:
    build, now = across.build, shanghai_text(across.views.store.now())
    return ExportManifest(
        form=FORM,
        number=1 if before is None else before.manifest.number + 1,
        kind="full",
        because="first" if before is None else "asked",
        made_at=now,
        program=PROGRAM_VERSION,
        ledger=across.views.store.identity.id,
        position=build.position,
        chain=build.chain,
        as_of=shanghai_text(build.as_of),
        views=ExportedBuild(NO_BUILD, FORMAT, PROGRAM_VERSION, now, json.loads(build.policies)),
        feed=NO_FEED,
        files="parquet",
        tables=tables,
        changes=[],
    )
