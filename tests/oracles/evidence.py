"""The log tree and the heads trie, as their specification says and as slowly as can be: for tests to compare with."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from tests.oracles.key_chains import oracle_keys


def oracle_log_root(records: Sequence[bytes]) -> bytes:
    """RFC 6962's hash of a list of entries."""
    if len(records) == 0:
        return sha256().digest()
    if len(records) == 1:
        return sha256(b"\x00" + records[0]).digest()
    left = 1
    while left * 2 < len(records):
        left *= 2
    return sha256(b"\x01" + oracle_log_root(records[:left]) + oracle_log_root(records[left:])).digest()


def oracle_heads(records: Sequence[bytes]) -> dict[str, tuple[int, bytes]]:
    """(count, chain) of every key of some records, the first of which is at position 1."""
    found: dict[str, tuple[int, bytes]] = {}
    for position, record in enumerate(records, 1):
        leaf = sha256(b"\x00" + record).digest()
        for key in oracle_keys(record):
            count, chain = found.get(key, (0, bytes(32)))
            found[key] = (count + 1, sha256(b"\x03" + chain + position.to_bytes(8, "big") + leaf).digest())
    return found


def oracle_trie_root(heads: Mapping[str, tuple[int, bytes]]) -> bytes:
    """The root over the heads of all keys: parted bit by bit, a node where both sides have keys."""
    leaves = {}
    for key, (count, chain) in heads.items():
        hashed = sha256(key.encode()).digest()
        state = sha256(count.to_bytes(8, "big") + chain).digest()
        leaves[f"{int.from_bytes(hashed, 'big'):0256b}"] = sha256(b"\x04" + hashed + state).digest()
    return _part(leaves, 0)


def _part(leaves: dict[str, bytes], bit: int) -> bytes:
    if len(leaves) == 1:
        return next(iter(leaves.values()))
    left, right = ({bits: leaf for bits, leaf in leaves.items() if bits[bit] == side} for side in "01")
    if not left or not right:
        return _part(left or right, bit + 1)
    return sha256(b"\x05" + bytes([bit]) + _part(left, bit + 1) + _part(right, bit + 1)).digest()
