"""What the text answers ask of a scheme."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from projections.text.words import Words

Found = dict[str, Any]
"""An answer as JSON, or a part of one."""


class Evaluations(NamedTuple):
    """How a scheme of rules tells of an evaluation."""

    heading: Callable[[Found, Mapping[str, str], Words], str]
    """What it came to; what rules are called stands beside it."""
    rested_on: Callable[[Found, Words], Iterator[str]]
    """Lines below the rules, of what else the evaluation rests on."""


class SchemeText(NamedTuple):
    """A scheme's own part of the text answers."""

    lines: Callable[[Found, Words], Iterator[str]]
    """The part of a replay's text that only this scheme has."""
    evaluations: Evaluations | None
    """None where no rules are evaluated, and verdicts alone make the level."""
