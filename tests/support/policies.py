"""Policies as files, and with faults in them."""

import json
from pathlib import Path
from typing import Any

from domain.policy import Policy


def toml_of(policy: Policy, path: Path) -> Path:
    """A policy written as a TOML file, in another layout than that of the files that are shipped."""
    path.write_text("\n".join(_lines(json.loads(policy.content))))
    return path


def _lines(content: dict[str, Any]) -> list[str]:
    top = [f"{name} = {_value(value)}" for name, value in content.items() if name != "parameters"]
    return [*top, "[parameters]", *(f"{name} = {_value(value)}" for name, value in content["parameters"].items())]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + "}"
    return "[" + ", ".join(map(_value, value)) + "]" if isinstance(value, list) else json.dumps(value)


def with_faults(policy: Policy, **values: Any) -> str:
    """A policy's canonical JSON with other values for some parameters or dates, whatever they are."""
    content = json.loads(policy.content)
    for name, value in values.items():
        place = content["parameters"] if name in content["parameters"] else content
        if place is content:
            content[name] = value
        else:
            content["parameters"][name]["value"] = value
    return json.dumps(content)
