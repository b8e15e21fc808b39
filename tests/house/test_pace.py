"""What is not marked slow is quick, and who makes it slow is told."""

import ast
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import ROOT

pytest_plugins = ["pytester"]
WORKING = "def work(): return sum(number * number for number in range(5_000_000))"
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
MAKE = """#!/bin/sh
case "$*" in
    lint) echo "fine" ;;
    *LEFT_OUT=*) echo "3 passed, 1 deselected in 1.00s" ;;
    test*) echo "FAILED tests/test_a.py::test_b - assert 1"; echo "1 failed, 2 passed in 2.00s (0:00:02)"; exit 2 ;;
esac
"""


@pytest.fixture(autouse=True)
def tests_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed program holds no tests: what is started elsewhere has to be told where they are."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_all_cases_of_a_test_together_must_be_quick(pytester: pytest.Pytester, workers: str) -> None:
    pytester.makepyfile(TESTS)
    pytester.makeconftest(PLUGIN.format(seconds=0.2))
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


def test_what_ci_runs_ends_with_how_long_each_step_took_and_which_tests_failed(tmp_path: Path) -> None:
    """Where a step fails the others are run, too."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    for name, text in (("make", MAKE), ("python3.13", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o700)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ended = subprocess.run(
        ["bash", tmp_path / ".ci" / "run"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2, ended.stderr
    closing = (
        r"--- style and types: \d+ s, ended with 0\n"
        r"--- all tests: \d+ s, ended with 2\n"
        r"FAILED tests/test_a\.py::test_b - assert 1\n"
        r"1 failed, 2 passed in 2\.00s \(0:00:02\)\n"
        r"--- quick tests on Python 3\.13: \d+ s, ended with 0\n"
        r"3 passed, 1 deselected in 1\.00s\n\Z"
    )
    assert re.search(closing, ended.stdout), ended.stdout
