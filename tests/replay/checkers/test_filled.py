"""What is written beside an evidence file: whole, with this program's policies, and for old Pythons too."""

import ast
import json
import re
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from replay.checkers import check_evidence
from replay.checkers.filled import PAGE, SCRIPT, filled_checkers
from replay.policies.catalog import all_given

SECONDS = 60


def test_the_script_knows_the_policies_of_the_program() -> None:
    assert frozenset() == check_evidence.SHIPPED
    module: dict[str, object] = {"__name__": "filled"}
    exec(compile(filled_checkers()[SCRIPT], SCRIPT, "exec"), module)
    assert module["SHIPPED"] == {policy.hash for policy in all_given(None)}


def test_the_page_knows_the_policies_and_lets_run_what_stands_in_it_alone() -> None:
    page = filled_checkers()[PAGE].decode()
    listed = re.search(r'id="policies">(\[.*\])<', page)
    assert listed and json.loads(listed[1]) == sorted(policy.hash for policy in all_given(None))
    for tag in ("script", "style"):
        [within] = re.findall(rf"(?s)<{tag}>(.*?)</{tag}>", page)
        hashed = b64encode(sha256(within.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{hashed}'" in page
    assert "http://" not in page and "https://" not in page


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
