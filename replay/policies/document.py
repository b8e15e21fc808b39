"""What a policy, and the names beside it, must say, as marshmallow schemas: every fault of a file is found at once.

Only policies from outside go through here (`--policies`, `policy check`, `policy adopt`); those that come with the
program are checked by its tests.
"""

import json
from typing import Any, get_args

from marshmallow import fields, validate

from domain.fields import Scheme
from replay.policies.benefits import BENEFIT_PREFIX
from replay.policies.names_within import faults_within, without_names
from replay.policies.parameters.fields import ID, BenefitParameter, Instant, Strict, names_by_code
from replay.policies.parameters.finding import has_parameters, parameters_of


class _PolicySchema(Strict):
    scheme = fields.String(required=True, validate=validate.OneOf(get_args(Scheme)))
    id = fields.String(required=True, validate=ID)
    in_force_from = Instant(required=True)
    preview_from = Instant()
    recalculates_from = Instant()
    parameters = fields.Dict(required=True)


class _NamesSchema(Strict):
    levels = names_by_code("levels")
    benefits = names_by_code("benefits")


def faults_of_names(canonical: str) -> list[str]:
    """Every fault of a file of names, given as canonical JSON, by the place where it stands."""
    content = json.loads(canonical)
    return _lines(_NamesSchema().validate(content), content)


def faults_of(canonical: str) -> list[str]:
    """Every fault of a policy's canonical JSON, by the place where it stands; none when it can be used."""
    content = json.loads(canonical)
    found = _lines(_PolicySchema().validate(content), content)
    scheme = content.get("scheme")
    if scheme not in get_args(Scheme) or not has_parameters(scheme):
        return [*found, "parameters: not looked at, because the scheme is not known"]
    if not found and content.get("recalculates_from", "") > content["in_force_from"]:
        found.append("recalculates_from: must not be after in_force_from")
    if not found and content.get("preview_from", "") > content["in_force_from"]:
        found.append("preview_from: must not be after in_force_from")
    parameters = content.get("parameters")
    if isinstance(parameters, dict):
        found += faults_within(parameters, parameters_of(scheme).once_named)
        parameters = without_names(parameters)
        benefits = {name for name in parameters if name.startswith(BENEFIT_PREFIX)}
        errors: dict[str, Any] = parameters_of(scheme)().validate(
            {name: item for name, item in parameters.items() if name not in benefits}
        )
        errors |= {name: wrong for name in sorted(benefits) if (wrong := BenefitParameter().validate(parameters[name]))}
        found += _lines(errors, parameters, "parameters.")
        if "growth_caps" in parameters and not errors.keys() & {"levels", "growth_caps"}:
            found += _caps_that_fit_no_level(parameters)
    return found


def _caps_that_fit_no_level(parameters: dict[str, Any]) -> list[str]:
    """Growth caps begin at no level (""), and at levels that there are, in their order."""
    codes = ["", *(level["code"] for level in parameters["levels"]["value"])]
    starts = [cap["from"] for cap in parameters["growth_caps"]["value"]]
    place = "parameters.growth_caps.value"
    unknown = [code for code in starts if code not in codes]
    if unknown:
        return [f"{place}: must begin at levels that there are, found {', '.join(unknown)}"]
    if starts[:1] != [""] or [codes.index(code) for code in starts] != sorted({codes.index(code) for code in starts}):
        return [f'{place}: must begin with from = "" and rise in the order of levels, found {json.dumps(starts)}']
    return []


def _lines(messages: Any, value: Any, place: str = "") -> list[str]:
    """marshmallow's tree of messages as lines that name the place, what is wrong, and what was found there."""
    if not isinstance(messages, dict):
        return [f"{place.rstrip('.') or 'the policy'}: {_text(message)}{_found(value)}" for message in messages]
    lines = []
    for key, below in messages.items():
        inner = value if key == "_schema" else _at(value, key)
        lines += _lines(below, inner, place if key == "_schema" else f"{place}{key}.")
    return lines


def _at(value: Any, key: Any) -> Any:
    try:
        return value[key]
    except (LookupError, TypeError):
        return None


def _found(value: Any) -> str:
    """What stands in a place, unless it is large or nothing."""
    return "" if value is None or isinstance(value, (dict, list)) else f", found {json.dumps(value)}"


def _text(message: str) -> str:
    return message[:1].lower() + message[1:].rstrip(".")
