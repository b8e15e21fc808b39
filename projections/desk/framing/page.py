"""What a page of the desk is: where it stands, what makes it, who may read it; and what those of a subject take."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from marshmallow import Schema
from starlette.requests import Request
from starlette.responses import Response

from domain.languages import LANGUAGES
from projections.contract.parts.vocabulary import VERDICTS
from projections.http.parameters import (
    KINDS,
    PERIOD,
    SCHEME_NAMES,
    WHEN,
    MomentQuery,
    Query,
    SubjectPath,
    choice,
    day,
    instant,
    month,
    text,
    whole,
)
from projections.http.scopes import Access
from replay.hypothetical.simple import COUNT_MAX, NAMES

PAGES_MAX: Final = 100_000
Asked = dict[str, Any]


class PageLanguageQuery(Query):
    lang = choice(LANGUAGES, "Language of the page; left out, as chosen before or as the browser prefers.")


class Page(NamedTuple):
    """A page of the desk: where it stands, what makes it, who may read it, what is written down of who does."""

    path: str
    make: Callable[[Request, Asked], Response]
    scope: str
    access: Access | None
    """None for what explains nothing and tells no decision of its own."""
    query: type[Schema]
    named: type[Schema] = SubjectPath


class FindQuery(PageLanguageQuery):
    q = text("The beginning of an id, or of kind/id.", longest=80)
    kind = choice(KINDS, "Only subjects of this kind.")
    after = text("The subject behind which the page begins.", longest=80)


class StandingQuery(MomentQuery, PageLanguageQuery):
    pass


class PageSchemeQuery(StandingQuery):
    scheme = choice(SCHEME_NAMES, "Which scheme; left out, the first that judges the subject.")


class WhyQuery(PageSchemeQuery):
    month = month("What was judged in this month.")
    day = day("Where levels are evaluated by the day: this day's evaluation.")
    event = text("Only the event of this id; of a payment or flag, its whole order.", longest=128)
    verdict = choice(VERDICTS, "Only verdicts of this name, and no notes.")
    page = whole("Which page of verdicts and notes.", 1, PAGES_MAX, load_default=1)


class SupposingQuery(PageSchemeQuery):
    suppose = choice(NAMES, "What is supposed to happen a minute after the moment.")
    count = whole("How many of it, or how much.", 1, COUNT_MAX)
    to = instant(f"Time moves on to then: {WHEN}. Left out, to what is supposed.")


class DifferencesQuery(PageSchemeQuery):
    period = text("The period whose decision is compared with what is known now.", form=PERIOD)
    run = text("As decided in this run; left out, the latest.", longest=64)
    to_position = whole("Compared with what was known at this position; left out, with what is known now.", 1, 10**18)


class AppealQuery(PageLanguageQuery):
    scheme = choice(SCHEME_NAMES, "The scheme whose level is disputed.")
    period = text("The month or day whose level is disputed.", form=PERIOD)
    run = text("As decided in this run; left out, the latest.", longest=64)
