"""A heads trie to which keys are added and in which they move: each time, the hashes on their way alone are made anew.

It is `heads_trie`'s, kept in parts by four bits of the key hashes at a time; one of few leaves is not parted further.
"""

from typing import Final

from replay.proving.heads_trie import HeadLeaf, trie_root

LEAVES_MAX: Final = 16
"""More of them are parted."""
PART_BITS: Final = 4


class GrowingTrie:
    """A trie without keys at first."""

    def __init__(self) -> None:
        self._top = _Part()

    def put(self, leaf: HeadLeaf) -> None:
        """Add a key, or let it move."""
        self._top.put(leaf, 0)

    def whole(self) -> tuple[bytes, int]:
        """The root over all keys, and how many they are. Raises ValueError where there is none."""
        return self._top.below().found, self._top.keys

    def begins(self, first: bytes, bits: int) -> tuple[bytes, int]:
        """The same of the keys that begin with the first bits of a hash, a multiple of 4 bits."""
        part = self._top
        for depth in range(bits // PART_BITS):
            if not part.parts:
                some = [leaf for leaf in part.sorted() if _agree(leaf.key_hash, first, bits)]
                return trie_root(some), len(some)
            part = part.parts[_digit(first, depth)]
        return part.below().found, part.keys


class _Part:
    """The keys that begin alike."""

    __slots__ = ("_below", "_leaves", "keys", "parts")

    def __init__(self) -> None:
        self.keys = 0
        self.parts: dict[int, _Part] = {}
        self._leaves: dict[bytes, bytes] = {}
        self._below: HeadLeaf | None = None

    def put(self, leaf: HeadLeaf, depth: int) -> bool:
        """Add a leaf, or let it move; whether it is new."""
        self._below = None
        if self.parts:
            is_new = self.parts.setdefault(_digit(leaf.key_hash, depth), _Part()).put(leaf, depth + 1)
        else:
            is_new = leaf.key_hash not in self._leaves
            self._leaves[leaf.key_hash] = leaf.found
            if len(self._leaves) > LEAVES_MAX:
                for found in self.sorted():
                    self.parts.setdefault(_digit(found.key_hash, depth), _Part()).put(found, depth + 1)
                self._leaves = {}
        self.keys += is_new
        return is_new

    def sorted(self) -> list[HeadLeaf]:
        """Its leaves, where it is not parted."""
        return [HeadLeaf(hashed, self._leaves[hashed]) for hashed in sorted(self._leaves)]

    def below(self) -> HeadLeaf:
        """The root over its keys, by one of their hashes."""
        if self._below is None:
            some = [self.parts[digit].below() for digit in sorted(self.parts)] or self.sorted()
            root = trie_root(some)
            self._below = HeadLeaf(some[0].key_hash, root)
        return self._below


def _digit(hashed: bytes, depth: int) -> int:
    byte = hashed[depth >> 1]
    return byte & 15 if depth & 1 else byte >> 4


def _agree(one: bytes, other: bytes, bits: int) -> bool:
    shift = 256 - bits
    return int.from_bytes(one, "big") >> shift == int.from_bytes(other, "big") >> shift
