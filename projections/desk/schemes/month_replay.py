"""One month of a merchant's reputation, replayed from the account at which it opened and not from the whole past.

The views keep the account at each month's close, and `reputation.run` goes on from one. So a month costs what happened
in it, however long the past is. This holds only where the views stand, under the policies that judged them; a test
holds every month equal to the same part of the whole explanation.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from domain.calendar import month_start, month_text
from domain.events import Event
from domain.merchant_reputation.facts import spans_of
from domain.merchant_reputation.rule import NEW, Account
from domain.policy import start_of_month, terms_of
from projections.desk.schemes.facet import Told
from projections.schemes.merchant_reputation.rows import account_of
from replay.history.timeline import RETRACTED, Moment, event_at, events_about, events_between
from replay.schemes.merchant_reputation.month import MonthReplay, bears_from
from replay.schemes.merchant_reputation.replay import ReputationReplay
from replay.schemes.replaying import weight_under
from replay.store.base.store import Store
from replay.store.queries import count_between
from replay.store.searching.across import places_of

if TYPE_CHECKING:
    from projections.reading.reader import Snapshot


def month_replay(store: Store, views: "Snapshot", moment: Moment, subject: str, told: Told, month: int) -> MonthReplay:
    """A merchant's month, from its opening in the views, which stand at the moment."""
    opening = _opening(views, subject, month)
    known = _known(store, views, moment.position, subject, told, opening, month)
    found = MonthReplay(subject, known, moment, told.policies, opening)
    found.elsewhere = _named_elsewhere(store, subject, found.known)
    return found


def events_of_month(store: Store, views: "Snapshot", moment: Moment, subject: str, told: Told, month: int) -> int:
    """On how many events `month_replay` rests, about: of each that it reads by time, one more of the same order."""
    first = _first_instant(told, _opening(views, subject, month))
    found = count_between(store, subject, first, month_start(month + 1))
    return min(2 * found, weight_under(store, ReputationReplay, subject, moment.position))


def _opening(views: "Snapshot", subject: str, month: int) -> Account:
    before = [row for row in _months(views, subject) if row.month < month_text(month)]
    return account_of(before[-1]) if before else NEW


def _first_instant(told: Told, opening: Account) -> int:
    return bears_from(opening, spans_of(terms_of(told.policies.own, start_of_month)))


def _months(views: "Snapshot", subject: str) -> list[Any]:
    table = views.tables["reputation_months"]
    return list(views.connection.execute(select(table).where(table.c.subject == subject).order_by(table.c.month)))


def _known(
    store: Store, views: "Snapshot", position: int, subject: str, told: Told, opening: Account, month: int
) -> list[Event]:
    """What bears on a month: what happened from the longest review window before its opening to its end, everything of
    the orders that this names, the closing of the shop before, and the merchant's retractions.
    """
    first = _first_instant(told, opening)
    found = {event.position: event for event in events_between(store, subject, first, month_start(month + 1), position)}
    orders = {event.data.order for event in found.values() if hasattr(event.data, "order")}
    found |= {event.position: event for event in events_about(store, subject, orders, position)}
    if opening.closed_position:
        found[opening.closed_position] = event_at(store, opening.closed_position)
    found |= {event.position: event for event in _retractions(store, views, subject)}
    return [found[at] for at in sorted(found)]


def _named_elsewhere(store: Store, subject: str, known: list[Event]) -> dict[tuple[str, str], int]:
    """The places of what retractions name of the merchant's events beyond those known here."""
    here = {(event.source, event.id) for event in known}
    named = {(event.data.source, event.data.event) for event in known if event.type == RETRACTED}
    places = places_of(store, {(subject, source, event_id) for source, event_id in named - here})
    return {(source, event_id): place for (_, source, event_id), place in places.items()}


def _retractions(store: Store, views: "Snapshot", subject: str) -> Iterator[Event]:
    """The merchant's retractions, of which the views keep the places."""
    life = views.tables["life"].c
    query = select(life.position).where(life.subject == subject, life.type == RETRACTED)
    for position in views.connection.execute(query).scalars():
        yield event_at(store, position)
