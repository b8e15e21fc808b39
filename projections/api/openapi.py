"""The API described, from the table of its operations: OpenAPI 3.1 for programs, a page of it for people."""

import warnings
from functools import cache
from typing import Any, Final

import msgspec
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from domain.version import PROGRAM_VERSION
from projections.api.evidence import EVIDENCE_TYPE
from projections.api.operations import Operation
from projections.api.routes import OPERATIONS
from projections.api.sheets import PARQUET_TYPE
from projections.contract.answers import SCHEMAS
from projections.contract.api import (
    ChangesPage,
    ProblemAnswer,
    explained_page,
    replayed_level,
    viewed_level,
)
from projections.http.authentication import SESSION_COOKIE
from projections.http.settings import prefix_of

BEARER: Final = "token"
COOKIE: Final = "session"
PROBLEM: Final = "application/problem+json"
CACHED: Final = {"Cache-Control": "private, max-age=300"}
REFUSALS: Final = {
    "400": "a parameter is unknown or cannot be used",
    "401": "a token is needed, or the one shown does not hold",
    "403": "the token's scopes do not reach this far",
    "404": "there is no such subject, scheme, board or page",
    "410": "the feed of the cursor is gone: begin again",
    "413": "the body is too long",
    "421": "the service is not asked by that name",
    "429": "asked too often; Retry-After and RateLimit say when to ask again",
    "422": "the subject rests on more events than the service replays; the problem says how many, and which option",
    "503": "the ledger or its views cannot be read now, or are not that far; Retry-After says when to ask again",
}
ABOUT: Final = (
    "Levels, explanations and changes, read from a ledger and its views. Nothing can be written over the network.\n\n"
    "Every answer names its policy with hash, its position, as_of and known_at. Answers from the views say how far"
    " these lie behind (`freshness`); their ETag is weak, because it leaves that out. What is asked by as_of, position"
    " and a policy with its whole hash is for ever the same. Problems are told as RFC 9457 says."
)


def routes() -> list[Route]:
    return [Route("/openapi.json", _openapi), Route("/docs", _page), Route("/docs.css", _style)]


@cache
def specification(prefix: str = "") -> dict[str, Any]:
    """The whole OpenAPI document of a service that stands behind a prefix."""
    plugin = MarshmallowPlugin(schema_name_resolver=_name_of)
    spec = APISpec(
        "Levelbook",
        PROGRAM_VERSION,
        "3.1.0",
        plugins=[plugin],
        info={"description": ABOUT},
        servers=[{"url": prefix or "/"}],
    )
    spec.components.security_scheme(BEARER, {"type": "http", "scheme": "bearer"})
    spec.components.security_scheme(COOKIE, {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a schema of no name of its own is meant to be resolved twice
        for name, schemas in _composed().items():
            spec.components.schema(name, {"anyOf": [{"$ref": _component(spec, schema)} for schema in schemas]})
        for operation in OPERATIONS:
            method = "post" if operation.body else "get"
            spec.path(operation.path, operations={method: _operation(spec, operation)})
    found: dict[str, Any] = _plain(spec.to_dict())
    return found


def _composed() -> dict[str, list[type[Schema]]]:
    """Answers that differ by scheme, or by where they were read."""
    by_command: dict[str, list[tuple[str, type[Schema]]]] = {}
    for (command, scheme), (_, schema) in SCHEMAS.items():
        by_command.setdefault(command, []).append((scheme, schema))
    return {
        "Level": [form(schema) for _, schema in by_command["replay"] for form in (viewed_level, replayed_level)],
        "Explanation": [explained_page(schema) for _, schema in by_command["explain"]],
        "History": [by_command["history"][0][1]],
        "Diff": [by_command["diff"][0][1]],
    }


def _component(spec: APISpec, schema: type[Schema]) -> str:
    name = _name_of(schema)
    if name not in spec.components.schemas:
        spec.components.schema(name, schema=schema)
    return f"#/components/schemas/{name}"


def _name_of(schema: Any) -> str:
    found = schema if isinstance(schema, type) else type(schema)
    return str(found.__name__)


def _operation(spec: APISpec, operation: Operation) -> dict[str, Any]:
    named = operation.answer
    answer = f"#/components/schemas/{named}" if isinstance(named, str) else _component(spec, named)
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": answer}}}
    if operation.answer == "Evidence":
        content = {EVIDENCE_TYPE: {"schema": {"type": "string", "format": "binary"}}}
    if operation.listed is not None:
        content["text/csv"] = {"schema": {"type": "string"}}
        content[PARQUET_TYPE] = {"schema": {"type": "string", "format": "binary"}}
    if operation.answer is ChangesPage:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    problem = {PROBLEM: {"schema": {"$ref": _component(spec, ProblemAnswer)}}}
    described = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"{operation.about} Scope: {operation.scope}.".strip(),
        "security": [{BEARER: []}, {COOKIE: []}, {}],
        "parameters": _parameters(operation),
        "responses": {
            "200": {"description": "the answer", "content": content},
            "304": {"description": "whoever asks holds the answer already"},
            **{status: {"description": told, "content": problem} for status, told in REFUSALS.items()},
        },
    }
    if operation.body is not None:
        body = {"schema": {"$ref": _component(spec, operation.body)}, "example": dict(operation.sends)}
        described["requestBody"] = {"required": True, "content": {"application/json": body}}
    return described


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    """The parameters of path and query, with an example each where there is one."""
    converter = MarshmallowPlugin()
    APISpec("parameters", "0", "3.1.0", plugins=[converter])
    assert converter.converter is not None
    found = []
    for place, schema in (("path", operation.path_schema), ("query", operation.query)):
        for parameter in converter.converter.schema2parameters(schema(), location=place):
            parameter["schema"].pop("description", None)
            if parameter["name"] in operation.example:
                parameter["example"] = _example(parameter, operation.example[parameter["name"]])
            found.append(parameter)
    return found


def _example(parameter: dict[str, Any], value: str) -> Any:
    return int(value) if parameter["schema"].get("type") == "integer" else value


def _plain(value: Any) -> Any:
    """Patterns as every language reads them: Python alone writes the ends of a text otherwise."""
    if isinstance(value, dict):
        return {
            key: _pattern(item) if key == "pattern" and isinstance(item, str) else _plain(item)
            for key, item in value.items()
        }
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _pattern(pattern: str) -> str:
    return pattern.replace(r"\A", "^").replace(r"\Z", "$")


# --- answers ----------------------------------------------------------------------------------------------------------


def _openapi(request: Request) -> Response:
    return Response(msgspec.json.encode(specification(prefix_of(request.scope))), 200, CACHED, "application/json")


def _page(request: Request) -> Response:
    return HTMLResponse(_rendered(prefix_of(request.scope)), 200, CACHED)


def _style(_: Request) -> Response:
    return Response(_text("docs.css"), 200, CACHED, "text/css; charset=utf-8")


@cache
def _rendered(prefix: str) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(loader=PackageLoader("projections.api"), autoescape=True, undefined=StrictUndefined)
    return pages.get_template("docs.html").render(spec=specification(prefix), operations=OPERATIONS, prefix=prefix)


@cache
def _text(name: str) -> str:
    from importlib.resources import files

    return (files("projections.api") / "templates" / name).read_text("utf-8")
