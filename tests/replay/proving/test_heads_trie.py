"""The heads trie against one built from its definition, bit by bit."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.proving.heads_trie import (
    HeadLeaf,
    Turn,
    bit_of,
    is_absent,
    is_present,
    key_hash,
    leaf,
    state_hash,
    trie_path,
    trie_root,
)

KEYS = st.dictionaries(
    st.integers(0, 400).map(lambda number: f"stream merchant/m-{number}"), st.integers(1, 9), min_size=1
)


def chain_of(count: int) -> bytes:
    return sha256(b"%d" % count).digest()


def leaves_of(counts: dict[str, int]) -> list[HeadLeaf]:
    found = [(key_hash(key), state_hash(count, chain_of(count))) for key, count in counts.items()]
    return sorted(HeadLeaf(hashed, leaf(hashed, state)) for hashed, state in found)


def by_definition(keys: dict[bytes, bytes], bit: int = 0) -> bytes:
    """The root over states by key hash, going down bit by bit and skipping those in which all agree."""
    if len(keys) == 1:
        ((hashed, state),) = keys.items()
        return sha256(b"\x04" + hashed + state).digest()
    sides = [{h: s for h, s in keys.items() if f"{int.from_bytes(h, 'big'):0256b}"[bit] == side} for side in "01"]
    if not all(sides):
        return by_definition(keys, bit + 1)
    return sha256(b"\x05" + bytes([bit]) + by_definition(sides[0], bit + 1) + by_definition(sides[1], bit + 1)).digest()


def test_two_keys_by_hand() -> None:
    one, other = sorted(map(key_hash, ("stream merchant/a", "stream merchant/b")))
    leaves = [HeadLeaf(hashed, leaf(hashed, state_hash(1, chain_of(1)))) for hashed in (one, other)]
    bit = next(bit for bit in range(256) if bit_of(one, bit) != bit_of(other, bit))
    assert trie_root(leaves) == sha256(b"\x05" + bytes([bit]) + leaves[0].found + leaves[1].found).digest()


def test_leaves_out_of_order_are_refused() -> None:
    leaves = leaves_of({"stream merchant/a": 1, "stream merchant/b": 2})
    with pytest.raises(ValueError, match="are not in rising order"):
        trie_root(leaves[::-1])
    with pytest.raises(ValueError, match="are not in rising order"):
        trie_root([leaves[0], leaves[0]])
    with pytest.raises(ValueError, match="a trie of no key has no root"):
        trie_root([])


@given(KEYS, st.integers(0, 400))
def test_each_key_is_shown_present_or_absent_and_never_both(counts: dict[str, int], asked: int) -> None:
    leaves = leaves_of(counts)
    root = trie_root(leaves)
    assert root == by_definition({key_hash(key): state_hash(n, chain_of(n)) for key, n in counts.items()})
    key = f"stream merchant/m-{asked}"
    found, turns = trie_path(leaves, key_hash(key))
    count = counts.get(key, 0)
    assert is_present(key, count, chain_of(count), turns, root) == (count > 0)
    state = next(state_hash(n, chain_of(n)) for name, n in counts.items() if key_hash(name) == found.key_hash)
    assert is_absent(key, found.key_hash, state, turns, root) == (count == 0)
    if count:
        assert not is_present(key, count + 1, chain_of(count), turns, root)
        assert not is_present(key, count, chain_of(count + 1), turns, root)


@given(KEYS, st.data())
def test_no_altered_way_is_taken(counts: dict[str, int], data: st.DataObject) -> None:
    leaves = leaves_of(counts)
    root = trie_root(leaves)
    key = data.draw(st.sampled_from(sorted(counts)))
    _, turns = trie_path(leaves, key_hash(key))
    if not turns:
        return
    at = data.draw(st.integers(0, len(turns) - 1))
    bit = data.draw(st.integers(-1, 256))
    other = [*turns[:at], Turn(bit, turns[at].sibling), *turns[at + 1 :]]
    for altered in (turns[:at] + turns[at + 1 :], [*turns[:at], turns[at], *turns[at:]], other, turns[::-1]):
        if altered != turns:
            assert not is_present(key, counts[key], chain_of(counts[key]), altered, root)


@given(KEYS, st.lists(st.integers(0, 400), min_size=1))
def test_ways_that_share_what_is_known_are_those_of_each_alone(counts: dict[str, int], asked: list[int]) -> None:
    leaves, known = leaves_of(counts), dict[tuple[int, int], bytes]()
    for number in asked:
        hashed = key_hash(f"stream merchant/m-{number}")
        assert trie_path(leaves, hashed, known) == trie_path(leaves, hashed)
