"""What the last publication showed when it came, told beside what the views hold of it now."""

from typing import Any

from projections.schemes.merchant_reputation.shown import published_of
from projections.schemes.merchant_reputation.then_rows import TABLE, differing_in
from projections.schemes.shared.viewed import Viewed
from replay.schemes.merchant_reputation.then import published_then_json, seen_in


def then_json(viewed: Viewed) -> dict[str, Any]:
    """The key that says it."""
    now = published_of(viewed)
    if now is None:
        return {"published_then": None}
    differing = differing_in(viewed.rows(TABLE))
    then = differing[now.month] if now.month in differing else seen_in(now.shown)
    return {"published_then": published_then_json(now, then)}
