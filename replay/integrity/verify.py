"""Verifying: walk the stored bytes, recompute every column from them, name the first that does not fit."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import Connection
from operator import gt
from typing import Final, NamedTuple

from domain.limits import AHEAD_MICROS_MAX
from replay.errors import DamagedError, LevelbookError, StoreError, UsageError
from replay.integrity.aliases import AliasTable, buyer_problems, problems_beside, table_of, why_seals_unchecked
from replay.integrity.borne import BorneAliases
from replay.integrity.columns_fit import Columns, add_borne, check_columns, which_fit
from replay.integrity.evidence import evidence_problems
from replay.integrity.key_chains import KeyWalk, Misfit, WalkedKeys, chain_problems, joined_keys
from replay.integrity.left import LeftWalk, WalkedLeft, left_problems, left_walk
from replay.integrity.log_tree import WalkedLog, log_walk, sizes_needed
from replay.processes import begun, rare_cycle_search, second_core
from replay.store.alias_queries import count_aliases
from replay.store.base.identity import EMPTY, Head
from replay.store.base.store import Store
from replay.store.opening import open_store
from replay.store.queries import chain_at, link_at, plain_rows, tally
from replay.store.reading.asked import BEFORE_ALL
from replay.store.reading.notes import stretch_ends
from replay.store.reading.row import leaf_hash, linked

ROWS_TOGETHER: Final = 400
"""More do not stay in a processor's cache, and take longer each."""
WORKERS: Final = 2
RECORDS_BEFORE_HELP: Final = 50_000
"""Shorter ledgers are walked by one process: a second one takes a quarter of a second to start."""
NEARBY_PART: Final = 8
"""A part may be longer or shorter by so small a part of itself."""
ALIASES_A_RECORD: Final = 2
"""So many aliases are read in the time in which one record is walked."""


@dataclass
class Verified:
    """What a verification found; the ledger is sound when `problems` is empty."""

    records: int = 0
    """Records that fit, from the first on."""
    head: Head = EMPTY
    problems: list[str] = field(default_factory=list)
    seals_unchecked: str | None = None
    """Why nobody looked whose each alias is, where that is so: the key is elsewhere, or is another's."""


class Kept(NamedTuple):
    """A head that was noted down earlier."""

    position: int
    chain: str
    ledger: str | None = None
    """Which ledger it is of; earlier versions did not note that down."""


def parse_head(text: str) -> Kept:
    """A head as `levelbook head` prints it, N:HASH:LEDGER or N:HASH; raises UsageError for another form."""
    found = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})(?::([0-9a-f]{32}))?", text.strip())
    if found is None:
        raise UsageError(f"--head {text!r} is not of the form N:HASH:LEDGER or N:HASH, as 'levelbook head' prints it")
    return Kept(int(found[1]), found[2], found[3])


def verify(
    store: Store, kept: Kept | None = None, progress: Callable[[int], None] = lambda _: None, workers: int = WORKERS
) -> Verified:
    """Walk the whole ledger as it stands at the beginning; what the database itself looks at, it does meanwhile.

    A long one is walked by so many processes, with this one.
    """
    left = left_walk(store)  # first: what leaves meanwhile may go on behind the last record that is walked
    last = store.head().position
    rows, table, sizes = begun(store.row_problems), None, sizes_needed(store, last)
    with rare_cycle_search():
        if workers > 1 and last >= RECORDS_BEFORE_HELP:
            span, table = _walked_by(workers, store, last, sizes, left, progress)
        else:
            span = _walked(store, _from_start(store, last, sizes, left), progress)
    progress(span.head.position)
    result = Verified(span.head.position, span.head)
    if span.problem is not None:
        result.problems.append(span.problem)
    else:
        result.problems += _tally_problems(store, last, span.types)
        result.problems += buyer_problems(store) if table is None else problems_beside(store, span.borne, table)
        result.problems += left_problems(store, span.left)
        chains = chain_problems(store, span.keys)
        result.problems += chains or evidence_problems(store, span.log, last)
        result.seals_unchecked = why_seals_unchecked(store)
    result.problems += store.definition_problems() + rows.result()
    if kept is not None:
        result.problems += _kept_problems(store, kept, span)
    return result


