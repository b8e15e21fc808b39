"""A table of a page as it is sent: CSV, JSON or, where it is long, Parquet, with the moment that it is of."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from domain.calendar import shanghai_text
from domain.version import PROGRAM_VERSION
from projections.api.sheets import CSV_TYPE, PARQUET_TYPE, csv_of, moment_of, parquet_of
from projections.desk.exporting.tables import LONG, TABLES, columns_of
from projections.http.problems import not_found

PLACE: Final = "/table/{table}.{form}"
"""Behind the path of a page: one of its tables as a file."""
FORMS: Final = ("csv", "json", "parquet")
_HEADERS: Final = {"Cache-Control": "no-store"}


def exported(request: Request, template: str, values: Mapping[str, Any]) -> Response:
    """The table that a path names, of a page that is made of these values. Raises Problem where that has none such."""
    name, form = request.path_params["table"], request.path_params["form"]
    tables = TABLES[template](values) if template in TABLES else {}
    if name not in tables or form not in FORMS or (form == "parquet" and name not in LONG):
        raise not_found(request.url.path)
    about, rows = _about(values), [msgspec.to_builtins(row) for row in tables[name]]
    if form == "json":
        return Response(msgspec.json.encode({**about, "rows": rows}), 200, _HEADERS, "application/json")
    named = {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
    moment, columns = moment_of(about), columns_of(name, values)
    if form == "parquet":
        return Response(parquet_of(rows, moment, columns), 200, _HEADERS | named, PARQUET_TYPE)
    return Response(csv_of(rows, moment, columns), 200, _HEADERS | named, CSV_TYPE)


def _about(values: Mapping[str, Any]) -> dict[str, Any]:
    """Of which subject and moment the tables of a page are."""
    about: dict[str, Any] = {name: values[name] for name in ("subject", "scheme") if values.get(name) is not None}
    compared = getattr(values.get("found"), "found", None)
    sight, standing, rules = (values.get(name) for name in ("sight", "standing", "rules"))
    if compared is not None:
        about |= {"from": compared["from"], "to": compared["to"]}
    elif sight is not None:
        moment = sight.moment
        about |= {"position": moment.position, "as_of": shanghai_text(moment.as_of)}
        about["known_at"] = shanghai_text(moment.known_at)
    elif rules is not None:
        about |= {name: rules[name] for name in ("scheme", "policy", "policy_hash", "as_of", "against")}
    elif standing is not None:
        about |= {"position": standing.position, "as_of": shanghai_text(standing.as_of)}
    return {**about, "program": PROGRAM_VERSION}
