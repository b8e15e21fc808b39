"""The log tree: RFC 6962's Merkle tree over the leaf hashes of all records, in the order of their positions.

`node` is SHA-256(0x01 ‖ left ‖ right); the left half of a tree of n leaves holds the largest power of two below n. A
record at position p is the leaf of index p - 1. Proofs are lists of 32-byte hashes, from the leaf's side to the root's
(RFC 6962, sections 2.1.1 and 2.1.2).
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

EMPTY_ROOT: Final = sha256(b"").digest()
Subtree = Callable[[int, int], bytes]
"""(level, index) → the root of the whole subtree over leaves index·2^level up to (index + 1)·2^level."""

WholeSubtree = tuple[int, bytes]
"""(level, root) of a subtree of 2^level leaves."""


def node(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over some leaf hashes."""
    whole: list[WholeSubtree] = []
    for leaf in leaves:
        take_leaf(whole, leaf)
    return root_of_whole(whole)


def take_leaf(whole: list[WholeSubtree], leaf: bytes) -> None:
    """Go on by one leaf with the whole subtrees that a tree consists of, the largest first."""
    level, found = 0, leaf
    while whole and whole[-1][0] == level:
        level, found = level + 1, node(whole.pop()[1], found)
    whole.append((level, found))


def root_of_whole(whole: Sequence[WholeSubtree]) -> bytes:
    """The root of the tree that consists of whole subtrees, the largest first."""
    return _folded([found for _, found in whole]) if whole else EMPTY_ROOT


def root_at(subtree: Subtree, size: int) -> bytes:
    """The root over the first `size` leaves."""
    return root_between(subtree, 0, size) if size else EMPTY_ROOT


def root_between(subtree: Subtree, start: int, end: int) -> bytes:
    """The root over leaves from `start` up to `end`, where `start` is a multiple of a power of two that is no less than
    their number.
    """
    return _folded([subtree(level, start >> level) for level, start in whole_subtrees(start, end)])


def inclusion_path(subtree: Subtree, index: int, size: int) -> list[bytes]:
    """The proof that a leaf is in the tree over the first `size`."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _left_of(end - start)
        if index < middle:
            path.append(root_between(subtree, middle, end))
            end = middle
        else:
            path.append(root_between(subtree, start, middle))
            start = middle
    return path[::-1]


def consistency_path(subtree: Subtree, first: int, second: int) -> list[bytes]:
    """The proof that the tree over the first leaves goes on as that over more of them."""
    if not 0 < first <= second:
        raise ValueError(f"a tree of {second} does not go on from one of {first}")
    path: list[bytes] = []
    start, end, whole = 0, second, True
    while first != end:
        middle = start + _left_of(end - start)
        if first <= middle:
            path.append(root_between(subtree, middle, end))
            end = middle
        else:
            path.append(root_between(subtree, start, middle))
            start, whole = middle, False
    if not whole:
        path.append(root_between(subtree, start, end))
    return path[::-1]


def root_by_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a proof of inclusion leads to; None where it has not the length that it must have."""
    if not 0 <= index < size:
        return None
    place, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if place & 1 or place == last:
            found = node(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node(found, sibling)
        place, last = place >> 1, last >> 1
    return found if last == 0 else None


def is_consistent(first: int, first_root: bytes, second: int, second_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether a proof shows that a tree goes on from another."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not path and first_root == second_root
    hashes = list(path)
    if first & (first - 1) == 0:
        hashes.insert(0, first_root)
    if not hashes:
        return False
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node(sibling, old), node(sibling, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node(new, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _left_of(size: int) -> int:
    """How many leaves the left half of a tree holds: the largest power of two below their number."""
    return 1 << (size - 1).bit_length() - 1


def whole_subtrees(start: int, end: int) -> list[tuple[int, int]]:
    """(level, start) of the whole subtrees that leaves from `start` up to `end` consist of, the largest first."""
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append((level, start))
        start += 1 << level
    return found


def _folded(roots: Sequence[bytes]) -> bytes:
    found = roots[-1]
    for left in reversed(roots[:-1]):
        found = node(left, found)
    return found