@dataclass
class WalkedSpan:
    """A stretch of the ledger that is walked in one go, from behind `head` to `last`."""

    head: Head
    """The last record that fits."""
    last: int
    from_start: bool
    """Whether `versions` knows every stream: then one that is not in it begins."""
    versions: dict[str, int] = field(default_factory=dict)
    """The last version of each stream."""
    first_versions: dict[str, int] = field(default_factory=dict)
    """The first version met of each stream."""
    types: Counter[str] = field(default_factory=Counter)
    keys: WalkedKeys = field(default_factory=WalkedKeys)
    borne: BorneAliases = field(default_factory=BorneAliases)
    log: WalkedLog = field(default_factory=WalkedLog)
    left: WalkedLeft = field(default_factory=WalkedLeft)
    problem: str | None = None

    def check(self, row: Columns, leaf: bytes, ledger_id: str, *, fits: bool) -> None:
        """Raises Misfit unless the row follows the rows before it and its columns follow its bytes.

        `fits` says that they are known to.
        """
        position, stream, version, event_type, _, _, _, occurred_at, recorded_at, _, chain, _ = row
        before = self.head
        if position <= before.position:
            raise Misfit(f"comes first, but a record stands at position {position}, where none can be")
        if position != before.position + 1:
            raise Misfit(f"is missing; the next record is at {position}")
        if linked(before.chain, leaf) != chain:
            identity = "" if before.position else ", or the ledger's identity (created_at, key_check)"
            raise Misfit(f"the chain does not fit the record: its bytes, or those of the link{identity}, were changed")
        if not fits:
            check_columns(row, ledger_id)
        if recorded_at < before.recorded_at:
            raise Misfit("recorded_at falls behind the record before")
        if occurred_at > recorded_at + AHEAD_MICROS_MAX:
            raise Misfit("occurred_at lies more than five minutes after recorded_at")
        known = self.versions.get(stream)
        if known is None:
            known = 0 if self.from_start else version - 1
            self.first_versions[stream] = version
        if version != known + 1:
            raise Misfit(f"is version {version} of {stream}, but version {known + 1} comes next")
        self.versions[stream] = version
        self.types[event_type] += 1
        self.head = Head(position, recorded_at, chain)

    def take(self, rows: Sequence[Columns], leaves: Sequence[bytes]) -> bool:
        """Go on behind rows whose columns fit. False, and nothing is done, where `check` would find anything."""
        if not rows:
            return True
        at, last_recorded, chain = self.head
        positions, streams, versions, types, _, _, _, occurred, recorded, _, chains, _ = zip(*rows, strict=True)
        in_order = [last_recorded, *recorded]
        if (
            positions != tuple(range(at + 1, at + 1 + len(rows)))
            or in_order != sorted(in_order)
            or any(map(gt, occurred, [instant + AHEAD_MICROS_MAX for instant in recorded]))
            or list(map(linked, (chain, *chains), leaves)) != list(chains)
        ):
            return False
        last_versions: dict[str, int] = {}
        firsts: dict[str, int] = {}
        for stream, version in zip(streams, versions, strict=True):
            before = last_versions.get(stream) or self.versions.get(stream)
            if before is None:
                before = 0 if self.from_start else version - 1
                firsts[stream] = version
            if version != before + 1:
                return False
            last_versions[stream] = version
        self.head = Head(positions[-1], recorded[-1], chains[-1])
        self.versions |= last_versions
        self.first_versions |= firsts
        self.types.update(types)
        return True


