"""Levels as the views hold them: of one subject, of many, page by page."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, false, tuple_
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import Scope

from domain.calendar import day_of, day_start, day_text, parse_day, parse_instant, shanghai_text
from projections.api.operations import Asked, Reply, reading_of, subject_of
from projections.contract.api import BatchBody
from projections.http import problems
from projections.http.cursors import cursor_of, values_of
from projections.http.parameters import read_body, wrong
from projections.http.problems import Problem
from projections.http.scopes import Asker, asker_of
from projections.reading.freshness import Judges, ViewsStanding, freshness_json, standing_json
from projections.reading.memory import LATER, AnswerKey, Remembered, remembered
from projections.reading.point_reads import Level, PointRead
from projections.reading.reader import Reading, levels_query
from projections.schemes.registry import view_of
from projections.schemes.shared.viewed import Viewed
from projections.views.rows import SubjectRows
from replay.history.readers import Reader
from replay.history.timeline import has_subject
from replay.rendering.clauses import points_text
from replay.replaying.base import Policies
from replay.schemes.registry import scheme_of, schemes_of
from replay.store.base.store import Store

BODY_BYTES_MAX: Final = 262_144


# --- one subject ------------------------------------------------------------------------------------------------------


async def read_level(request: Request, asked: Asked) -> Reply:
    """The level of one subject in one scheme, as the views hold it."""
    reading = reading_of(request)
    subject, scheme, language = subject_of(asked), asked["scheme"], asked["lang"]
    reader = asker_of(request).reader
    check_judges(asked["kind"], scheme)

    def work(store: Store, point: PointRead) -> _FoundLevels:
        standing = point.standing
        if not point.levels:
            raise _no_level(store, subject, scheme, standing)
        told = _Telling(standing, reading.judges(standing.policies), language, store, reader)
        body = level_json(point.levels[0], point.rows(point.levels[0]), told)
        return _FoundLevels(body, standing, store.now())

    return _kept(request, language, await reading.points.read(subject, scheme, work))


async def read_levels_of(request: Request, asked: Asked) -> Reply:
    """The levels of one subject in every scheme that judges it."""
    reading = reading_of(request)
    subject, language, reader = subject_of(asked), asked["lang"], asker_of(request).reader

    def work(store: Store, point: PointRead) -> _FoundLevels:
        if not point.levels and not has_subject(store, subject):
            raise problems.no_subject(subject)
        standing = point.standing
        told = _Telling(standing, reading.judges(standing.policies), language, store, reader)
        levels = [level_json(row, point.rows(row), told) for row in point.levels]
        body = {"subject": subject, **standing_json(standing, store), "freshness": LATER, "levels": levels}
        return _FoundLevels(body, standing, store.now())

    return _kept(request, language, await reading.points.read(subject, None, work))


class _FoundLevels(NamedTuple):
    """What was found of a subject's levels: a body in which `LATER` stands for how fresh it is."""

    body: Any
    standing: ViewsStanding
    now: int


def _kept(request: Request, language: str, found: _FoundLevels) -> Reply:
    """The answer, which is remembered for those who ask the same."""
    answer = remembered(request.scope["levelbook.operation"], found.standing.etag(language), found.body)
    reading_of(request).points.keep(found.standing, answer_key(request.scope), answer)
    return reply_of(answer, freshness_json(found.standing, found.now))


def reply_of(answer: Remembered, freshness: bytes) -> Reply:
    return Reply(msgspec.Raw(answer.body(freshness)), answer.etag)


def answer_key(scope: Scope) -> AnswerKey:
    """By what an answer is remembered: all that is asked in a request, and whether who asks may see decisions."""
    asker: Asker = scope["levelbook.asker"]
    return scope["path"], scope["query_string"], asker.reader


