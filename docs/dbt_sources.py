"""The `v1_…` views as a source of dbt, with what their columns hold and what is always so of them: `sources.yml`.

`python -m docs.dbt_sources > integrations/dbt/models/sources.yml` makes it anew.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from docs.view_columns import about
from projections.contract.parts.vocabulary import STATES, VOCABULARIES
from projections.exporting.columns import exported_views, order_of
from projections.views.tables import columns_of
from replay.schemes.registry import SCHEMES

HEAD: Final = "# Made from the program by `python -m docs.dbt_sources`; a test holds it equal. Do not edit it.\n"
VIEWS_PAGE: Final = Path(__file__).parent / "reference" / "sql-views.md"
TYPES: Final = {"Text": "text", "Unicode": "text", "BigInteger": "bigint", "Integer": "bigint", "Boolean": "boolean"}
"""By the kind of a column, its type on PostgreSQL."""
TOGETHER: Final = "levelbook.unique_together"
STATES_OF: Final = {
    "v1_reputation_months": "merchant-reputation",
    "v1_tier_days": "merchant-tier",
    "v1_creator_months": "creator-level",
    "v1_mcn_months": "mcn-level",
}
"""By view of one scheme, which."""
_LINK: Final = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def sources() -> str:
    """The file as YAML."""
    found = {
        "version": 2,
        "sources": [
            {
                "name": "levelbook",
                "description": "Levels of merchants, creators and agencies, as the live views of a ledger hold them;"
                " all rows are of one moment, which v1_standing tells.",
                "schema": "{{ var('levelbook_schema', 'levelbook_views') }}",
                "tables": [_table(view) for view in exported_views()],
            }
        ],
    }
    return HEAD + str(yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=120))


def _table(view: str) -> dict[str, Any]:
    keys = tuple(map(str, order_of(view)))
    found: dict[str, Any] = {"name": view, "description": _meanings()[view]}
    if len(keys) > 1:
        found["data_tests"] = [{TOGETHER: {"arguments": {"columns": [*keys]}}}]
    return found | {"columns": [_column(view, name, keys) for name in map(str, columns_of(view))]}


def _column(view: str, name: str, keys: Sequence[str]) -> dict[str, Any]:
    column = columns_of(view)[name]
    found = {"name": name, "description": about(view, name), "data_type": TYPES[type(column.type).__name__]}
    tests = [*([] if column.nullable else ["not_null"]), *(["unique"] if keys == (name,) else [])]
    values = _values(view, name)
    accepted = [{"accepted_values": {"arguments": {"values": values}}}] if values else []
    return found | ({"data_tests": [*tests, *accepted]} if tests or accepted else {})


def _values(view: str, name: str) -> list[str]:
    """All that a column may hold, where the program itself says it: levels and versions are the policies' to name."""
    if name == "scheme":
        return [*SCHEMES]
    if name not in ("state", "effective_state", "shadow_state"):
        return []
    return [*map(str, VOCABULARIES[STATES_OF[view]].states)] if view in STATES_OF else [*STATES]


@cache
def _meanings() -> dict[str, str]:
    """By view, what a row is, as the page on them says it."""
    rows = re.findall(r"(?m)^\| (`v1_.*?) \| (.*) \|$", VIEWS_PAGE.read_text("utf-8"))
    return {view: _plain(said) for views, said in rows for view in _named(views)}


def _named(cell: str) -> Iterator[str]:
    yield from re.findall(r"`(v1_\w+)`", cell)


def _plain(said: str) -> str:
    """Without links and marks of code."""
    return _LINK.sub(r"\1", said).replace("`", "")


if __name__ == "__main__":
    sys.stdout.write(sources())