def _walked(store: Store, span: WalkedSpan, progress: Callable[[int], None]) -> WalkedSpan:
    """Walk a span to its end or to the first record that does not fit."""
    with store.blocks.afresh():
        return _walked_afresh(store, span, progress)


def _walked_afresh(store: Store, span: WalkedSpan, progress: Callable[[int], None]) -> WalkedSpan:
    keys, ledger_id = KeyWalk(store, span.keys, span.head.position, from_start=span.from_start), store.identity.id
    left = LeftWalk(store, span.left, span.head.position)
    try:
        for rows in _together(_rows(store, span.head.position, span.last)):
            fits, leaves = which_fit(rows, ledger_id, span.borne), [leaf_hash(row[-1]) for row in rows]
            if all(fits) and span.take(rows, leaves):
                keys.follow(rows, leaves)
            else:
                _walk_each(span, rows, leaves, fits, ledger_id, keys)
            span.log.follow(leaves)
            left.follow(rows)
            progress(span.head.position)
        if span.head.position != span.last:
            raise Misfit(f"is missing; the ledger goes on to {span.last}")
        keys.end(span.last)
    except Misfit as misfit:
        span.problem = f"position {span.head.position + 1}: {misfit}"
    except DamagedError as error:
        span.problem = f"position {span.head.position + 1}: cannot be read: {error}"
    return span


def _walk_each(
    span: WalkedSpan,
    rows: Sequence[Columns],
    leaves: Sequence[bytes],
    fits: Sequence[bool],
    ledger_id: str,
    keys: KeyWalk,
) -> None:
    """Go on one by one, up to the first that does not fit."""
    for row, leaf, is_sure in zip(rows, leaves, fits, strict=True):
        span.check(row, leaf, ledger_id, fits=is_sure)
        if not is_sure:
            add_borne(row, span.borne)
        keys.follow([row], [leaf])


def _from_start(store: Store, last: int, sizes: tuple[int, ...], left: WalkedLeft) -> WalkedSpan:
    return WalkedSpan(_before_first(store), last, from_start=True, log=log_walk(store, 0, sizes), left=left)


def _before_first(store: Store) -> Head:
    return Head(0, 0, store.identity.chain_start)


def _rows(store: Store, after: int, last: int) -> Iterator[Columns]:
    """The rows behind a position; from the start, those too that stand before the first."""
    return plain_rows(store, after or BEFORE_ALL, last)


def _together(rows: Iterator[Columns]) -> Iterator[list[Columns]]:
    """Some rows at a time; before one that cannot be read, what was read."""
    some: list[Columns] = []
    try:
        while True:
            some = []
            some.extend(islice(rows, ROWS_TOGETHER))
            if not some:
                return
            yield some
    except DamagedError:
        yield some
        raise


