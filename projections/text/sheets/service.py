"""Lists of commands as the service gives them: the same rows in the same columns."""

from collections.abc import Mapping
from typing import Any, Final

import click

from projections.text.output import write

_NO_MORE: Final[dict[str, str]] = {}
WORKLISTS: Final = {
    "differing": "readDiffering",
    "announced": "readAnnounced",
    "changed": "readChanged",
    "set-aside": "readSetAside",
    "totals": "readTotals",
    "distribution": "readDistribution",
}
"""By the name of a list, the operation of the service that gives it."""
MADE: Final = dict.fromkeys(("made.verdict", "made.points", "made.note", "made.policy", "made.policy_hash"), "text")
"""What a scheme made of an event, where one was asked."""


def print_sheet(form: str, operation: str, body: dict[str, Any], more: Mapping[str, str] = _NO_MORE) -> None:
    """The rows of an answer as an operation of the service gives them; `more` are columns that it has not."""
    from projections.api.operations import sheet_of
    from projections.api.routes import OPERATIONS

    (asked,) = (item for item in OPERATIONS if item.name == operation)
    write(sheet_of(asked, body, form, more))
    if body.get("next") is not None:
        click.echo(f"there are more rows: --cursor {body['next']}", err=True)
