"""What a page of the desk is: where it stands, what makes it, who may read it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from marshmallow import Schema
from starlette.requests import Request
from starlette.responses import Response

from domain.languages import LANGUAGES
from projections.http.parameters import Query, SubjectPath, choice
from projections.http.scopes import Access

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
