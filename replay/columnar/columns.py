"""Records of many subjects as integer columns: what bulk reading, sealed segments and compiled rules share.

Names become numbers: an order, violation, task or redemption is numbered within its subject from 0, as it is first
named in the order of the ledger, and so is a buyer. Only what some rule reads has a column; every column is an integer.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from replay.store.reading.asked import EVERYTHING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MERCHANT_ONBOARDED: Final = 1
MERCHANT_CLOSED: Final = 2
TIER_SET: Final = 3
ORDER_PAID: Final = 4
ORDER_RECEIVED: Final = 5
ORDER_FLAGGED: Final = 6
ORDER_CLEARED: Final = 7
ORDER_COMPLAINED: Final = 8
COMPLAINT_DISMISSED: Final = 9
REVIEW_POSTED: Final = 10
CREATOR_REGISTERED: Final = 11
CREATOR_SCORED: Final = 12
CREDIT_DEDUCTED: Final = 13
CREDIT_RESTORED: Final = 14
CREDIT_GRANTED: Final = 15
SALE_SETTLED: Final = 16
SALE_REFUNDED: Final = 17
LIVE_HELD: Final = 18
MCN_ONBOARDED: Final = 19
CREATOR_BOUND: Final = 20
CREATOR_UNBOUND: Final = 21
EVENT_RETRACTED: Final = 22
POINTS_EARNED: Final = 23
POINTS_REDEEMED: Final = 24
REDEMPTION_CANCELLED: Final = 25

WHATS: Final = {
    "merchant.onboarded": MERCHANT_ONBOARDED,
    "merchant.closed": MERCHANT_CLOSED,
    "merchant.tier_set": TIER_SET,
    "order.paid": ORDER_PAID,
    "order.received": ORDER_RECEIVED,
    "order.flagged": ORDER_FLAGGED,
    "order.cleared": ORDER_CLEARED,
    "order.complained": ORDER_COMPLAINED,
    "complaint.dismissed": COMPLAINT_DISMISSED,
    "review.posted": REVIEW_POSTED,
    "creator.registered": CREATOR_REGISTERED,
    "creator.scored": CREATOR_SCORED,
    "credit.deducted": CREDIT_DEDUCTED,
    "credit.restored": CREDIT_RESTORED,
    "credit.granted": CREDIT_GRANTED,
    "sale.settled": SALE_SETTLED,
    "sale.refunded": SALE_REFUNDED,
    "live.held": LIVE_HELD,
    "mcn.onboarded": MCN_ONBOARDED,
    "creator.bound": CREATOR_BOUND,
    "creator.unbound": CREATOR_UNBOUND,
    "event.retracted": EVENT_RETRACTED,
    "points.earned": POINTS_EARNED,
    "points.redeemed": POINTS_REDEEMED,
    "redemption.cancelled": REDEMPTION_CANCELLED,
}
"""By event type, its number in the column `what`; types that no rule reads have none and no row. Numbers are stored in
sealed segments: new ones are added at the end, none is ever used again for another type."""

GOOD_GOODS: Final = 1
WORRY_FREE: Final = 2
"""Bits of `extra` of a sale."""
NO_NUMBER: Final = -1


class Columns(NamedTuple):
    """Records of many subjects, sorted by (subject, at, position), all arrays of one length."""

    subject: "NDArray[np.int32]"
    """Index into `subjects`."""
    at: "NDArray[np.int64]"
    """`occurred_at`, in microseconds."""
    position: "NDArray[np.int64]"
    what: "NDArray[np.int8]"
    """A number of WHATS."""
    key: "NDArray[np.int32]"
    """The number of the order, violation, task or redemption within the subject, one for one text; NO_NUMBER where the
    type names none. Of a binding: index into `creators`."""
    buyer: "NDArray[np.int32]"
    """Of a payment: the number of the buyer within the subject; else NO_NUMBER."""
    amount: "NDArray[np.int64]"
    """Fen of a payment, sale or refund; points of credit, earned or redeemed; minutes of a live session; hundredths of
    a score; of a retraction the position of the earlier record of the same subject that it names, 0 where it names
    none."""
    detail: "NDArray[np.int16]"
    """Of a payment the index into KINDS of `domain.merchant_reputation.facts`; of a review the quality; of a notice the
    number in its code (LV3: 3); of a sale the index into CHANNELS; of a score the index into SCORES; of an opening the
    index into `texts` (the category)."""
    extra: "NDArray[np.int8]"
    """Of a review the service stars, 0 where there are none; of a sale GOOD_GOODS and WORRY_FREE; else 0."""
    subjects: list[str]
    """The streams, such as merchant/m-1, by number; those too of which no record has a row."""
    creators: list[str]
    """The ids that bindings name, by number."""
    texts: list[str]
    """Categories, by number."""


CHANNELS: Final = ("showcase", "live", "video")
SCORES: Final = ("reputation", "fulfilment")


TYPES: Final = {
    "subject": "int32",
    "at": "int64",
    "position": "int64",
    "what": "int8",
    "key": "int32",
    "buyer": "int32",
    "amount": "int64",
    "detail": "int16",
    "extra": "int8",
}
"""By column that has a value in each row, its type."""


def no_rows() -> Columns:
    """No records of no subjects."""
    import numpy as np

    return Columns._make([*(np.zeros(0, kind) for kind in TYPES.values()), [], [], []])


def in_order(subject: "NDArray[np.int32]", at: "NDArray[np.int64]") -> "NDArray[np.int64]":
    """The indices that bring rows given by position into the order by (subject, at, position).

    Rows that consist of a few sorted runs are merged rather than sorted.
    """
    import numpy as np

    if not len(at):
        return np.zeros(0, dtype=np.int64)
    first = int(at.min())
    span = int(at.max()) - first + 1
    if (int(subject.max()) + 1) * span < 2**63:
        return np.argsort(subject.astype(np.int64) * span + (at - first), kind="stable")
    return np.lexsort((at, subject))


def first_out_of_order(columns: Columns, before: Columns | None = None) -> int | None:
    """The first row that does not stand behind the one before it by (subject, at, position), if there is one.

    Before the first of them stands the last row of `before`.
    """
    import numpy as np

    if not len(columns.at):
        return None
    if before is not None and len(before.at):
        last, first = ([int(column[row]) for column in of[:3]] for of, row in ((before, -1), (columns, 0)))
        if last >= first:
            return 0
    subject, at, position = columns[:3]
    # Next to all rows are later ones of a subject: only the others are looked at closely.
    others = np.flatnonzero((at[1:] <= at[:-1]) | (subject[1:] < subject[:-1])) + 1
    before_them, them = ([column[rows].tolist() for column in (subject, at, position)] for rows in (others - 1, others))
    pairs = zip(zip(*before_them, strict=True), zip(*them, strict=True), strict=True)
    wrong = next((place for place, (left, right) in enumerate(pairs) if left >= right), None)
    return None if wrong is None else int(others[wrong])


def taken_out(columns: Columns, known: int = EVERYTHING) -> dict[int, int]:
    """By position of a record that an effective retraction up to a position names, that of the latest such one.

    Retractions are rare, so that this is plain Python. Positions are those of the whole ledger, and a retraction names
    none of another subject: subjects need no telling apart.
    """
    import numpy as np

    rows = np.flatnonzero((columns.what == EVENT_RETRACTED) & (columns.position <= known))
    named = dict(zip(columns.position[rows].tolist(), columns.amount[rows].tolist(), strict=True))
    out: dict[int, int] = {}
    for position in sorted(named, reverse=True):
        if position not in out and 0 < named[position] < position:
            out.setdefault(named[position], position)
    return out


def positions_taken_out(columns: Columns, known: int = EVERYTHING) -> "NDArray[np.int64]":
    """The positions of these records, rising."""
    import numpy as np

    return np.array(sorted(taken_out(columns, known)), np.int64)
