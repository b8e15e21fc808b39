"""Who asks, and what they may read."""

from time import time_ns
from typing import Final, NamedTuple

from starlette.requests import Request

from projections.service.keeping import Keeping
from projections.service.problems import Problem

LEVELS: Final = "levels:read"
EXPLANATIONS: Final = "explanations:read"
DECISIONS: Final = "decisions:read"
SCOPES: Final = (LEVELS, EXPLANATIONS, DECISIONS)


class Asker(NamedTuple):
    """Who a request comes from."""

    token: int | None
    """The number of the token that was shown; None where none was, and none is needed."""
    scopes: frozenset[str]


ANYONE: Final = Asker(None, frozenset(SCOPES))
"""Who asks where no token is needed."""
NOBODY: Final = Asker(None, frozenset())
"""Whoever asks for what is open to all."""


def asker_of(request: Request) -> Asker:
    """Who a request comes from, as the guard has found."""
    found: Asker = request.scope["levelbook.asker"]
    return found


def require(request: Request, scope: str) -> None:
    """Raises Problem where whoever asks may not read what `scope` names."""
    if scope not in asker_of(request).scopes:
        raise Problem(
            403,
            "scope-missing",
            "The token does not reach this far",
            f"this needs a token with the scope {scope}; 'levelbook token new --scope {scope}' makes one",
        )


def note_access(request: Request, what: str, subject: str, scheme: str | None) -> None:
    """Write down who asked for an explanation of whose level, before it is given; from a thread, not the event loop."""
    keeping: Keeping = request.app.state.askers.keeping()
    keeping.note_access(time_ns() // 1_000, asker_of(request).token, what, subject, scheme)
