"""Work out merchant-reputation straight from the Olist files, to compare with.

A plain reading of the rulebook (section 1), as far as this data can need it. It shares
no code with the program or with the converter. All of the data is later than 2020-06-01
(moved four years on), a merchant is onboarded a day before its first order and never
closes, every order is of kind ``normal`` and is paid once and received at most once,
and nothing is flagged or retracted. So the verdicts ``before_start``, ``closed``,
``wiped``, ``order_kind``, ``duplicate_order``, ``duplicate_receipt`` and ``flagged``
cannot come.

Events of one instant stand in the ledger as payments, receipts, reviews, and among
those by id.
"""

from __future__ import annotations

import csv
import gzip
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FIFTEEN_DAYS = timedelta(hours=15 * 24)
LOW_AMOUNT_FEN = 500
PAIR_CAP = 60
TENTHS_BY_STARS = {5: 10, 4: 10, 3: 0, 2: -10, 1: -10}
DEFAULT_TENTHS = 7

# From so many tenths at the close of the month before: the tenths of a month's growth.
GROWTH_CAPS: tuple[tuple[int, int | None], ...] = (
    (500_000_010, None),  # diamond-5
    (150_000_010, 150_000_010),
    (50_000_010, 50_000_010),
    (15_000_010, 15_000_010),
    (5_000_010, 5_000_010),  # diamond-1
    (50_010, 400_010),  # silver-1 to gold-5
)
LOWEST_GROWTH_CAP = 50_010


@dataclass(frozen=True)
class Review:
    """One answer to one survey."""

    at: datetime
    review_id: str
    stars: int


@dataclass(frozen=True)
class Sale:
    """One seller's share in one order, with all that came of it."""

    order_id: str
    buyer: str
    fen: int
    paid: datetime
    received: datetime | None
    reviews: tuple[Review, ...]


@dataclass(frozen=True)
class Entry:
    """The one entry of a sale; ``place`` orders entries of the same instant."""

    at: datetime
    place: tuple[datetime, int, str, str]
    tenths: int
    sale: Sale


def counts(folder: Path) -> dict[str, int]:
    """Return how many events of each type the files hold."""
    sellers_of: dict[str, set[str]] = defaultdict(set)
    for item in _table(folder, "order_items"):
        sellers_of[item["order_id"]].add(item["seller_id"])
    orders = _table(folder, "orders")
    delivered = [order for order in orders if order["order_delivered_customer_date"]]
    return {
        "merchant.onboarded": len(set[str]().union(*sellers_of.values())),
        "order.paid": sum(len(sellers_of[order["order_id"]]) for order in orders),
        "order.received": sum(len(sellers_of[order["order_id"]]) for order in delivered),
        "review.posted": sum(len(sellers_of[review["order_id"]]) for review in _table(folder, "reviews")),
    }


def amount_sum_fen(folder: Path) -> int:
    """Return what all items cost together."""
    return sum(_fen(item["price"]) for item in _table(folder, "order_items"))


def sellers(folder: Path) -> list[str]:
    """Return the ids of all sellers, sorted."""
    return sorted({item["seller_id"] for item in _table(folder, "order_items")})


def verdict_counts(folder: Path, seller: str, as_of: datetime) -> dict[str, int]:
    """Return how often a seller is given each verdict up to a moment, none at zero."""
    return dict(Counter(verdict for verdict, _ in _verdicts(folder, seller, as_of)))


def points_tenths(folder: Path, seller: str, as_of: datetime) -> int:
    """Return a seller's running points at a moment, in tenths."""
    return sum(tenths for _, tenths in _verdicts(folder, seller, as_of))


