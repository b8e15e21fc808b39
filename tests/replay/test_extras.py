"""Packages that an installation may do without: each is of an extra, and who needs one is told which."""

import re
import sys
import tomllib

import pytest

from replay.extras import EXTRA_OF, NotInstalled, missing_of, need
from tests import ROOT


def test_what_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    need(("numba", "pyarrow"), "sealing")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert missing_of(("numba", "pyarrow")) == ["pyarrow"]
    with pytest.raises(NotInstalled) as refused:
        need(("numba", "pyarrow"), "sealing")
    assert str(refused.value) == (
        "sealing takes pyarrow, which this installation of Levelbook lacks: pip install 'levelbook[fast]' adds it"
    )
    assert refused.value.exit_status == 2


def test_each_package_is_one_of_its_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for package, extra in EXTRA_OF.items():
        assert any(asked.startswith(re.sub("[._]", "-", package)) for asked in extras[extra]), package
