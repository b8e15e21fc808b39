"""Options that a command would do nothing with are refused, and not passed over."""

from pathlib import Path

import pytest

from tests.support.running import run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--back", "--workers", "2"), "--back builds nothing; leave out --workers"),
        (("--abort", "merchant-tier", "--sample", "3"), "--abort builds nothing; leave out SCHEME and --sample"),
        (("--drop", "0a", "--seed", "1", "--engine", "spark"), "--drop builds nothing; leave out --seed and --engine"),
        (("--back", "--segments", "sealed"), "--back builds nothing; leave out --segments"),
        (("--back", "--keep", "2"), "--keep says how many manifests stay where files are written; name a place with"),
        (("--keep", "2"), "--keep says how many manifests stay where files are written; name a place with --into"),
        (("--policies", "candidates", "merchant-tier"), "--policies names the schemes by its files; leave out SCHEME"),
        (("--into", "out", "merchant-tier"), "--into writes the views of all schemes; leave out SCHEME"),
    ],
)
def test_a_rebuild_does_what_it_is_asked_or_refuses(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    assert said in run("rebuild", *words, "--store", str(tmp_path / "ledger.db"), status=2)


def test_a_list_of_checks_makes_none(tmp_path: Path) -> None:
    said = "--list shows checks that were made, and makes none; leave out --head and --workers"
    words = ("verify", "--list", "--workers", "2", "--head", "1:00:00", "--store", str(tmp_path / "ledger.db"))
    assert said in run(*words, status=2)


def test_what_the_environment_says_is_for_other_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEVELBOOK_SEGMENTS", str(tmp_path / "sealed"))
    for words in (("rebuild", "--back"), ("verify", "--list")):
        assert "there is no store at" in run(*words, "--store", str(tmp_path / "ledger.db"), status=2)
