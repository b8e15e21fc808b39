"""The heads trie: of every key of the ledger, how many records have it and what chains them.

A binary prefix trie over SHA-256(key), its paths compressed: an inner node stands where keys part, at a *branching bit*
(0 the highest of the first byte, 255 the lowest of the last). The bits of a key lead to one leaf and no other, so that
no key can have two leaves, and another key's leaf at the place where they lead shows that a key is absent.

    leaf = SHA-256(0x04 ‖ SHA-256(key) ‖ state)        state = SHA-256(count as 8 bytes, big-endian ‖ K)
    node = SHA-256(0x05 ‖ branching bit as one byte ‖ left ‖ right)

The state hides the count of a stranger's key in a proof of absence.
"""

from bisect import bisect_left
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from itertools import pairwise
from typing import Final, NamedTuple

KEY_BITS: Final = 256


class HeadLeaf(NamedTuple):
    """A leaf of the trie, or a subtree in the place of one, by how its keys begin."""

    key_hash: bytes
    """32 bytes; of a subtree that of any of its keys."""
    found: bytes
    """The hash of the leaf, or the root of the subtree."""


class Turn(NamedTuple):
    """A node on the way from the root to a leaf."""

    bit: int
    sibling: bytes
    """The hash of the side that the way does not take."""


def key_hash(key: str) -> bytes:
    """By which the trie holds a key."""
    return sha256(key.encode()).digest()


def state_hash(count: int, chain: bytes) -> bytes:
    """What a leaf says of its key."""
    return sha256(count.to_bytes(8, "big") + chain).digest()


def leaf(hashed: bytes, state: bytes) -> bytes:
    """The hash of a leaf, by the hash of its key and its state."""
    return sha256(b"\x04" + hashed + state).digest()


def node(bit: int, left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x05" + bytes((bit,)) + left + right).digest()


def bit_of(hashed: bytes, bit: int) -> int:
    """0 or 1: which side of a node of that branching bit a key belongs to."""
    return hashed[bit >> 3] >> (7 - (bit & 7)) & 1


def trie_root(leaves: Sequence[HeadLeaf]) -> bytes:
    """The root over leaves, or over subtrees whose keys part from one another's before their own do.

    In rising order of their key hashes, which differ. Raises ValueError where there is none, or they are not in order.
    """
    if not leaves:
        raise ValueError("a trie of no key has no root")
    done = [leaves[0].found]
    bits: list[int] = []  # where what is done parts from what follows it, rising
    for before, after in pairwise(leaves):
        parting = _parting(before.key_hash, after.key_hash)
        while bits and bits[-1] > parting:
            _join(done, bits)
        bits.append(parting)
        done.append(after.found)
    while bits:
        _join(done, bits)
    return done[0]


def trie_path(
    leaves: Sequence[HeadLeaf], hashed: bytes, known: dict[tuple[int, int], bytes] | None = None
) -> tuple[HeadLeaf, list[Turn]]:
    """The leaf that the bits of a key lead to, and the way there from the root, over leaves as `trie_root` takes them.

    The leaf is the key's own where it is present, and another key's where it is not. Who asks for many keys of the same
    leaves gives one `known`: the siblings near the root, which most ways share, are then worked out once.
    """
    known = {} if known is None else known

    def root_between(first: int, end: int) -> bytes:
        found = known.get((first, end))
        if found is None:
            found = known[first, end] = trie_root(leaves[first:end])
        return found

    turns: list[Turn] = []
    low, high = 0, len(leaves)
    while high - low > 1:
        bit = _parting(leaves[low].key_hash, leaves[high - 1].key_hash)
        # The first whose bit is 1: all of them agree in the bits before.
        middle = bisect_left(leaves, 1, low, high, key=partial(_bit_in, bit))
        if bit_of(hashed, bit):
            turns.append(Turn(bit, root_between(low, middle)))
            low = middle
        else:
            turns.append(Turn(bit, root_between(middle, high)))
            high = middle
    return leaves[low], turns


def root_by_path(hashed: bytes, found: bytes, turns: Sequence[Turn]) -> bytes | None:
    """The root that the way of a key leads up to from the leaf at its end; None where its bits do not rise."""
    bits = [turn.bit for turn in turns]
    if any(not 0 <= bit < KEY_BITS for bit in bits) or any(after <= before for before, after in pairwise(bits)):
        return None
    for bit, sibling in reversed(turns):
        found = node(bit, sibling, found) if bit_of(hashed, bit) else node(bit, found, sibling)
    return found


def is_present(key: str, count: int, chain: bytes, turns: Sequence[Turn], root: bytes) -> bool:
    """Whether a way shows that so many records have a key, and what chains them."""
    hashed = key_hash(key)
    return count > 0 and root_by_path(hashed, leaf(hashed, state_hash(count, chain)), turns) == root


def is_absent(key: str, other: bytes, state: bytes, turns: Sequence[Turn], root: bytes) -> bool:
    """Whether a way shows that no record has a key: it leads to another's leaf, given by that one's hash and state."""
    hashed = key_hash(key)
    if other == hashed or any(bit_of(other, turn.bit) != bit_of(hashed, turn.bit) for turn in turns):
        return False
    return root_by_path(hashed, leaf(other, state), turns) == root


def _parting(one: bytes, other: bytes) -> int:
    """The first bit in which two key hashes differ, the lesser first."""
    differing = int.from_bytes(one, "big") ^ int.from_bytes(other, "big")
    if not differing or one > other:
        raise ValueError(f"{one.hex()} and {other.hex()} are not in rising order")
    return KEY_BITS - differing.bit_length()


def _bit_in(bit: int, item: HeadLeaf) -> int:
    return bit_of(item.key_hash, bit)


def _join(done: list[bytes], bits: list[int]) -> None:
    right, left = done.pop(), done.pop()
    done.append(node(bits.pop(), left, right))
