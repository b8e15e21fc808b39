"""What went wrong, for programs: problem details (RFC 9457), each naming the field and what to do."""

import logging
import re
from collections.abc import Mapping
from time import monotonic
from typing import Any, Final

import msgspec
from starlette.responses import Response

from replay.errors import LevelbookError, UsageError
from replay.history.readers import HiddenError

CONTENT_TYPE: Final = "application/problem+json"
UNAVAILABLE: Final = "unavailable"
NOT_WRITTEN_DOWN: Final = "not-written-down"
LOG_AGAIN_SECONDS: Final = 10
"""How long the same failure of the store is not logged again."""
_log = logging.getLogger("levelbook.service")
_logged: dict[str, float] = {}
"""By text, when a failure may be logged again."""


class Problem(Exception):
    """A request that cannot be answered: an HTTP status, and the details of it."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        """The last part of the problem's type, which programs tell problems apart by."""
        self.title = title
        self.detail = detail
        self.field = field
        """The parameter or header that is meant."""
        self.headers = dict(headers or {})

    def json(self) -> dict[str, Any]:
        named = {} if self.field is None else {"field": self.field}
        return {
            "type": f"urn:levelbook:problem:{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **named,
        }


def problem_response(problem: Problem) -> Response:
    """A problem as a program reads it."""
    headers = {"Cache-Control": "no-store", **problem.headers}
    return Response(msgspec.json.encode(problem.json()), problem.status, headers, CONTENT_TYPE)


def not_found(path: str) -> Problem:
    return Problem(
        404,
        "no-such-page",
        "There is no such page",
        f"there is nothing at {path}; the service's own page docs lists what there is",
    )


def wrong_method(method: str, allowed: str) -> Problem:
    detail = f"{method} is not known here; the service only reads, by {allowed}"
    return Problem(405, "wrong-method", "Method not known here", detail, headers={"Allow": allowed})


def asked_wrongly(error: UsageError) -> Problem:
    """What commands call wrong use, in the words of the API; what is hidden from the caller needs another token."""
    if isinstance(error, HiddenError):
        return scope_missing("decisions:read")
    text = re.sub(r"--(?=[a-z])", "", str(error))
    text = re.sub(r"\b((?:to-)?(?:as-of|known-at|position|policy))\b", lambda found: found[1].replace("-", "_"), text)
    named = re.match(r"(to_)?(as_of|known_at|position|policy|against|scheme|month)\b", text)
    field = named[0] if named else "policy" if "policy" in text.partition(";")[0] else None
    return Problem(400, "wrong-parameter", "A parameter cannot be used", text, field=field)


def scope_missing(scope: str) -> Problem:
    detail = f"this needs a token with the scope {scope}; 'levelbook token new --scope {scope}' makes one"
    return Problem(403, "scope-missing", "The token does not reach this far", detail)


def no_subject(subject: str) -> Problem:
    detail = f"the ledger knows no {subject}; record an event of it first, or look at how it is spelled"
    return Problem(404, "no-such-subject", "There is no such subject", detail, field="id")


def unavailable(error: LevelbookError) -> Problem:
    """The store or its views cannot be read now."""
    return Problem(503, UNAVAILABLE, "The ledger cannot be read now", str(error), headers={"Retry-After": "5"})


def unavailable_to_anybody() -> Problem:
    """The same where a token is needed: a caller is not shown where the store lies."""
    detail = "the ledger or what the service keeps beside it cannot be read now; the service's log says why"
    return Problem(503, UNAVAILABLE, "The ledger cannot be read now", detail, headers={"Retry-After": "5"})


def not_written_down(error: LevelbookError) -> Problem:
    """A request for an explanation or a decision is logged before it is answered."""
    return _not_written_down(f"cannot be done now: {error}")


def _not_written_down(why: str) -> Problem:
    detail = f"who asks for this is written down before it is answered, and that {why}"
    return Problem(503, NOT_WRITTEN_DOWN, "It cannot be written down", detail, headers={"Retry-After": "5"})


def as_told(error: Problem | LevelbookError, *, needs_token: bool) -> Problem:
    """An error as it is sent over the network: where a token is needed, the log alone says where the store lies and
    what its database said. Whoever is let in may read levels; the inside is for who runs the service.
    """
    problem = error if isinstance(error, Problem) else unavailable(error)
    if problem.kind not in (UNAVAILABLE, NOT_WRITTEN_DOWN) or not needs_token:
        return problem
    log_once(problem.detail)
    if problem.kind == NOT_WRITTEN_DOWN:
        return _not_written_down("cannot be done now; the service's log says why")
    return unavailable_to_anybody()


def log_once(text: str) -> None:
    """Write to the log what is not sent over the network, once in a while and not at every request."""
    at = monotonic()
    if _logged.get(text, 0.0) > at:
        return
    _logged.clear()
    _logged[text] = at + LOG_AGAIN_SECONDS
    _log.warning("%s", text)


def no_views() -> Problem:
    detail = "the ledger has no views yet; 'levelbook follow' makes and keeps them. Replays, by as_of, need none"
    return Problem(503, "no-views", "There are no views yet", detail, headers={"Retry-After": "10"})


def no_checkpoint() -> Problem:
    detail = (
        "the ledger has signed no checkpoint yet, under which evidence could stand; 'levelbook checkpoint' makes one"
    )
    return Problem(404, "no-checkpoint", "There is no checkpoint yet", detail)


def not_reached(position: int, at: int) -> Problem:
    detail = f"the views stand at position {at} and did not come to {position} in time; is 'levelbook follow' running?"
    return Problem(
        503,
        "not-reached",
        "The views are not that far yet",
        detail,
        field="min_position",
        headers={"Retry-After": "1"},
    )


def broken_off() -> Problem:
    return Problem(400, "broken-off", "The request broke off", "the body ended before it was whole; send it again")


def broken() -> Problem:
    """What broke is not sent: that stands in the service's log."""
    detail = "this should not happen; the service's log says what broke"
    return Problem(500, "broken", "The service is broken here", detail)
