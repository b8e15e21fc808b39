"""Failures that nothing in the program foresees: apart from records that cannot be read, with their traces."""

import traceback
from typing import Final, NamedTuple

TRACE_CHARS_MAX: Final = 8_000


class Unexpected(NamedTuple):
    """What a subject's level of a scheme failed by: a fault of the program, to be reported with its trace."""

    subject: str
    scheme: str
    trace: str


def trace_of(error: Exception) -> str:
    """Where an error came about, and what it came about of, as Python tells it: its end where it is long."""
    return "".join(traceback.format_exception(error)).strip()[-TRACE_CHARS_MAX:]
