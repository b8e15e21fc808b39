"""The rows of the table of aliases, and the form in which those stand that have left it: many in one row of bytes.

*Entries* are groups, each of one buyer: the keyed hash in 32 bytes; at how many merchants, in one; the lengths of their
names, one each; these names, as they stand behind `merchant/`; their aliases and then their seals, sixteen bytes each.
They rise by hash and name. A buyer of more than 255 merchants has several groups, one after another.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

from domain.limits import ALIAS_HEX_CHARS
from replay.errors import DamagedError, damaged

SEAL_BYTES: Final = 16
FIRST_BYTES: Final = 6
FIRST_END: Final = 1 << 8 * FIRST_BYTES
"""Behind every first."""
ENTRIES_BYTES_MAX: Final = 3_980
"""What a page of SQLite holds beside its own, and two pieces of a large value in PostgreSQL."""
_HASH_BYTES: Final = 32
_ALIAS_BYTES: Final = ALIAS_HEX_CHARS // 2
_PAIR_BYTES: Final = _ALIAS_BYTES + SEAL_BYTES
_EARLIER_SEAL_BYTES: Final = 32
_MERCHANTS_MAX: Final = 255
_PREFIX: Final = "merchant/"
_MERCHANT: Final = re.compile(r"merchant/[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ALIAS: Final = re.compile(f"[0-9a-f]{{{ALIAS_HEX_CHARS}}}")


class AliasKey(NamedTuple):
    """What a row of the table of aliases is found by: a buyer at one merchant."""

    buyer: bytes
    """The keyed hash of the buyer."""
    merchant: str
    """The merchant's stream."""


class AliasRow(NamedTuple):
    """A row of the table of aliases."""

    key: bytes
    merchant: str
    alias: str
    seal: bytes
    """A keyed hash of the three, so that whoever has the key notices rows that changed places."""


class Entries(NamedTuple):
    """Rows that left, as they are kept together: of buyers from a first on, and before the next one."""

    first: int
    packed: bytes


class _Group(NamedTuple):
    """Where a group of a buyer stands in entries."""

    start: int
    lengths: bytes
    names: int
    aliases: int
    end: int

    def key_in(self, packed: bytes) -> bytes:
        return packed[self.start : self.start + _HASH_BYTES]

    def rows_in(self, packed: bytes) -> Iterator[AliasRow]:
        """Raises UnicodeDecodeError for a name of a merchant that is none."""
        key, name, alias = self.key_in(packed), self.names, self.aliases
        seal = alias + _ALIAS_BYTES * len(self.lengths)
        for length in self.lengths:
            merchant = _PREFIX + packed[name : name + length].decode("ascii")
            yield AliasRow(key, merchant, packed[alias : alias + _ALIAS_BYTES].hex(), packed[seal : seal + SEAL_BYTES])
            name, alias, seal = name + length, alias + _ALIAS_BYTES, seal + SEAL_BYTES


def first_of(key: bytes) -> int:
    """The first bits of a buyer's hash, by which entries are found."""
    return int.from_bytes(key[:FIRST_BYTES].ljust(FIRST_BYTES, b"\0"))


def least_key(first: int) -> bytes:
    """What no hash that begins with such bits, or with later ones, is before; for FIRST_END behind every hash."""
    return b"\xff" * (_HASH_BYTES + 1) if first == FIRST_END else first.to_bytes(FIRST_BYTES)


def is_usual_alias(alias: str) -> bool:
    """Whether an alias is of the form that this ledger gives to all."""
    return _ALIAS.fullmatch(alias) is not None


def is_usual(row: AliasRow) -> bool:
    """Whether a row is of the form that may leave: others stay where they are."""
    return (
        len(row.key) == _HASH_BYTES
        and len(row.seal) in (SEAL_BYTES, _EARLIER_SEAL_BYTES)
        and _MERCHANT.fullmatch(row.merchant) is not None
        and is_usual_alias(row.alias)
    )


def cut(row: AliasRow) -> AliasRow:
    """A row as it is once it left: of its seal the first half."""
    return row if len(row.seal) == SEAL_BYTES else row._replace(seal=row.seal[:SEAL_BYTES])


def packed_rows(rows: Sequence[AliasRow]) -> Iterator[Entries]:
    """Usual rows that are cut, by rising hash and merchant, as entries that are as full as they may be.

    Only what begins with the same bits is kept together, however much that is.
    """
    return _packed(_GroupsOf(key, _groups_of(key, some)) for key, some in groupby(rows, attrgetter("key")))


class Merged(NamedTuple):
    """Entries, and the rows that have come to them."""

    entries: list[Entries]
    added: list[AliasRow]


def merged(there: Sequence[Entries], rows: Sequence[AliasRow]) -> Merged:
    """Entries that go on from one another, with such rows added as they do not have. Raises DamagedError."""
    groups, before = dict[bytes, bytes](), b""
    for entries in there:
        found = _buyers_in(entries)
        if found and found[0].key <= before:
            raise _damaged(entries)
        groups |= found
        before = found[-1].key if found else before
    added = list[AliasRow]()
    for key, some in groupby(rows, attrgetter("key")):
        had = [*rows_in(Entries(first_of(key), groups[key]))] if key in groups else []
        merchants = {row.merchant for row in had}
        new = [row for row in some if row.merchant not in merchants]
        groups[key] = _groups_of(key, sorted([*had, *new]))
        added += new
    return Merged(list(_packed(map(_GroupsOf._make, sorted(groups.items())))), added)


