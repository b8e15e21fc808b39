"""What a log asks of a witness: the body of C2SP tlog-witness's `add-checkpoint`, over HTTP or as a file.

    old SIZE · the consistency proof from there, a hash in base64 a line · an empty line · the signed checkpoint

The answer is the witness's signature lines.
"""

from typing import Final, NamedTuple

from replay.proving.checkpoint import Checkpoint, parse_checkpoint
from replay.proving.notes import NOTE_BYTES_MAX, SignedNote, parse_note
from replay.proving.strict_text import MalformedError, base64_of, hash_of, number_of, text_of

REQUEST_BYTES_MAX: Final = 2 * NOTE_BYTES_MAX
PROOF_MAX: Final = 63
"""Hashes of a consistency proof."""


class CosignRequest(NamedTuple):
    """A checkpoint to be cosigned, and the proof that it goes on from what the witness knows."""

    old_size: int
    """What the log takes the witness to have cosigned last; 0 for nothing."""
    path: tuple[bytes, ...]
    note: SignedNote

    @property
    def checkpoint(self) -> Checkpoint:
        """What the note says, signed or not."""
        return parse_checkpoint(self.note.text)

    @property
    def text(self) -> str:
        """As it is sent."""
        return "\n".join([f"old {self.old_size}", *map(base64_of, self.path), ""]) + f"\n{self.note.whole}"


def parse_request(found: bytes) -> CosignRequest:
    """The request that bytes are. Raises MalformedError where they are none; nothing is verified here."""
    head, empty_line, note = text_of(found, REQUEST_BYTES_MAX, "the request").partition("\n\n")
    if not empty_line:
        raise MalformedError("the request has no empty line before its checkpoint")
    first, *lines = head.split("\n")
    if not first.startswith("old "):
        raise MalformedError(f"the request begins with {first[:60]!r}, not with 'old' and a size")
    if len(lines) > PROOF_MAX:
        raise MalformedError(f"the request has {len(lines)} hashes, and no consistency proof has more than {PROOF_MAX}")
    old_size, path = number_of(first.removeprefix("old ")), tuple(map(hash_of, lines))
    request = CosignRequest(old_size, path, parse_note(note.encode()))
    if old_size > request.checkpoint.size:
        raise MalformedError(f"the request goes on from {old_size} records to fewer: {request.checkpoint.size}")
    return request
