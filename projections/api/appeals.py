"""The appeal file of one disputed level, as data."""

from typing import Final

from starlette.requests import Request

from domain.calendar import parse_day, parse_month
from projections.api.levels import check_judges
from projections.api.operations import Asked, Reply, reading_of, subject_of
from projections.http.parameters import wrong
from projections.http.problems import no_subject
from projections.http.scopes import asker_of
from replay.decisions.appeal import appeal_of
from replay.decisions.decide import period_of
from replay.errors import UsageError
from replay.history.timeline import has_subject
from replay.replaying.periods import Period
from replay.schemes.registry import schemes_of
from replay.store.base.store import Store

TIMES_REPLAYED: Final = 3
"""As announced, as decided and as known now: so often a level is replayed for the file of a decision."""
_MONTH_CHARS: Final = len("2022-11")


def read_appeal(request: Request, asked: Asked) -> Reply:
    """As announced, as decided, as known now, what lies between them, and the events that bear on it."""
    if asked.get("period") is None:
        raise wrong("period", "is missing; name the month or day whose level is disputed")
    subject, reading = subject_of(asked), reading_of(request)
    scheme = asked.get("scheme") or schemes_of(asked["kind"])[0].code
    check_judges(asked["kind"], scheme)
    with reading.store() as store:
        if not has_subject(store, subject):
            raise no_subject(subject)
        period = period_named(store, scheme, asked["period"])
        with reading.room(subject, scheme, store.head().position, TIMES_REPLAYED):
            reader = asker_of(request).reader
            return Reply(appeal_of(store, subject, scheme, period, asked.get("run"), asked["lang"], reader).found)


def period_named(store: Store, scheme: str, named: str) -> Period:
    """A month or day by its name. Raises UsageError for another form, and for a period that the scheme has not."""
    try:
        month, day = (parse_month(named), None) if len(named) == _MONTH_CHARS else (None, parse_day(named))
    except ValueError as error:
        raise UsageError(f"period {named!r} {error}") from None
    return period_of(store, scheme, month, day)
