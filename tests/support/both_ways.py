"""Two builds over one ledger, of which one moves subjects in sets: both must hold the same, row for row."""

from random import Random
from typing import Any

import pytest
from sqlalchemy import select, text

from domain.limits import DAY_MICROS, HOUR_MICROS
from projections.projector.advance import StepReport, advance
from projections.views.database import BUILDING, Views
from projections.views.readahead import Windows
from replay.columnar import size
from tests.support.views import assert_same_rows, beside, empty_live
from tests.worlds.ledgers import BEGIN

NEVER = 10**9
PAUSES = (0, HOUR_MICROS, DAY_MICROS, 3 * DAY_MICROS, 11 * DAY_MICROS, 33 * DAY_MICROS)


class BothWays:
    """Two builds over one ledger: the live one takes large and small steps at random, and judges subjects of a long
    past from columns or plainly; the other one takes only small ones, plainly."""

    def __init__(self, views: Views, seed: int, patched: pytest.MonkeyPatch) -> None:
        self.views = views
        self.random = Random(seed)
        self.windows, self.others = Windows(), Windows()
        self.now = BEGIN
        self.larges = self.changes = 0
        self._patched = patched
        empty_live(views)
        beside(views, 2, BUILDING)

    def step(self, is_large: bool | None = None) -> StepReport:
        """One step of both, over some time; they hold the same, and the live one's changes tell what it shows anew."""
        self.now += self.random.choice(PAUSES)
        reads_whole = is_large or self.larges % 3 > 0
        if is_large is None:
            is_large = self.random.random() < 0.5
        self.larges += is_large
        shown, judged = self._shown(), 0 if self.random.random() < 0.5 else NEVER
        self._patched.setattr(size, "MANY_TO_COMPILE", 0)
        self._patched.setattr(size, "MANY_TO_JUDGE", judged)
        self._patched.setattr(size, "is_at_hand", lambda: True)
        self._patched.setattr(size, "MANY_TO_MOVE", 0 if is_large else NEVER)
        self._patched.setattr(size, "MANY_TO_READ", 0 if reads_whole else NEVER)
        moved = advance(self.views, 1, self.now, windows=self.windows)
        self._patched.setattr(size, "MANY_TO_MOVE", NEVER)
        self._patched.setattr(size, "MANY_TO_JUDGE", NEVER)
        advance(self.views, 2, self.now, windows=self.others)
        assert_same_rows(self.views)
        now = self._shown()
        assert self._told() == {unit for unit in shown.keys() | now.keys() if shown.get(unit) != now.get(unit)}
        return moved

    def _shown(self) -> dict[tuple[str, str], tuple[Any, ...]]:
        prefix = "" if self.views.schema is None else f"{self.views.schema}."
        with self.views.reading() as connection:
            rows = connection.execute(text(f"SELECT * FROM {prefix}v1_levels")).all()
        return {(row.subject, row.scheme): tuple(row) for row in rows}

    def _told(self) -> set[tuple[str, str]]:
        changes = self.views.changes.c
        with self.views.reading() as connection:
            rows = connection.execute(select(self.views.changes).where(changes.number > self.changes)).all()
        self.changes = max([self.changes, *(row.number for row in rows)])
        return {(row.subject, row.scheme) for row in rows}
