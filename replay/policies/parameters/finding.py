"""Which scheme's parameters are described, and where: in the module that bears the scheme's name."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from replay.policies.parameters.fields import Strict  # marshmallow, whose import replays do without


def has_parameters(scheme: str) -> bool:
    """Whether there is a schema of a scheme's parameters."""
    return find_spec(_module_of(scheme)) is not None


def parameters_of(scheme: str) -> "type[Strict]":
    """The schema of a scheme's parameters: `Parameters` of its module. Raises ImportError where there is none."""
    found: type[Strict] = import_module(_module_of(scheme)).Parameters
    return found


def _module_of(scheme: str) -> str:
    return f"{__package__}.{scheme.replace('-', '_')}"
