"""The log tree against RFC 6962: its own vectors, and a tree made from the definition."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from replay.proving.log_tree import (
    EMPTY_ROOT,
    Subtree,
    consistency_path,
    inclusion_path,
    is_consistent,
    root_at,
    root_by_inclusion,
    root_of,
)
from replay.store.reading.row import leaf_hash

# The inputs and roots of the reference vectors of Certificate Transparency, for trees of one to eight leaves.
INPUTS = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657",
                                           "606162636465666768696a6b6c6d6e6f")]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaves_of(count: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(count)]


def subtrees(leaves: list[bytes]) -> Subtree:
    return lambda level, index: by_definition(leaves[index << level : (index + 1) << level])


def by_definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    return sha256(b"\x01" + by_definition(leaves[:left]) + by_definition(leaves[left:])).digest()


def test_the_roots_of_the_reference_vectors() -> None:
    leaves = [leaf_hash(item) for item in INPUTS]
    assert [root_of(leaves[:count]).hex() for count in range(1, 9)] == ROOTS
    assert root_of([]) == EMPTY_ROOT == sha256(b"").digest()


def test_a_tree_of_three_by_hand() -> None:
    one, two, three = leaves_of(3)
    left = sha256(b"\x01" + one + two).digest()
    assert root_of([one, two, three]) == sha256(b"\x01" + left + three).digest()
    assert inclusion_path(subtrees([one, two, three]), 0, 3) == [two, three]
    assert inclusion_path(subtrees([one, two, three]), 2, 3) == [left]


def test_every_leaf_of_every_small_tree_is_shown_to_be_in_it() -> None:
    for size in range(1, 34):
        leaves = leaves_of(size)
        root = by_definition(leaves)
        assert root_of(leaves) == root_at(subtrees(leaves), size) == root
        for index in range(size):
            path = inclusion_path(subtrees(leaves), index, size)
            assert root_by_inclusion(leaves[index], index, size, path) == root
            assert root_by_inclusion(leaves[index], index, size, [*path, root]) is None
            if path:
                assert root_by_inclusion(leaves[index], index, size, path[:-1]) is None


def test_every_small_tree_goes_on_from_every_smaller_one() -> None:
    leaves = leaves_of(34)
    roots = [by_definition(leaves[:size]) for size in range(35)]
    for second in range(1, 35):
        for first in range(1, second + 1):
            path = consistency_path(subtrees(leaves), first, second)
            assert is_consistent(first, roots[first], second, roots[second], path)
            assert not is_consistent(first, roots[first - 1], second, roots[second], path)
            assert not is_consistent(first, roots[first], second, roots[second - 1], path)
            assert not is_consistent(first, roots[first], second, roots[second], [*path, roots[1]])


@given(st.integers(1, 300), st.data())
def test_no_altered_proof_is_taken(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(subtrees(leaves), index, size)
    place = data.draw(st.integers(0, 8 * 32 * (len(path) + 1) - 1))
    altered = bytearray(b"".join([leaves[index], *path]))
    altered[place >> 3] ^= 1 << (place & 7)
    parts = [bytes(altered[at : at + 32]) for at in range(0, len(altered), 32)]
    assert root_by_inclusion(parts[0], index, size, parts[1:]) != root_of(leaves)
