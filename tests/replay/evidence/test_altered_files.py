"""The program and the foreign checkers are of one mind on thousands of altered files: none is accepted."""

import gzip
from itertools import islice
from pathlib import Path
from typing import Final

import pytest

from replay.evidence.checking import failing_check
from replay.proving.trust import parse_trust
from tests.oracles.alterations import Altered, altered_files, tried
from tests.oracles.bounds import at_bounds, beyond_bounds
from tests.worlds.evidence import TRUST, Case, cases, lone_case, merchant_case

OF_WHAT_CANNOT_BE_READ: Final = {
    "form": {"keys", "seal", "claim"},
    "seal": {"form", "keys"},
    "keys": {"form"},
    "records": {"keys"},
    "claim": {"form", "keys", "records"},
}
"""The program reads records by their types: one that it cannot read fails another check."""


def unlike(files: list[Altered], folder: Path) -> list[str]:
    """The files that the program accepts, or refuses by a check that is not the right one."""
    wrong, path, trust = [], folder / "a.evidence", parse_trust(TRUST)
    for name, content, check in files:
        path.write_bytes(content)
        found = failing_check(path, trust)
        if found is None or (check is not None and found not in {check, *OF_WHAT_CANNOT_BE_READ.get(check, ())}):
            wrong.append(f"{name}: {found} in place of {check}")
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_what_an_independent_builder_makes_is_accepted(case: Case, tmp_path: Path) -> None:
    path, good = tmp_path / "a.evidence", case.file.written()
    for content in (good, gzip.compress(good)):
        path.write_bytes(content)
        assert failing_check(path, parse_trust(TRUST)) is None


@pytest.mark.slow
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_every_altered_file_is_refused(case: Case, tmp_path: Path) -> None:
    files = tried(case, 200)
    assert len(files) > 350
    assert unlike(files, tmp_path) == []


@pytest.mark.parametrize("case", [lone_case(), merchant_case()], ids=lambda case: case.name)
def test_the_bounds_are_those_of_the_page(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "a.evidence"
    for name, content in at_bounds(case):
        path.write_bytes(content)
        assert failing_check(path, parse_trust(TRUST)) is None, name
    assert unlike([Altered(name, content, check) for name, check, content in beyond_bounds(case)], tmp_path) == []


def test_altered_files_are_refused(tmp_path: Path) -> None:
    files = list(islice(altered_files(lone_case(), 20), 0, None, 12))
    assert len(files) > 100
    assert unlike(files, tmp_path) == []
