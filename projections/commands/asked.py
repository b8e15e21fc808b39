"""What was asked for, made into what the commands work with: a store, a moment, a replay, a month, a day."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from replay.history.timeline import Moment, Present
    from replay.replaying.base import Replay
    from replay.store.base import Store


def open_at(store: str, segments: Path | None = None) -> "Store":
    from replay.store.opening import open_store

    return open_store(store, segments)


def moment_asked(store: "Store", as_of: str | None, known_at: str | None, position: int | None) -> "Moment":
    from replay.history.timeline import Asked, resolve

    return resolve(store, Asked(as_of, known_at, position))


def replay_asked(
    store: "Store",
    subject: str,
    *,
    scheme: str | None,
    as_of: str | None,
    known_at: str | None,
    position: int | None,
    policy: str | None,
    policies: Path | None,
    present: "Present | None" = None,
    option: str = "--",
) -> "Replay":
    from replay.history.timeline import Asked, resolve
    from replay.policies.catalog import Choice
    from replay.schemes.registry import replay_subject

    moment = resolve(store, Asked(as_of, known_at, position), present, option)
    return replay_subject(store, subject, moment, scheme, Choice(policy, policies))


def month_asked(text: str) -> int:
    from domain.calendar import parse_month
    from replay.errors import UsageError

    try:
        return parse_month(text)
    except ValueError as error:
        raise UsageError(f"--month {text!r} {error}; give a month such as 2022-11") from None


def day_asked(text: str, option: str = "--day") -> int:
    from domain.calendar import parse_day
    from replay.errors import UsageError

    try:
        return parse_day(text)
    except ValueError as error:
        raise UsageError(f"{option} {text!r} {error}; give a day such as 2022-11-05") from None
