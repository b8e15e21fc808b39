"""The appeal file as the desk hands it out: what `levelbook appeal` prints, in one of its forms, under a name."""

import json
from typing import Final, NamedTuple

from projections.api.appeals import period_named
from projections.desk.appeal_document import document_of
from projections.text.appeal import appeal_lines
from projections.text.words import Words
from replay.decisions.appeal import appeal_of
from replay.history.readers import Reader
from replay.store.base.store import Store

_TYPES: Final = {"html": "text/html", "json": "application/json", "txt": "text/plain"}
FORMS: Final = tuple(_TYPES)


class Wanted(NamedTuple):
    """Whose level of which period is disputed."""

    subject: str
    scheme: str
    period: str
    run: str | None
    language: str
    reader: Reader


class File(NamedTuple):
    """A file to be downloaded."""

    name: str
    content: bytes
    media_type: str


def file_of(store: Store, wanted: Wanted, form: str) -> File:
    """The appeal file. Raises UsageError for a period that the scheme has not, and for an unknown subject."""
    period = period_named(store, wanted.scheme, wanted.period)
    appeal = appeal_of(store, wanted.subject, wanted.scheme, period, wanted.run, wanted.language, wanted.reader)
    found = appeal.found
    if form == "json":
        content = json.dumps(found, ensure_ascii=False, indent=2)
    elif form == "html":
        content = document_of(store, appeal, wanted.language, wanted.reader)
    else:
        content = "\n".join(appeal_lines(found, Words(wanted.language, found["level_names"]))) + "\n"
    name = f"appeal-{wanted.subject.replace('/', '-')}-{wanted.scheme}-{wanted.period}.{form}"
    return File(name, content.encode(), _TYPES[form])
