"""Erasing buyers: at once, or, where it was asked for, at the end of the month.

After an erasure the buyer's next order at a merchant bears a new alias, and the month's cap on the pair of buyer and
merchant begins anew. A request for the month's end is kept in the table `erasures_due`, by the buyer's keyed hash
alone. It is carried out by the first command that records after it is due, before that looks up any alias, and needs
no key.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from domain.calendar import month_of, month_start, shanghai_text
from domain.events import BuyerErased
from replay.errors import UsageError
from replay.recording.append import Appender, Stamper, ledger_clock
from replay.recording.own import check_reason, own_candidate, own_source_of
from replay.store.alias_queries import (
    Request,
    add_request,
    due_at,
    earliest_due,
    forget_request,
    merchants_since,
    request_of,
)
from replay.store.base.store import Store
from replay.store.base.transaction import Transaction
from replay.store.buyers import ERASURES, hash_buyer, key_of
from replay.store.record import Candidate

ID_CHANCE_BYTES: Final = 16


class Erasure(NamedTuple):
    """What became of an erasure."""

    receipt_position: int
    aliases: int
    """At how many merchants the buyer had one."""
    merchants_this_month: int
    """At how many of them something happened to the buyer's orders this month: there the pair cap begins anew."""
    scrubbed: bool
    """Whether nothing of the row is left in the files; else it is until the database next tidies up."""


class DueErasure(NamedTuple):
    """A request to erase a buyer at the end of a month."""

    due_at: int
    asked_at: int
    reason: str
    asked_before: bool
    """Whether there was one already: that one stays as it is."""


class Erased(NamedTuple):
    """A buyer whose erasure was due, and was carried out."""

    key: bytes
    aliases: int
    receipt_position: int


class Due(NamedTuple):
    """What became of the requests that are due."""

    erased: tuple[Erased, ...] = ()
    left: int = 0
    """How many were left for a later command, because this one must not carry them out."""
    scrubbed: bool = True
    """Whether nothing of the erased rows is left in the files."""

    def then(self, later: "Due") -> "Due":
        """Both together, as they stand after the later."""
        return Due(self.erased + later.erased, later.left, self.scrubbed and later.scrubbed)


def erase_now(store: Store, buyer: str, reason: str, *, in_month: bool = False, clock_behind: bool = False) -> Erasure:
    """Forget whose alias a buyer's is, leaving a receipt that names no one; no record changes.

    Raises UsageError when the ledger knows no such buyer, and, unless `in_month` is allowed, where the month's pair cap
    would begin anew. A request that was kept for the buyer goes.
    """
    with _erasing(store, buyer, reason, clock_behind=clock_behind) as at:
        erased, merchants = at.erased, at.merchants_this_month
        if erased is None:
            aliases = _known(at.transaction, at.key)
            if merchants and not in_month:
                raise UsageError(
                    f"at {merchants} of {aliases} merchants something happened to the buyer's orders this month. Erased"
                    " at once, what they do there from now on is another buyer's, and the month's pair cap begins anew;"
                    " nothing was erased. Give --now to erase all the same, or --at-month-end to have it done at"
                    f" {shanghai_text(_month_end(at.transaction.now()))}"
                )
            forget_request(at.transaction, at.key)
            (erased,) = _erase(at.transaction, at.appender, at.stamper, [(at.key, reason)])
    return _erasure(store, erased, merchants)


def erase_at_month_end(store: Store, buyer: str, reason: str, *, clock_behind: bool = False) -> DueErasure | Erasure:
    """Keep a request to erase a buyer at the end of this month; one that is kept already stays as it is.

    The erasure, where such a request was due and was carried out now. Raises UsageError when the ledger knows no such
    buyer.
    """
    with _erasing(store, buyer, reason, clock_behind=clock_behind) as at:
        if at.erased is None:
            _known(at.transaction, at.key)
            return _ask(at.transaction, at.key, reason)
    return _erasure(store, at.erased, at.merchants_this_month)


class _Erasing(NamedTuple):
    """An open transaction in which a buyer is to be erased, or the request is to be kept."""

    transaction: Transaction
    appender: Appender
    stamper: Stamper
    key: bytes
    """The buyer's keyed hash."""
    merchants_this_month: int
    erased: Erased | None
    """What became of the buyer where an earlier request was due, and was carried out in this transaction."""


