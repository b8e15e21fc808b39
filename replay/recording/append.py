"""Appending: candidates → records, inside one transaction that is alone in the store.

It is idempotent: what is known is recognised first. What is new gets its place, its times, its buyer's alias and its
link in the chain. Nothing of a stream is loaded but the number of its last version.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from domain.calendar import instant_text
from domain.events import ShardMade
from domain.limits import AHEAD_MICROS_MAX, CLOCK_BEHIND_MICROS_MAX
from replay.errors import damaged
from replay.parsing.refusals import Reason, Refusal
from replay.recording.conflicts import (
    conflict_elsewhere,
    conflict_with_earlier,
    conflict_with_record,
    recorded_event,
)
from replay.recording.oddities import Oddities, oddities
from replay.recording.placing import refused_elsewhere
from replay.store.base.failures import clock_failure
from replay.store.base.identity import Head
from replay.store.base.transaction import Known, Transaction
from replay.store.buyers import hash_buyer, is_sealed, new_row
from replay.store.evidence.shard import shard_made
from replay.store.key_chains import record
from replay.store.reading.alias_form import AliasKey
from replay.store.reading.row import Row, leaf_hash, linked
from replay.store.record import Candidate, filled, record_template, with_alias


class Appended(NamedTuple):
    """What became of a batch."""

    recorded: int
    known: int
    refused: list[tuple[int, Refusal]]
    """Index in the batch, and why."""
    head: Head
    """Where the ledger stands after it."""
    odd: Oddities


class Stamp(NamedTuple):
    """When the ledger learned of an event, and whether that time was declared in a backfill."""

    recorded_at: int
    backfill: bool


Stamper = Callable[[Candidate, int], Stamp | Refusal]
"""Gives a new candidate its recorded time, knowing that of the record before it."""


class KnownElsewhere(NamedTuple):
    """A record of another ledger of the set that bears the same source and id, whole."""

    known: Known
    shard: int


Elsewhere = Callable[[Sequence[tuple[str, str]]], dict[tuple[str, str], KnownElsewhere]]
"""Finds what the other ledgers of a set hold of some (source, id)."""


class _Doubt(NamedTuple):
    """A candidate that bears the name of a record, and may not be the same."""

    number: int
    """In the batch."""
    known: Known
    """The record, whole."""
    alias: str | None
    """In the record, where it is not that of the candidate's buyer: of another one, or of one that was erased."""


def nowhere_else(_: Sequence[tuple[str, str]]) -> dict[tuple[str, str], KnownElsewhere]:
    """Of a ledger by itself there are no others."""
    return {}


Aliases = dict[AliasKey, str]
STREAMS_REMEMBERED_MAX: Final = 100_000
"""How many streams' ends an appender remembers: some tens of megabytes."""


