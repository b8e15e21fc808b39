"""The rows that independent replays give: what a view must hold, drawn from the replays that `levelbook replay` runs.

Nothing here, or in the modules that make them, knows how views are moved: each row is made of a replay's answers.
"""

from projections.schemes.registry import view_of
from projections.schemes.shared.expected_rows import Rows, level_row
from replay.replaying.base import Replay


def rows_of(replay: Replay) -> Rows:
    """By table, the public rows of one subject and scheme."""
    return {"levels": [level_row(replay)], **view_of(replay.scheme).expected(replay)}
