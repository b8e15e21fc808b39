"""A list of known fields or types is told once a run; the rejects file has it above each line."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import main
from replay.intake import parallel as decoding
from tests.support.making import event, paid, write_lines

FIELDS = "known fields of order.paid are amount, buyer, kind, order, payment"
TYPES = "known types are merchant.onboarded, "


@pytest.mark.parametrize("blocks_before_help", [0, 1_000], ids=["second process", "one process"])
def test_a_list_is_told_once_a_run_and_kept_whole_in_the_rejects_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks_before_help: int
) -> None:
    monkeypatch.setattr(decoding, "BLOCKS_BEFORE_HELP", blocks_before_help)
    refused = [*(paid(f"o-{n}", qqq=1, zzz=2) for n in range(3)), *(event("zebra", f"z-{n}") for n in range(3))]
    name = write_lines(tmp_path / "a.jsonl", refused)
    kept = tmp_path / "kept.jsonl"
    result = CliRunner().invoke(main, ["ingest", "--store", str(tmp_path / "l.db"), "--rejects", str(kept), name])
    told = result.stderr
    assert told.count(FIELDS) == 1 and told.count("the known fields of order.paid are listed above") == 5
    assert told.count(TYPES) == 1 and told.count("the known types are listed above") == 2
    reasons = [text for text in kept.read_text().splitlines() if text.startswith("# refused: ")]
    assert [text.count(FIELDS) for text in reasons] == [1, 1, 1, 0, 0, 0]
    assert [text.count(TYPES) for text in reasons] == [0, 0, 0, 1, 1, 1]
