"""A file of evidence read once, from its beginning to its end: what does not hold is noted, what is there is kept.

The checks are those of docs/reference/evidence.md. A file is read to its end also where one fails, for the first of the
list may fail last; only a form that is wrong ends it.
"""

import sqlite3
from collections.abc import Callable
from hashlib import sha256
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec

from domain.events import HeadsSealed
from domain.keys import key_beside_stream, stream_key
from replay.errors import LevelbookError
from replay.evidence.contents import MAY_BE_WITHHELD, Link, link_of
from replay.evidence.form import EvidenceEntry, EvidenceHeader, EvidenceReader, KeySection
from replay.integrity.columns_fit import row_of
from replay.integrity.key_chains import Misfit
from replay.proving.heads_trie import is_absent, is_present
from replay.proving.strict_text import MalformedError
from replay.proving.tlog_proof import TlogProof, parse_tlog_proof
from replay.store.decode import read_record
from replay.store.evidence.seals import HEADS_STREAM, SEALED
from replay.store.partial import PartialWriter
from replay.store.reading.asked import EVERYTHING
from replay.store.reading.row import CHAIN_START, Row, key_linked, leaf_hash

CHECKS: Final = ("form", "signatures", "quorum", "seal", "keys", "records", "contents", "claim", "policies")
"""In their order."""
LINKED_TYPES: Final = ("level.decided", "decisions.run")
ROWS_AT_ONCE: Final = 5_000
_STREAM: Final = stream_key("")


class CheckFailed(Exception):
    """A check failed: which, and what was found."""

    def __init__(self, check: str, found: str) -> None:
        super().__init__(found)
        self.check = check


