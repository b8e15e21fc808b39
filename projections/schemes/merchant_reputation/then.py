"""The last publication by what was known when it came, told beside what the views hold: they know nothing of it.

What was recorded behind the publication says whether it can have come out otherwise. That is little, and rarely bears
on a month that is over: only then is a merchant replayed, and one of many records is not; the answer says so.
"""

from typing import Any, Final

from domain.calendar import month_start
from domain.merchant_reputation.account import Publication
from domain.merchant_reputation.facts import FLAG_TYPES, LIFE_TYPES, ORDER_TYPES
from domain.merchant_reputation.rule import SCHEME
from projections.schemes.merchant_reputation.shown import published_of
from projections.schemes.shared.viewed import Viewed
from replay.history.timeline import RETRACTED, Moment, event_of_row, events_about, last_known
from replay.schemes.merchant_reputation.replay import ReputationReplay
from replay.schemes.merchant_reputation.then import Then, published_then_json
from replay.schemes.registry import replay_subject
from replay.store.queries import event_rows_behind, length_at, length_of, rows_of_types

REPLAYED_EVENTS: Final = 2_000
"""A merchant of more records is not replayed for this: who reads a level waits for it."""
_ORDINARY: Final = (*ORDER_TYPES, *LIFE_TYPES)


def then_json(viewed: Viewed, *, is_stale: bool) -> dict[str, Any]:
    """The key that says it; `is_stale` of a level that is set aside, so that what would be published is not known."""
    now = published_of(viewed)
    if now is None:
        return {"published_then": None}
    if is_stale:
        return {"published_then": published_then_json(now, Then(None, is_known=False))}
    return {"published_then": published_then_json(now, _then(viewed, now))}


def _then(viewed: Viewed, now: Publication) -> Then:
    position = last_known(viewed.store, now.at, 0, viewed.position)
    if not _may_differ(viewed, now, position):
        return Then(now)
    if length_of(viewed.store, viewed.subject) > REPLAYED_EVENTS:
        return Then(None, is_known=False)
    replay = replay_subject(viewed.store, viewed.subject, Moment(now.at, now.at, position), SCHEME)
    assert isinstance(replay, ReputationReplay), "it is of this scheme"
    return Then(next((item for item in replay.publications() if item.month == now.month), None))


def _may_differ(viewed: Viewed, now: Publication, position: int) -> bool:
    """Whether anything that was recorded behind a publication may bear on its month, or other policies judged then."""
    store, subject = viewed.store, viewed.subject
    adopted = rows_of_types(store, f"policy/{SCHEME}", ("policy.adopted",), viewed.position)
    if any(row.position > position for row in adopted) or viewed.policies.own[-1].in_force_from > now.at:
        return True
    known = length_at(store, subject, position)
    late = list(map(event_of_row, event_rows_behind(store, subject, known, viewed.position)))
    end = month_start(now.month + 1)
    if any(event.type in _ORDINARY and event.occurred_at < end for event in late):
        return True
    if any(event.type == RETRACTED for event in late):
        return True
    orders = {event.data.order for event in late if event.type in FLAG_TYPES}
    return any(event.type in ORDER_TYPES for event in events_about(store, subject, orders, viewed.position, end))
