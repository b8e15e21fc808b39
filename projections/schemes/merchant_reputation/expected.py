"""The rows that an independent replay of `merchant-reputation` gives: what its view must hold."""

from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, func, select

from domain.calendar import month_of, month_start, month_text
from domain.merchant_reputation.account import published_months, shown
from domain.merchant_reputation.rule import NO_CAP
from projections.schemes.shared.expected_rows import Rows, change_row, history_rows, judged
from projections.views.tables import VERDICT_COLUMNS, Tables
from replay.answers.then import KnownThen
from replay.replaying.base import Replay
from replay.schemes.merchant_reputation.replay import ReputationReplay
from replay.schemes.merchant_reputation.then import Displayed, Issued, publications_then, seen_in


def rows_of(replay: Replay) -> Rows:
    assert isinstance(replay, ReputationReplay)
    months = []
    for month in replay.run.months:
        counts = Counter({verdict.word: count for verdict, count in replay.counts_of(month).items()})
        months.append(
            {
                "subject": replay.subject,
                "month": month_text(month.month),
                "opening_tenths": month.begun.points,
                "growth_tenths": month.closing.growth,
                "cap_tenths": None if month.closing.cap == NO_CAP else month.closing.cap,
                "closing_tenths": month.closing.points,
                "state": str(shown(month.closing, replay.spans, month.begun.month_end - 1).state),
                "level": shown(month.closing, replay.spans, month.begun.month_end - 1).level,
                **{word: counts[word] for word in VERDICT_COLUMNS},
                **judged(replay, replay.policy_at(month_start(month.month))),
            }
        )
    changes = [
        change_row(change, change.after.points_tenths, judged(replay, replay.policy_at(change.at)))
        for change in replay.changes()
    ]
    return {"reputation_months": months, "history": history_rows(replay, changes)}


def rows_then(replay: Replay) -> Rows:
    """What publications showed otherwise than they would now, each replayed at its own instant where that may be."""
    assert isinstance(replay, ReputationReplay)
    first = min(month_of(span.rules.start) for span in replay.spans)
    issued = [Issued(*item) for item in published_months(replay.spans, replay.moment.as_of, first)][::-1]
    now = {item.month: seen_in(item.shown) for item in replay.publications()}
    then = publications_then(replay, issued, KnownThen(replay), len(issued))
    differing = {
        item.month: found.seen for item, found in zip(issued, then, strict=True) if found.seen != now.get(item.month)
    }
    return {"published_then": _months_on_end(replay.subject, differing)}


def _months_on_end(subject: str, differing: Mapping[int, Displayed | None]) -> list[dict[str, Any]]:
    """A row for each run of months on end that showed the same."""
    found = []
    for (then, _), some in groupby(enumerate(sorted(differing)), lambda item: (differing[item[1]], item[1] - item[0])):
        months = [month_text(month) for _, month in some]
        points, level = then or (None, None)
        spanned = {"month": months[0], "to_month": months[-1]}
        found.append({"subject": subject, **spanned, "points_tenths": points, "level": level})
    return found


def openings_equal_closings(connection: Connection, tables: Tables) -> str | None:
    """What is wrong, over all merchants: each month opens with what the one before closed with."""
    months = tables["reputation_months"].c
    before = func.lag(months.closing_tenths, 1, 0).over(partition_by=months.subject, order_by=months.month)
    found = select(months.subject, months.month, months.opening_tenths, before.label("closing_before")).subquery()
    row = connection.execute(select(found).where(found.c.opening_tenths != found.c.closing_before).limit(1)).first()
    if row is None:
        return None
    return f"{row.subject}: {row.month} opens with {row.opening_tenths} tenths, not {row.closing_before}"
