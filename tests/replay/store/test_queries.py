"""SQL on the tables of a store stands in its own room, each statement once."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from replay.store.base.store import Store
from replay.store.reading.readable import Readable
from tests import ROOT

ROOMS = ("replay/store/", "replay/schema/")
"""Where statements may name the store's tables: what is asked of them, and what they are made of and checked by."""
PRODUCT = [
    *(path for top in ("domain", "replay", "projections") for path in ROOT.glob(f"{top}/**/*.py")),
    ROOT / "cli.py",
]
NAMING = re.compile(
    r"\b(FROM|JOIN|INTO|UPDATE|TABLE|TRUNCATE|ON)\s+(records|buyers|ledger|tally|erasures_due|(stream|key)_chains)\b"
)


def texts_of(tree: ast.AST) -> Iterator[str]:
    """The texts in a source, f-strings whole, with a blank for what is put in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else " " for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def asks_itself(tree: ast.AST) -> list[int]:
    """Lines on which a store's own way of asking is used."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "_query"
    ]


@pytest.mark.slow
def test_no_other_room_asks_the_records_in_sql() -> None:
    found = []
    for path in PRODUCT:
        place = path.relative_to(ROOT).as_posix()
        if not place.startswith(ROOMS):
            tree = ast.parse(path.read_text("utf-8"))
            found += [f"{place}:{line}" for line in asks_itself(tree)]
            found += [f"{place}: {text}" for text in texts_of(tree) if NAMING.search(text)]
    assert len(PRODUCT) > 200 and found == []
    assert not hasattr(Store, "query") and hasattr(Readable, "_query")


@pytest.mark.parametrize(
    "source",
    [
        'rows = store.reader()._query("SELECT 1")',
        'rows = ask(f"SELECT {columns} FROM records WHERE position = ?")',
        'rows = ask("SELECT count(*)" " FROM tally")',
        'sql = f"{first} CROSS JOIN records AS r"',
        'transaction.execute("DELETE FROM erasures_due")',
    ],
)
def test_sql_elsewhere_would_be_found(source: str) -> None:
    tree = ast.parse(source)
    assert asks_itself(tree) or any(NAMING.search(text) for text in texts_of(tree))


def statements(path: Path) -> Iterator[str]:
    """The statements of a module as they are written, each in one line."""
    tree = ast.parse(path.read_text("utf-8"))
    put_in = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, (ast.JoinedStr, ast.Constant)) and node not in put_in:
            text = " ".join(ast.unparse(node).split())
            if NAMING.search(text) and re.match(r"f?['\"](SELECT|INSERT|DELETE|WITH)", text):
                yield text


BASE = [f"base/{name}" for name in ("identity", "store", "transaction")]
EVIDENCE = [f"evidence/{name}" for name in ("log_tree", "heads", "seals", "announced", "checkpoints", "copies")]


def test_no_statement_is_written_twice() -> None:
    asked = [
        text
        for name in ("queries", "alias_queries", *BASE, "key_chains", *EVIDENCE)
        for text in statements(ROOT / f"replay/store/{name}.py")
    ]
    assert len(asked) > 40 and sorted(set(asked)) == sorted(asked)