def check_judges(kind: str, scheme: str) -> None:
    """Raises Problem for a scheme that does not judge subjects of a kind."""
    names = [item.code for item in schemes_of(kind)]
    if scheme not in names:
        raise Problem(
            404,
            "does-not-judge",
            "The scheme does not judge such a subject",
            f"scheme {scheme} does not judge {kind}/…; ask for {' or '.join(names)}",
            field="scheme",
        )


class _Telling(NamedTuple):
    """Where the views stand, and for whom a level is told."""

    standing: ViewsStanding
    judges: Judges
    language: str
    store: Store
    reader: Reader


def level_json(row: Level, rows: SubjectRows, telling: _Telling) -> msgspec.Raw:
    """A level in the words of a replay, encoded; `LATER` says how fresh it is."""
    standing, judges, language, store, reader = telling
    key = (*standing[:_PLACE], row.scheme, row.policy_hash, language)
    told: _Told | None = judges.told.get(key)
    if told is None:
        if len(judges.told) >= TOLD_MAX:
            judges.told.clear()
        told = judges.told[key] = _told(row, telling)
    viewed = Viewed(
        row.subject, row, told.policies, standing.as_of, standing.position, reader, rows, judges.by_hash, store
    )
    own = view_of(row.scheme).own_json(viewed)
    shown = {
        "subject": row.subject,
        "freshness": LATER,
        "state": row.state,
        "level": row.level,
        "level_name": told.level_names.get(row.level or ""),
        "score": row.score,
        "effective": _effective_json(row),
        "stale": bool(row.stale),
        **own,
        **view_of(row.scheme).then_json(viewed),
        "next_level_name": told.level_names.get(own["next_level"] or ""),
    }
    if told.has_points:
        shown["points"] = points_text(row.score or 0)
    return msgspec.Raw(told.beginning + _encode(shown)[1:])


class _Told(NamedTuple):
    """What all levels of a scheme under one policy say at one moment."""

    beginning: bytes
    """Of their JSON, with the comma before what is a level's own."""
    level_names: dict[str, str]
    has_points: bool
    policies: Policies


TOLD_MAX: Final = 256
_PLACE: Final = 4
"""Build, position, as_of and chain hash: they name a moment, and with it everything that is shown of it."""
_encode: Final = msgspec.json.Encoder().encode


def _told(row: Level, telling: _Telling) -> _Told:
    standing, judges, language, store, _ = telling
    policies = judges.taking_part(row.scheme, store, standing)
    shared = {
        "scheme": row.scheme,
        **standing_json(standing, store),
        "asked_known_at": None,
        "policy": row.policy,
        "policy_hash": row.policy_hash,
        "in_force": judges.in_force(row.policy_hash, standing.as_of),
        "policies": judges.policies(row.scheme),
        "assumed": judges.assumed(row.scheme),
    }
    del shared["freshness"]
    beginning = _encode(shared)[:-1] + b","
    names, has_points = judges.level_names(row.scheme, language), scheme_of(row.scheme).replay.has_points
    return _Told(beginning, names, has_points, policies)


def row_json(row: Level) -> dict[str, Any]:
    """A level among many: what a copy of it holds."""
    return {
        "subject": row.subject,
        "scheme": row.scheme,
        "state": row.state,
        "level": row.level,
        "score": row.score,
        "effective": _effective_json(row),
        "policy": row.policy,
        "policy_hash": row.policy_hash,
        "assumed": bool(row.assumed),
        "stale": bool(row.stale),
        "changed_position": row.changed_position,
    }


def _effective_json(row: Level) -> dict[str, Any]:
    since = row.effective_since
    told = None if since is None else _since_text(row.scheme, since)
    return {"state": row.effective_state, "level": row.effective_level, "since": told}


@lru_cache(1_000)
def _since_text(scheme: str, since: int) -> str:
    """The day, of schemes that judge by the day; else the instant."""
    return day_text(day_of(since)) if scheme_of(scheme).periods.unit == "day" else shanghai_text(since)


