"""Compiled rules that are kept are those of these very sources: another rule is never run with an old loop."""

import shutil
from pathlib import Path

import pytest

from replay.columnar import jit as compiling
from replay.columnar import size
from replay.columnar.jit import ROOMS, kept_in, sources_hash
from replay.columnar.size import (
    MANY_TO_COMPILE,
    MANY_TO_JUDGE,
    MANY_TO_MOVE,
    are_many_to_judge,
    are_many_to_move,
)
from replay.objects.cache import CACHE_VARIABLE
from tests import ROOT


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.parametrize(
    "changed",
    ["domain/merchant_reputation/rule.py", "domain/rules/bands.py", "domain/limits.py", "replay/columnar/rows.py"],
)
def test_a_change_of_any_source_changes_the_hash(sources: Path, changed: str) -> None:
    before = sources_hash(sources)
    assert before == sources_hash(ROOT)
    path = sources / changed
    path.write_text(path.read_text() + "\n# another rule\n")
    assert sources_hash(sources) != before


def test_a_source_that_moves_changes_the_hash(sources: Path) -> None:
    before = sources_hash(sources)
    (sources / "domain/rules/bands.py").rename(sources / "domain/rules/bound.py")
    assert sources_hash(sources) != before


def test_the_place_can_be_named_or_nothing_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = max(path.stat().st_ctime for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    monkeypatch.setattr(compiling, "STARTED", newest + compiling.SETTLED_SECONDS + 1)
    kept_in.cache_clear()
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "kept"))
    found = kept_in()
    assert found is not None and found.parent == tmp_path / "kept" and found.stat().st_mode & 0o777 == 0o700
    kept_in.cache_clear()
    monkeypatch.setenv(CACHE_VARIABLE, "")
    assert kept_in() is None
    kept_in.cache_clear()
    monkeypatch.setenv(CACHE_VARIABLE, "/proc/nowhere")
    assert kept_in() is None
    kept_in.cache_clear()
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "kept"))
    monkeypatch.setattr(compiling, "STARTED", newest)  # a process that began while the sources changed
    assert kept_in() is None
    kept_in.cache_clear()


def test_views_are_moved_in_sets_later_where_the_rules_would_have_to_be_made_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(size, "is_at_hand", lambda: False)
    assert not are_many_to_move(MANY_TO_COMPILE - 1) and are_many_to_move(MANY_TO_COMPILE)
    assert not are_many_to_judge(10**9)
    monkeypatch.setattr(size, "is_at_hand", lambda: True)
    assert not are_many_to_move(MANY_TO_MOVE - 1) and are_many_to_move(MANY_TO_MOVE)
    assert not are_many_to_judge(MANY_TO_JUDGE - 1) and are_many_to_judge(MANY_TO_JUDGE)
