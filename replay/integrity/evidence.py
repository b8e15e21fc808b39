"""Checking what is kept for evidence against a ledger whose records and chains of keys are sound.

Every seal is worked out again from the records: its tree from their hashes, its heads from the chains of the keys that
moved. The tables of heads may be larger than the keys are many: of each size their rows are summed up as hashes under a
seed that nobody knew before, and only where a sum is another one are rows looked at one by one. A draft, above the last
seal, is not looked at: it is worked out anew before it is sealed.
"""

import secrets
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Final

from replay.errors import LevelbookError
from replay.integrity.log_tree import WalkedLog, log_problems
from replay.proving.checkpoint import Checkpoint, origin_of
from replay.proving.growing_trie import GrowingTrie
from replay.proving.log_tree import root_at
from replay.proving.notes import is_right, parse_note, parse_signatures, parse_verifier_key
from replay.proving.strict_text import MalformedError
from replay.schema.versions import CHECKPOINTS, COSIGNATURES, HEAD_BUCKETS, HEADS
from replay.store.base.store import Store
from replay.store.evidence.announced import Announcement, announcements, in_force
from replay.store.evidence.checkpoints import StoredCheckpoint, all_cosignatures, stored_checkpoints
from replay.store.evidence.heads import (
    BUCKET_BITS,
    BucketRoot,
    KeyHead,
    MovedHeads,
    all_bucket_roots,
    all_heads,
    bucket_of,
    first_hash,
    moved_heads,
)
from replay.store.evidence.seals import Seal, seals

SEED_BYTES: Final = 16


def evidence_problems(store: Store, log: WalkedLog, last: int) -> list[str]:
    """What is wrong with seals, checkpoints and what is kept for them, of records that were walked up to a position."""
    try:
        with store.snapshot():
            made = [seal for seal in seals(store) if seal.position <= last]
            return [
                *log_problems(store, log),
                *_seal_problems(store, log, made),
                *_checkpoint_problems(store, log, made),
            ]
    except LevelbookError as error:
        return [str(error)]


def _seal_problems(store: Store, log: WalkedLog, made: list[Seal]) -> Iterator[str]:
    """The first seal that does not follow from the records; where all do, the first rows kept for one that do not."""
    subtree, trie, after = log.subtree(), GrowingTrie(), 0
    expected, heads = _Sums(), MovedHeads(store)
    for seal in made:
        says = f"position {seal.position}: the seal says that"
        if not after < seal.size < seal.position:
            yield f"{says} it is over {seal.size} records, which is not between {after} and its own position"
            return
        if (tree := root_at(subtree, seal.size)) != seal.tree:
            yield f"{says} the log tree over {seal.size} records is {seal.tree.hex()}, but they give {tree.hex()}"
            return
        moved = heads.over(seal.size)
        for head in moved:
            trie.put(head.leaf)
        root, keys = trie.whole()
        if (root, keys) != (seal.heads, seal.keys):
            yield (
                f"{says} the heads of {seal.keys} keys over {seal.size} records are {seal.heads.hex()}, but these give"
                f" {keys} keys and {root.hex()}: events of a subject were left out of it, or made up"
            )
            return
        expected.add_all(moved)
        for bucket in sorted({bucket_of(head.key_hash) for head in moved}):
            expected.add(BucketRoot(bucket, seal.size, *trie.begins(first_hash(bucket), BUCKET_BITS)))
        after = seal.size
    if not store.has_table(HEADS):
        return
    found = expected.of_same_seed()
    found.add_all(all_heads(store, after))
    found.add_all(all_bucket_roots(store, after))
    for size in sorted(expected.by_size.keys() | found.by_size.keys()):
        if expected.by_size.get(size) != found.by_size.get(size):
            which = _which(store, made, size)
            yield f"{HEADS} or {HEAD_BUCKETS} do not hold over {size} records what these give: {which}"
            return