def _no_level(store: Store, subject: str, scheme: str, standing: ViewsStanding) -> Problem:
    if not has_subject(store, subject):
        return problems.no_subject(subject)
    return Problem(
        404,
        "no-level-yet",
        "There is no level yet",
        f"the views hold no {scheme} of {subject} at position {standing.position}: it was recorded later (ask with"
        " min_position), or could not be worked out ('levelbook status' says why); a replay, by as_of, needs no view",
        field="scheme",
    )


# --- many -------------------------------------------------------------------------------------------------------------


def read_page(request: Request, asked: Asked) -> Reply:
    """Levels in the order of subject and scheme, a page at a time."""
    reading, limit = reading_of(request), asked["limit"]
    after = None if asked.get("cursor") is None else values_of(asked["cursor"], str, str)
    with reading.store() as store, reading.snapshot() as at:
        levels = at.tables["levels"].c
        where = [levels[name] == asked[name] for name in ("scheme", "level") if asked.get(name) is not None]
        if asked.get("changed_since") is not None:
            where.append(reading.changes.c.as_of >= _instant_of(asked["changed_since"]))
        if after is not None:
            where.append(tuple_(levels.subject, levels.scheme) > tuple_(*after))
        query = levels_query(at, reading.changes, *where).order_by(levels.subject, levels.scheme).limit(limit + 1)
        rows = [Level(*row) for row in at.connection.execute(query)]
        following = cursor_of(*rows[limit - 1][:2]) if len(rows) > limit else None
        return _rows_answer(reading, at.standing, store, rows[:limit], request, next=following)


async def read_batch(request: Request, asked: Asked) -> Reply:
    """The levels of many subjects, named in the body."""
    body = read_body(BatchBody(), await sent_json(request))
    return await run_in_threadpool(_read_batch, request, body)


def _read_batch(request: Request, body: Asked) -> Reply:
    reading = reading_of(request)
    wanted = list(dict.fromkeys(body["subjects"]))
    with reading.store() as store, reading.snapshot() as at:
        levels = at.tables["levels"].c
        where: list[ColumnElement[bool]] = [levels.subject.in_(wanted) if wanted else false()]
        if body.get("scheme") is not None:
            where.append(levels.scheme == body["scheme"])
        query = levels_query(at, reading.changes, *where).order_by(levels.subject, levels.scheme)
        rows = [Level(*row) for row in at.connection.execute(query)]
        there = {row.subject for row in rows}
        missing = [subject for subject in wanted if subject not in there]
        return _rows_answer(reading, at.standing, store, rows, request, missing=missing)._replace(etag=None)


def _rows_answer(
    reading: Reading, standing: ViewsStanding, store: Store, rows: Sequence[Level], request: Request, **rest: Any
) -> Reply:
    body = {
        **standing_json(standing, store),
        "feed": reading.feed_cursor(standing.number),
        "levels": [row_json(row) for row in rows],
        **rest,
    }
    return Reply(body, standing.etag(_digest(request.url.query)))


def _digest(query: str) -> str:
    from hashlib import sha256

    return sha256(query.encode()).hexdigest()[:16]


def _instant_of(text: str) -> int:
    """An instant, or the first moment of a day."""
    try:
        return parse_instant(text) if "T" in text else day_start(parse_day(text))
    except ValueError as error:
        raise wrong("changed_since", f"{text!r} {error}; give a date or an instant") from None


async def sent_json(request: Request) -> Any:
    """The JSON that was sent, of a bounded size."""
    read = bytearray()
    async for piece in request.stream():
        read += piece
        if len(read) > BODY_BYTES_MAX:
            raise Problem(
                413,
                "too-much",
                "The body is too long",
                f"the body is over {BODY_BYTES_MAX} bytes; name fewer of what it lists",
            )
    try:
        return msgspec.json.decode(read)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise wrong("body", "is not JSON") from None
