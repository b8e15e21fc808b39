"""Agencies' levels at a glance: four scores with every row and band, the phases, credit, levels and boards."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from domain.mcn_level.facts import rules_of
from domain.mcn_level.rule import SCORES, Figures, ScoreRow, rows_of
from domain.policy import Policy
from replay.rendering.glance import figures
from replay.rendering.glance.form import Cell, OwnRules, RuleColumn, RuleRow, RuleSection
from replay.rendering.glance.parts import fact_columns, levels_section, table
from replay.rendering.glance.texts import Texts

_PARAMETERS: Final = {
    "settled_fen": "settled_bands",
    "orders": "orders_bands",
    "top_creators": "top_creators",
    "live_minutes": "live_minutes_bands",
    "showcase_share": "showcase_share_bands",
    "showcase_creators": "showcase_creators_bands",
    "good_share": "good_share_bands",
    "reputation_hundredths": "service_bands",
    "worry_free_orders": "worry_free_bands",
}
"""By the figure of a row of the score, the parameter that holds its bands."""
_WRITTEN: Final[dict[str, Callable[[int], str]]] = {
    "settled_fen": figures.yuan,
    "showcase_share": lambda share: f"{share} %",
    "good_share": lambda share: f"{share} %",
    "reputation_hundredths": figures.mean,
}


def own(policy: Policy, texts: Texts) -> OwnRules:
    """What only this scheme says."""
    value = {name: item.value for name, item in policy.parameters.items()}
    levels = {level["code"]: figures.count(level["from"]) for level in value["levels"]}
    columns = {RuleColumn("from_total", texts.column("from_total"), "levels"): levels}
    rows = rows_of(Figures(*(0 for _ in Figures._fields)), 0, 0, 0, rules_of(policy))
    tables = [
        levels_section(policy, texts, [*levels], columns),
        _scores(rows, texts),
        _bands(rows, value, texts),
        _boards(value, texts),
    ]
    return OwnRules(tables, _values(value))


def _scores(rows: list[ScoreRow], texts: Texts) -> RuleSection:
    """The most that each score can be."""
    most = {score: sum(row.bands[-1].score for row in rows if row.score == score) for score in SCORES}
    columns = [RuleColumn(code, texts.column(code)) for code in ("score", "most")]
    told = [
        RuleRow(score, ((texts.called("scores", score),), (figures.count(points),)), "rule.totals")
        for score, points in (most | {"total": sum(most.values())}).items()
    ]
    return table("scores", texts, columns, told)


def _bands(rows: list[ScoreRow], value: Mapping[str, Any], texts: Texts) -> RuleSection:
    """Every row of the scores with its bands."""
    columns = [RuleColumn(code, texts.column(code)) for code in ("score", "row", "bands")]
    level = value["top_creators"]["level"]
    told = []
    for row in rows:
        called = texts.called("rows", row.what).format(level=level)
        cells: tuple[Cell, ...] = ((texts.called("scores", row.score),), (called,), _said(row, texts))
        told.append(RuleRow(row.what, cells, _PARAMETERS[row.what]))
    return table("bands", texts, columns, told)


def _said(row: ScoreRow, texts: Texts) -> Cell:
    written = _WRITTEN.get(row.what, figures.count)
    return tuple(texts("band", begins=written(band.begins), points=band.score) for band in row.bands)


def _boards(value: Mapping[str, Any], texts: Texts) -> RuleSection:
    rows = []
    for board in value["boards"]:
        ranked = texts("ranked_by", score=texts.called("scores", board["ranks_by"]))
        rows.append(RuleRow(board["code"], ((texts.called("boards", board["code"]),), (ranked,)), "boards"))
    return table("boards", texts, fact_columns(texts), rows)


def _values(value: Mapping[str, Any]) -> dict[str, str]:
    watched, credit = value["observation"], value["credit"]
    return {
        "novice_months": str(value["novice_months"]),
        "service_min": figures.count(watched["service_min"]),
        "credit_min": figures.count(watched["credit_min"]),
        "credit_start": figures.count(credit["start"]),
        "credit_max": figures.count(credit["max"]),
        "first_month": value["first_month"],
    }
