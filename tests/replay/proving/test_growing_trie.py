"""The growing trie against the one that is made at once."""

from random import Random

import pytest

from replay.proving.growing_trie import GrowingTrie
from replay.proving.heads_trie import HeadLeaf, trie_root


@pytest.mark.parametrize("seed", range(20))
def test_it_is_after_each_key_what_a_trie_made_at_once_is(seed: int) -> None:
    """Of hashes that begin alike for long, too."""
    chance, trie, leaves = Random(seed), GrowingTrie(), dict[bytes, bytes]()
    alike = chance.choice((0, 1, 2, 31))
    hashes = [bytes(alike) + chance.randbytes(32 - alike) for _ in range(chance.choice((1, 15, 17, 200)))]
    for number in range(len(hashes) * 2):
        hashed = hashes[number] if number < len(hashes) else chance.choice(hashes)
        leaves[hashed] = chance.randbytes(32)
        trie.put(HeadLeaf(hashed, leaves[hashed]))
        if chance.random() < 0.2:
            whole = [HeadLeaf(found, leaves[found]) for found in sorted(leaves)]
            assert trie.whole() == (trie_root(whole), len(leaves))
            for bits in (4, 8, 12):
                first = chance.choice(sorted(leaves))
                some = [leaf for leaf in whole if bits_of(leaf.key_hash, bits) == bits_of(first, bits)]
                assert trie.begins(first, bits) == (trie_root(some), len(some))


def bits_of(hashed: bytes, bits: int) -> str:
    return f"{int.from_bytes(hashed, 'big'):0256b}"[:bits]


def test_a_trie_of_no_key_has_no_root() -> None:
    with pytest.raises(ValueError, match="a trie of no key has no root"):
        GrowingTrie().whole()
