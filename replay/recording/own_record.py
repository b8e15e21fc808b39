"""What the ledger records itself, a record in a transaction of its own, with the erasures that are due."""

from collections.abc import Callable

from domain.events import Data
from replay.recording.append import Appender, ledger_clock
from replay.recording.erase import scrubbed, take_due
from replay.recording.own import own_candidate, own_source
from replay.store.base.identity import Head
from replay.store.base.store import Store
from replay.store.base.transaction import Transaction


def record_own(
    store: Store,
    stream: str,
    event_type: str,
    event_id: str,
    data: Data,
    *,
    check: Callable[[Transaction], None] = lambda _: None,
    clock_behind: bool = False,
) -> Head:
    """Record an event of the ledger itself as occurring now: where the ledger stands after it.

    `check` looks, once the ledger is this transaction's alone, whether it may still be recorded. `clock_behind` goes on
    although the last record bears a later time than the clock. Raises StoreError, and what `check` raises.
    """
    appender, source = Appender(store.identity.id, b""), own_source(store)
    with store.append() as transaction:
        stamper = ledger_clock(transaction, clock_behind=clock_behind)
        due = take_due(transaction, appender, stamper)
        check(transaction)
        item = own_candidate(stream, event_type, source, event_id, transaction.now(), data)
        done = appender.append(transaction, [item], stamper)
        assert done.recorded == 1
    scrubbed(store, due)
    return done.head