@cache
def _table(folder: Path, name: str) -> list[dict[str, str]]:
    with gzip.open(folder / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _fen(price: str) -> int:
    cents = Decimal(price) * 100
    assert cents == int(cents), price
    return int(cents)


def _moment(text: str) -> datetime:
    return datetime.strptime(f"{text} +0800", "%Y-%m-%d %H:%M:%S %z") + timedelta(days=4 * 365 + 1)


@cache
def _sales(folder: Path) -> dict[str, list[Sale]]:
    """Return the sales of each seller."""
    cost: dict[tuple[str, str], int] = Counter()
    for item in _table(folder, "order_items"):
        cost[item["order_id"], item["seller_id"]] += _fen(item["price"])
    orders = {order["order_id"]: order for order in _table(folder, "orders")}
    reviews = _reviews(folder)
    sales: dict[str, list[Sale]] = defaultdict(list)
    for (order_id, seller), fen in cost.items():
        order = orders[order_id]
        delivered = order["order_delivered_customer_date"]
        sale = Sale(
            order_id=order_id,
            buyer=order["buyer_id"],
            fen=fen,
            paid=_moment(order["order_purchase_timestamp"]),
            received=_moment(delivered) if delivered else None,
            reviews=reviews.get(order_id, ()),
        )
        sales[seller].append(sale)
    return sales


def _reviews(folder: Path) -> dict[str, tuple[Review, ...]]:
    """Return the reviews of each order, the first one first."""
    found: dict[str, list[Review]] = defaultdict(list)
    for row in _table(folder, "reviews"):
        review = Review(
            _moment(row["review_answer_timestamp"]),
            row["review_id"],
            int(row["review_score"]),
        )
        found[row["order_id"]].append(review)
    return {order: tuple(sorted(some, key=lambda r: (r.at, r.review_id))) for order, some in found.items()}


def _verdicts(folder: Path, seller: str, as_of: datetime) -> list[tuple[str, int]]:
    """Return verdicts and the tenths that they moved; those without an entry first."""
    aside: list[str] = []
    entries: list[Entry] = []
    for sale in _sales(folder).get(seller, []):
        if sale.paid <= as_of:
            entries += _entry(sale, as_of)
        aside += _aside(sale, as_of)
    entries.sort(key=lambda entry: (entry.at, entry.place))
    return [(verdict, 0) for verdict in aside] + _judged(entries)


def _receipt(sale: Sale) -> datetime | None:
    """Return the receipt of a sale, unless it came before the payment (unknown)."""
    return sale.received if sale.received is not None and sale.received >= sale.paid else None


def _is_late(sale: Sale, review: Review) -> bool:
    receipt = _receipt(sale)
    return receipt is not None and review.at >= receipt + FIFTEEN_DAYS


def _entry(sale: Sale, as_of: datetime) -> list[Entry]:
    """Return the entry that a sale has by then: its first review, or the default."""
    known = [review for review in sale.reviews if sale.paid <= review.at]
    if known and not _is_late(sale, known[0]):
        first = known[0]
        place = (first.at, 2, first.review_id, sale.order_id)
        entry = Entry(first.at, place, TENTHS_BY_STARS[first.stars], sale)
    elif receipt := _receipt(sale):
        entry = Entry(
            receipt + FIFTEEN_DAYS,
            (receipt, 1, sale.order_id, ""),
            DEFAULT_TENTHS,
            sale,
        )
    else:
        return []
    return [entry] if entry.at <= as_of else []


def _aside(sale: Sale, as_of: datetime) -> list[str]:
    """Return the verdicts of receipts and reviews that make no entry."""
    reviews = [review for review in sale.reviews if review.at <= as_of]
    unknown = [review.at for review in reviews if review.at < sale.paid]
    if sale.received is not None and sale.received < sale.paid and sale.received <= as_of:
        unknown.append(sale.received)
    known = [review for review in reviews if review.at >= sale.paid]
    late = [review for review in known[:1] if _is_late(sale, review)]
    return ["unknown_order"] * len(unknown) + ["late_review"] * len(late) + ["repeat_review"] * len(known[1:])


def _judged(entries: list[Entry]) -> list[tuple[str, int]]:
    """Judge entries in the order in which they are processed."""
    month = (0, 0)
    points = growth = 0
    cap: int | None = None
    pairs: dict[str, int] = {}
    verdicts: list[tuple[str, int]] = []
    for entry in entries:
        if (entry.at.year, entry.at.month) != month:
            month = (entry.at.year, entry.at.month)
            growth, cap, pairs = 0, _growth_cap(points), {}
        net = pairs.get(entry.sale.buyer, 0)
        verdict = _verdict(entry, net, growth, cap)
        moved = entry.tenths if verdict == "counted" else 0
        points, growth = points + moved, growth + moved
        pairs[entry.sale.buyer] = net + moved
        verdicts.append((verdict, moved))
    return verdicts


def _growth_cap(points: int) -> int | None:
    """Return the cap of a month that begins with these points."""
    for least, cap in GROWTH_CAPS:
        if points >= least:
            return cap
    return LOWEST_GROWTH_CAP


def _verdict(entry: Entry, net: int, growth: int, cap: int | None) -> str:
    if entry.sale.fen < LOW_AMOUNT_FEN:
        return "low_amount"
    if entry.tenths == 0:
        return "neutral"
    if abs(net + entry.tenths) > PAIR_CAP:
        return "pair_cap"
    if entry.tenths > 0 and cap is not None and growth + entry.tenths > cap:
        return "growth_cap"
    return "counted"
