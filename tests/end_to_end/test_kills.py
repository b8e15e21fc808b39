"""Every command is killed at random moments on one ledger, others at work beside it: no wrong row, nothing lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.conftest import SOAK
from tests.support.kills import COMMANDS

pytestmark = pytest.mark.kills

LIVES = 1 if SOAK == 1 else 1 + SOAK
KILLS = 1 if SOAK == 1 else 8
"""Of each command in each life, on each database: `make soak` kills over a thousand times."""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(LIVES))
def test_a_ledger_on_which_every_command_is_killed_stays_whole(
    location: str, tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-m", "tests.support.kills", location, str(tmp_path), str(KILLS), str(seed)]
    ended = subprocess.run(command, cwd=ROOT, env=os.environ.copy(), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["kills"] == dict.fromkeys(sorted(COMMANDS), KILLS)
    with capsys.disabled():
        if SOAK > 1:
            print(f"\n{location}, life {seed}: {found}")
