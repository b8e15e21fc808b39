"""The manifest of an export: of which moment its files are, which they are, and what they must hash to."""

import re
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from replay.errors import UsageError

FORM: Final = 1
MANIFEST: Final = "manifest.json"
KEPT: Final = "manifests"
_KEPT_NAME: Final = re.compile(rf"{KEPT}/[0-9]{{9}}\.json")
FileForm = Literal["parquet", "csv"]
FullBecause = Literal["first", "asked", "build", "feed", "history", "files", "form", "damaged"]


class ExportedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file, which never changes."""

    path: Annotated[str, Meta(description="Below the place of the export.")]
    rows: Annotated[int, Meta(ge=0)]
    bytes: Annotated[int, Meta(ge=0)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    part: Annotated[
        dict[str, str | None],
        Meta(
            description="Which rows it holds: scheme and month; of which subjects, from one up to before another; or"
            " of which bucket of subjects, null what is worked out of all buckets."
        ),
    ]


class ExportedColumn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column of files."""

    name: str
    type: Annotated[str, Meta(description="As Arrow writes it.")]
    nullable: bool


class ExportedView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A view, whose rows are those of all of its files."""

    view: str
    rows: Annotated[int, Meta(ge=0)]
    order: Annotated[list[str], Meta(description="The columns by which the rows of each file are ordered.")]
    columns: list[ExportedColumn]
    files: list[ExportedFile]


class ExportedChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The levels that changed behind one number of the feed, up to another; each as it stood then."""

    after: Annotated[int, Meta(ge=0)]
    upto: Annotated[int, Meta(ge=0)]
    file: ExportedFile


class ExportedBuild(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which views were exported."""

    build: Annotated[int, Meta(description="0: of none; the levels were worked out by 'rebuild --into'.")]
    form: Annotated[int, Meta(description="Of the tables and SQL views.")]
    program: Annotated[str, Meta(description="The version of the program that began the build.")]
    moved_at: Annotated[str, Meta(description="When they last moved.")]
    policies: Annotated[
        dict[str, list[list[str]]], Meta(description="By scheme, id and hash of the revisions that judged.")
    ]


class ExportedFeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the feed of changes stood: `NAME.NUMBER` is a cursor from which the service goes on."""

    name: Annotated[str, Meta(description="Empty where the files are of no views, and no feed goes on from them.")]
    number: Annotated[int, Meta(ge=0)]


class ExportManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The manifest of an export."""

    form: Annotated[Literal[1], Meta(description="Rises when a key goes or changes its meaning.")]
    number: Annotated[int, Meta(ge=1, description="Of the exports of this place; it rises.")]
    kind: Annotated[Literal["full", "increment"], Meta(description="An increment goes on from the one before.")]
    because: Annotated[FullBecause | None, Meta(description="Why it is full; null of an increment.")]
    made_at: Annotated[str, Meta(description="By the ledger's clock.")]
    program: str
    ledger: Annotated[str, Meta(description="The ledger's id.")]
    position: Annotated[int, Meta(ge=0)]
    chain: Annotated[str, Meta(description="The ledger's chain hash at the position.")]
    as_of: str
    views: ExportedBuild
    feed: ExportedFeed
    files: FileForm
    tables: list[ExportedView]
    changes: Annotated[list[ExportedChanges], Meta(description="One behind the other, those of kept increments.")]

    def named_files(self) -> list[ExportedFile]:
        """Every file that it tells of."""
        return [file for table in self.tables for file in table.files] + [item.file for item in self.changes]


def manifest_schema() -> dict[str, Any]:
    """The JSON Schema of a manifest."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(ExportManifest)}


def written_manifest(manifest: ExportManifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def kept_name(number: int) -> str:
    """Where a manifest lies that may be no longer the last."""
    return f"{KEPT}/{number:09d}.json"


def is_kept_name(name: str) -> bool:
    return _KEPT_NAME.fullmatch(name) is not None


def read_manifest(content: bytes, where: str) -> ExportManifest:
    """Raises UsageError for what is no manifest of this form."""
    try:
        return msgspec.json.decode(content, type=ExportManifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{where} is no manifest of an export that this levelbook reads ({error}): nothing was written; name"
            " another place, or remove what lies there"
        ) from None
