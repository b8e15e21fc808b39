"""Which scheme judges a subject."""

from typing import Final

from domain import reputation
from replay.errors import UsageError
from replay.store import Store
from replay.timeline import has_subject

SCHEMES: Final[dict[str, tuple[str, ...]]] = {"merchant": (reputation.SCHEME,)}
"""By kind of subject, the schemes that judge it."""


def scheme_of(store: Store, subject: str, asked: str | None) -> str:
    """The scheme that was asked for, or the only one there is for a subject.

    Raises UsageError for a subject that no scheme judges, that the ledger does not know, or that has several.
    """
    schemes = SCHEMES.get(subject.partition("/")[0], ())
    if not schemes or "/" not in subject:
        raise UsageError(f"{subject} is not a merchant; {reputation.SCHEME} judges merchant/<id>")
    if asked is not None and asked not in schemes:
        raise UsageError(f"{asked} does not judge {subject}; {', '.join(schemes)} does")
    if not has_subject(store, subject):
        raise UsageError(f"the ledger knows no {subject}; 'levelbook subjects merchant' lists them")
    return asked or schemes[0]
