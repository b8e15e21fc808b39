"""Checkpoints: what a log says of itself at a size (C2SP tlog-checkpoint), as the text of a signed note.

    origin line · size in decimal · root hash in base64          each ended by a newline

Extension lines are refused: nobody could check what they say, and ML-DSA-44 would not sign them.
"""

from typing import Final, NamedTuple

from replay.proving.strict_text import MalformedError, base64_of, hash_of, number_of

ORIGIN_BYTES_MAX: Final = 255
"""Of an origin and of a cosigner's name, each of which stands behind one byte that says how long it is."""
LINES: Final = 3


class Checkpoint(NamedTuple):
    """A log's size and root."""

    origin: str
    size: int
    """Leaves in the tree."""
    root: bytes
    """32 bytes; of an empty tree SHA-256 of nothing."""

    @property
    def text(self) -> str:
        """As it is signed."""
        return f"{self.origin}\n{self.size}\n{base64_of(self.root)}\n"


def origin_of(ledger_id: str) -> str:
    """How a ledger's log is called in its checkpoints."""
    return f"levelbook/{ledger_id}"


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint that a note's text is. Raises MalformedError where it is none, or has extension lines."""
    lines = text.split("\n")
    if len(lines) != LINES + 1 or lines[-1]:
        raise MalformedError(f"a checkpoint has {LINES} lines, each ended, and this text has {text.count(chr(10))}")
    origin, size, root = lines[:LINES]
    if not 0 < len(origin.encode()) <= ORIGIN_BYTES_MAX:
        raise MalformedError(f"the origin has {len(origin.encode())} bytes, and must have 1 to {ORIGIN_BYTES_MAX}")
    return Checkpoint(origin, number_of(size), hash_of(root))