class _GroupsOf(NamedTuple):
    """All groups of a buyer."""

    key: bytes
    groups: bytes


def _buyers_in(entries: Entries) -> list[_GroupsOf]:
    """Those whose groups stand in entries, by rising hash. Raises DamagedError."""
    packed, found, before = entries.packed, list[_GroupsOf](), b""
    for start, end in _bounds(entries):
        key, groups = packed[start : start + _HASH_BYTES], packed[start:end]
        if key < before:
            raise _damaged(entries)
        if key == before:
            groups = found.pop().groups + groups
        found.append(_GroupsOf(key, groups))
        before = key
    return found


def _packed(buyers: Iterable[_GroupsOf]) -> Iterator[Entries]:
    first, parts, size = 0, list[bytes](), 0
    for begins, some in groupby(buyers, lambda buyer: buyer[0][:FIRST_BYTES]):
        alike = b"".join([groups for _, groups in some])
        if parts and size + len(alike) > ENTRIES_BYTES_MAX:
            yield Entries(first, b"".join(parts))
            parts, size = [], 0
        if not parts:
            first = first_of(begins)
        parts.append(alike)
        size += len(alike)
    if parts:
        yield Entries(first, b"".join(parts))


def _groups_of(key: bytes, rows: Iterable[AliasRow]) -> bytes:
    of_buyer = list(rows)
    starts = range(0, len(of_buyer), _MERCHANTS_MAX)
    return b"".join([_packed_group(key, of_buyer[start : start + _MERCHANTS_MAX]) for start in starts])


def _packed_group(key: bytes, rows: Sequence[AliasRow]) -> bytes:
    names = [row.merchant.removeprefix(_PREFIX).encode("ascii") for row in rows]
    aliases = bytes.fromhex("".join(row.alias for row in rows))
    head = bytes([len(rows), *map(len, names)])
    return b"".join([key, head, *names, aliases, *(row.seal for row in rows)])


def rows_in(entries: Entries) -> Iterator[AliasRow]:
    """All rows. Raises DamagedError where the bytes are of another form, or do not rise."""
    before = (b"", "")
    for group in _groups(entries):
        for row in _rows_in(group, entries):
            if row[:2] <= before:
                raise _damaged(entries)
            before = row[:2]
            yield row


def rows_of(buyers: Collection[bytes], entries: Entries) -> list[AliasRow]:
    """The rows of some buyers. Raises DamagedError, also where groups before theirs are of another form."""
    packed, found = entries.packed, list[AliasRow]()
    there = {key for key in buyers if key in packed}  # or amid a group, by chance
    missing = {*there}
    for group in _groups(entries) if there else ():
        key = group.key_in(packed)
        if key in there:
            missing.discard(key)
            found += _rows_in(group, entries)
        elif not missing:
            break
    return found


def without(key: bytes, entries: Entries) -> bytes:
    """The bytes of all but one buyer. Raises DamagedError."""
    packed = entries.packed
    return b"".join(packed[group.start : group.end] for group in _groups(entries) if group.key_in(packed) != key)


def bounds_of(entries: Entries) -> tuple[bytes, bytes]:
    """The hashes of the first and of the last buyer. Raises DamagedError."""
    keys = [group.key_in(entries.packed) for group in _groups(entries)]
    if not keys:
        raise _damaged(entries)
    return keys[0], keys[-1]


def _rows_in(group: _Group, entries: Entries) -> list[AliasRow]:
    try:
        return list(group.rows_in(entries.packed))
    except UnicodeDecodeError:
        raise _damaged(entries) from None


def _groups(entries: Entries) -> Iterator[_Group]:
    """Raises DamagedError."""
    packed = entries.packed
    for start, end in _bounds(entries):
        names = start + _HASH_BYTES + 1 + packed[start + _HASH_BYTES]
        lengths = packed[start + _HASH_BYTES + 1 : names]
        yield _Group(start, lengths, names, end - _PAIR_BYTES * len(lengths), end)


def _bounds(entries: Entries) -> Iterator[tuple[int, int]]:
    """Where groups begin and end. Raises DamagedError."""
    packed, last, at = entries.packed, len(entries.packed), 0
    while at < last:
        count = packed[at + _HASH_BYTES] if at + _HASH_BYTES < last else 0
        lengths = packed[at + _HASH_BYTES + 1 : at + _HASH_BYTES + 1 + count]
        end = at + _HASH_BYTES + 1 + count + sum(lengths) + _PAIR_BYTES * count
        if not count or 0 in lengths or end > last:
            raise _damaged(entries)
        yield at, end
        at = end


def _damaged(entries: Entries) -> DamagedError:
    return damaged(f"the table of aliases that left, in its row from {entries.first} on,")