class CheckFailures:
    """What failed first of each check."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}

    def note(self, check: str, found: str) -> None:
        """Keep what a check found, unless it failed before."""
        self._found.setdefault(check, found)

    def check(self) -> None:
        """Raises CheckFailed for the first check of their order that failed, if any did."""
        for check in CHECKS:
            if check in self._found:
                raise CheckFailed(check, self._found[check])


class SealRead(NamedTuple):
    """The seal that a file stands under."""

    row: Row
    heads: bytes
    size: int


class Walked(NamedTuple):
    """What was read."""

    header: EvidenceHeader
    proof: TlogProof
    seal: SealRead | None
    """None where its record is none."""
    keys: list[str]
    links: list[Link]
    policies: list[str]
    """The hashes of those that the ledger did not adopt."""
    records: int
    withheld: int
    absent: int


class _Above(NamedTuple):
    """A record that stands above under a key that is not of its stream."""

    leaf: bytes
    row_stream: str
    version: int


Shown = Callable[[str, int, bytes], None]
"""What is told of each entry: the key under which it stands, its position and its leaf hash."""


def walk(
    file: BinaryIO, writer: PartialWriter, failures: CheckFailures, progress: Callable[[int], None], shown: Shown
) -> Walked:
    """Read a file of evidence into a partial store, which is to be finished where nothing failed.

    `progress` is called with how many entries were read, `shown` with each that can be. Raises CheckFailed where the
    form is wrong.
    """
    try:
        found = _EvidenceWalk(EvidenceReader(file), writer, failures, progress, shown)
        found.read()
    except MalformedError as error:
        raise CheckFailed("form", str(error)) from None
    return found.walked()


class _EvidenceWalk:
    """The reading of one file."""

    def __init__(
        self,
        reader: EvidenceReader,
        writer: PartialWriter,
        failures: CheckFailures,
        progress: Callable[[int], None],
        shown: Shown,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._failures = failures
        self._progress = progress
        self._shown = shown
        self._proof = parse_tlog_proof(reader.proof)
        if self._proof.extra is not None:
            raise MalformedError("the proof of the seal has extra data")
        self._seal = self._read_seal()
        self._keys: list[str] = []
        self._links: list[Link] = []
        self._policies: list[str] = []
        self._above: dict[int, _Above] = {}
        self._rows: list[Row] = []
        self._records = self._withheld = self._absent = 0

    def read(self) -> None:
        """Read everything behind the seal."""
        for _ in range(self._reader.header.keys):
            self._section(self._reader.key())
        for _ in range(self._reader.header.policies):
            self._policy()
        self._reader.end()
        seal = self._seal
        if seal is not None and seal.row.position == seal.size + 1:  # with it the file knows the ledger up to here
            self._rows.append(seal.row)
        self._flush()

    def walked(self) -> Walked:
        return Walked(
            *(self._reader.header, self._proof, self._seal, self._keys, self._links, self._policies),
            *(self._records, self._withheld, self._absent),
        )

    def _note(self, check: str, found: str) -> None:
        self._failures.note(check, found)

    def _read_seal(self) -> SealRead | None:
        header, record = self._reader.header, self._reader.seal
        if not self._proof.proves(leaf_hash(record)):
            self._note("seal", "the record of the seal is not in the tree of the checkpoint")
        try:
            row = row_of(record, header.ledger)
            data = read_record(row.type, record).data
            if row.type != SEALED or row.stream != HEADS_STREAM or not isinstance(data, HeadsSealed):
                raise Misfit(f"a record of type {row.type} in {row.stream} is no seal")
            heads = bytes.fromhex(data.heads)
        except (Misfit, LevelbookError, ValueError) as error:
            self._note("seal" if canonical(record) is not None else "form", str(error))
            return None
        if row.position != self._proof.leaf_index + 1:
            self._note("seal", f"the proof is of position {self._proof.leaf_index + 1}, the seal at {row.position}")
        if not header.position <= data.size < row.position:
            self._note(
                "seal",
                f"the seal at position {row.position} is over {data.size} records, and the file points at"
                f" {header.position}",
            )
        return SealRead(row, heads, data.size)

    def _section(self, head: KeySection) -> None:
        self._keys.append(head.key)
        heads = b"" if self._seal is None else self._seal.heads
        if not head.entries:
            self._absent += 1
            if head.other is None or not is_absent(head.key, *head.other, head.path, heads):
                self._note("keys", f"that no record has the key {head.key!r} is not shown")
            return
        chain, last = CHAIN_START, 0
        for number in range(1, head.entries + 1):
            try:
                last, leaf = self._entry(head.key, number, last, self._reader.entry())
                chain = key_linked(chain, last, leaf)
                self._shown(head.key, last, leaf)
            except Misfit as error:
                self._note("records", f"line {self._reader.lines}: {error}")
                chain = b""  # fits nothing
        if not is_present(head.key, head.entries, chain, head.path, heads):
            self._note("keys", f"the {head.entries} entries of the key {head.key!r} are not all that the seal counts")
        self._progress(self._records + self._withheld)

    def _entry(self, key: str, number: int, last: int, entry: EvidenceEntry) -> tuple[int, bytes]:
        """The position and leaf of an entry. Raises Misfit where it does not belong there."""
        if entry.record is not None:
            leaf = leaf_hash(entry.record)
            try:
                row = row_of(entry.record, self._reader.header.ledger)
            except Misfit as error:
                return self._place_of_unfit(entry.record, error), leaf
            position, stream, version = row.position, row.stream, row.version
            if key not in (stream_key(stream), key_beside_stream(row.type, row.ref)):
                raise Misfit(f"the record at position {position} has not the key {key!r}")
            self._keep(row, leaf, is_of_stream=key == stream_key(stream))
        elif entry.leaf is not None:
            position, leaf, stream, version = entry.position, entry.leaf, "", number
            self._withheld += 1
            if key != MAY_BE_WITHHELD:
                self._note("contents", f"the record at position {position} of {key!r} is withheld")
        else:
            above = self._above.get(entry.position)
            if above is None or key != stream_key(above.row_stream):
                raise Misfit(f"no record of {key!r} stands above for position {entry.position}")
            position, (leaf, stream, version) = entry.position, above
        if key.startswith(_STREAM) and version != number:
            self._note(
                "records", f"the record at position {position} has version {version}, and is {number} of {key!r}"
            )
        if position <= last or (self._seal is not None and position > self._seal.size):
            self._note("records", f"position {position} is not behind {last}, or behind the seal's size")
        return position, leaf

    def _place_of_unfit(self, record: bytes, error: Misfit) -> int:
        """Where a record stands that is none of this ledger's: its chain may hold all the same. Raises Misfit where it
        does not say that in canonical form.
        """
        found = canonical(record)
        if found is None:
            self._note("form", f"line {self._reader.lines}: {error}")
            raise error
        self._note("records", f"line {self._reader.lines}: {error}")
        position = found.get("position")
        if type(position) is not int or not 0 < position < EVERYTHING:
            raise error
        return position

    def _keep(self, row: Row, leaf: bytes, *, is_of_stream: bool) -> None:
        self._records += 1
        self._rows.append(row)
        if not is_of_stream:
            self._above[row.position] = _Above(leaf, row.stream, row.version)
        if row.type in LINKED_TYPES:
            self._links += _links_of(row)
        if len(self._rows) >= ROWS_AT_ONCE:
            self._flush()
            self._progress(self._records + self._withheld)

    def _flush(self) -> None:
        try:
            self._writer.add(self._rows)
        except sqlite3.IntegrityError as error:
            self._note("records", f"two records cannot both be of one ledger: {error}")
        self._rows = []

    def _policy(self) -> None:
        found = self._reader.policy()
        if sha256(found.content.encode()).hexdigest() != found.hash:
            self._note("policies", f"the content of the policy {found.hash} has another hash")
        self._policies.append(found.hash)


def canonical(record: bytes) -> dict[str, Any] | None:
    """What a line of JSON holds; None where it is not canonical, or no object."""
    try:
        found = msgspec.json.decode(record)
        is_canonical = msgspec.json.encode(found, order="sorted") == record
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return found if is_canonical and isinstance(found, dict) else None


def _links_of(row: Row) -> list[Link]:
    """What a run or decision says of another position. Raises Misfit where that cannot be read."""
    try:
        link = link_of(read_record(row.type, row.record).data)
    except (LevelbookError, ValueError) as error:
        raise Misfit(f"the record at position {row.position} cannot be used: {error}") from None
    return [] if link is None else [link]
