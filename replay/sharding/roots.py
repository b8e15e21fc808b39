"""The roots of a set: a log whose leaves are the checkpoints of its ledgers, round by round, signed as a log is.

Each round adds a leaf for each ledger in order, SHA-256(0x00 ‖ the checkpoint's text), so that a root covers one state
of every ledger, and goes on from all roots before it. Rounds stand in a file beside that of the set, a line of JSON
each; a line that a kill cut off is no round.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from replay.errors import DamagedError
from replay.proving.checkpoint import Checkpoint, origin_of, parse_checkpoint
from replay.proving.log_tree import WholeSubtree, inclusion_path, root_at, root_of, root_of_whole, take_leaf
from replay.proving.notes import SignedNote, parse_note
from replay.proving.strict_text import MalformedError
from replay.proving.tlog_proof import TlogProof
from replay.sharding.document import SetDocument
from replay.store.beside import beside, open_private, sync
from replay.store.reading.row import leaf_hash


class Round(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one root added."""

    checkpoints: list[str]
    """The text of each ledger's checkpoint, by shard."""
    note: str
    """The root, signed."""

    @property
    def sizes(self) -> list[int]:
        """Over how many records of each ledger it is."""
        return [parse_checkpoint(text).size for text in self.checkpoints]

    @property
    def signed(self) -> SignedNote:
        return parse_note(self.note.encode())


class Roots(NamedTuple):
    """Every round of a set, each of which goes on from those before."""

    path: Path
    rounds: list[Round]
    whole_bytes: int
    """So much of the file is whole rounds."""

    @property
    def leaves(self) -> list[bytes]:
        return [leaf_of(text) for made in self.rounds for text in made.checkpoints]


def roots_path(path: Path) -> Path:
    """Where the roots of a set lie."""
    return beside(path, ".roots")


def leaf_of(checkpoint: str) -> bytes:
    """The leaf of a ledger's checkpoint, by its text."""
    return leaf_hash(checkpoint.encode())


def read_roots(path: Path, document: SetDocument) -> Roots:
    """The roots of a set. Raises DamagedError where the file says what no signing of this set could have written."""
    place = roots_path(path)
    found = place.read_bytes() if place.exists() else b""
    whole = found[: found.rfind(b"\n") + 1]
    rounds: list[Round] = []
    subtrees: list[WholeSubtree] = []
    origins = [origin_of(place.ledger) for place in document.shards]
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            made = msgspec.json.decode(line, type=Round)
            named = [parse_checkpoint(text) for text in made.checkpoints]
            said = parse_checkpoint(made.signed.text)
        except (msgspec.MsgspecError, MalformedError, UnicodeEncodeError) as error:
            raise _misfit(place, number, str(error)) from None
        if [found.origin for found in named] != origins:
            raise _misfit(place, number, "its checkpoints are not those of the set's ledgers")
        if rounds and any(now < before for now, before in zip(made.sizes, rounds[-1].sizes, strict=True)):
            raise _misfit(place, number, "a ledger has fewer records than in the round before")
        for text in made.checkpoints:
            take_leaf(subtrees, leaf_of(text))
        if said != Checkpoint(origin_of(document.set_id), number * len(origins), root_of_whole(subtrees)):
            raise _misfit(place, number, "its root is not that over the checkpoints up to it")
        rounds.append(made)
    return Roots(place, rounds, len(whole))


def _misfit(place: Path, number: int, found: str) -> DamagedError:
    return DamagedError(f"{place} does not fit in line {number}: {found}; bring it back from its copy")


def root_checkpoint(document: SetDocument, leaves: Sequence[bytes]) -> Checkpoint:
    """What a root says: of which set, over how many checkpoints, and the tree's root."""
    return Checkpoint(origin_of(document.set_id), len(leaves), root_of(leaves))


def add_round(roots: Roots, made: Round) -> None:
    """Write a round behind the others; on the disk when this returns."""
    with os.fdopen(open_private(roots.path, os.O_RDWR), "r+b") as file:
        file.truncate(roots.whole_bytes)
        file.seek(roots.whole_bytes)
        file.write(msgspec.json.encode(made) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    sync(roots.path.parent)


def proof_of_shard(roots: Roots, number: int) -> TlogProof:
    """That the last root covers the last checkpoint of a ledger."""
    leaves, last = roots.leaves, roots.rounds[-1]
    index = len(leaves) - len(last.checkpoints) + number

    def subtree(level: int, at: int) -> bytes:
        return root_of(leaves[at << level : (at + 1) << level])

    path = tuple(inclusion_path(subtree, index, len(leaves)))
    assert root_at(subtree, len(leaves)) == parse_checkpoint(last.signed.text).root
    return TlogProof(index, path, last.signed)
