"""Names become numbers: within a bucket of subjects, going on from the names that are known.

What a record is about (an order, a violation, …) is numbered within its subject, in the order of the ledger; so is a
buyer. Subjects, creators and categories are numbered within the bucket.
"""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from replay.columnar.columns import (
    CREATOR_BOUND,
    CREATOR_UNBOUND,
    MERCHANT_ONBOARDED,
    NO_NUMBER,
    ORDER_PAID,
    Columns,
    in_order,
)
from replay.columnar.encoding import Named, chosen
from replay.errors import StoreError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

SUBJECT: Final = 0
CREATOR: Final = 1
TEXT: Final = 2
KEY: Final = 3
BUYER: Final = 4
"""Kinds of names; of the last two there are many, and they are numbered within their subject."""
TEXTS_MAX: Final = 2**15


class Numbered(NamedTuple):
    """Records of a bucket with numbers for names, and the names that were new."""

    columns: Columns
    """In order; its lists of names are those known before and the new ones."""
    names: "pa.Table"
    """By (kind, subject, number), as `names_schema` says."""


def names_schema() -> "pa.Schema":
    """The columns of a table of names; creators, categories and subjects themselves bear subject 0."""
    import pyarrow as pa

    fields = [("kind", pa.int8()), ("subject", pa.int32()), ("number", pa.int32()), ("name", pa.string())]
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in fields])


def split(named: Named, buckets: "NDArray[np.int8]") -> dict[int, Named]:
    """The records by bucket, given the bucket of each stream (negative: of none), each with its own streams alone."""
    import numpy as np

    parts: dict[int, Named] = {}
    rows_bucket = buckets[named.stream] if len(buckets) else np.zeros(0, np.int8)
    order = np.argsort(rows_bucket, kind="stable")
    bounds = np.searchsorted(rows_bucket[order], np.arange(buckets.max(initial=-1) + 2))
    local = np.zeros(len(buckets), np.int32)
    for bucket in np.unique(buckets[buckets >= 0]).tolist():
        members = np.flatnonzero(buckets == bucket)
        local[members] = np.arange(len(members))
        part = chosen(named, order[bounds[bucket] : bounds[bucket + 1]])
        streams = [named.streams[stream] for stream in members.tolist()]
        parts[bucket] = part._replace(stream=local[part.stream], streams=streams)
    return parts


def number(named: Named, known: "pa.Table") -> Numbered:
    """Number the names of a bucket's records, going on from the table of its known names.

    Raises StoreError when there are more categories than a column can tell apart.
    """
    import numpy as np
    import pyarrow as pa

    count = len(named.at)
    subjects = _numbered(SUBJECT, np.zeros(len(named.streams), np.int64), pa.array(named.streams, pa.string()), known)
    subject = subjects.numbers[named.stream]
    detail = named.detail.copy()
    key, buyer = (np.full(count, NO_NUMBER, np.int32) for _ in range(2))
    new = [subjects.new]
    has_name = named.name.is_valid().to_numpy(zero_copy_only=False)
    binding = (named.what == CREATOR_BOUND) | (named.what == CREATOR_UNBOUND)
    opening = named.what == MERCHANT_ONBOARDED
    for kind, rows, names, column in (
        (CREATOR, binding, named.name, key),
        (TEXT, opening, named.name, detail),
        (KEY, has_name & ~binding & ~opening, named.name, key),
        (BUYER, named.what == ORDER_PAID, named.buyer, buyer),
    ):
        indices = np.flatnonzero(rows)
        owner = subject[indices].astype(np.int64) if kind in (KEY, BUYER) else np.zeros(len(indices), np.int64)
        found = _numbered(kind, owner, names.take(pa.array(indices)), known)
        if kind == TEXT and found.numbers.max(initial=0) >= TEXTS_MAX:
            raise StoreError(f"more than {TEXTS_MAX} categories were named by the merchants of one bucket")
        column[indices] = found.numbers
        new.append(found.new)
    names_new = pa.concat_tables(new)
    order = in_order(subject, named.at)
    rows_of = (subject, named.at, named.position, named.what, key, buyer, named.amount, detail, named.extra)
    lists = names_of(pa.concat_tables([known, names_new]))
    return Numbered(Columns._make([*(column[order] for column in rows_of), *lists]), names_new)


