"""What comes next, as answers say it: when a level is evaluated, published and updated."""

from typing import Any


def next_dates_json(
    evaluation: str | None, publication: str | None = None, update: str | None = None
) -> dict[str, Any]:
    """The next evaluation, the next publication in schemes that publish, and when what is shown may change next: with
    these, where it is not given.
    """
    return {"evaluation": evaluation, "publication": publication, "update": update or publication or evaluation}
