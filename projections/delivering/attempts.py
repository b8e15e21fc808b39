"""When an endpoint that failed is tried again, and when no more.

Delays double from five seconds to an hour, with a fifth of chance up or down, so that endpoints that failed together do
not come back together. What the endpoint itself asks for (`Retry-After`) is waited for, a day at most.
"""

from datetime import UTC
from email.utils import parsedate_to_datetime
from random import Random
from typing import Final

from domain.limits import DAY_MICROS, HOUR_MICROS, SECOND_MICROS

FIRST_MICROS: Final = 5 * SECOND_MICROS
LONGEST_MICROS: Final = HOUR_MICROS
ASKED_MICROS_MAX: Final = DAY_MICROS
_DOUBLED_MAX: Final = 20
GIVE_UP_FAILURES: Final = 10
"""So many attempts at least are made before an endpoint is given up: a machine that was off for days made none."""


def delay_micros(failures: int, random: Random, asked: int | None = None) -> int:
    """How long to wait after so many failures in a row, the last of which asked for so much."""
    whole = min(FIRST_MICROS << min(failures - 1, _DOUBLED_MAX), LONGEST_MICROS)
    return max(whole + random.randrange(-whole // 5, whole // 5 + 1), min(asked or 0, ASKED_MICROS_MAX))


def retry_after_micros(value: str | None, now: int) -> int | None:
    """What a header `Retry-After` asks for at an instant, as seconds or a date; None where it asks for nothing."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]) * SECOND_MICROS, ASKED_MICROS_MAX)
    try:
        at = parsedate_to_datetime(text)
        seconds = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    except (ValueError, ArithmeticError, LookupError, TypeError):  # whatever it stumbles over, the receiver wrote it
        return None
    return min(max(seconds * SECOND_MICROS - now, 0), ASKED_MICROS_MAX)


def is_given_up(failures: int, failing_since: int, now: int, give_up_days: int) -> bool:
    """Whether an endpoint has failed for so long, and so often, that it is tried no more."""
    return failures >= GIVE_UP_FAILURES and now - failing_since >= give_up_days * DAY_MICROS
