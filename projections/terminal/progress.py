"""How far long work has come: bars on standard error while a person watches, and nothing anywhere else."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from projections.terminal.streams import is_watched

if TYPE_CHECKING:
    from rich.progress import Task, TaskID


@contextmanager
def phases(unit: str | None = None, named: Callable[[str], str] = str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each phase of some work. With a unit, such as events, its rate is shown, too. `named` says what phases
    and units are called.

    What is yielded is called with a phase, how much is done, and of how much; 0 for a total that is not known yet.
    """
    if not is_watched(sys.stderr):
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """Of the unit, a second; nothing before the first was done."""

        def render(self, task: "Task") -> Text:
            return Text("" if unit is None or task.speed is None else f"{task.speed:,.0f} {named(unit)}/s")

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def told(phase: str, done: int, total: int) -> None:
            if phase not in tasks:
                tasks[phase] = bars.add_task(named(phase), total=total or None)
            bars.update(tasks[phase], completed=done, total=total or None)

        yield told


@contextmanager
def progress(what: str, total: int, named: Callable[[str], str] = str) -> Iterator[Callable[[int], None]]:
    """A bar for work of one phase: what is yielded is called with how much of `total` is done."""
    with phases(named=named) as told:
        told(what, 0, total)
        yield lambda done: told(what, done, total)
