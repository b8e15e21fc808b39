"""Answers made by replays: levels at a moment, histories, explanations, differences, events, decisions."""

from hashlib import sha256
from itertools import islice
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from domain.calendar import parse_day, parse_moment, parse_month, shanghai_text
from domain.version import PROGRAM_VERSION
from projections.api import levels
from projections.api.operations import Asked, Reply, reading_of, subject_of
from projections.http import problems
from projections.http.cursors import cursor_of, values_of
from projections.http.parameters import wrong
from projections.http.scopes import asker_of
from projections.views.belonging import placed
from replay.answers.diff import diff_json
from replay.answers.explain import ListedStretch, explain_stretch
from replay.answers.history import history_json
from replay.answers.replay import open_json, replay_json
from replay.decisions.decide import decisions_json
from replay.history.browse import Chosen, list_events
from replay.history.timeline import Asked as AskedMoment
from replay.history.timeline import Moment, has_subject, present_of, resolve
from replay.policies.catalog import Choice
from replay.replaying.base import Part, Replay
from replay.store.base.store import Store

HASH_CHARS = 64
CHAIN_CHARS = 16
"""So much of a chain hash tells in a cursor of which history its moment is."""


async def read_level(request: Request, asked: Asked) -> Reply | Response:
    """A level: as the views hold it, or replayed where a moment or policy is asked for."""
    if not request.scope["query_string"] or not (_names_moment(asked) or asked.get("policy")):
        return await levels.read_level(request, asked)
    if asked.get("min_position") is not None:
        raise wrong("min_position", "is for what the views hold; a replay is asked by position or known_at")
    return await run_in_threadpool(_replay_level, request, asked)


def _replay_level(request: Request, asked: Asked) -> Reply:
    found = replayed_of(request, asked)
    body = replay_json(found, asked["lang"])
    return Reply(body | {"score": found.score, "stale": False}, *_named(found, request, asked))


def read_history(request: Request, asked: Asked) -> Reply:
    """Each change of a level, with its cause."""
    found = replayed_of(request, asked)
    return Reply(history_json(found), *_named(found, request, asked))


def read_explanation(request: Request, asked: Asked) -> Reply:
    """A verdict or note for each event that bears on a level, a page at a time."""
    start = 0
    if asked.get("cursor") is not None:
        if _names_moment(asked):
            raise wrong("cursor", "names the moment of its first page; leave out as_of, known_at and position")
        as_of, position, chain, start = values_of(asked["cursor"], int, int, str, int)
        if start < 0:
            raise wrong("cursor", "is none that this service gave; begin again without it")
        found = replayed_of(request, asked, _moment_again(request, as_of, position, chain))
    else:
        found = replayed_of(request, asked)
    part = part_of(asked)
    stretch = ListedStretch(start, asked["limit"], asked.get("verdict"))
    body, total = explain_stretch(found, part, asked["lang"], stretch)
    end = start + asked["limit"]
    following = _cursor(found.moment, end) if end < total else None
    return Reply(body | {"listed": total, "next": following}, *_named(found, request, asked))


def part_of(asked: Asked) -> Part:
    """Which part of an explanation is asked for."""
    month, day = asked.get("month"), asked.get("day")
    return Part(
        None if month is None else parse_month(month), asked.get("event"), None if day is None else parse_day(day)
    )


def read_diff(request: Request, asked: Asked) -> Reply:
    """The difference of two replays, by cause and event."""
    other = asked | {"known_at": asked.get("to_known_at"), "position": asked.get("to_position")}
    other |= {name: asked[f"to_{name}"] for name in ("as_of", "policy") if asked.get(f"to_{name}") is not None}
    with reading_of(request).store() as store:
        _check_subject(store, subject_of(asked))
        present = present_of(store)
        first = resolve(store, _asked_moment(asked), present, "")
        named = any(asked.get(name) is not None for name in ("to_as_of", "to_known_at", "to_position"))
        prefix = "to-" if named else ""
        last = resolve(store, _asked_moment(other), present, prefix)
    start, end = replayed_of(request, asked, first), replayed_of(request, other, last)
    body = diff_json(start, end)
    etag = _etag(request, _depends_on(start), _depends_on(end))
    return Reply(body, etag, _is_fixed(asked, first) and _is_fixed(other, last))