@contextmanager
def _erasing(store: Store, buyer: str, reason: str, *, clock_behind: bool) -> Iterator[_Erasing]:
    """The requests that are due are carried out first, this buyer's too."""
    check_reason(reason)
    key = key_of(store)
    with store.append() as transaction:
        appender, stamper = Appender(store.identity.id, key), ledger_clock(transaction, clock_behind=clock_behind)
        hashed = hash_buyer(key, buyer)
        merchants = _merchants_this_month(store, transaction, hashed)
        due = take_due(transaction, appender, stamper).erased
        erased = next((one for one in due if one.key == hashed), None)
        yield _Erasing(transaction, appender, stamper, hashed, merchants, erased)


def erase_due(store: Store, *, clock_behind: bool = False) -> Due:
    """Carry out the requests that are due. Raises UsageError where this role may not delete."""
    with store.append() as transaction:
        appender = Appender(store.identity.id, b"")
        due = take_due(transaction, appender, ledger_clock(transaction, clock_behind=clock_behind))
    if due.left:
        raise UsageError(
            f"{due.left} erasures are overdue, and this role may not delete from the tables buyers and erasures_due of"
            f" {store.name}; run it as one that was granted that (docs/how-to/postgresql.md)"
        )
    return scrubbed(store, due)


def take_due(transaction: Transaction, appender: Appender, stamper: Stamper, *, may_erase: bool = True) -> Due:
    """Carry out the requests that are due by the ledger's clock, in the transaction of what is recorded next.

    To be called before any alias is looked up. Leaves them where `may_erase` is false, or the role may not delete.
    """
    earliest = earliest_due(transaction)
    if earliest is None or earliest > (now := transaction.now()):
        return Due()
    due = due_at(transaction, now)
    if not (may_erase and transaction.may_erase()):
        return Due(left=len(due))
    for key, _ in due:
        forget_request(transaction, key)
    return Due(tuple(_erase(transaction, appender, stamper, due)))


def scrubbed(store: Store, due: Due) -> Due:
    """After the transaction in which requests were carried out: leave nothing of the rows in the files."""
    return due._replace(scrubbed=store.scrub()) if due.erased else due


def _erasure(store: Store, erased: Erased, merchants_this_month: int) -> Erasure:
    return Erasure(erased.receipt_position, erased.aliases, merchants_this_month, store.scrub())


def _known(transaction: Transaction, key: bytes) -> int:
    """At how many merchants a buyer has an alias. Raises UsageError where there is none."""
    aliases = transaction.aliases_of(key)
    if not aliases:
        raise UsageError("no such buyer has an alias in this ledger; nothing was erased")
    return aliases


def _erase(
    transaction: Transaction, appender: Appender, stamper: Stamper, buyers: list[tuple[bytes, str]]
) -> list[Erased]:
    """Delete the rows of buyers, each with a reason, and record a receipt for each that had any."""
    deleted = [(key, reason, transaction.delete_aliases(key)) for key, reason in buyers]
    had_any = [(key, aliases) for key, _, aliases in deleted if aliases]
    source, now = own_source_of(appender.ledger_id), transaction.now()
    receipts = [_receipt(source, now, aliases, reason) for _, reason, aliases in deleted if aliases]
    done = appender.append(transaction, receipts, stamper)
    assert done.recorded == len(receipts)
    first = done.head.position - len(receipts) + 1
    return [Erased(key, aliases, first + number) for number, (key, aliases) in enumerate(had_any)]


def _receipt(source: str, now: int, aliases: int, reason: str) -> Candidate:
    event_id = f"erasure-{secrets.token_hex(ID_CHANCE_BYTES)}"
    return own_candidate(ERASURES, "buyer.erased", source, event_id, now, BuyerErased(aliases=aliases, reason=reason))


def _ask(transaction: Transaction, key: bytes, reason: str) -> DueErasure:
    now = transaction.now()
    before = request_of(transaction, key)
    if before is not None and before.due_at <= _month_end(now):
        return DueErasure(*before, asked_before=True)
    if before is not None:  # made by a clock that stood ahead
        forget_request(transaction, key)
    asked = Request(_month_end(now), now, reason)
    add_request(transaction, key, asked)
    return DueErasure(*asked, asked_before=False)


def _month_end(now: int) -> int:
    """The instant at which the next month begins."""
    return month_start(month_of(now) + 1)


def _merchants_this_month(store: Store, transaction: Transaction, buyer: bytes) -> int:
    """At how many merchants something happened to the buyer's orders in the present month."""
    return merchants_since(store, transaction, buyer, month_start(month_of(transaction.now())))
