"""Evidence by the service: the file that `levelbook evidence --gzip` makes, sent while it is read."""

from collections.abc import Iterator
from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import IO, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from domain.calendar import parse_day, parse_month
from projections.api.operations import Asked, reading_of, subject_of
from projections.http.problems import no_checkpoint, no_subject
from projections.http.scopes import asker_of
from replay.errors import UsageError
from replay.evidence.making import make_evidence
from replay.evidence.pointing import EvidenceAsked, file_name, pointed_at
from replay.evidence.under import NoCheckpointError, sealed_ledger
from replay.history.timeline import Asked as AskedMoment
from replay.history.timeline import has_subject

EVIDENCE_TYPE: Final = "application/gzip"
_CHUNK_BYTES: Final = 1 << 18
_MONTH_CHARS: Final = len("2022-11")


def read_evidence(request: Request, asked: Asked) -> Response:
    """Evidence of what is asked for. Raises HiddenError for a reader who may not see decisions: they stand in it."""
    asker_of(request).reader.check("level.decided")
    subject, wanted = subject_of(asked), _wanted(asked)
    with ExitStack() as opened, reading_of(request).store() as store:
        if not has_subject(store, subject):
            raise no_subject(subject)
        try:
            sealed = sealed_ledger(store)
        except NoCheckpointError:
            raise no_checkpoint() from None
        pointed = pointed_at(store, subject, sealed.size, wanted, "")
        file = opened.enter_context(TemporaryFile())
        make_evidence(store, file, pointed, sealed, compressed=True)
        file.seek(0)
        opened.pop_all()
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{file_name(pointed)}"',
    }
    return StreamingResponse(_chunks(file), 200, headers, EVIDENCE_TYPE)


def _wanted(asked: Asked) -> EvidenceAsked:
    moment = AskedMoment(asked.get("as_of"), asked.get("known_at"), asked.get("position"))
    month, day = _parsed(asked.get("period"))
    return EvidenceAsked(asked.get("scheme"), month, day, asked.get("decision"), moment)


def _parsed(period: str | None) -> tuple[int | None, int | None]:
    """The month, or the day."""
    if period is None:
        return None, None
    try:
        return (parse_month(period), None) if len(period) == _MONTH_CHARS else (None, parse_day(period))
    except ValueError as error:
        raise UsageError(f"period {period!r} {error}") from None


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