def _walked_by(
    workers: int,
    store: Store,
    last: int,
    sizes: tuple[int, ...],
    left: WalkedLeft,
    progress: Callable[[int], None],
) -> tuple[WalkedSpan, AliasTable | None]:
    """Each part but the first is walked by another process, from the link that the part before it has to end with.

    While the others come up, this one reads the table of aliases.
    """
    first, *ends = _ends(workers, last, count_aliases(store), stretch_ends(store, left.up_to) if left.up_to else ())
    with ExitStack() as held:
        helpers = [held.enter_context(second_core(_serve)) for _ in ends]
        for helper, after, end in zip(helpers, (first, *ends), ends, strict=False):
            found = link_at(store, after)
            if found is None:
                return _walked(store, _from_start(store, last, sizes, left), progress), None
            part = WalkedSpan(found, end, from_start=False, log=log_walk(store, after, sizes), left=left)
            with suppress(OSError):  # it was ended, which is seen when nothing comes from it
                helper.send((store.location, part))
        table = table_of(store)
        span = _walked(store, _from_start(store, first, sizes, left), lambda done: progress(done * last // first))
        for helper in helpers:
            if span.problem is not None:
                return span, None
            span = _joined(store, span, _received(helper))
    return span, table


def _ends(workers: int, last: int, aliases: int, stretches: Sequence[int]) -> list[int]:
    """Where the part of each process ends: all take about as long, the first with the aliases, too.

    A part begins where a stretch ends that has left, if one does nearby: it need not read up what is before it there.
    """
    read = aliases // ALIASES_A_RECORD
    first = max((last + read) // workers - read, 1)
    others = workers - 1
    ends = [first + (last - first) * number // others for number in range(others + 1)]
    nearby = last // workers // NEARBY_PART
    return sorted({*(_nearest(end, stretches, nearby) for end in ends if end < last), last})


def _nearest(end: int, stretches: Sequence[int], most: int) -> int:
    found = min(stretches, key=lambda one: abs(one - end), default=end)
    return found if abs(found - end) <= most else end


def _received(helper: Connection) -> WalkedSpan:
    """What another process has found. Raises StoreError where it could not look, or was ended."""
    try:
        found: WalkedSpan | str = helper.recv()
    except (EOFError, OSError):
        found = "a process that verifies a part of the ledger was ended from outside; verify again"
    if isinstance(found, str):
        raise StoreError(found)
    return found


def _serve(connection: Connection) -> None:
    location, span = connection.recv()
    try:
        with open_store(location) as store:
            connection.send(_walked(store, span, lambda _: None))
    except LevelbookError as error:
        connection.send(str(error))


def _joined(store: Store, first: WalkedSpan, second: WalkedSpan) -> WalkedSpan:
    """Two spans as one: each stream of the second has to go on where the first left it."""
    for stream, version in second.first_versions.items():
        if version != first.versions.get(stream, 0) + 1:
            # Walk the second again, knowing the first, to name the first record that does not fit.
            again = WalkedSpan(
                *(first.head, second.last, True),
                versions=first.versions,
                types=first.types,
                keys=first.keys,
                borne=first.borne,
                log=first.log,
                left=first.left,
            )
            return _walked(store, again, lambda _: None)
    return WalkedSpan(
        *(second.head, second.last, True),
        versions=first.versions | second.versions,
        types=first.types + second.types,
        keys=joined_keys(first.keys, second.keys),
        borne=first.borne.then(second.borne),
        log=first.log.then(second.log),
        left=first.left.then(second.left),
        problem=second.problem,
    )


def _tally_problems(store: Store, last: int, types: Counter[str]) -> list[str]:
    counted = tally(store)
    if store.head().position != last:
        return []  # others have written meanwhile: the tally counts their records too
    return [
        f"the tally counts {counted.get(name, 0)} records of {name}, the ledger holds {types[name]}"
        for name in sorted(counted.keys() | types.keys())
        if counted.get(name, 0) != types[name]
    ]


def _kept_problems(store: Store, kept: Kept, span: WalkedSpan) -> list[str]:
    if kept.ledger is not None and kept.ledger != store.identity.id:
        other = f"the head that was given is of another ledger, {kept.ledger}; this one is {store.identity.id}"
        return [f"{other}: it says nothing here. Give the head of this ledger, or name the store of that one"]
    if kept.position == 0:
        start = store.identity.chain_start.hex()
        return [] if kept.chain == start else [f"position 0, where nothing is recorded, bears the chain {start}"]
    if kept.position > span.last:
        return [f"position {kept.position} was noted down, but the ledger ends at {span.last}: its tail was cut"]
    if kept.position > span.head.position:
        return []  # beyond the record that does not fit there is nothing to compare with
    found = (chain_at(store, kept.position) or b"").hex()
    if found != kept.chain:
        bears = f"bears the chain {found}, but {kept.chain} was noted down"
        of_old = "" if kept.ledger else ", or the head is of another ledger"
        return [f"position {kept.position} {bears}: the past was rewritten, or a copy went on otherwise{of_old}"]
    return []
