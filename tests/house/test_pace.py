"""What is not marked slow is quick, and who makes it slow is told."""

import ast
import re

import pytest

from tests import ROOT

pytest_plugins = ["pytester"]
WORKING = "def work(): return sum(number * number for number in range(2_000_000))"
TESTS = f"""
import pytest
{WORKING}
@pytest.mark.parametrize("case", range(2))
def test_greedy(case): work()
@pytest.mark.slow
def test_marked(): work(); work()
def test_quick(): pass
"""
PLUGIN = """
from tests.support import pace
pace.QUICK_SECONDS_MAX = {seconds}
def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes long")
    config.pluginmanager.register(pace.Pace())
"""


@pytest.fixture(autouse=True)
def tests_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed program holds no tests: what is started elsewhere has to be told where they are."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_all_cases_of_a_test_together_must_be_quick(pytester: pytest.Pytester, workers: str) -> None:
    pytester.makepyfile(TESTS)
    pytester.makeconftest(PLUGIN.format(seconds=0.01))
    ended = pytester.runpytest_subprocess("-n", workers, "--dist", "loadfile", f"--rootdir={pytester.path}")
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    ended.assert_outcomes(passed=4)
    told = ended.stdout.str()
    assert re.search(r"test_greedy took \d\.\d s of a processor, .* or mark it with @pytest\.mark\.slow", told)
    assert not re.search(r"test_(marked|quick) took", told)


def test_what_is_quick_passes_and_the_greediest_are_named(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    pytester.makeconftest(PLUGIN.format(seconds=60.0))
    ended = pytester.runpytest_subprocess(f"--rootdir={pytester.path}")
    assert ended.ret == pytest.ExitCode.OK
    ended.stdout.re_match_lines([r"the greediest of the quick tests: test_greedy \d\.\d s, .*"])


def test_make_check_runs_all_but_the_slow_ones_and_watches() -> None:
    rule = re.search(r"^check: lint\n\t(.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert rule is not None
    assert '-m "not slow"' in rule[1]
    assert '"not slow"' in (ROOT / "tests" / "conftest.py").read_text("utf-8")


def test_make_bench_runs_every_benchmark() -> None:
    """One that asks for no fixture of the benchmarks is skipped there, without a word."""
    unasked = [
        f"{path.name}: {function.name}"
        for path in sorted((ROOT / "tests" / "benchmarks").glob("test_*.py"))
        for function in ast.parse(path.read_text("utf-8")).body
        if isinstance(function, ast.FunctionDef) and function.name.startswith("test_")
        if not {"benchmark", "compare"} & {argument.arg for argument in function.args.args}
    ]
    assert unasked == []
