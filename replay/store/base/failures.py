"""What a store tells where it cannot be used as it was asked: the same of both databases."""

import re

from replay.errors import StoreError


def not_kept(found: str) -> StoreError:
    """The error where the database has not done what a statement says; `found` says what was seen."""
    return StoreError(
        f"the database does not do what it was told: {found}. Nothing of this was recorded; a trigger or rule stands on"
        " a table of the store: 'levelbook verify' names it. Remove it, then try again"
    )


def lacks_table(name: str, text: str) -> StoreError:
    """The error where a store has no table of a name, as a database says it in `text`."""
    if re.search(r"\brecords\b", text):
        return begun_to_leave(name)
    return StoreError(
        f"{name} lacks a table ({text}): where an earlier version made it, 'levelbook upgrade' adds what is missing;"
        " else 'levelbook verify' names it"
    )


def begun_to_leave(name: str) -> StoreError:
    """The error where a store was opened before rows first left it."""
    return StoreError(
        f"rows have begun to leave {name} since it was opened here, so that not all records are where they were;"
        " nothing was read or recorded: start again"
    )


def backfill_running(name: str) -> StoreError:
    return StoreError(f"another backfill is running on {name}; wait for it, there is one at a time")


def checkpoint_running(name: str) -> StoreError:
    return StoreError(
        f"another checkpoint of {name} is still being made: nothing was signed by this one; make it again"
    )


def clock_failure(now: int, last: int) -> StoreError:
    from domain.calendar import instant_text

    return StoreError(
        f"the clock says {instant_text(now)}, but the last record was made at {instant_text(last)}:"
        " more than 5 s later. Set the clock right, or give --clock-behind if the record is the one that is wrong"
    )
