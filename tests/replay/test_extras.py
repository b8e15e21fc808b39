"""Packages that an installation may do without: each is of an extra, and who needs one is told which."""

import sys

import pytest

from replay.extras import NotInstalled, missing_of, need


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
