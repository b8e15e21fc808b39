"""Records that cannot be read: their bytes changed where they lie."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from replay.store.base.store import Store


@contextmanager
def damage(path: Path, changes: dict[int, tuple[bytes, bytes]]) -> Iterator[None]:
    """Change the bytes of records by position, and mend them again."""
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        (guard,) = raw.execute("SELECT sql FROM sqlite_master WHERE name = 'records_never_updated'").fetchone()
        raw.execute("DROP TRIGGER records_never_updated")
        whole = {
            at: raw.execute("SELECT record FROM records WHERE position = ?", (at,)).fetchone()[0] for at in changes
        }
        for at, change in changes.items():
            assert change[0] in whole[at]
            raw.execute("UPDATE records SET record = ? WHERE position = ?", (whole[at].replace(*change), at))
        yield
        for at, record in whole.items():
            raw.execute("UPDATE records SET record = ? WHERE position = ?", (record, at))
        raw.execute(guard)


def some_of(store: Store, stream: str, types: tuple[str, ...], after: int = 0) -> int:
    """The position of the first record of a subject and of one of these types, behind a position."""
    rows = store._query("SELECT position, type FROM records WHERE stream = ? AND position > ?", (stream, after))
    return min(int(position) for position, event_type in rows if event_type in types)


CUT = {
    "a merchant's payment": ("merchant/m-1", ("order.paid",), (b'"amount"', b'"amounts"')),
    "a creator's sale": ("creator/c-2", ("sale.settled",), (b'"order"', b'order"')),
    "what has no row": ("creator/c-1", ("content.published",), (b'"good"', b'"bad"')),
    "an agency's binding": ("mcn/a-1", ("creator.bound",), (b'"creator"', b'"nobody"')),
    "a retraction": ("merchant/m-2", ("event.retracted",), (b'"event":"', b'"event":9,"other":"')),
}
"""By what is cut: the subject, the types, and what is changed into what."""
