"""Folders that pass: they go with the block, or with the next run where somebody was killed in one."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from stat import S_IMODE
from threading import Thread
from types import FrameType
from typing import Any

import pytest

from replay import passing_folders
from replay.errors import NotExaminedError
from replay.passing_folders import PREFIX, at_work_in, no_room, passing_folder
from tests import ROOT

MAKES_ONE = """
import tempfile, sys
tempfile.tempdir = sys.argv[1]
from replay.passing_folders import passing_folder
with passing_folder() as folder:
    (folder / "inner").mkdir()
    (folder / "inner" / "rows").write_bytes(bytes(1000))
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def at_work(temporary: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process that is at work in a folder of its own."""
    command = [sys.executable, "-c", MAKES_ONE, str(temporary)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def end_by_kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_folder_goes_with_its_block_and_is_for_its_user_alone(temporary: Path) -> None:
    with passing_folder() as folder:
        (folder / "rows").touch()
        assert folder.parent == temporary and folder.name.startswith(PREFIX)
        assert S_IMODE(folder.stat().st_mode) == 0o700
    with pytest.raises(KeyError), passing_folder() as folder:
        raise KeyError
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_the_next_one_removes_and_what_a_living_one_has_stays(temporary: Path) -> None:
    with at_work(temporary) as (living, held), at_work(temporary) as (killed, left):
        with passing_folder():
            assert (held / "inner" / "rows").is_file() and (left / "inner" / "rows").is_file()
        end_by_kill(killed)
        with passing_folder() as own:
            assert sorted(temporary.iterdir()) == sorted([held, own])
        assert living.poll() is None
        end_by_kill(living)
    with passing_folder() as own:
        assert list(temporary.iterdir()) == [own]


def test_a_folder_stays_while_a_process_is_at_work_that_did_not_make_it(temporary: Path) -> None:
    with at_work(temporary) as (killed, left), at_work_in(left):
        end_by_kill(killed)
        with passing_folder():
            assert left.is_dir()
    with passing_folder():
        assert not left.exists()


def test_two_threads_have_folders_of_their_own(temporary: Path) -> None:
    def look() -> None:
        with passing_folder():
            seen.append(len(list(temporary.iterdir())))

    seen = list[int]()
    with passing_folder() as folder:
        thread = Thread(target=look)
        thread.start()
        thread.join()
        assert seen == [2] and folder.is_dir()


def test_what_is_of_others_or_bears_the_name_by_chance_is_left_alone(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (temporary / "elsewhere").mkdir()
    (temporary / "elsewhere" / "kept").touch()
    (temporary / f"{PREFIX}link").symlink_to(temporary / "elsewhere")
    os.mkfifo(temporary / f"{PREFIX}pipe")
    (temporary / f"{PREFIX}of-another").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with passing_folder():
        pass
    left = sorted(path.name for path in temporary.iterdir())
    assert left == ["elsewhere", *(f"{PREFIX}{name}" for name in ("link", "of-another", "pipe"))]
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with passing_folder():
        assert not (temporary / f"{PREFIX}of-another").exists()
    assert (temporary / "elsewhere" / "kept").exists()


def test_ctrl_c_before_the_block_leaves_no_folder(temporary: Path) -> None:
    """At whichever line of the making it comes."""
    lines = 0

    def traced(frame: FrameType, event: str, _: object) -> Any:
        nonlocal lines
        if frame.f_code.co_filename != passing_folders.__file__:
            return None
        lines += event == "line"
        if event == "line" and lines == last:
            raise KeyboardInterrupt
        return traced

    for last in count(1):
        begun, lines, before = False, 0, sys.gettrace()
        with suppress(KeyboardInterrupt):
            sys.settrace(traced)
            try:
                with passing_folder():
                    sys.settrace(before)
                    begun = True
            finally:
                sys.settrace(before)
        assert list(temporary.iterdir()) == [], last
        if begun:
            break
    assert last > 8


def test_what_a_kill_left_before_it_was_held_goes_after_an_hour(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("left", "young", "used", "held")
    left, young, used, held = drafts = [temporary / f".{PREFIX}{name}" for name in names]
    for draft in drafts:
        draft.mkdir()
    (used / "rows").touch()
    hour_ago = time.time() - 3700
    for draft in drafts:
        if draft != young:
            os.utime(draft, (hour_ago, hour_ago))
    with at_work_in(held), monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        with passing_folder():
            assert all(draft.is_dir() for draft in drafts)
    with at_work_in(held), passing_folder():
        assert not left.exists() and young.is_dir() and used.is_dir() and held.is_dir()
    with passing_folder():
        assert not held.exists()


def test_where_none_can_be_made_is_named(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "gone"))
    told = r"no folder can be made for what is worked out in passing \(.*/gone/.*\): make space there, or name another"
    with pytest.raises(NotExaminedError, match=told), passing_folder():
        pass


def test_a_folder_without_room_is_named_and_how_to_go_on(temporary: Path) -> None:
    told = f"the temporary folder {temporary} cannot be kept there (full): nothing else was changed; make space there"
    assert told in str(no_room("full"))


def test_nothing_else_makes_folders_that_a_kill_would_leave() -> None:
    sources = [path for room in ("domain", "replay", "projections") for path in (ROOT / room).rglob("*.py")]
    makes = re.compile(r"\b(?:TemporaryDirectory|mkdtemp)\b")
    found = [path.stem for path in sources if makes.search(path.read_text("utf-8"))]
    assert found == ["passing_folders"]
