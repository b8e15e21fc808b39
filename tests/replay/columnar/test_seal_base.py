"""A seal says what is wrong with the segments that it builds on, also where nothing is new."""

from pathlib import Path

import pytest

from replay.columnar.seal import seal
from replay.errors import DamagedError
from replay.store.base.store import Store
from tests.support.making import ingest_events, paid


@pytest.mark.parametrize("news", [0, 1], ids=["nothing new", "something new"])
@pytest.mark.parametrize(("damage", "found"), [("missing", "is missing"), ("cut", "has .* bytes, the manifest says")])
def test_a_missing_or_cut_segment_is_named_by_seal(
    store: Store, tmp_path: Path, news: int, damage: str, found: str
) -> None:
    ingest_events(store, [paid("o-1"), paid("o-2")], tmp_path)
    folder = tmp_path / "segments"
    assert seal(store, folder).position == 2
    segment = min(folder.glob("*.parquet"))
    if damage == "missing":
        segment.unlink()
    else:
        segment.write_bytes(segment.read_bytes()[:-10])
    ingest_events(store, [paid(f"o-{number + 3}") for number in range(news)], tmp_path)
    with pytest.raises(DamagedError, match=f"{segment.name} {found}.*; delete the folder"):
        seal(store, folder)
