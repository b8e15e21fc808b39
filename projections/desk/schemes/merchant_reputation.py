"""A merchant's reputation on the pages: points of months, publications, and months explained from their opening."""

from collections.abc import Iterator
from typing import Any, Final

from domain.calendar import month_start, month_text, parse_month
from domain.merchant_reputation import account
from domain.merchant_reputation.facts import spans_of
from domain.merchant_reputation.rule import NEVER, Account
from domain.merchant_reputation.running import Month, Run
from domain.policy import Policy, start_of_month, terms_of
from projections.desk.schemes.facet import (
    Band,
    Drawn,
    Mark,
    Opening,
    Periods,
    Point,
    Said,
    SchemePages,
    ThenRows,
    Told,
    months_of_rows,
)
from projections.desk.schemes.month_replay import events_of_month, month_replay
from projections.schemes.merchant_reputation.then_rows import TABLE, differing_in
from replay.answers.then import KnownThen
from replay.replaying.base import Replay
from replay.schemes.merchant_reputation.replay import ReputationReplay
from replay.schemes.merchant_reputation.then import Issued, publications_then

_MONTHS: Final = "reputation_months"


def _points(told: Told, as_of: int) -> list[Point]:
    """The points at each change of level, and at the opening and close of each month in which something happened."""
    changes = [Point(row["from_at"], row["score"]) for row in told.rows["history"]]
    months = []
    for row in told.rows[_MONTHS]:
        month = parse_month(row["month"])
        if changes and month_start(month) > changes[0].at:
            months.append(Point(month_start(month), row["opening_tenths"]))
        months.append(Point(min(month_start(month + 1) - 1, as_of), row["closing_tenths"]))
    return sorted({*changes, *months}, key=lambda point: point.at)


def _bands(policy: Policy) -> list[Band]:
    return [Band(level["code"], level["from_tenths"]) for level in policy.parameters["levels"].value]


def _publications(told: Told, as_of: int) -> Iterator[Mark]:
    spans = spans_of(terms_of(told.policies.own, start_of_month))
    for found in account.publications(_run_of(told), spans, as_of):
        close = month_start(found.month + 1) - 1
        yield Mark("published", found.at, close, month_text(found.month), "", now=_said(found))


def _publications_then(replay: Replay, replays_max: int) -> dict[str, Said | None]:
    assert isinstance(replay, ReputationReplay), "it is of this scheme"
    issued = [Issued(item.month, item.at) for item in replay.publications()]
    then = publications_then(replay, issued, KnownThen(replay), replays_max)
    both = zip(issued, then, strict=True)
    return {month_text(item.month): found and _said(found) for item, (found, is_known) in both if is_known}


def _then_in(rows: list[dict[str, Any]]) -> dict[str, Said | None]:
    found = differing_in(rows)
    return {month_text(month): then and Said(then.level, then.points_tenths) for month, then in found.items()}


def _said(found: account.Publication) -> Said:
    return Said(found.shown.level, found.shown.points_tenths)


def _run_of(told: Told) -> Run:
    """As much of a run as publications read, from the rows of its months."""
    opened = next((row["from_at"] for row in told.rows["history"] if row["cause"] == "opened"), NEVER)
    months = []
    for row in told.rows[_MONTHS]:
        is_open = row["state"] in ("rated", "unrated")
        closing = Account(points=row["closing_tenths"], opened_at=opened, open=is_open)
        months.append(Month(parse_month(row["month"]), closing, closing, range(0)))
    return Run(Account(opened_at=opened), [], months)


REPUTATION: Final = SchemePages(
    Periods(_MONTHS, "month", "schemes/merchant-reputation/periods.html", months_of_rows(_MONTHS)),
    Drawn(
        _points,
        _bands,
        _publications,
        _publications_then,
        ThenRows(TABLE, "month", _then_in),
        corrections=("order.flagged", "order.cleared", "event.retracted"),
        is_stepped=False,
        is_ranked=False,
    ),
    rests_on=None,
    opening=Opening(events_of_month, month_replay),
)
