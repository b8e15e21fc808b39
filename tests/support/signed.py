"""Keys and signed checkpoints for tests: what a ledger asks witnesses."""

from typing import Final

from replay.proving.checkpoint import Checkpoint, origin_of
from replay.proving.cosigning import CosignRequest
from replay.proving.notes import ED25519, ML_DSA_44, SignedNote, SigningKey, sign
from replay.proving.trust import TrustPolicy, parse_trust
from replay.sealing.proofs import consistency, log_root
from replay.sealing.seal import seal_heads
from replay.store.base.store import Store
from replay.store.evidence.checkpoints import StoredCheckpoint, add_checkpoint

TIME_S: Final = 1_700_000_000


def log_keys(store: Store) -> list[SigningKey]:
    """The keys by which a test signs for a ledger."""
    name = origin_of(store.identity.id)
    return [SigningKey(name, ED25519, b"E" * 32), SigningKey(name, ML_DSA_44, b"M" * 32)]


def trusting(store: Store) -> TrustPolicy:
    """A trust file with these keys, and no witness."""
    lines = "".join(f"log {key.verifier.text}\n" for key in log_keys(store))
    return parse_trust(f"{lines}quorum none\n".encode())


def signed(store: Store, size: int, root: bytes | None = None) -> SignedNote:
    """A signed checkpoint over the first records."""
    text = Checkpoint(origin_of(store.identity.id), size, log_root(store, size) if root is None else root).text
    return SignedNote(text, tuple(sign(text, key, TIME_S) for key in log_keys(store)))


def request(store: Store, old: int, size: int, root: bytes | None = None) -> bytes:
    """What is asked of a witness who cosigned `old` records."""
    path = consistency(store, old, size) if old else []
    return CosignRequest(old, tuple(path), signed(store, size, root)).text.encode()


def sealed_size(store: Store) -> int:
    """Seal, and give how many records a checkpoint must cover."""
    return seal_heads(store).position


def keep_checkpoint(store: Store, size: int) -> None:
    """Keep a signed checkpoint over the first records as the ledger's own."""
    with store.writing() as transaction:
        add_checkpoint(transaction, StoredCheckpoint(size, signed(store, size).whole.encode()))
