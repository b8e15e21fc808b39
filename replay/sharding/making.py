"""Planning and making a set. A kill at any moment leaves ledgers with which the same command goes on."""

import secrets
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from domain.buckets import AGENCIES, BUCKETS, bucket_of
from domain.events import ShardMade
from replay.errors import NoStoreError, UsageError
from replay.history.browse import list_subjects
from replay.recording.append import Appender, Stamp
from replay.recording.own import own_candidate, own_source
from replay.sharding.document import (
    FORM,
    SetDocument,
    ShardPlace,
    check_name,
    check_size,
    check_store,
    location_of,
    read_set,
    write_set,
)
from replay.sharding.opened import check_is_shard
from replay.store.base.store import Store
from replay.store.evidence.shard import MADE, SHARD_STREAM, shard_made
from replay.store.opening import create_store, open_store
from replay.store.record import Candidate

BEFORE_ALL_TIME: Final = 0
"""1970, when a shard says that it is one: before all that is backfilled into it. When it was made, `ledger` says."""


class PlannedShard(NamedTuple):
    """What a shard would take of a ledger."""

    number: int
    buckets: list[int]
    """Of merchants and creators; 16 is that of all agencies."""
    subjects: int
    records: int


def plan(store: Store, of: int) -> list[PlannedShard]:
    """How the subjects of a ledger would fall into so many shards. Raises UsageError for a number that cannot be."""
    check_size(of)
    subjects, records = Counter[int](), Counter[int]()
    for item in list_subjects(store, None):
        bucket = bucket_of(item["subject"])
        if bucket is not None:
            subjects[bucket % of] += 1
            records[bucket % of] += item["events"]
    return [
        PlannedShard(
            number,
            [bucket for bucket in range(AGENCIES + 1) if bucket % of == number],
            subjects[number],
            records[number],
        )
        for number in range(of)
    ]


def make(path: Path, of: int, stores: Sequence[str] = ()) -> SetDocument:
    """Make the ledgers of a set and its file: in these stores, or in SQLite files beside it.

    A path that is not absolute is meant from the folder of the file. Raises UsageError for a number or names that
    cannot be, where two lead to the same ledger, and where a store holds records or is another shard.
    """
    check_name(path)
    check_size(of)
    named = [*stores] or [f"{path.stem}-{number}.db" for number in range(of)]
    if len(named) != of or len({*named}) != of:
        raise UsageError(f"{len({*named})} different stores are named for {of} ledgers; name one for each, or none")
    for name in named:
        check_store(name)
    _check_none_is_lost(path, named)
    _make_stores(path, named)
    set_id = _begun(path, named) or secrets.token_hex(16)
    places = []
    for number, name in enumerate(named):
        expected = ShardMade(buckets=BUCKETS, number=number, of=of, set_id=set_id)
        places.append(ShardPlace(_made(location_of(path, name), expected), name))
    document = SetDocument(FORM, set_id, places)
    write_set(path, document)
    return document


def _before_all(_: Candidate, __: int) -> Stamp:
    return Stamp(BEFORE_ALL_TIME, backfill=True)


def _check_none_is_lost(path: Path, named: Sequence[str]) -> None:
    """Raises UsageError where an empty ledger would stand in for one that the set has, or the file names others."""
    is_whole = path.exists()
    if is_whole and [place.store for place in read_set(path).shards] != [*named]:
        raise UsageError(f"{path} is there and names other ledgers; give the new set another name")
    absent, recorded = list[str](), list[str]()
    for name in named:
        try:
            with open_store(location_of(path, name)) as store:
                position, made = store.head().position, shard_made(store)
        except NoStoreError:
            absent.append(name)
            continue
        if made is None:
            absent.append(name)
        elif position > 1:
            recorded.append(name)
    if absent and (is_whole or recorded):
        why = f"{path} names it" if is_whole else f"{recorded[0]} holds records of the set"
        raise UsageError(
            f"no ledger of the set is at {absent[0]}, and {why}: an empty one in its place would lack what"
            " was recorded; bring it back from its backup, or make another set under another name"
        )


def _make_stores(path: Path, named: Sequence[str]) -> None:
    """Make the stores that are not there, empty. Raises UsageError where two names lead to the same ledger, before
    any is a shard.

    Which names do (two URLs of a database, a link, a copied file) nobody can tell but by what they open.
    """
    names: dict[str, str] = {}
    for name in named:
        location = location_of(path, name)
        create_store(location)
        with open_store(location) as store:
            other = names.setdefault(store.identity.id, name)
        if other != name:
            raise UsageError(
                f"{other} and {name} lead to the same ledger {store.identity.id} (one store, a link, or a copy of it):"
                " each ledger of a set has a file or a database of its own; name another place for one of them"
            )


def _begun(path: Path, named: Sequence[str]) -> str | None:
    """The set that a making that was killed has begun; it makes the first ledger a shard first."""
    with open_store(location_of(path, named[0])) as store:
        made = shard_made(store)
        return None if made is None else made.set_id


def _made(location: str, expected: ShardMade) -> str:
    """Make a ledger a shard, unless it is this one: its id."""
    with open_store(location) as store:
        if shard_made(store) is None:
            event_id = f"shard-{expected.set_id}-{expected.number}"
            item = own_candidate(SHARD_STREAM, MADE, own_source(store), event_id, BEFORE_ALL_TIME, expected)
            with store.append() as transaction:
                if transaction.head().position:
                    raise UsageError(
                        f"{store.name} holds records, and a shard says in its first one which it is: name a store that"
                        " is not there yet, and ingest the sources of the other one into the set"
                    )
                Appender(store.identity.id, b"").append(transaction, [item], _before_all)
        check_is_shard(store, expected)
        return store.identity.id
