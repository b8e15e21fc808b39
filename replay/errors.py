"""Errors that end a command: one clear line each, and an exit status that a script can act on."""

from typing import ClassVar


class LevelbookError(Exception):
    """A command cannot do what was asked. The text says what was found and what to do."""

    exit_status: ClassVar[int] = 1


class UsageError(LevelbookError):
    """Asked for in a way, or of a thing, that does not exist."""

    exit_status = 2


class FaultyPolicy(LevelbookError):
    """A policy file that cannot be used; a line for each fault."""


class FaultyMapping(LevelbookError):
    """A mapping file that cannot be used; a line for each fault."""


class NoStoreError(UsageError):
    """There is no store where one was named."""


class StoreError(LevelbookError):
    """The store, its disk or its clock cannot take or give records now."""

    exit_status = 3


class BusyError(StoreError):
    """So many read or write at a time that one more has no connection: nothing is lost, and nothing is wrong."""


class DamagedError(StoreError):
    """What is stored cannot be read as what it must be."""


class NotExaminedError(StoreError):
    """What was to be looked at could not be seen whole: that says nothing against it."""


class NotSealedError(DamagedError):
    """A record that cannot be read stands where the ledger was to be sealed."""


def damaged(what: str) -> DamagedError:
    """For a stored record that does not hold what it must."""
    return DamagedError(f"{what} is damaged and cannot be read; run 'levelbook verify'")
