"""The questions that the documents ask of an export with DuckDB get the answers that the views themselves give."""

import re
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from projections.exporting import parts
from projections.views.database import open_views
from replay.store.opening import open_store
from tests import ROOT
from tests.support.disputes import disputed_ledger
from tests.support.exports import exported

PAGE = ROOT / "docs" / "how-to" / "ask-an-export.md"
AT = 1_681_099_200_000_000
"""2023-04-10T12:00:00+08:00."""
OF_THE_VIEWS = (
    "SELECT scheme, coalesce(level, state), count(*) FROM v1_levels WHERE NOT stale GROUP BY 1, 2 ORDER BY 1, 2",
    (
        f"SELECT subject, scheme, level FROM v1_history WHERE from_at <= {AT} AND (to_at IS NULL OR to_at > {AT})"
        " AND state = 'rated' ORDER BY 1, 2, 3"
    ),
    (
        "SELECT scheme, strftime('%Y-%m', (from_at + 28800000000) / 1000000, 'unixepoch'), count(*) FROM v1_history"
        " WHERE number > 0 GROUP BY 1, 2 ORDER BY 1, 2"
    ),
    (
        "SELECT subject, month, tenths(growth_tenths), tenths(closing_tenths),"
        " tenths(sum(growth_tenths) OVER (PARTITION BY subject ORDER BY month)) FROM v1_reputation_months ORDER BY 1, 2"
    ),
    (
        "SELECT p.subject, p.month, p.to_month, tenths(p.points_tenths), p.level, tenths(m.closing_tenths)"
        " FROM v1_published_then p LEFT JOIN v1_reputation_months m ON m.subject = p.subject AND m.month = p.month"
        " ORDER BY 1, 2"
    ),
    (
        "SELECT d.subject, d.period, d.score, m.closing_tenths FROM v1_decisions d JOIN v1_reputation_months m"
        " ON m.subject = d.subject AND m.month = d.period WHERE d.scheme = 'merchant-reputation'"
        " AND d.score <> m.closing_tenths ORDER BY 1, 2"
    ),
    (
        "SELECT subject, strftime('%Y-%m', day * 86400, 'unixepoch'), sum(orders), sum(gmv_fen) / 100.0"
        " FROM v1_tier_figures GROUP BY 1, 2 ORDER BY 1, 2"
    ),
    (
        "SELECT month, subject, max(settled_fen), level FROM v1_creator_months WHERE settled_fen > 0 GROUP BY month"
        " ORDER BY 1"
    ),
    (
        "SELECT a.month, a.subject, a.score - coalesce((SELECT b.score FROM v1_leaderboards b WHERE b.board = a.board"
        " AND b.month = a.month AND b.rank = 2), 0) FROM v1_leaderboards a WHERE a.board = 'comprehensive'"
        " AND a.rank = 1 AND a.month <= '2023-06' ORDER BY 1"
    ),
    "SELECT scheme, policy, count(*) FROM v1_levels WHERE assumed GROUP BY 1, 2 ORDER BY 1, 2",
)
"""The same questions to the views in SQLite."""


def asked() -> tuple[str, list[str]]:
    """What the page says first, and each of its questions."""
    first, *questions = re.findall(r"(?ms)^```sql\n(.*?)^```", PAGE.read_text("utf-8"))
    return first, questions


@pytest.mark.slow
def test_the_questions_of_the_page_get_the_answers_of_the_views(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "ONE_FILE_ROWS", 20)
    disputed_ledger(str(tmp_path / "ledger.db"), tmp_path)
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store) as views:
        exported(views, tmp_path / "exported")
    monkeypatch.chdir(tmp_path)
    first, questions = asked()
    assert len(questions) == len(OF_THE_VIEWS) == 10
    ducks, plain = duckdb.connect(), sqlite3.connect("ledger.db.views")
    plain.create_function("tenths", 1, lambda value: None if value is None else value / 10)
    ducks.execute(first)
    for question, same in zip(questions, OF_THE_VIEWS, strict=True):
        found = [tuple(map(_plain, row)) for row in ducks.execute(question).fetchall()]
        assert found == plain.execute(same).fetchall() != [], question
    plain.close()
    ducks.close()


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value
