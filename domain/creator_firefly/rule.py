"""The scheme `creator-firefly`: a creator's earned points → one of five levels; redeeming them lowers none.

RULEBOOK §7. Events go in one by one, by (`occurred_at`, position); each gets a verdict and moves the account. What
corrections say is known beforehand. Integers only: points are whole.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

SCHEME: Final = "creator-firefly"
NEVER: Final = 2**62


class State(StrEnum):
    """Whether there is a level."""

    NOT_REGISTERED = "not_registered"
    RATED = "rated"


class Verdict(StrEnum):
    """What became of points that were earned or redeemed."""

    COUNTED = "counted"
    REDEEMED = "redeemed"
    NOT_REGISTERED = "not_registered"
    DUPLICATE_TASK = "duplicate_task"
    DUPLICATE_REDEMPTION = "duplicate_redemption"
    CANCELLED = "cancelled"
    OVERDRAWN = "overdrawn"


COUNTED: Final = 0
REDEEMED: Final = 1
NOT_REGISTERED: Final = 2
DUPLICATE_TASK: Final = 3
DUPLICATE_REDEMPTION: Final = 4
CANCELLED: Final = 5
OVERDRAWN: Final = 6
VERDICTS: Final = tuple(Verdict)
"""By the number that stands for it in the rule."""


class Account(NamedTuple):
    """What a creator has."""

    registered_at: int = NEVER
    """The first registration; NEVER before it."""
    earned: int = 0
    balance: int = 0


NEW: Final = Account()


def outcome_of(account: Account, is_redemption: bool, seen: bool, cancelled: bool, points: int) -> int:
    """What becomes of points; `seen` says whether the task or redemption was met before, since the registration."""
    if account.registered_at == NEVER:
        return NOT_REGISTERED
    if not is_redemption:
        return DUPLICATE_TASK if seen else COUNTED
    if seen:
        return DUPLICATE_REDEMPTION
    if cancelled:
        return CANCELLED
    return REDEEMED if points <= account.balance else OVERDRAWN


def decider_of(outcome: int, first: int, cancellation: int) -> int:
    """The position of the event that decided an outcome, which is the first of its task or redemption or a
    cancellation; 0 where the points themselves did.
    """
    if outcome in (DUPLICATE_TASK, DUPLICATE_REDEMPTION):
        return first
    return cancellation if outcome == CANCELLED else 0


def moved(account: Account, outcome: int, points: int) -> Account:
    """The account after points with that outcome."""
    if outcome == COUNTED:
        return Account(account.registered_at, account.earned + points, account.balance + points)
    if outcome == REDEEMED:
        return Account(account.registered_at, account.earned, account.balance - points)
    return account


def registered(account: Account, at: int) -> Account:
    """The account after a registration, of which the first counts."""
    return Account(at, account.earned, account.balance) if account.registered_at == NEVER else account


def rank_of(bounds: Sequence[int], earned: int) -> int:
    """The rank of the level that so many points reach; bounds rise from 0."""
    rank = 0
    while rank + 1 < len(bounds) and bounds[rank + 1] <= earned:
        rank += 1
    return rank


RULE: Final = (outcome_of, decider_of, moved, registered, rank_of)
"""The functions that are compiled where many creators are judged."""
