"""What a command draws of a replay: lines for whoever watches, and a file for whoever asks for one."""

import shutil
import sys
from pathlib import Path
from typing import Final

from projections.desk.drawing.letters import Labels, chart_lines, letters_for
from projections.desk.framing.language import words_of
from projections.desk.schemes.facet import Told, told_by
from projections.desk.timeline_page import Glance, timeline_of
from projections.text.words.figures import score_text
from replay.history.readers import EVERYTHING_SHOWN
from replay.replaying.base import Replay
from replay.schemes.registry import scheme_of
from replay.store.base.store import Store

_COLUMNS_MAX: Final = 110
_COLUMNS_USUAL: Final = 80


def drawn(store: Store, replay: Replay, language: str, *, is_charted: bool, plot: Path | None) -> list[str]:
    """Writes the file, where one is asked for; gives the lines of the chart, where it is."""
    told = told_by(replay, language)
    timeline = timeline_of(Glance(store, EVERYTHING_SHOWN, replay.moment), replay.subject, told, lambda: replay)
    if plot is not None:
        from projections.desk.plots.files import write_drawing

        write_drawing(plot, timeline, replay.subject, told, language)
    if not is_charted:
        return []
    width = min(shutil.get_terminal_size((_COLUMNS_USUAL, 0)).columns, _COLUMNS_MAX)
    letters = letters_for(sys.stdout.encoding or "ascii")
    return chart_lines(timeline, labels_of(told, language), letters, width)


def labels_of(told: Told, language: str) -> Labels:
    """What stands beside a drawing, in a language."""
    t = words_of(language)
    return Labels(
        score=lambda score: score_text(score, has_points=scheme_of(told.scheme).replay.has_points),
        level=lambda code: told.level_names.get(code, code),
        mark=lambda kind: t(f"lane_{kind}"),
        state=t.shared.state,
    )