def needed(names: "pa.Table", texts: "pa.Array") -> "pa.Table":
    """Of sealed names those that numbering these texts needs: the same texts, and each owner's last, to go on from."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, subject = _numpy(names["kind"]), _numpy(names["subject"])
    last = np.ones(len(kind), np.bool_)
    last[:-1] = (kind[1:] != kind[:-1]) | (subject[1:] != subject[:-1])
    return names.filter(pc.or_(pc.is_in(names["name"], value_set=texts), pa.array(last)))


_FEW_NAMES: Final = 20_000


def names_of(names: "pa.Table") -> tuple[list[str], list[str], list[str]]:
    """The subjects, creators and categories in a bucket's table of names, each by number."""
    lists: dict[int, list[str]] = {SUBJECT: [], CREATOR: [], TEXT: []}
    if len(names) <= _FEW_NAMES:  # what filters tables takes longer to load than these take to walk through
        for kind, name in zip(names["kind"].to_pylist(), names["name"].to_pylist(), strict=True):
            if kind in lists:
                lists[kind].append(name)
    else:
        for kind in lists:
            lists[kind] = _of_kind(names, kind)["name"].to_pylist()
    return lists[SUBJECT], lists[CREATOR], lists[TEXT]


class _Found(NamedTuple):
    numbers: "NDArray[np.int32]"
    new: "pa.Table"


def _numbered(kind: int, owner: "NDArray[np.int64]", names: "pa.Array", known: "pa.Table") -> _Found:
    """The number of each (owner, name); those not known go on from their owner's last number as they are first met."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(names):
        return _Found(np.zeros(0, np.int32), names_schema().empty_table())
    mine = _of_kind(known, kind)
    counts = _counts(_numpy(mine["subject"]), _numpy(mine["number"]), int(owner.max()) + 1)
    if len(mine):  # nothing is looked up among many names where none are known
        mine = mine.filter(pc.is_in(mine["name"], value_set=names))
    texts = pa.chunked_array([*mine["name"].chunks, names], pa.string()).combine_chunks()
    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    owners = np.concatenate([_numpy(mine["subject"]).astype(np.int64), owner])
    codes = texts.dictionary_encode()
    # A dictionary is in the order in which its values are first met: the known pairs, each once, then the new ones.
    pairs = pa.array(owners << 32 | codes.indices.to_numpy()).dictionary_encode()
    unknown = pairs.dictionary.to_numpy()[len(mine) :]
    new_owner, new_code = unknown >> 32, unknown & 0xFFFF_FFFF
    order = np.argsort(new_owner, kind="stable")
    grouped = new_owner[order]
    begins = np.searchsorted(grouped, grouped)
    in_group = counts[grouped] + np.arange(len(grouped)) - begins
    new_number = np.empty(len(grouped), np.int64)
    new_number[order] = in_group
    numbers = np.concatenate([_numpy(mine["number"]), new_number]).astype(np.int32)
    columns: list[Any] = [
        pa.array(np.full(len(grouped), kind, np.int8)),
        pa.array(grouped.astype(np.int32)),
        pa.array(in_group.astype(np.int32)),
        codes.dictionary.take(pa.array(new_code[order])),
    ]
    new = pa.Table.from_arrays(columns, schema=names_schema())
    return _Found(numbers[pairs.indices.to_numpy()[len(mine) :]], new)


def _counts(owners: "NDArray[np.int32]", numbers: "NDArray[np.int32]", least: int) -> "NDArray[np.int64]":
    """By owner, how many names it has: one more than the number of its last."""
    import numpy as np

    counts = np.zeros(max(least, int(owners.max(initial=-1)) + 1), np.int64)
    np.maximum.at(counts, owners, numbers.astype(np.int64) + 1)
    return counts


def _of_kind(names: "pa.Table", kind: int) -> "pa.Table":
    import pyarrow.compute as pc

    return names.filter(pc.equal(names["kind"], kind))


def _numpy(column: "pa.ChunkedArray") -> Any:
    return column.to_numpy()
