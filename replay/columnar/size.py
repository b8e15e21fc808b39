"""Plain or compiled: which of the two works on records, which is a matter of their number alone.

Plain rules begin at once. Compiled ones first load numpy and what was compiled, and then judge a thousand times faster.
"""

from functools import cache
from typing import Final

from replay.columnar.jit import is_at_hand
from replay.extras import FAST, missing_of

MANY_RECORDS: Final = 100_000
"""From so many records on, they are read as columns and judged by compiled rules."""
MANY_RECORDS_TO_COMPILE: Final = 500_000
"""From so many on also where the compiled rules have to be made first."""


@cache
def can_compile() -> bool:
    """Whether this installation has what compiled rules and columns take; without it all is plain."""
    return not missing_of(FAST)


def are_many(records: int) -> bool:
    """Whether so many records are worth loading the compiled rules for."""
    return can_compile() and records >= MANY_RECORDS and (records >= MANY_RECORDS_TO_COMPILE or is_at_hand())


ROWS_TO_AN_EVENT: Final = 5
"""So many rows of columns take about the memory of one event that was read."""


MANY_TO_MOVE: Final = 500
"""From so many events and units on, a step of the views moves subjects in sets, where they go on from what is stored:
one by one each event costs most of a millisecond, in sets a quarter of that at most."""


MANY_TO_READ: Final = 4_000
"""From so many on also subjects of which all that was known is then read and judged again."""


MANY_TO_JUDGE: Final = 50_000
"""From so many records of a subject on, what a late event or a correction has judged again of it is read as columns: to
read and judge so many plainly takes about as long as that and loading the compiled rules."""


MANY_TO_COMPILE: Final = 60_000
"""From so many on also where the compiled rules have to be made first, which takes up to a minute."""


def are_many_to_move(count: int) -> bool:
    """Whether so many events and units that are due are worth moving in sets."""
    return can_compile() and count >= MANY_TO_MOVE and (count >= MANY_TO_COMPILE or is_at_hand())


def are_many_to_judge(records: int) -> bool:
    """Whether a subject of so many records is worth judging again from columns, as far as it has to be."""
    return can_compile() and records >= MANY_TO_JUDGE and is_at_hand()


def are_many_to_read(count: int) -> bool:
    """Whether so many events and units that are due are worth reading all records of the subjects, too."""
    return count >= MANY_TO_READ
