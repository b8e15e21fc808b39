"""Seals and checkpoints worked out in memory from all records of a ledger, by the definitions alone."""

from collections.abc import Callable
from functools import cache
from typing import Final

from domain.events import HeadsSealed
from domain.keys import keys_of
from replay.evidence.making import KeyPath, SealedLedger
from replay.proving.checkpoint import Checkpoint, origin_of
from replay.proving.heads_trie import HeadLeaf, key_hash, leaf, state_hash, trie_path, trie_root
from replay.proving.log_tree import inclusion_path, root_of
from replay.proving.notes import ED25519, ML_DSA_44, SignedNote, SigningKey, sign
from replay.proving.tlog_proof import TlogProof
from replay.recording.append import Appender, ledger_clock
from replay.recording.own import own_candidate, own_source
from replay.sealing.proofs import log_root
from replay.sealing.seal import seal_heads
from replay.store.base.store import Store
from replay.store.evidence.checkpoints import StoredCheckpoint, add_checkpoint
from replay.store.evidence.seals import Seal
from replay.store.queries import plain_rows
from replay.store.reading.asked import EVERYTHING
from replay.store.reading.key_state import NO_RECORD, KeyState
from replay.store.reading.row import Row, leaf_hash

SEEDS: Final = {ED25519: bytes(range(32)), ML_DSA_44: bytes(range(32, 64))}
SIGNED_AT_S: Final = 1_800_000_000


def signing_keys(ledger_id: str) -> list[SigningKey]:
    """Both keys of a ledger's log."""
    return [SigningKey(origin_of(ledger_id), kind, seed) for kind, seed in SEEDS.items()]


def trust_text(ledger_id: str, *lines: str) -> str:
    """A trust file that asks for both keys and no witness, with further lines before its quorum."""
    logs = [f"log {key.verifier.text}\n" for key in signing_keys(ledger_id)]
    return "".join(logs) + ("".join(f"{line}\n" for line in lines) or "quorum none\n")


def sealed(store: Store, *, between: Callable[[], None] = lambda: None) -> SealedLedger:
    """Seal all that a ledger holds; what `between` records stands between that and the seal."""
    rows = _rows(store)
    states: dict[str, KeyState] = {}
    for row in rows:
        for key in keys_of(row.type, row.stream, row.ref):
            states[key] = states.get(key, NO_RECORD).then(row.position, leaf_hash(row.record))
    hashed = {key_hash(key): state_hash(state.records, state.chain) for key, state in states.items()}
    trie = [HeadLeaf(key, leaf(key, hashed[key])) for key in sorted(hashed)]
    heads, tree = trie_root(trie), root_of([leaf_hash(row.record) for row in rows])
    between()
    _append(store, HeadsSealed(heads=heads.hex(), keys=len(trie), map=1, size=len(rows), tree=tree.hex()))

    def path_of(key: str) -> KeyPath:
        reached, turns = trie_path(trie, key_hash(key))
        return KeyPath(reached.key_hash, hashed[reached.key_hash], turns)

    records = [row.record for row in _rows(store)]
    return SealedLedger(records[-1], len(rows), heads, _proof(store.identity.id, records).text, path_of)


def _rows(store: Store) -> list[Row]:
    return [Row(*row) for row in plain_rows(store, 0, EVERYTHING)]


def _proof(ledger_id: str, records: list[bytes]) -> TlogProof:
    """That the last record is in the tree of a signed checkpoint."""
    leaves = list(map(leaf_hash, records))
    checkpoint = Checkpoint(origin_of(ledger_id), len(leaves), root_of(leaves))
    signatures = tuple(sign(checkpoint.text, key, SIGNED_AT_S) for key in signing_keys(ledger_id))
    subtrees = cache(lambda level, place: root_of(leaves[place << level : (place + 1) << level]))
    path = inclusion_path(subtrees, len(leaves) - 1, len(leaves))
    return TlogProof(len(leaves) - 1, tuple(path), SignedNote(checkpoint.text, signatures))


def _append(store: Store, said: HeadsSealed) -> None:
    with store.append() as transaction:
        item = own_candidate(
            "ledger/heads", "heads.sealed", own_source(store), f"seal-{said.size}", transaction.now(), said
        )
        done = Appender(store.identity.id, b"").append(
            transaction, [item], ledger_clock(transaction, clock_behind=False)
        )
    assert not done.refused


def checkpointed(store: Store) -> Seal:
    """A seal over all that a ledger holds, and a checkpoint over it that the test's keys have signed, both kept."""
    seal = seal_heads(store)
    root = log_root(store, seal.position)
    checkpoint = Checkpoint(origin_of(store.identity.id), seal.position, root)
    signatures = tuple(sign(checkpoint.text, key, SIGNED_AT_S) for key in signing_keys(store.identity.id))
    with store.writing() as transaction:
        note = SignedNote(checkpoint.text, signatures).whole.encode()
        add_checkpoint(transaction, StoredCheckpoint(seal.position, note))
    return seal