class _Sums:
    """Of rows of each size, how many there are and the sum of their hashes."""

    def __init__(self, seed: bytes | None = None) -> None:
        self._seed = seed or secrets.token_bytes(SEED_BYTES)
        self.by_size: dict[int, tuple[int, int]] = {}

    def of_same_seed(self) -> "_Sums":
        return _Sums(self._seed)

    def add_all(self, rows: Iterable[KeyHead | BucketRoot]) -> None:
        for row in rows:
            self.add(row)

    def add(self, row: KeyHead | BucketRoot) -> None:
        if isinstance(row, KeyHead):
            said = b"\x00" + row.key_hash + row.state
        else:
            said = b"\x01" + row.bucket.to_bytes(8, "big") + row.root + row.keys.to_bytes(8, "big", signed=True)
        hashed = sha256(self._seed + row.size.to_bytes(8, "big") + said).digest()
        count, total = self.by_size.get(row.size, (0, 0))
        self.by_size[row.size] = (count + 1, total + int.from_bytes(hashed, "big"))


def _which(store: Store, made: list[Seal], size: int) -> str:
    """The first row of a size that is missing, extra or another one."""
    sizes = [seal.size for seal in made]
    if size not in sizes:
        return "no seal is over so many"
    after = sizes[sizes.index(size) - 1] if sizes.index(size) else 0
    belonging = {head.key_hash: head for head in moved_heads(store, after, size)}
    there = {head.key_hash: head for head in all_heads(store, size) if head.size == size}
    for hashed in sorted(belonging.keys() | there.keys()):
        if belonging.get(hashed) != there.get(hashed):
            found = "missing" if hashed not in there else "extra" if hashed not in belonging else "another one"
            return f"the head of the key with hash {hashed.hex()} is {found}"
    return "the root over a bucket is missing, extra or another one"


def _checkpoint_problems(store: Store, log: WalkedLog, made: list[Seal]) -> Iterator[str]:
    """The first checkpoint that does not fit the log, its seal or the keys of then; the first such cosignature."""
    sealed, subtree, announced = {seal.position for seal in made}, log.subtree(), announcements(store)
    kept = [found for found in stored_checkpoints(store) if found.size <= log.at]
    for found in kept:
        if found.size not in sealed:
            yield f"{CHECKPOINTS} holds one over {found.size} records, the last of which is no seal"
            return
        said = Checkpoint(origin_of(store.identity.id), found.size, root_at(subtree, found.size))
        problem = _note_problem(found, said, announced)
        if problem is not None:
            yield f"{CHECKPOINTS} holds one over {found.size} records {problem}"
            return
    sizes = {found.size for found in kept}
    for size, signer, line in list(all_cosignatures(store)):
        if size <= log.at and (size not in sizes or not _is_of(signer, line)):
            yield f"{COSIGNATURES} holds one of {signer} over {size} records that is no signature of a checkpoint"
            return


def _note_problem(found: StoredCheckpoint, said: Checkpoint, announced: list[Announcement]) -> str | None:
    """What is wrong with a signed note; None where nothing is."""
    try:
        note = parse_note(found.note)
    except MalformedError as error:
        return f"that is no signed note: {error}"
    if note.text != said.text:
        return f"that says {note.text!r}, but the records give {said.text!r}"
    force = in_force(announced, found.size)
    keys = {(key.name, key.key_id): key for made in announced for key in map(parse_verifier_key, made.vkeys)}
    for line in note.signatures:
        key = keys.get((line.name, line.key_id))
        if key is None or not is_right(note.text, key, line):
            return f"with a signature of {line.name}, key id {line.key_id.hex()}, that is not right or of no key of it"
    signed = {keys[line.name, line.key_id].text for line in note.signatures}
    if force is None or not signed.issuperset(force.vkeys):
        return "that the keys in force then have not all signed"
    return None


def _is_of(signer: str, line: str) -> bool:
    try:
        (found,) = parse_signatures(line)
    except (MalformedError, ValueError):
        return False
    return signer == f"{found.name}+{found.key_id.hex()}"
