"""The chains of keys, as their specification says and as slowly as can be: for tests to compare with."""

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256


def oracle_keys(record: bytes) -> list[str]:
    """The keys of a record, read from its bytes alone."""
    whole = json.loads(record)
    event = whole["event"]
    keys = [f"stream {whole['stream']}"]
    if event["type"] in ("creator.bound", "creator.unbound"):
        keys.append(f"bindings {event['data']['creator']}")
    if event["type"] == "event.retracted":
        keys.append(f"retracts {event['data']['source']} {event['data']['event']}")
    return keys


def oracle_states(
    records: Mapping[int, bytes], keys: Iterable[str], position: int
) -> dict[str, tuple[int, bytes, int]]:
    """(count, chain, last position) of some keys after a position, from all records by their position."""
    return {key: oracle_state(records, key, position) for key in keys}


def oracle_state(records: Mapping[int, bytes], key: str, position: int) -> tuple[int, bytes, int]:
    """(count, chain, last position) of a key after a position."""
    count, chain, last = 0, bytes(32), 0
    for at in sorted(records):
        if at <= position and key in oracle_keys(records[at]):
            leaf = sha256(b"\x00" + records[at]).digest()
            chain = sha256(b"\x03" + chain + at.to_bytes(8, "big") + leaf).digest()
            count, last = count + 1, at
    return count, chain, last


def oracle_states_rising(records: Mapping[int, bytes]) -> Iterator[tuple[int, dict[str, tuple[int, bytes, int]]]]:
    """After each record in turn its position, and (count, chain, last position) of each key that one has by then."""
    states: dict[str, tuple[int, bytes, int]] = {}
    for at in sorted(records):
        leaf = sha256(b"\x00" + records[at]).digest()
        for key in oracle_keys(records[at]):
            count, chain, _ = states.get(key, (0, bytes(32), 0))
            states[key] = (count + 1, sha256(b"\x03" + chain + at.to_bytes(8, "big") + leaf).digest(), at)
        yield at, dict(states)
