"""Proofs that a record is in a log (C2SP tlog-proof), as text: whoever trusts the keys needs nothing else."""

from typing import Final, NamedTuple

from replay.proving.checkpoint import Checkpoint, parse_checkpoint
from replay.proving.log_tree import root_by_inclusion
from replay.proving.notes import NOTE_BYTES_MAX, SignedNote, parse_note
from replay.proving.strict_text import MalformedError, base64_of, bytes_of, hash_of, number_of, text_of

FIRST_LINE: Final = "c2sp.org/tlog-proof@v1"
PROOF_BYTES_MAX: Final = 2 * NOTE_BYTES_MAX
PATH_MAX: Final = 63
"""Hashes on the way to the root of a tree of 2^63 leaves."""


class TlogProof(NamedTuple):
    """Where a record stands in a log, and the checkpoint that covers it."""

    leaf_index: int
    """From 0."""
    path: tuple[bytes, ...]
    """From the leaf's sibling to the root's child."""
    note: SignedNote
    """The signed checkpoint."""
    extra: bytes | None = None
    """Nothing proves it."""

    @property
    def checkpoint(self) -> Checkpoint:
        """What the note says, signed or not."""
        return parse_checkpoint(self.note.text)

    @property
    def text(self) -> str:
        """As it is stored and sent."""
        extra = [] if self.extra is None else [f"extra {base64_of(self.extra)}"]
        lines = [FIRST_LINE, *extra, f"index {self.leaf_index}", *map(base64_of, self.path), ""]
        return "\n".join(lines) + f"\n{self.note.whole}"

    def proves(self, leaf: bytes) -> bool:
        """Whether the path leads from a leaf hash to the checkpoint's root."""
        _, size, root = self.checkpoint
        return root_by_inclusion(leaf, self.leaf_index, size, self.path) == root


def parse_tlog_proof(found: bytes) -> TlogProof:
    """The proof that bytes are. Raises MalformedError where they are none; neither signatures nor path are verified."""
    head, empty_line, note = text_of(found, PROOF_BYTES_MAX, "the proof").partition("\n\n")
    if not empty_line:
        raise MalformedError("the proof has no empty line before its checkpoint")
    lines = head.split("\n")
    if lines.pop(0) != FIRST_LINE:
        raise MalformedError(f"the proof does not begin with the line {FIRST_LINE}")
    extra = bytes_of(lines.pop(0).removeprefix("extra ")) if lines and lines[0].startswith("extra ") else None
    if extra == b"":
        raise MalformedError("the proof has a line of extra data without any")
    if not lines or not lines[0].startswith("index "):
        raise MalformedError("the proof has no line 'index N' where it must stand")
    index = number_of(lines.pop(0).removeprefix("index "))
    if len(lines) > PATH_MAX:
        raise MalformedError(f"the proof has {len(lines)} hashes, and no tree has more than {PATH_MAX} on a path")
    proof = TlogProof(index, tuple(map(hash_of, lines)), parse_note(note.encode()), extra)
    if index >= proof.checkpoint.size:
        raise MalformedError(f"the proof is of leaf {index}, and its checkpoint covers {proof.checkpoint.size}")
    return proof
