"""Callers, and what they may read."""

from time import time_ns
from typing import Any, Final, NamedTuple

from starlette.requests import Request

from projections.http.problems import not_written_down, scope_missing
from projections.http.rates import Rate
from projections.http.token_store import Keeping
from replay.errors import StoreError
from replay.history.readers import Reader
from replay.history.timeline import has_subject
from replay.schemes.registry import schemes_of
from replay.store.queries import stream_at

LEVELS: Final = "levels:read"
EXPLANATIONS: Final = "explanations:read"
DECISIONS: Final = "decisions:read"
EVIDENCE: Final = "evidence:read"
TRYING: Final = "policies:try"
EVERY_SUBJECT: Final = "*"
"""In the place of a subject in the log of who asked: a list over all of them."""
SCOPES: Final = (LEVELS, EXPLANATIONS, DECISIONS, EVIDENCE, TRYING)


class Asker(NamedTuple):
    """Who a request comes from."""

    token: int | None
    """The number of the token that was shown; None where none was, and none is needed."""
    scopes: frozenset[str]
    rate: Rate | None = None
    """How often it may still ask; None for whoever shows no token."""

    @property
    def reader(self) -> Reader:
        """Who reads answers in which decisions may stand."""
        return Reader(sees_decisions=DECISIONS in self.scopes)


class Access(NamedTuple):
    """What is logged of a request before it is answered."""

    what: str
    of_scheme: bool = True
    of_subject: bool = True
    """Whether it is about one subject, named in the path; else about a record there, or about all."""
    """Whether it is about one scheme: where none is named the first that judges the subject. Else of all."""


ANYONE: Final = Asker(None, frozenset(SCOPES))
"""The caller where no token is needed."""
NOBODY: Final = Asker(None, frozenset())
"""The caller of what is open to all."""


def asker_of(request: Request) -> Asker:
    """Who a request comes from, as the guard has found."""
    found: Asker = request.scope["levelbook.asker"]
    return found


def require(request: Request, scope: str) -> None:
    """Raises Problem where the caller may not read what `scope` names."""
    if scope not in asker_of(request).scopes:
        raise scope_missing(scope)


def note_access(request: Request, access: Access, asked: dict[str, Any]) -> None:
    """Log who asked for what of which subject's level, or of all, before it is answered; from a thread, not the loop.

    Of a subject that the ledger does not know there is nothing to be shown. Raises Problem where it cannot be written
    down: then it is not answered.
    """
    scheme, subject = asked.get("scheme"), EVERY_SUBJECT
    if access.of_subject:
        subject = f"{asked['kind']}/{asked['id']}"
        with request.app.state.reading.store() as store:
            if not store.holds(subject) or not has_subject(store, subject):
                return
        if scheme is None and access.of_scheme:
            scheme = schemes_of(asked["kind"])[0].code
    elif asked.get("subject") is not None:
        subject = asked["subject"]
    elif "recorded" in asked:
        with request.app.state.reading.store() as store:
            subject = stream_at(store, int(asked["recorded"])) or EVERY_SUBJECT
    try:
        keeping: Keeping = request.app.state.askers.keeping()
        keeping.note_access(time_ns() // 1_000, asker_of(request).token, access.what, subject, scheme)
    except StoreError as error:
        raise not_written_down(error) from error