class Appender:
    """Appends batches to one ledger, which it knows by its id and its key for buyers.

    Of a shard it may be told which one that is, and `elsewhere` looks into the other ledgers of its set.
    """

    def __init__(
        self, ledger_id: str, key: bytes, shard: ShardMade | None = None, elsewhere: Elsewhere = nowhere_else
    ) -> None:
        self.ledger_id = ledger_id
        self._key = key
        self._shard = shard
        self._knows_shard = shard is not None
        self._elsewhere = elsewhere
        self._left: Head | None = None
        self._versions: dict[str, int] = {}
        self._chains: dict[str, bytes] = {}

    def append(self, transaction: Transaction, candidates: Sequence[Candidate], stamper: Stamper) -> Appended:
        """Judge a batch in its order and record what is new in it."""
        head = transaction.head()
        buyers = {c.buyer: hash_buyer(self._key, c.buyer) for c in candidates if c.buyer is not None}
        aliases = self._aliases(transaction, candidates, buyers)
        shard = self._shard_of(transaction, head)
        known = transaction.find([(c.source, c.event_id) for c in candidates])
        elsewhere = self._elsewhere([key for c in candidates if (key := (c.source, c.event_id)) not in known])
        fresh: dict[tuple[str, str], tuple[Candidate, Stamp]] = {}
        refused: list[tuple[int, Refusal]] = []
        doubts: list[_Doubt] = []
        last = head.recorded_at
        for index, item in enumerate(candidates):
            key = (item.source, item.event_id)
            if shard is not None and (other := refused_elsewhere(item, shard)) is not None:
                refused.append((index, other))
            elif key in elsewhere:
                refused.append((index, conflict_elsewhere(item, *elsewhere[key])))
            elif key in known:
                doubts += self._doubts(transaction, index, item, known[key], aliases, buyers)
            elif key in fresh:
                if not _same_as_fresh(item, fresh[key][0]):
                    refused.append((index, conflict_with_earlier(item, fresh[key][0])))
            else:
                stamp = stamper(item, last)
                if isinstance(stamp, Refusal):
                    refused.append((index, stamp))
                    continue
                fresh[key] = (item, stamp)
                last = stamp.recorded_at
        if doubts:
            refused = sorted([*refused, *_conflicts(transaction, candidates, doubts)], key=lambda one: one[0])
        odd = Oddities()
        if fresh:
            new = list(fresh.values())
            odd = oddities(transaction, [item for item, _ in new])
            self._alias_new(transaction, [item for item, _ in new], buyers, aliases)
            head = self._insert(transaction, head, new, buyers, aliases)
        return Appended(len(fresh), len(candidates) - len(fresh) - len(refused), refused, head, odd)

    def _shard_of(self, transaction: Transaction, head: Head) -> ShardMade | None:
        """Which shard the ledger is, asked once: it is one from its first record on, or never."""
        if not self._knows_shard:
            self._shard = shard_made(transaction)
            self._knows_shard = head.position > 0
        return self._shard

    def _aliases(self, transaction: Transaction, items: Sequence[Candidate], buyers: dict[str, bytes]) -> Aliases:
        """The aliases that the buyers of a batch have already, each at its merchant."""
        wanted = {AliasKey(buyers[item.buyer], item.stream) for item in items if item.buyer is not None}
        found = {}
        for row in transaction.aliases(sorted(wanted)):
            if not is_sealed(self._key, row):
                raise damaged(f"the table of aliases, in a row of {row.merchant} with the alias {row.alias},")
            found[AliasKey(row.key, row.merchant)] = row.alias
        return found

    def _doubts(
        self,
        transaction: Transaction,
        number: int,
        item: Candidate,
        known: Known,
        aliases: Aliases,
        buyers: dict[str, bytes],
    ) -> Iterator[_Doubt]:
        """None when the same content is recorded of the same buyer."""
        same = item.content_hash == known.content_hash
        if same and item.buyer is None:
            return
        known = transaction.whole(known)
        event = recorded_event(known)
        alias, merchant = event["data"].get("buyer"), event.get("subject")
        if same and not isinstance(alias, str):
            raise damaged(f"the record at position {known.position}")
        if item.buyer is None or alias is None:
            yield _Doubt(number, known, None)
            return
        key = AliasKey(buyers[item.buyer], str(merchant))
        if merchant != item.stream:
            aliases = self._aliases(transaction, [item._replace(stream=key.merchant)], buyers)
        is_its_own = alias == aliases.get(key)
        if not (same and is_its_own):
            yield _Doubt(number, known, None if is_its_own else alias)

    def _alias_new(
        self, transaction: Transaction, items: Sequence[Candidate], buyers: dict[str, bytes], aliases: Aliases
    ) -> None:
        new = []
        for item in items:
            if item.buyer is None:
                continue
            key = AliasKey(buyers[item.buyer], item.stream)
            if key not in aliases:
                new.append(new_row(self._key, key))
                aliases[key] = new[-1].alias
        if new:
            transaction.add_aliases(new)

    def _insert(
        self,
        transaction: Transaction,
        head: Head,
        new: Sequence[tuple[Candidate, Stamp]],
        buyers: dict[str, bytes],
        aliases: Aliases,
    ) -> Head:
        position, recorded_at, chain = head
        versions = self._versions_of(transaction, head, {item.stream for item, _ in new})
        stamped, template = None, b""
        rows, leaves = [], []
        for item, stamp in new:
            if stamp != stamped:
                stamped, recorded_at = stamp, stamp.recorded_at
                template = record_template(
                    ledger_id=self.ledger_id, recorded_text=instant_text(recorded_at), backfill=stamp.backfill
                )
            stream, buyer = item.stream, item.buyer
            position += 1
            versions[stream] = version = versions[stream] + 1
            event = item.event if buyer is None else with_alias(item.event, aliases[AliasKey(buyers[buyer], stream)])
            body = filled(template, event, item.extensions, position, stream, version)
            leaf = leaf_hash(body)
            leaves.append(leaf)
            chain = linked(chain, leaf)
            rows.append(
                Row(
                    position,
                    stream,
                    version,
                    item.type,
                    item.source,
                    item.event_id,
                    item.ref,
                    item.occurred_at,
                    recorded_at,
                    item.content_hash,
                    chain,
                    body,
                )
            )
        record(transaction, rows, leaves, self._chains)
        self._left = Head(position, recorded_at, chain)
        return self._left

    def _versions_of(self, transaction: Transaction, head: Head, streams: set[str]) -> dict[str, int]:
        """The last versions of some streams, and perhaps of others; asked of the store once while nobody else records.

        The same holds of the chains of streams. The chain hash of the head says whether somebody has, or whether the
        last batch of this appender was not committed.
        """
        if head != self._left or len(self._versions) > STREAMS_REMEMBERED_MAX:
            self._versions, self._chains = {}, {}
        self._left = None  # until this batch is in the store
        if unknown := streams - self._versions.keys():
            self._versions |= transaction.versions(sorted(unknown))
        return self._versions


