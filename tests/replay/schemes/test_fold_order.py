"""No scheme judges rows that are in another order: a reader that drops a sort in silence is met with an error."""

import numpy as np
import pytest

from domain.limits import DAY_MICROS
from replay.columnar.columns import (
    CREATOR_BOUND,
    MERCHANT_ONBOARDED,
    NO_NUMBER,
    POINTS_EARNED,
    SALE_SETTLED,
    TYPES,
    Columns,
)
from replay.history.timeline import Moment
from replay.policies.catalog import shipped
from replay.replaying.base import Policies
from replay.schemes.registry import SCHEMES, fold_of
from tests.worlds.merchant_tier import BEGIN

WHATS_OF = {"merchant": (MERCHANT_ONBOARDED,), "creator": (SALE_SETTLED, POINTS_EARNED), "mcn": (CREATOR_BOUND,)}


def columns_of_kind(kind: str, turned: bool) -> Columns:
    """A subject with three records a day after another, or with the last two the other way round."""
    place = np.array([0, 2, 1] if turned else [0, 1, 2])
    whats = WHATS_OF[kind]
    values = {
        "at": BEGIN + place * DAY_MICROS,
        "position": place + 1,
        "what": [whats[number % len(whats)] for number in range(3)],
        "key": [0] * 3,
        "buyer": [NO_NUMBER] * 3,
    }
    rows = [np.array(values.get(name, [0] * 3), kind) for name, kind in TYPES.items()]
    return Columns._make([*rows, [f"{kind}/a"], ["a"], ["fresh"]])


@pytest.mark.parametrize("code", SCHEMES)
def test_every_fold_refuses_rows_that_are_out_of_order(code: str) -> None:
    scheme = SCHEMES[code]
    policies = Policies(shipped(code), [policy for other in scheme.rests_on for policy in shipped(other)])
    moment = Moment(BEGIN + 100 * DAY_MICROS, 0, 3)

    def folded(turned: bool) -> list[str]:
        kind = "creator" if scheme.folds_all else scheme.kind
        columns = columns_of_kind(kind, turned)
        given = [columns, columns_of_kind(scheme.kind, False)] if scheme.folds_all else columns
        return list(fold_of(code)(given, policies, moment).names)

    assert folded(False) == [f"{scheme.kind}/a"]
    with pytest.raises(ValueError, match="columns are not sorted by"):
        folded(True)
