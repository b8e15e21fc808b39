"""How much of a processor each test takes, so that what `make check` runs stays quick."""

import os
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

import pytest

QUICK_SECONDS_MAX: Final = 30.0
"""How much of a processor the cases of one test may take together, unless it is marked `slow`. What is marked takes
from about one second on; the rest is for a slower machine, and for what a first test compiles for those after it."""
_KEY: Final = "processor_seconds"


def processor_seconds() -> float:
    """What this process took so far, and those that it started and waited for: other work does not count."""
    return sum(os.times()[:4])


def too_slow(taken: dict[str, float]) -> list[str]:
    """One line for each test that takes too much; the greediest first."""
    over = sorted(((seconds, name) for name, seconds in taken.items() if seconds > QUICK_SECONDS_MAX), reverse=True)
    return [
        f"{name} took {seconds:.1f} s of a processor, and quick tests take at most {QUICK_SECONDS_MAX:.0f} s: "
        "make it quicker, or mark it with @pytest.mark.slow"
        for seconds, name in over
    ]


class Pace:
    """A plugin that sums up what each test takes, over all its cases, and ends with status 1 where one takes too much.

    It is for runs that leave the slow tests out. Processes of pytest-xdist hand over what they measured in reports.
    """

    def __init__(self) -> None:
        self.taken: dict[str, float] = defaultdict(float)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        began = processor_seconds()
        try:
            yield
        finally:
            if item.get_closest_marker("slow") is None:
                item.user_properties.append((_KEY, processor_seconds() - began))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            name = report.nodeid.partition("[")[0]
            self.taken[name] += sum(float(str(value)) for key, value in report.user_properties if key == _KEY)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.exitstatus == pytest.ExitCode.OK and too_slow(self.taken):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for told in too_slow(self.taken):
            terminalreporter.write_line(told)
        slowest = sorted(self.taken.items(), key=lambda one: -one[1])[:3]
        shown = ", ".join(f"{name.rpartition('::')[2]} {seconds:.1f} s" for name, seconds in slowest)
        terminalreporter.write_line(f"the greediest of the quick tests: {shown}")
