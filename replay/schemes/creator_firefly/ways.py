"""The way to a creator's next Firefly level: points of new tasks, which count as soon as they are earned."""

from typing import Final

from domain.creator_firefly.account import rules_at
from domain.creator_firefly.facts import Rules
from domain.creator_firefly.rule import rank_of
from domain.limits import POINTS_MAX
from domain.rules.contributions import POINTS
from replay.replaying.hypothetical import (
    REGISTRATION,
    TIMES,
    Hypothetical,
    Lever,
    Need,
    Overlay,
    Ways,
    in_parts,
    named,
    way_by,
)
from replay.schemes.creator_firefly.replay import FireflyReplay

NEW_TASKS: Final = "new_tasks"


def ways(replay: FireflyReplay, lay: Overlay[FireflyReplay]) -> Ways:
    """The way of a creator from where a replay stands, by the version that judges the next instant."""
    at = replay.moment.as_of + 1
    then = lay((), at)
    rules = rules_at(then.spans, at)
    wanted = _wanted(replay, rules)
    if wanted is None:
        return Ways(None, (), ())
    levers = [] if then.level is not None else [_registering(replay.subject, at)]
    missing = rules.bounds[wanted] - then.run.account.earned
    if missing > 0:
        levers.append(_tasks(replay.subject, at, missing))
    level = rules.codes[rank_of(rules.bounds, then.run.account.earned + max(missing, 0))]
    return Ways(rules.codes[wanted], (way_by(levers, level, at),), ())


def _wanted(replay: FireflyReplay, rules: Rules) -> int | None:
    """The rank of the next level among those of some rules; None at the top."""
    if replay.level is None:
        return 0
    own = rules_at(replay.spans, replay.moment.as_of).codes
    codes = rules.codes if replay.level in rules.codes else own
    wanted = codes.index(replay.level) + 1
    return wanted if wanted < len(rules.codes) else None


def _registering(subject: str, at: int) -> Lever:
    return Lever(Need(REGISTRATION, 1, TIMES), (Hypothetical(at, subject, "creator.registered", {}),), ())


def _tasks(subject: str, at: int, missing: int) -> Lever:
    events, less = (_earned(subject, at, points) for points in (missing, missing - 1))
    return Lever(Need(NEW_TASKS, missing, POINTS), events, less)


def _earned(subject: str, at: int, points: int) -> tuple[Hypothetical, ...]:
    """New tasks that come to so many points: several where one cannot bring as many."""
    return tuple(
        Hypothetical(at, subject, "points.earned", {"task": named(at, number), "points": some})
        for number, some in enumerate(in_parts(points, POINTS_MAX), 1)
    )
