"""What is written beside an evidence file: whole, with this program's policies, and for old Pythons too."""

import ast
import subprocess
import sys
from pathlib import Path

from replay.checkers import check_evidence
from replay.checkers.filled import SCRIPT, filled_checkers
from replay.policies.catalog import all_given

SECONDS = 60


def test_the_script_knows_the_policies_of_the_program() -> None:
    assert frozenset() == check_evidence.SHIPPED
    module: dict[str, object] = {"__name__": "filled"}
    exec(compile(filled_checkers()[SCRIPT], SCRIPT, "exec"), module)
    assert module["SHIPPED"] == {policy.hash for policy in all_given(None)}


def test_the_script_is_written_for_python_3_8_and_its_standard_library() -> None:
    tree = ast.parse(filled_checkers()[SCRIPT], feature_version=(3, 8))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {str(name).partition(".")[0] for name in imported} <= {*sys.stdlib_module_names, "__future__"}


def test_the_script_runs_by_itself(tmp_path: Path) -> None:
    for name, content in filled_checkers().items():
        (tmp_path / name).write_bytes(content)
    run = [sys.executable, "-I", "-S", SCRIPT]
    ended = subprocess.run([*run, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ended.returncode == 0 and "--trust KEYS" in ended.stdout
    ended = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ended.returncode == 2
