"""The compiled loops are loaded while a following process has nothing to do, so that no correction waits for them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from projections.schemes.registry import load_bulk
from replay.columnar.size import are_many_to_judge
from replay.schemes.loading import Loading


class FollowingLoops(Loading):
    """What a step takes that moves subjects in sets, or one of a long past by itself."""

    def is_wanted(self) -> bool:
        load_bulk()
        return True


@contextmanager
def loops_when_idle() -> Iterator[Callable[[int], None]]:
    """What is told, each time that nothing is new, how many records the ledger has: where a subject may have a long
    past, it begins to load once. What is being loaded at the end is waited for."""
    begun: list[Loading] = []

    def idle(records: int) -> None:
        if not begun and are_many_to_judge(records):
            begun.append(FollowingLoops())

    try:
        yield idle
    finally:
        for loading in begun:
            loading.end()
