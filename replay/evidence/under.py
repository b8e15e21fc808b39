"""The last seal of a ledger, with its checkpoint, as evidence stands under it."""

from replay.errors import UsageError
from replay.evidence.making import KeyPath, SealedLedger
from replay.proving.notes import parse_note
from replay.proving.tlog_proof import TlogProof
from replay.sealing.proofs import head_paths, inclusion, latest_checkpoint
from replay.store.base.store import Store
from replay.store.evidence.seals import seal_at


class NoCheckpointError(UsageError):
    """Evidence was asked for of a ledger that has signed nothing yet."""


def sealed_ledger(store: Store) -> SealedLedger:
    """The seal of the last checkpoint. Raises NoCheckpointError where there is none yet."""
    checkpoint = latest_checkpoint(store)
    if checkpoint is None:
        raise NoCheckpointError(
            f"{store.name} has no checkpoint yet, under which evidence could stand; run 'levelbook checkpoint'"
        )
    seal = seal_at(store, checkpoint.size)
    included = inclusion(store, seal.position, checkpoint.size)
    proof = TlogProof(seal.position - 1, tuple(included), parse_note(checkpoint.note))

    paths = head_paths(store, seal.size)

    def path_of(key: str) -> KeyPath:
        found = paths(key)
        return KeyPath(found.leaf.key_hash, found.state, found.turns)

    return SealedLedger(seal.record, seal.size, seal.heads, proof.text, path_of)
