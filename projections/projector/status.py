"""The state of a ledger and its views: where they stand, how far behind, what is set aside, how a rebuild goes."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from domain.calendar import parse_instant, shanghai_text
from domain.limits import SECOND_MICROS
from projections.projector.fill import FILLING
from projections.reading.reader import Reading
from projections.views.belonging import problems_of
from projections.views.candidates import CandidateBuild, candidate_json, candidates, drift, shadow
from projections.views.database import BUILDING, FORMER, LIVE, Build, Views, open_views
from projections.views.location import has_views
from replay.errors import LevelbookError
from replay.history.browse import status
from replay.integrity.kept import Audit, Check, kept
from replay.store.base.store import Store


def operations_of(reading: Reading, *, needs_token: bool) -> dict[str, Any]:
    """The state of the ledger, of its views where there are any, and the last check and audit; where a token is needed,
    not where they lie.
    """
    with reading.store() as store:
        views = status_beside(store)
        if views is not None and needs_token:
            views["problems"] = [_nameless(text, store) for text in views["problems"]]
            views["set_aside"] = [{**row, "reason": _nameless(row["reason"], store)} for row in views["set_aside"]]
        made = kept(store)
        last = {"check": _last(made.checks), "audit": _last(made.audits), "damaged": made.damaged}
        return {"ledger": status(store), "views": views, **last}


def _last(made: Sequence[Check] | Sequence[Audit]) -> dict[str, Any] | None:
    """The last of some that were made, its instant in Shanghai."""
    if not made:
        return None
    return made[-1].to_json() | {"at": shanghai_text(parse_instant(made[-1].at))}


def _nameless(text: str, store: Store) -> str:
    return text.replace(store.name, "the ledger")


def status_beside(store: Store) -> dict[str, Any] | None:
    """The state of the views beside a ledger; None where there are none.

    Views that cannot be read are no fault of the ledger: what is wrong with them, and what to do, stands in `problems`.
    """
    if not has_views(store):
        return None
    try:
        with open_views(store, only_read=True) as views:
            return views_status(views)
    except LevelbookError as error:
        nothing: dict[str, Any] = {"live": None, "views": [], "set_aside": [], "rebuild": None, "former": None}
        nothing |= {"unexpected": 0, "candidates": []}
        return {**nothing, "problems": [str(error)]}


def passing_beside(store: Store) -> dict[str, Any]:
    """What goes on beside the live views of a ledger: the rebuild that is under way, and the shadow with the drift of
    its last day; None for each that there is not.
    """
    if not has_views(store):
        return {"rebuild": None, "shadow": None}
    with open_views(store, only_read=True) as views:
        with views.reading() as connection:
            build = views.in_role(connection, BUILDING)
        found = shadow_status(views)
    return {
        "rebuild": None if build is None else _rebuild_json(build, store.now()),
        "shadow": None if found is None else found | {"drift": _last_day(found["drift"])},
    }


def views_status(views: Views) -> dict[str, Any]:
    """What an operator wants to know of the views; a rebuild that is under way in another process is seen as it goes.

    `problems` says why the live ones are not of this ledger and its present.
    """
    store = views.store
    head, now = store.head(), store.now()
    with views.reading() as connection:
        builds = {build.role: build for build in views.builds(connection)}
        live = builds.get(LIVE)
        shown: list[dict[str, Any]] = []
        aside: list[dict[str, Any]] = []
        if live is not None:
            tables = views.tables(live.build)
            levels, set_aside = tables["levels"].c, tables["set_aside"]
            for scheme, count in connection.execute(
                select(levels.scheme, func.count()).group_by(levels.scheme).order_by(levels.scheme)
            ):
                shown.append({"scheme": scheme, "subjects": count})
            aside = [
                {name: row._mapping[name] for name in ("subject", "scheme", "position", "reason", "trace")}
                for row in connection.execute(select(set_aside).order_by(set_aside.c.subject, set_aside.c.scheme))
            ]
        at_hand = candidates(views, connection)
        others = [_candidate_json(views, connection, found, head.position, now) for found in at_hand]
    for view in shown:
        view["stale"] = sum(1 for row in aside if row["scheme"] == view["scheme"])
    return {
        "live": None if live is None else _build_json(live, head.position, now),
        "views": shown,
        "set_aside": aside,
        "unexpected": sum(1 for row in aside if row["trace"] is not None),
        "rebuild": None if BUILDING not in builds else _rebuild_json(builds[BUILDING], now),
        "former": None if FORMER not in builds else _build_json(builds[FORMER], head.position, now),
        "candidates": others,
        "problems": [] if live is None else problems_of(store, live),
    }


def _candidate_json(views: Views, connection: Connection, found: CandidateBuild, head: int, now: int) -> dict[str, Any]:
    """Where a build by candidate policies stands, and how many of its levels differed when that was last noted."""
    aside = select(func.count()).select_from(views.tables(found.build.build)["set_aside"])
    noted = drift(views, connection, found.hash)
    return {
        **_build_json(found.build, head, now),
        **candidate_json(found),
        "set_aside": connection.execute(aside).scalar_one(),
        "drift": _last_day(noted),
    }


def _last_day(noted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in noted if row["day"] == noted[-1]["day"]]


def _build_json(build: Build, head: int, now: int) -> dict[str, Any]:
    """Where a build stands, and how far it is behind the ledger in events and in seconds."""
    return {
        "build": build.build,
        "position": build.position,
        "as_of": shanghai_text(build.as_of),
        "moved_at": shanghai_text(build.moved_at),
        "program": build.program,
        "policies": json.loads(build.policies),
        "lag_events": max(head - build.position, 0),
        "lag_seconds": max(now - build.as_of, 0) // SECOND_MICROS,
        "ahead_seconds": max(build.as_of - now, 0) // SECOND_MICROS,
    }


def _rebuild_json(build: Build, now: int) -> dict[str, Any]:
    """How a rebuild goes: events a second so far, and seconds left at that rate while it fills."""
    seconds = max((build.moved_at - build.started_at) // SECOND_MICROS, 1)
    rate = build.done // seconds
    left = (build.total - build.done) // rate if build.phase == FILLING and rate else None
    return {
        "build": build.build,
        "phase": build.phase,
        "position": build.position,
        "as_of": shanghai_text(build.as_of),
        "done_events": build.done,
        "total_events": build.total,
        "events_per_second": rate,
        "seconds_left": left,
        "seconds_since_moved": max(now - build.moved_at, 0) // SECOND_MICROS,
    }


def shadow_status(views: Views) -> dict[str, Any] | None:
    """The shadow with all of its drift; None where there is none."""
    head, now = views.store.head().position, views.store.now()
    with views.reading() as connection:
        found = shadow(views, connection)
        if found is None:
            return None
        return _candidate_json(views, connection, found, head, now) | {"drift": drift(views, connection, found.hash)}
