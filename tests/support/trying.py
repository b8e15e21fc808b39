"""Trials of random policies, and single replays of what they judge."""

from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

from domain.calendar import instant_text, month_start, parse_month
from domain.limits import DAY_MICROS, HOUR_MICROS
from replay.history.timeline import Moment
from replay.lab.tally import Stand
from replay.lab.trial import AskedTrial, PolicyTrial, trial_of
from replay.policies.catalog import Choice
from replay.replaying.base import Replay
from replay.schemes.registry import SCHEMES, Scheme
from replay.schemes.replaying import replay_subject
from replay.store.base.store import Store
from tests.worlds.merchant_reputation import with_values
from tests.worlds.trials import folder_of, version

FIRST, LAST = "2022-11", "2023-02"
MONTHS: Final = range(parse_month(FIRST), parse_month(LAST) + 1)
BEGINS: Final = instant_text(month_start(parse_month(FIRST)) + 1)
"""An instant within the first month: what is in force from here on judges it, and none before it."""
ALL = list(SCHEMES.values())
IDS = [scheme.code for scheme in ALL]


class Tried(NamedTuple):
    """A trial of random versions, and the choices by which single replays judge as either side does."""

    scheme: Scheme
    trial: PolicyTrial
    before: Choice
    after: Choice


def tried(store: Store, scheme: Scheme, seed: int, folder: Path, **asked: Any) -> Tried:
    """A version of the scheme, and of each that it rests on, judges all; another is tried from the first month on."""
    pick, codes = Random(seed), (scheme.code, *scheme.rests_on)
    before = [version(code, pick, "before") for code in codes]
    candidates = [version(code, pick, "tried", "2024-06-01T00:00:00Z") for code in codes]
    judging = [with_values(policy, in_force_from=BEGINS) for policy in candidates]
    baseline = Choice(folder=folder_of(before, folder / f"before-{seed}"))
    both = Choice(folder=folder_of([*before, *judging], folder / f"after-{seed}"))
    by_scheme = {policy.scheme: policy for policy in candidates}
    return Tried(
        scheme, trial_of(store, by_scheme, AskedTrial(scheme.code, FIRST, LAST, **asked), baseline), baseline, both
    )


def as_of_of(scheme: Scheme, month: int) -> int:
    """As of when a month is decided (RULEBOOK §0, Decisions)."""
    end = month_start(month + 1)
    return {"merchant-reputation": end - 1, "merchant-tier": end - 1, "mcn-level": end + 2 * DAY_MICROS}.get(
        scheme.code, end
    )


def known_by(scheme: Scheme, month: int) -> int:
    """When a month is published or decided: reputation on the 16th at 12:00, tiers once the day has closed."""
    end = month_start(month + 1)
    if scheme.code == "merchant-reputation":
        return end + 15 * DAY_MICROS + 12 * HOUR_MICROS
    return max(end, as_of_of(scheme, month))


def position_at(store: Store, instant: int) -> int:
    return int(next(iter(store._query("SELECT count(*) FROM records WHERE recorded_at <= ?", (instant,))))[0])


def replays_of(store: Store, scheme: Scheme, month: int, choice: Choice, position: int) -> dict[str, Replay]:
    """By subject, its own replay."""
    moment = Moment(as_of_of(scheme, month), 0, position)
    subjects = [
        row[0] for row in store._query("SELECT DISTINCT stream FROM records WHERE stream LIKE ?", (f"{scheme.kind}/%",))
    ]
    return {subject: replay_subject(store, subject, moment, scheme.code, choice) for subject in subjects}


def stand_of(replay: Replay) -> Stand:
    return replay.standing()[:2]
