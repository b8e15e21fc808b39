"""The rooms of the house: no import goes in a circle, no room is overfull, and each says what it is for.

The graph is built from the sources themselves, imports inside functions and for types alone included: a circle of
packages shows in no tool that looks at modules.
"""

import ast
import tomllib

import pytest

import cli
from replay.schemes.registry import SCHEMES
from tests import ROOT
from tests.support.commands import commands
from tests.support.imports import Graph, graph_of_modules, sources

MODULES_MAX = 14


def graph_of_packages() -> Graph:
    """Which packages import which, a package being the modules that lie in its own folder."""
    modules = sources()
    rooms = {name: ".".join(path.relative_to(ROOT).parent.parts) for name, path in modules.items()}
    graph: Graph = {room: set() for room in rooms.values()}
    for name, targets in graph_of_modules().items():
        graph[rooms[name]] |= {rooms[to] for to in targets if to != rooms[to]} - {rooms[name]}
    return graph


def circle_in(graph: Graph) -> list[str]:
    """Names along one circle; none where there is no circle."""
    ended: set[str] = set()

    def look(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in ended:
            return []
        for to in sorted(graph.get(name, ())):
            if found := look(to, [*way, name]):
                return found
        ended.add(name)
        return []

    return next((found for name in sorted(graph) if (found := look(name, []))), [])


@pytest.mark.slow
def test_no_import_goes_in_a_circle() -> None:
    assert len(sources()) > 100
    assert circle_in(graph_of_modules()) == []
    assert circle_in(graph_of_packages()) == []


def test_a_circle_would_be_found() -> None:
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_room_is_overfull_and_each_says_what_it_is_for() -> None:
    folders = {path.parent for path in sources().values()}
    for folder in sorted(folders):
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= MODULES_MAX, f"{folder} holds {len(modules)} modules"
        about = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8")))
        assert about and about.splitlines()[0].endswith((".", ":")), f"{folder} says nothing of itself"


def test_every_room_with_rooms_in_it_has_a_contract_on_their_floors() -> None:
    """Which is checked with the lint; a contract that names a room that is not there fails by itself."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    held = {room for contract in told if contract["type"] == "layers" for room in contract.get("containers", ())}
    rooms = {name for name, path in sources().items() if path.name == "__init__.py"}
    assert {name.rpartition(".")[0] for name in rooms if "." in name} <= held


def test_every_room_of_two_floors_is_on_the_plan() -> None:
    plan = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    rooms = {"/".join(path.relative_to(ROOT).parts[:2]) for path in sources().values()}
    for room in sorted(room for room in rooms if not room.endswith(".py")):
        assert f"`{room}/`" in plan, f"ARCHITECTURE.md does not name {room}"


STILL_TWICE = {
    "Asked": "what is asked for, in its room: a moment, a rebuild",
    "Band": "the bounds of a level, and how the desk draws them",
    "Month": "a month of a scheme, and the field of a policy's document that names one",
    "Standing": "where a subject stands, by a scheme's rule and in its replay",
}
"""Class names that stand in several rooms, and why; none may be added without a reason, nor stay without need."""


def test_a_class_name_has_one_meaning() -> None:
    """In the rooms of the schemes it may stand in each, for what plays the same part there.

    The checker beside evidence is a program by itself, and has the words of its own matter.
    """
    homes: dict[str, set[str]] = {}
    for name, path in sources().items():
        if name == "replay.checkers.check_evidence":
            continue
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef):
                own = any(scheme.replace("-", "_") in name.split(".") for scheme in SCHEMES)
                homes.setdefault(node.name, set()).add("rooms of schemes" if own else name)
    assert len(homes) > 300
    twice = {name: sorted(where) for name, where in homes.items() if len(where) > 1}
    assert {name: where for name, where in twice.items() if name not in STILL_TWICE} == {}
    assert {*STILL_TWICE} <= {*twice}


def test_every_command_says_in_the_list_what_its_help_begins_with() -> None:
    found = dict(commands())
    assert cli.ENTRIES
    for name, entry in cli.ENTRIES.items():
        told = found[name].help
        assert found[name].name == name and told
        assert " ".join(told.split("\n\n")[0].split()) == entry.summary


def test_tests_stand_in_the_rooms_that_they_are_of() -> None:
    tests = ROOT / "tests"
    assert not list(tests.glob("test_*.py"))
    for top in ("replay", "projections"):
        named = {path.parent.relative_to(tests / top) for path in (tests / top).rglob("test_*.py")}
        assert named and all((ROOT / top / name / "__init__.py").is_file() for name in named), named


def test_no_test_imports_another() -> None:
    """What two files of tests need lies in `support` or `worlds`, so that each can be moved or read alone."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").rpartition(".")[2].startswith("test_"), (path, node.module)
                assert not any(item.name.startswith("test_") for item in node.names), (path, node.module)
