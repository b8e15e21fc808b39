"""A ledger that lies: evidence of it shows a record's keys as if the record had not been recorded."""

from collections.abc import Iterator
from typing import Any

import pytest

from replay.evidence import making
from replay.store.base.store import Store
from replay.store.key_chains import key_states, records_of_key


def hide_from_evidence(monkeypatch: pytest.MonkeyPatch, position: int) -> None:
    """From here on evidence is made without the record at a position, the last of its keys."""

    def without(found: Iterator[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        return [(at, record) for at, record in found if at != position]

    def states(store: Store, keys: Any, last: int) -> Any:
        before, after = key_states(store, keys, position - 1), key_states(store, keys, last)
        return {key: before[key] if after[key].position == position else after[key] for key in after}

    monkeypatch.setattr(making, "key_states", states)
    monkeypatch.setattr(making, "records_of_key", lambda *asked: without(records_of_key(*asked)))
