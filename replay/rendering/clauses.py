"""The clauses that verdicts and notes rest on, filled with a policy's values, in either language."""

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from domain.calendar import parse_instant, shanghai_text
from domain.policy import Policy


@cache
def clauses(scheme: str) -> dict[str, dict[str, Any]]:
    """By verdict or note: texts, and the parameters or the source and status that it rests on."""
    return tomllib.loads(clauses_file(scheme).read_text("utf-8"))


def clauses_file(scheme: str) -> Traversable:
    return files("domain") / scheme.replace("-", "_") / "clauses.toml"


def clause_json(policy: Policy, name: str, language: str) -> dict[str, Any]:
    """A clause as an explanation shows it; each parameter with the source and status that its policy gives."""
    clause = clauses(policy.scheme)[name]
    values = _values(policy)
    return {
        "name": name,
        "policy": policy.id,
        "policy_hash": policy.hash,
        "text": clause[language].format_map(values),
        "short": clause[f"short_{language}"].format_map(values),
        "rests_on": list(_bases(policy, clause)),
    }


def _bases(policy: Policy, clause: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in clause.get("parameters", ()):
        item = policy.parameters[name]
        yield {"parameter": name, "source": item.source, "status": item.status}
    if "source" in clause:
        yield {"parameter": None, "source": clause["source"], "status": clause["status"]}


def points_text(tenths: int, *, signed: bool = False) -> str:
    """Tenths of a point as text with one decimal: -7 is "-0.7"."""
    sign = "-" if tenths < 0 else "+" if signed else ""
    return f"{sign}{abs(tenths) // 10}.{abs(tenths) % 10}"


def yuan_text(fen: int) -> str:
    """An amount in fen as yuan with two decimals."""
    return f"{fen // 100}.{fen % 100:02d}"


def _values(policy: Policy) -> dict[str, str]:
    """The policy's plain values as texts, by name; tenths as points, fen as yuan."""
    values = {}
    for name, item in policy.parameters.items():
        if name.endswith("_tenths") and isinstance(item.value, int):
            values[name] = points_text(item.value)
        elif "_fen" in name:
            values[name] = yuan_text(item.value)
        elif name == "statistics_from":
            values[name] = shanghai_text(parse_instant(item.value))
        elif isinstance(item.value, int):
            values[name] = str(item.value)
    if "review_tenths" in policy.parameters:
        values |= {key: points_text(value) for key, value in policy.parameters["review_tenths"].value.items()}
    return values
