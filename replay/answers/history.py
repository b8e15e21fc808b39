"""The history of a level: each change of state or level with what caused it."""

from typing import Any

from replay.answers.replay import common_json
from replay.replaying.base import Replay
from replay.schemes.registry import answer_of


def history_json(replay: Replay) -> dict[str, Any]:
    """Every change up to `as_of`, the earliest first, as known at the replay's position."""
    return {**common_json(replay), "changes": answer_of(replay).changes_json()}
