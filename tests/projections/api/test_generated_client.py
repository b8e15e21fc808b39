"""A client for Python that others make of our OpenAPI document, as it asks a real service and reads its answers."""

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_type_hints

import pytest

from projections.api.operations import Operation
from projections.api.routes import OPERATIONS
from projections.contract.answers import SCHEMAS
from projections.contract.api import explained_page, replayed_level, viewed_level
from replay.schemes.registry import SCHEMES
from tests.support.running import run
from tests.support.served import Served, served
from tests.support.serving import demo_ledger

NAME = "levelbook_client_of_the_tests"
CONFIGURATION = {"post_hooks": [], "content_type_overrides": {"application/gzip": "application/octet-stream"}}
"""No formatting. The generator knows few media types: files of evidence are bytes."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("service")
    demo_ledger(str(folder / "ledger.db"), folder)
    with served(str(folder / "ledger.db")) as found:
        yield found


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the client's package, which can be imported."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.json").write_text(run("openapi"), "utf-8")
    (folder / "configuration.json").write_text(json.dumps(CONFIGURATION), "utf-8")
    asked = ("--path", "openapi.json", "--config", "configuration.json", "--meta", "none", "--output-path", NAME)
    command = [sys.executable, "-m", "openapi_python_client", "generate", *asked, "--fail-on-warning"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield folder / NAME
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def function_of(operation: Operation) -> Any:
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", operation.name).lower()
    return import_module(f"{NAME}.api.default.{name}").sync_detailed


def asked_of(operation: Operation, function: Any) -> dict[str, Any]:
    """The example of an operation as the client's function takes it."""
    hints = get_type_hints(function)
    asked = {name: _as(hints[name], value) for name, value in operation.example.items()}
    if operation.body is not None:
        asked["body"] = next(kind for kind in _kinds(hints["body"]) if hasattr(kind, "from_dict")).from_dict(
            dict(operation.sends)
        )
    return asked


def _kinds(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if isinstance(hint, UnionType) else (hint,)


def _as(hint: Any, value: str) -> Any:
    for kind in _kinds(hint):
        if inspect.isclass(kind) and issubclass(kind, Enum | int) and kind is not bool:
            return kind(value)
    return value


@pytest.mark.slow
def test_every_operation_can_be_asked_and_nothing_of_its_answer_is_lost(generated: Path, service: Served) -> None:
    faults = []
    with import_module(NAME).Client(base_url=service.url, raise_on_unexpected_status=True) as client:
        for operation in OPERATIONS:
            function = function_of(operation)
            found = function(client=client, **asked_of(operation, function))
            # The demo's ledger has signed no checkpoint, and no report of a trial is kept beside it.
            status = 404 if operation.name in ("readEvidence", "readReport") else 200
            assert found.status_code == status, (operation.name, found.content)
            if found.parsed is None or found.parsed.to_dict() != json.loads(found.content):
                faults.append(operation.name)
    assert faults == []


SUBJECTS = {
    "merchant-reputation": ("merchant", "tea-house"),
    "merchant-tier": ("merchant", "tea-house"),
    "creator-level": ("creator", "lin"),
    "creator-firefly": ("creator", "lin"),
    "mcn-level": ("mcn", "harbour"),
}
MOMENT = {"as_of": "2023-05-05"}


def asking(function: Any, client: Any, **asked: str) -> Any:
    hints = get_type_hints(function)
    return function(client=client, **{name: _as(hints[name], value) for name, value in asked.items()})


@pytest.mark.slow
def test_an_answer_is_read_as_what_it_is_of_each_scheme_of_views_and_of_replays(
    generated: Path, service: Served
) -> None:
    by_name = {operation.name: function_of(operation) for operation in OPERATIONS}
    level, explained = by_name["readLevel"], by_name["readExplanation"]
    assert SUBJECTS.keys() == SCHEMES.keys()
    with import_module(NAME).Client(base_url=service.url, raise_on_unexpected_status=True) as client:
        for scheme, (kind, name) in SUBJECTS.items():
            whose = {"kind": kind, "id": name, "scheme": scheme}
            answer, page = SCHEMAS["replay", scheme][1], SCHEMAS["explain", scheme][1]
            for function, moment, schema in (
                (level, {}, viewed_level(answer)),
                (level, MOMENT, replayed_level(answer)),
                (explained, MOMENT, explained_page(page)),
            ):
                found = asking(function, client, **whose, **moment)
                assert found.status_code == 200 and type(found.parsed).__name__ == schema.__name__
                assert found.parsed.to_dict() == json.loads(found.content), whose


@pytest.mark.slow
def test_a_problem_is_read_as_one(generated: Path, service: Served) -> None:
    level = function_of(next(operation for operation in OPERATIONS if operation.name == "readLevel"))
    whose = {"kind": "merchant", "scheme": "merchant-reputation"}
    with import_module(NAME).Client(base_url=service.url, raise_on_unexpected_status=True) as client:
        for asked, status, field in (({"id": "nobody"}, 404, "id"), ({"id": "tea-house", "as_of": "x"}, 400, "as_of")):
            found = asking(level, client, **whose, **asked)
            assert (found.status_code, found.parsed.status, found.parsed.field) == (status, status, field)
            assert found.parsed.to_dict() == json.loads(found.content)
