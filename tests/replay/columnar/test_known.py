"""What is known of a large subject without some of its rows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from replay.columnar.columns import TYPES
from replay.replaying.known import LargeKnown
from replay.replaying.records import Records
from tests.support.merchant_columns import made_of


@given(st.lists(st.booleans(), max_size=12))
def test_rows_are_left_out_wherever_they_stand(kept: list[bool]) -> None:
    rows = [(0, 10 * place, place + 1, 3, place, place, 100 + place, 0) for place in range(len(kept))]
    columns = made_of(rows, ["merchant/m-1"])
    known = LargeKnown(columns, Records(lambda: None, "merchant/m-1", len(kept)))  # type: ignore[arg-type, return-value]
    found = known.only(np.array(kept, np.bool_))
    assert len(found) == sum(kept) and found.columns.subjects == columns.subjects
    for name in TYPES:
        whole, left = getattr(columns, name), getattr(found.columns, name)
        assert left.tolist() == [value for value, is_kept in zip(whole.tolist(), kept, strict=True) if is_kept]
        if sorted(kept, reverse=True) == kept and sum(kept):
            assert np.shares_memory(whole, left), "nothing is copied where only the last rows go"
