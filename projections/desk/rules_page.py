"""The rules at a glance: which schemes there are, and one whole, as of any day or beside another version."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from marshmallow import Schema
from starlette.requests import Request
from starlette.responses import Response

from domain.policy import HASH_SHOWN
from projections.api.boards import rules_beside
from projections.api.operations import reading_of
from projections.desk.framing.page import Asked, Page, PageLanguageQuery
from projections.desk.framing.rendering import rendered
from projections.http.parameters import SCHEME_NAMES, WHEN, RulesPath, instant, text
from projections.http.scopes import LEVELS
from replay.answers.rules import differs
from replay.rendering.glance.beside import ADDED, CHANGED, GONE


class RulesPageQuery(PageLanguageQuery):
    as_of = instant(f"The version in force then, also in days to come: {WHEN}. Left out, now.")
    policy = text("In place of as_of: this version by ID, or this revision by ID@HASH.")
    against = text("Beside it another version: ID, ID@HASH, a date or an instant.")


class RuleLine(NamedTuple):
    """A line of a table: what one version says, or both alike."""

    version: str
    """`shown`, `against` or `both`."""
    cells: list[list["RuleText"]]
    status: str | None
    basis: str | None


class RuleText(NamedTuple):
    """A text of a cell, and whether the other version has no such."""

    text: str
    differs: bool


def every_scheme(request: Request, asked: Asked) -> Response:
    """Each scheme with the version in force."""
    with reading_of(request).store() as store:
        held = [name for name in SCHEME_NAMES if store.holds(f"policy/{name}")]
        found = [rules_beside(store, name, {}, asked["lang"]) for name in held]
    statuses = {rules["scheme"]: Counter(basis["shown"]["status"] for basis in rules["bases"]) for rules in found}
    return rendered(request, "rules.html", found=found, statuses=statuses)


def one_scheme(request: Request, asked: Asked) -> Response:
    """The rules of a scheme."""
    with reading_of(request).store() as store:
        found = rules_beside(store, asked["scheme"], asked, asked["lang"])
    bases = {basis["code"]: basis for basis in found["bases"]}
    lines = {section["code"]: [*_lines(section, bases)] for section in found["sections"]}
    values: dict[str, Any] = {"bases": bases, "lines": lines, "names": _names(found), "differs": differs(found)}
    values["revisions"] = [f"{item['policy']}@{item['policy_hash']}" for item in found["versions"]]
    return rendered(request, "rules_of.html", rules=found, **values)


def _lines(section: dict[str, Any], bases: dict[str, Any]) -> Iterator[RuleLine]:
    """The lines of a section: of a row that differs one of each version, the other's first."""
    for row in section["rows"]:
        if row["change"] in (CHANGED, GONE):
            cells = [_said(cell["against"], cell["texts"], cell["differs"]) for cell in row["cells"]]
            yield RuleLine("against", cells, _status(row["basis"], "against", bases), row["basis"])
        if row["change"] != GONE:
            cells = [_said(cell["texts"], cell["against"] or [], cell["differs"]) for cell in row["cells"]]
            version = "shown" if row["change"] in (CHANGED, ADDED) else "both"
            yield RuleLine(version, cells, _status(row["basis"], "shown", bases), row["basis"])


def _said(texts: list[str], others: list[str], differs: bool) -> list[RuleText]:
    return [RuleText(text, differs and text not in others) for text in texts]


def _status(code: str | None, version: str, bases: dict[str, Any]) -> str | None:
    return None if code is None else str(bases[code][version]["status"])


def _names(found: dict[str, Any]) -> dict[str, str]:
    """What both versions are called: their ids, with the beginnings of their hashes where these are one."""
    other = found["against"]
    if other is None:
        return {}
    if other["policy"] != found["policy"]:
        return {"shown": found["policy"], "against": other["policy"]}
    both = {"shown": found, "against": other}
    return {name: f"{item['policy']}@{item['policy_hash'][:HASH_SHOWN]}" for name, item in both.items()}


PAGES: Final = (
    Page("/rules", every_scheme, LEVELS, None, PageLanguageQuery, Schema),
    Page("/rules/{scheme}", one_scheme, LEVELS, None, RulesPageQuery, RulesPath),
)
