"""Replays of random worlds for tests: under one policy or several dated versions, without a store."""

from collections.abc import Sequence
from typing import Any, Final

from hypothesis import strategies as st

from domain.calendar import parse_instant
from domain.events import Event
from domain.limits import DAY_MICROS
from domain.policy import Policy
from replay.history.timeline import Moment
from replay.replaying.base import Policies
from replay.schemes.merchant_reputation.replay import ReputationReplay
from tests.oracles.merchant_reputation import reputation_by_versions
from tests.worlds.merchant_reputation import (
    DEC,
    NOV,
    OCT,
    SHIPPED,
    SMALL,
    STRANGE,
    SUBJECT,
    as_the_oracle_reads,
    known_of,
    levels,
    with_values,
)


def dated(policy: Policy, policy_id: str, in_force_from: str, recalculates_from: str | None = None) -> Policy:
    """A policy as a version that is in force from a day on."""
    recalculates = None if recalculates_from is None else f"{recalculates_from}T00:00:00+08:00"
    return with_values(
        policy, id=policy_id, in_force_from=f"{in_force_from}T00:00:00+08:00", recalculates_from=recalculates
    )


OTHER: Final = with_values(
    SMALL,
    review_hours=720,
    default_tenths=5,
    pair_cap_tenths=30,
    levels=levels(3, 9, 30),
    growth_caps=[{"from": "", "tenths": 15}, {"from": "b", "tenths": 40}],
    publication={"day": 3, "hour": 0},
)
"""Small bounds again, and another window, cap, publication and count of levels than the others."""
VERSIONS: Final = {
    "shipped": [SHIPPED],
    "small": [SMALL],
    "strange": [STRANGE],
    "at a month's start": [dated(SMALL, "v1", "2022-10-01"), dated(OTHER, "v2", "2022-12-01")],
    "within a month": [dated(OTHER, "v1", "2020-01-01"), dated(SMALL, "v2", "2022-11-10")],
    "recalculating": [dated(SMALL, "v1", "2020-01-01"), dated(STRANGE, "v2", "2022-12-01", "2022-11-01")],
    "a window that shrinks": [
        dated(OTHER, "v1", "2020-01-01"),
        dated(with_values(SMALL, review_hours=1), "v2", "2022-11-01"),
        dated(SHIPPED, "v3", "2023-01-01", "2022-12-01"),
    ],
}
VERSION_LISTS: Final = st.sampled_from(list(VERSIONS.values()))
INSTANTS: Final = st.sampled_from([OCT, NOV - 1, NOV, NOV + 9 * DAY_MICROS, DEC - 1, DEC, DEC + 20 * DAY_MICROS])


def candidates(versions: Sequence[Policy], as_of: int) -> list[Policy]:
    """The versions in force at an instant, or the first."""
    by_date = sorted(versions, key=lambda policy: policy.in_force_from)
    return [policy for policy in by_date if policy.in_force_from <= as_of] or by_date[:1]


def replay_of(versions: Sequence[Policy], ledger: list[Event], as_of: int, position: int) -> ReputationReplay:
    """The replay at a moment, by the versions in force then."""
    known = known_of(ledger, position)
    return ReputationReplay(SUBJECT, known, Moment(as_of, 0, position), Policies(candidates(versions, as_of)))


def by_the_oracle_of_versions(
    versions: Sequence[Policy], ledger: list[Event], as_of: int, position: int
) -> dict[str, Any]:
    """What the oracle makes of the same."""
    return reputation_by_versions(
        [as_the_oracle_reads(event) for event in ledger],
        as_of=as_of,
        position=position,
        versions=[for_the_oracle(policy) for policy in versions],
        subject=SUBJECT,
    )


def for_the_oracle(policy: Policy) -> dict[str, Any]:
    parameters = {name: parameter.value for name, parameter in policy.parameters.items()}
    return {
        "id": policy.id,
        "in_force_from": policy.in_force_from,
        "recalculates_from": policy.recalculates_from,
        "parameters": parameters | {"statistics_from": parse_instant(parameters["statistics_from"])},
    }