def ledger_clock(transaction: Transaction, *, clock_behind: bool) -> Stamper:
    """Stamps a whole transaction with the ledger's clock, later than every record before it.

    Raises StoreError when the clock stands more than 5 s behind the last record, unless that is
    declared to be known.
    """
    stamp: Stamp | None = None

    def stamper(item: Candidate, last: int) -> Stamp | Refusal:
        nonlocal stamp
        if stamp is None:
            now = transaction.now()
            if now < last - CLOCK_BEHIND_MICROS_MAX and not clock_behind:
                raise clock_failure(now, last)
            stamp = Stamp(max(now, last + 1), backfill=False)
        return _unless_ahead(item, stamp)

    return stamper


def declared_clock(transaction: Transaction) -> Stamper:
    """Stamps each event of a backfill with its own `recordedtime`."""
    now = transaction.now()

    def stamper(item: Candidate, last: int) -> Stamp | Refusal:
        claimed = item.claimed_at
        assert claimed is not None, "a backfill refuses undated lines before"
        if claimed > now:
            return Refusal(
                Reason.BACKFILL_FUTURE,
                f"recordedtime: found {instant_text(claimed)}, but it is only {instant_text(now)}; nothing is known"
                " before it is learned: mend the time",
            )
        if claimed < last:
            return Refusal(
                Reason.BACKFILL_LATE,
                f"recordedtime: found {instant_text(claimed)}, but the last record was made at {instant_text(last)},"
                " and what was known then does not change; give --late to record it as learned now",
            )
        return _unless_ahead(item, Stamp(claimed, backfill=True))

    return stamper


def _unless_ahead(item: Candidate, stamp: Stamp) -> Stamp | Refusal:
    if item.occurred_at <= stamp.recorded_at + AHEAD_MICROS_MAX:
        return stamp
    return Refusal(
        Reason.AHEAD_OF_RECORD,
        f"time: found {instant_text(item.occurred_at)}, more than five minutes after the ledger learns of it at"
        f" {instant_text(stamp.recorded_at)}; mend the time, or ingest it when it has happened",
    )


def _conflicts(
    transaction: Transaction, candidates: Sequence[Candidate], doubts: Sequence[_Doubt]
) -> Iterator[tuple[int, Refusal]]:
    """Those that are not the same as the record; where its buyer was erased, all else equal is enough."""
    given = transaction.given({doubt.alias for doubt in doubts if doubt.alias is not None})
    for number, known, alias in doubts:
        item, other_buyer = candidates[number], alias in given
        if item.content_hash != known.content_hash or other_buyer:
            yield number, conflict_with_record(item, known, other_buyer=other_buyer)


def _same_as_fresh(item: Candidate, earlier: Candidate) -> bool:
    return item.content_hash == earlier.content_hash and item.buyer == earlier.buyer
