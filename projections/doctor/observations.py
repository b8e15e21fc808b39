"""What a look at a part of an installation finds: a line each, which is fine, to be looked at, or to be mended."""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from replay.errors import LevelbookError
from replay.store.beside import first_line

OK: Final = "ok"
WARN: Final = "warn"
FAIL: Final = "fail"
STATUSES: Final = (OK, WARN, FAIL)
"""From the best to the worst."""
ERROR: Final = "error"
"""The finding where a look ended with an error of ours, whose text says what to do."""
BROKE: Final = "broke"
"""The finding where it ended with any other."""


class Observation(NamedTuple):
    """One thing that was found."""

    check: str
    """What was looked at."""
    status: str
    found: str
    """By which code its words are known."""
    figures: dict[str, Any]
    """What its words name: texts and whole numbers."""


Observations = Iterator[Observation]


def looked(check: str, look: Callable[[], Observations]) -> Observations:
    """What a look finds. An error that ends it is a finding itself: of the other parts it says nothing."""
    try:
        yield from look()
    except LevelbookError as error:
        yield Observation(check, FAIL, ERROR, {"error": str(error)})
    except Exception as error:  # whatever is broken, who asks what is wrong is told
        yield Observation(check, FAIL, BROKE, {"error": f"{type(error).__name__}: {first_line(error)}"})
