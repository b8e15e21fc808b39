"""The form of an evidence file (docs/reference/evidence.md): written, and read strictly, line by line.

What is read is canonical: what is no record is encoded again and compared, so that nothing has a second spelling, no
key stands twice and nothing stands behind the end. Memory does not grow with the number of lines.
"""

import gzip
import io
import re
import zlib
from collections.abc import Sequence
from typing import Any, BinaryIO, Final, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from domain.calendar import is_instant
from domain.keys import MAP_VERSION
from replay.proving.heads_trie import KEY_BITS, Turn
from replay.proving.strict_text import MalformedError
from replay.proving.tlog_proof import PROOF_BYTES_MAX
from replay.store.reading.row import HASH_BYTES, encode_json

FORM: Final = "levelbook-evidence/1"
LINE_BYTES_MAX: Final = 1 << 22
"""No record is so long."""
RECORD_BEGINS: Final = b'{"backfill":'
_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31
_CHUNK_BYTES: Final = 1 << 18
_HEX_HASH: Final = re.compile(r"[0-9a-f]{64}")
_NUMBER_MAX: Final = 2**62


class _Line(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A line that is no record; fields are in alphabetical order, as canonical JSON has them."""


class EvidenceHeader(_Line, kw_only=True, frozen=True):
    """The first line: what the file points at."""

    as_of: int
    claim: int | None
    form: str = FORM
    keys: int
    ledger: str
    map: int = MAP_VERSION
    policies: int
    position: int
    scheme: str
    subject: str


class _KeyLine(_Line, kw_only=True, frozen=True):
    count: int
    key: str
    other: tuple[str, str] | UnsetType = UNSET
    path: list[tuple[int, str]]


class _PlaceLine(_Line, kw_only=True, frozen=True):
    leaf: str | UnsetType = UNSET
    position: int


class PolicyLine(_Line, kw_only=True, frozen=True):
    """A policy that the ledger did not adopt."""

    content: str
    hash: str


class _End(_Line, kw_only=True, frozen=True):
    end: int


class KeySection(NamedTuple):
    """What begins the section of a key."""

    key: str
    entries: int
    """How many follow; 0 of a key that no record has."""
    path: Sequence[Turn]
    other: tuple[bytes, bytes] | None = None
    """Of an absent key the leaf that its bits lead to: the hash of that one's key, and its state."""


class EvidenceEntry(NamedTuple):
    """A record under a key: its bytes, or where it stands above, or its place alone."""

    record: bytes | None
    position: int = 0
    """0 of a record, which says it itself."""
    leaf: bytes | None = None
    """Of one that is withheld."""


_Found = TypeVar("_Found", bound=_Line)


class EvidenceReader:
    """Reads a file from its beginning to its end. Every method raises MalformedError, which names the line."""

    def __init__(self, file: BinaryIO) -> None:
        self.lines = 0
        """How many were read."""
        self._file = _unpacked(file)
        self.header = self._read(EvidenceHeader)
        if (self.header.form, self.header.map) != (FORM, MAP_VERSION):
            raise self._wrong(f"the form is {self.header.form!r} with map {self.header.map}, not {FORM!r} with 1")
        for number in (self.header.keys, self.header.policies, self.header.claim or 0, self.header.position):
            self._check_number(number)
        if not is_instant(self.header.as_of):
            raise self._wrong(f"as_of {self.header.as_of} is not in the years 1 to 9999")
        self.proof, self.seal = self._proof_and_seal()
        """The lines of the tlog-proof; the bytes of the seal's record."""
        self._last_key = b""
        self._last_hash = ""

    def key(self) -> KeySection:
        """The next section's beginning; its entries must be read before the next one."""
        line = self._read(_KeyLine)
        encoded = line.key.encode()
        if encoded <= self._last_key:
            raise self._wrong(f"the key {line.key!r} is not behind the one before it")
        self._last_key = encoded
        self._check_number(line.count)
        if (line.other is UNSET) != (line.count > 0):
            raise self._wrong("a key that no record has, and no other, names the leaf that its bits lead to")
        path = [Turn(bit, self._hash(found)) for bit, found in line.path]
        if not all(0 <= turn.bit < KEY_BITS for turn in path):
            raise self._wrong("a branching bit of the path is none of a hash")
        other = None if line.other is UNSET else (self._hash(line.other[0]), self._hash(line.other[1]))
        return KeySection(line.key, line.count, path, other)

    def entry(self) -> EvidenceEntry:
        """The next entry of the section."""
        line = self._line()
        if line.startswith(RECORD_BEGINS):
            return EvidenceEntry(line)
        place = self._decoded(line, _PlaceLine)
        self._check_number(place.position)
        return EvidenceEntry(None, place.position, None if place.leaf is UNSET else self._hash(place.leaf))

    def policy(self) -> PolicyLine:
        """The next policy."""
        found = self._read(PolicyLine)
        self._hash(found.hash)
        if found.hash <= self._last_hash:
            raise self._wrong(f"the policy {found.hash} is not behind the one before it")
        self._last_hash = found.hash
        return found

    def end(self) -> None:
        """The last line, and nothing behind it."""
        lines = self.lines
        found = self._read(_End).end
        if found != lines:
            raise self._wrong(f"the end says that {found} lines stand above it, and there are {lines}")
        try:
            is_more = bool(self._file.read(1))
        except zlib.error as error:
            raise self._wrong(f"the gzip member cannot be unpacked: {error}") from None
        if is_more:
            raise self._wrong("something stands behind the end")

    def _proof_and_seal(self) -> tuple[bytes, bytes]:
        proof = io.BytesIO()
        while not (line := self._line()).startswith(b"{"):
            proof.write(line + b"\n")
            if proof.tell() > PROOF_BYTES_MAX:
                raise self._wrong(f"the proof of the seal has more than {PROOF_BYTES_MAX} bytes")
        if not line.startswith(RECORD_BEGINS):
            raise self._wrong("the record of the seal does not follow its proof")
        return proof.getvalue(), line

    def _line(self) -> bytes:
        try:
            line: bytes = self._file.readline(LINE_BYTES_MAX + 1)
        except zlib.error as error:
            raise self._wrong(f"the gzip member cannot be unpacked: {error}") from None
        self.lines += 1
        if not line.endswith(b"\n"):
            what = "is longer than any record" if len(line) > LINE_BYTES_MAX else "is not ended, or not there"
            raise self._wrong(f"the line {what}")
        return line[:-1]

    def _read(self, form: type[_Found]) -> _Found:
        return self._decoded(self._line(), form)

    def _decoded(self, line: bytes, form: type[_Found]) -> _Found:
        try:
            found = msgspec.json.decode(line, type=form)
            is_canonical = encode_json(found) == line
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise self._wrong(f"it is not what must stand there: {error}") from None
        if not is_canonical:
            raise self._wrong("it is not canonical JSON")
        return found

    def _hash(self, text: str) -> bytes:
        if _HEX_HASH.fullmatch(text) is None:
            raise self._wrong(f"{text[:80]!r} is no hash of {HASH_BYTES} bytes in lower-case hex")
        return bytes.fromhex(text)

    def _check_number(self, number: int) -> None:
        if not 0 <= number <= _NUMBER_MAX:
            raise self._wrong(f"{number} is no position or count")

    def _wrong(self, what: str) -> MalformedError:
        return MalformedError(f"line {self.lines}: {what}")


class EvidenceWriter:
    """Writes a file from its beginning to its end; the reader's rules are the caller's duty."""

    def __init__(self, file: BinaryIO, header: EvidenceHeader, proof: str, seal: bytes, *, compressed: bool) -> None:
        # No name and no time, so that the same evidence gives the same bytes.
        self._packed = gzip.GzipFile("", "wb", 6, file, mtime=0) if compressed else None
        self._out = io.BufferedWriter(self._packed or file, _CHUNK_BYTES)
        self.lines = 0
        self._write(encode_json(header))
        for line in proof.removesuffix("\n").split("\n"):
            self._write(line.encode())
        self._write(seal)

    def key(self, head: KeySection) -> None:
        """Begin a section."""
        other = UNSET if head.other is None else (head.other[0].hex(), head.other[1].hex())
        path = [(turn.bit, turn.sibling.hex()) for turn in head.path]
        self._write(encode_json(_KeyLine(count=head.entries, key=head.key, other=other, path=path)))

    def entry(self, entry: EvidenceEntry) -> None:
        """Add an entry to the section."""
        if entry.record is not None:
            self._write(entry.record)
            return
        leaf = UNSET if entry.leaf is None else entry.leaf.hex()
        self._write(encode_json(_PlaceLine(leaf=leaf, position=entry.position)))

    def policy(self, content: str, hashed: str) -> None:
        """Add a policy."""
        self._write(encode_json(PolicyLine(content=content, hash=hashed)))

    def end(self) -> None:
        """Write the end; the file itself stays open."""
        self._write(encode_json(_End(end=self.lines)))
        self._out.flush()
        self._out.detach()
        if self._packed is not None:
            self._packed.close()

    def _write(self, line: bytes) -> None:
        self._out.write(line + b"\n")
        self.lines += 1


class _Unzipped(io.RawIOBase):
    """What one gzip member holds. Raises MalformedError where that is not whole or not all, and zlib.error."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._member = zlib.decompressobj(_GZIP_WINDOW)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = b""
        while not found and not self._member.eof:
            packed = self._member.unconsumed_tail or self._file.read(_CHUNK_BYTES)
            if not packed:
                raise MalformedError("the gzip member is cut off")
            found = self._member.decompress(packed, len(buffer))
        if not found and (self._member.unused_data or self._file.read(1)):
            raise MalformedError("something stands behind the gzip member")
        buffer[: len(found)] = found
        return len(found)


def _unpacked(file: BinaryIO) -> BinaryIO:
    begin = file.read(len(_GZIP_MAGIC))
    file.seek(0)
    if begin != _GZIP_MAGIC:
        return file
    return io.BufferedReader(_Unzipped(file), _CHUNK_BYTES)
