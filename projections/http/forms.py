"""Forms that a browser posts: read whole, and only where the service's own page sent them."""

from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request

from projections.http.problems import Problem

FORM_BYTES_MAX: Final = 4_096
FIELDS_MAX: Final = 10


def check_same_origin(request: Request) -> None:
    """Raises Problem for a form that another site sent."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    _, _, origin = request.headers.get("origin", f"://{request.headers.get('host', '')}").partition("://")
    if site not in ("same-origin", "none") or origin.lower() != request.headers.get("host", "").lower():
        here = request.url.hostname or "the service"
        detail = f"the form was sent from another site than {here}; send it from the service's own page"
        raise Problem(403, "other-site", "Sent from another site", detail, field="Origin")


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, of each the first value. Raises Problem for one that is too long or has too many."""
    read = bytearray()
    async for piece in request.stream():
        read += piece
        if len(read) > FORM_BYTES_MAX:
            raise Problem(413, "too-much", "The form is too long", f"the form is over {FORM_BYTES_MAX} bytes")
    try:
        found = parse_qs(read.decode("latin-1"), max_num_fields=FIELDS_MAX)
    except ValueError:
        raise Problem(400, "wrong-form", "The form cannot be read", f"it has over {FIELDS_MAX} fields") from None
    return {name: values[0] for name, values in found.items()}
