"""What it means that a subject stands elsewhere under a candidate: which way it moves, and how far."""

from typing import Final, NamedTuple

SAME: Final = "same"
UP: Final = "up"
DOWN: Final = "down"
GAINED: Final = "gained"
LOST: Final = "lost"
OTHER: Final = "other"
MOVES: Final = (SAME, UP, DOWN, GAINED, LOST, OTHER)
"""The same state and level; a higher level, a lower one; a level where there was none, none where there was one;
another state, or a level that is neither higher nor lower."""


class Rung(NamedTuple):
    """A state, a level or none, and the levels among which it stands."""

    state: str
    level: str | None
    codes: tuple[str, ...]
    """Of the policy that judged, the lowest first."""


class LevelMove(NamedTuple):
    """From one place to another."""

    way: str
    """One of MOVES."""
    ranks: int
    """Over how many levels; none counts as the place below the lowest."""


def move_between(before: Rung, after: Rung) -> LevelMove:
    """How a subject moves from where the baseline has it to where the candidate does.

    Which of two levels is higher says the candidate, where it has both; else the baseline; of levels that neither has
    together, their numbers from the lowest.
    """
    if before[:2] == after[:2]:
        return LevelMove(SAME, 0)
    if before.level is None or after.level is None:
        return _without_level(before, after)
    ranks = _ranks_between(before, after)
    return LevelMove(UP if ranks > 0 else DOWN if ranks < 0 else OTHER, abs(ranks))


def _without_level(before: Rung, after: Rung) -> LevelMove:
    if after.level is not None:
        return LevelMove(GAINED, after.codes.index(after.level) + 1)
    if before.level is not None:
        return LevelMove(LOST, before.codes.index(before.level) + 1)
    return LevelMove(OTHER, 0)


def _ranks_between(before: Rung, after: Rung) -> int:
    assert before.level is not None and after.level is not None, "both have a level"
    for codes in (after.codes, before.codes):
        if before.level in codes and after.level in codes:
            return codes.index(after.level) - codes.index(before.level)
    return after.codes.index(after.level) - before.codes.index(before.level)