def read_events(request: Request, asked: Asked) -> Reply:
    """The recorded events of a subject in the order of the ledger, a page at a time."""
    subject, limit, after = subject_of(asked), asked["limit"], 0
    reading = reading_of(request)
    with reading.store() as store:
        _check_subject(store, subject)
        if asked.get("cursor") is not None:
            if _names_moment(asked):
                raise wrong("cursor", "names the moment of its first page; leave out as_of, known_at and position")
            as_of, position, chain, after = values_of(asked["cursor"], int, int, str, int)
            moment = _checked(store, as_of, position, chain)
        else:
            moment = placed(store, resolve(store, _asked_moment(asked), None, ""))
        types = () if asked.get("type") is None else (asked["type"],)
        chosen = Chosen(asked.get("order"), types, after)
        found = list(islice(list_events(store, subject, chosen, moment, asker_of(request).reader), limit + 1))
    following = _cursor(moment, found[limit - 1]["position"]) if len(found) > limit else None
    body = {"subject": subject, **moment_json(moment), "events": found[:limit], "next": following}
    return Reply(body, _etag(request, [str(moment)]), _names_moment(asked) and _is_fixed(asked, moment, policy=False))


def read_decisions(request: Request, asked: Asked) -> Reply:
    """Every decision on a subject, in the order in which they were made."""
    with reading_of(request).store() as store:
        subject = subject_of(asked)
        _check_subject(store, subject)
        head = store.head()
        found = decisions_json(store, subject, asked.get("scheme"), asker_of(request).reader)
    body = {"subject": subject, "program": PROGRAM_VERSION, "position": head.position, "decisions": found}
    return Reply(body, _etag(request, [head.chain.hex()]))


def moment_json(moment: Moment) -> dict[str, Any]:
    return {
        "program": PROGRAM_VERSION,
        "position": moment.position,
        "as_of": shanghai_text(moment.as_of),
        "known_at": shanghai_text(moment.known_at),
        "asked_known_at": open_json(moment),
    }


def replayed_of(request: Request, asked: Asked, moment: Moment | None = None) -> Replay:
    """The replay that was asked for; where no moment was, that at which the views stand, if there are any."""
    reading = reading_of(request)
    if asked.get("scheme") is not None:
        levels.check_judges(asked["kind"], asked["scheme"])
    if moment is None and not _names_moment(asked):
        moment = reading.moment()
    with reading.store() as store:
        _check_subject(store, subject_of(asked))
        moment = moment or resolve(store, _asked_moment(asked), None, "")
    choice = Choice(asked.get("policy"))
    return reading.replay(subject_of(asked), asked.get("scheme"), moment, asker_of(request).reader, choice)


def _check_subject(store: Store, subject: str) -> None:
    if not has_subject(store, subject):
        raise problems.no_subject(subject)


def _moment_again(request: Request, as_of: int, position: int, chain: str) -> Moment:
    with reading_of(request).store() as store:
        return _checked(store, as_of, position, chain)


def _cursor(moment: Moment, following: int) -> str:
    """Where the next page begins, and of which moment all pages are."""
    return cursor_of(moment.as_of, moment.position, moment.chain[:CHAIN_CHARS], following)


def _checked(store: Store, as_of: int, position: int, chain: str) -> Moment:
    """The moment that a cursor names."""
    if not 1 <= position <= store.head().position or not 0 < as_of <= store.now():
        raise wrong("cursor", "is none that this service gave; begin again without it")
    found = placed(store, resolve(store, AskedMoment(position=position), None, "")._replace(as_of=as_of))
    if found.chain[:CHAIN_CHARS] != chain:
        raise wrong("cursor", "is of another history of the ledger; begin again without it")
    return found


def _names_moment(asked: Asked) -> bool:
    return any(asked.get(name) is not None for name in ("as_of", "known_at", "position"))


def _asked_moment(asked: Asked) -> AskedMoment:
    return AskedMoment(asked.get("as_of"), asked.get("known_at"), asked.get("position"))


def _is_fixed(asked: Asked, moment: Moment, *, policy: bool = True) -> bool:
    """Whether everything that decides the answer was named in full; the day of today is not: it goes on."""
    _, _, digest = (asked.get("policy") or "").partition("@")
    if asked.get("as_of") is None or asked.get("position") is None:
        return False
    is_past = parse_moment(asked["as_of"], 0) == moment.as_of
    return is_past and (not policy or len(digest) == HASH_CHARS)


def _named(found: Replay, request: Request, asked: Asked) -> tuple[str, bool]:
    return _etag(request, _depends_on(found)), _is_fixed(asked, found.moment)


def _depends_on(found: Replay) -> list[str]:
    policies = found.policies
    revisions = [policy.hash for policy in (*policies.own, *policies.beside, *policies.previewed)]
    return [found.subject, found.scheme, str(found.moment), *revisions]


def _etag(request: Request, *parts: list[str]) -> str:
    """Names the bytes of an answer by what they are made of: what was replayed, how, and for which reader."""
    reader = str(asker_of(request).reader)
    made_of = [PROGRAM_VERSION, reader, request.url.path, request.url.query, *(item for part in parts for item in part)]
    digest = sha256("\n".join(made_of).encode()).hexdigest()
    return f'"{digest[:32]}"'
