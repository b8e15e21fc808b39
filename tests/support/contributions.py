"""What events contribute, added up by hand and held against the sums that a replay gives."""

from collections import Counter
from collections.abc import Callable

from domain.rules.contributions import DAYS_BEFORE, IN_PERIOD, OPENING, FigureSum
from replay.replaying.base import Part, Replay


def assert_contributions_add_up(replay: Replay, period_of: Callable[[int], int], window: int = 1) -> Counter[str]:
    """The rows of a period and of the days before it are the lines of its sums, and the lines add up to the figures.

    `window`: so many periods that end with one add to its figure. Gives how often each line was seen.
    """
    rows = Counter[tuple[str, int, int]]()
    units: dict[str, set[str]] = {}
    for index, judged in enumerate(replay.judged):
        for added in replay.contribution(index):
            units.setdefault(added.figure, set()).add(added.unit)
            for period in added.periods:
                rows[added.figure, period_of(judged.at), period] += added.amount
    before: dict[str, FigureSum] = {}
    seen: Counter[str] = Counter()
    for item in replay.sums(Part()):
        lines = {line.what: line.amount for line in item.lines}
        assert len(lines) == len(item.lines) and sum(lines.values()) == item.value, item
        seen.update({what: 1 for what, amount in lines.items() if amount})
        if item.figure in units or IN_PERIOD in lines:
            counted = range(item.period - window + 1, item.period + 1)
            held = {
                own: amount for (name, own, period), amount in rows.items() if name == item.figure and period in counted
            }
            assert lines.get(IN_PERIOD, 0) == held.pop(item.period, 0), item
            assert lines.get(DAYS_BEFORE, 0) == sum(held.values()), item
            assert units.get(item.figure, {item.unit}) == {item.unit}
        if OPENING in lines and item.figure in before:
            assert lines[OPENING] == before[item.figure].value, "a period opens where the one before closed"
        before[item.figure] = item
    return seen
