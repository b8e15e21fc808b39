"""The pages over all subjects: what an auditor has to look at, boards of agencies, and events."""

from typing import Any, Final, NamedTuple

from marshmallow import Schema
from sqlalchemy import func, select
from starlette.requests import Request
from starlette.responses import Response

from domain.policy import Policy
from projections.api.boards import read_board
from projections.api.found_events import EVENT, EVENTS, FoundBy, found_events, told_event
from projections.api.lists import WORKLIST
from projections.api.operations import reading_of
from projections.contract.parts.vocabulary import STATES
from projections.desk.framing.page import Asked, Page, PageLanguageQuery
from projections.desk.framing.rendering import address_of, rendered
from projections.http.parameters import BOARD, PERIOD, SCHEME_NAMES, RecordPath, choice, month, text, whole
from projections.http.scopes import (
    DECISIONS,
    EVERY_SUBJECT,
    EXPLANATIONS,
    LEVELS,
    Access,
    asker_of,
    note_access,
    require,
)
from projections.http.token_store import Keeping
from projections.reading.freshness import freshness
from projections.text.words.levels import shipped_level_names
from projections.worklist.answers import LISTS, distribution_json, totals_json, worklist_json
from projections.worklist.looking import Filters
from replay.errors import UsageError
from replay.history.search import Sought
from replay.policies.catalog import adopted_policies, shipped_revisions
from replay.schemes.registry import LEADERBOARD, ranking

ROWS: Final = 100
TOTALS: Final = "totals"


class WorklistQuery(PageLanguageQuery):
    list = choice((*LISTS, TOTALS), "Which list.")
    scheme = choice(SCHEME_NAMES, "Only rows of this scheme.")
    state = choice(STATES, "Only rows in which a subject is in this state.")
    level = text("Only rows in which this level stands, by its code.", longest=64)
    period = text("Only of this month, or of this day.", form=PERIOD)
    cursor = text("Where to go on.", longest=600)


def worklist(request: Request, asked: Asked) -> Response:
    """A page of a list, or the totals of all."""
    tells = asker_of(request).reader.sees_decisions
    names = [name for name, found in LISTS.items() if tells or not found.tells_decisions]
    name = asked.get("list") or names[0]
    if tells if name == TOTALS else LISTS[name].tells_decisions:
        require(request, DECISIONS)
        note_access(request, WORKLIST, asked)
    filters = Filters(*(asked.get(field) for field in Filters._fields))
    reading = reading_of(request)
    with reading.store() as store, reading.snapshot() as at:
        if name == TOTALS:
            found = totals_json(at, store, filters, tells_decisions=tells)
            found["distribution"] = distribution_json(at, store, filters)
        else:
            found = worklist_json(at, store, name, filters, asked.get("cursor"), ROWS)
        standing, behind = at.standing, freshness(at.standing, store.now())
    here = address_of(request)
    same = filters._asdict()
    values: dict[str, Any] = {"name": name, "names": [*names, TOTALS], "found": found, "tells": tells}
    values |= {"schemes": SCHEME_NAMES, "states": STATES, "standing": standing, "behind": behind}
    values |= {"level_names": shipped_level_names(asked["lang"])}
    values["as_api"] = here.now(f"/v1/worklist/{name}", lang=None, **same)
    values["as_distribution"] = here.now("/v1/levels/distribution", lang=None, **same)
    return rendered(request, "worklist.html", **values)


# --- boards -----------------------------------------------------------------------------------------------------------


MONTHS_MAX: Final = 120


class BoardPageQuery(PageLanguageQuery):
    month = month("Of which month; left out, the last that has a board.")


class BoardNamed(Schema):
    board = text("Code of the board, such as comprehensive.", form=BOARD, required=True)


class PlaceTwice(NamedTuple):
    """What stands at one rank, as decided and as known now; None where nobody does."""

    rank: int
    decided: dict[str, Any] | None
    now: dict[str, Any] | None

    @property
    def differs(self) -> bool:
        return self.decided != self.now


def boards(request: Request, asked: Asked) -> Response:
    """Every board with its months, by the year, the latest first."""
    with reading_of(request).snapshot() as at:
        places = at.tables["leaderboards"].c
        found: dict[str, dict[str, list[Any]]] = {}
        counted = select(places.board, places.month, func.count().label("rated")).group_by(places.board, places.month)
        for row in at.connection.execute(counted.order_by(places.board, places.month.desc())):
            found.setdefault(row.board, {}).setdefault(row.month[:4], []).append(row)
    return rendered(request, "boards.html", boards=found)


def board(request: Request, asked: Asked) -> Response:
    """One board of a month."""
    reading = reading_of(request)
    with reading.store() as store, reading.snapshot() as at:
        places = at.tables["leaderboards"].c
        months = select(places.month).where(places.board == asked["board"]).distinct().order_by(places.month.desc())
        listed = list(at.connection.execute(months.limit(MONTHS_MAX)).scalars())
        standing, behind = at.standing, freshness(at.standing, store.now())
    chosen = asked.get("month") or (listed[0] if listed else None)
    values: dict[str, Any] = {"board": asked["board"], "months": listed, "month": chosen, "found": None, "places": []}
    if chosen is not None:
        found = read_board(request, {"board": asked["board"], "month": chosen}).body
        values |= {"found": found, "places": places_of(found), "standing": standing, "behind": behind}
    ranked_by = ranking(LEADERBOARD)
    assert ranked_by is not None
    values |= {"scheme": ranked_by.code, "reads_decisions": asker_of(request).reader.sees_decisions}
    return rendered(request, "board.html", **values)


def places_of(found: dict[str, Any]) -> list[PlaceTwice]:
    """Rank by rank, what was decided beside what is known now."""
    now, decided = found["rows"], (found.get("decided") or {"rows": []})["rows"]
    return [
        PlaceTwice(
            rank + 1,
            decided[rank] if rank < len(decided) else None,
            now[rank] if rank < len(now) else None,
        )
        for rank in range(max(len(now), len(decided)))
    ]


# --- events -----------------------------------------------------------------------------------------------------------


class EventSearchQuery(FoundBy, PageLanguageQuery):
    cursor = text("Where to go on.", longest=600)


def event(request: Request, asked: Asked) -> Response:
    """One event."""
    found = told_event(request, int(asked["recorded"]))
    with reading_of(request).store() as store:
        schemes = [item["scheme"] for item in found["made"]]
        known = [policy for scheme in schemes for policy in shipped_revisions(scheme)]
        known += [item.policy for scheme in schemes for item in adopted_policies(store, scheme)]
    policies: dict[str, Policy] = {policy.hash: policy for policy in known}
    as_api = address_of(request).now(f"/v1/events/{asked['recorded']}", lang=None)
    is_subject = bool(schemes)
    return rendered(request, "event.html", found=found, policies=policies, as_api=as_api, is_subject=is_subject)


def events(request: Request, asked: Asked) -> Response:
    """Events that are sought, or the form alone."""
    found: dict[str, Any] | None = None
    problem = None
    if any(asked.get(name) is not None for name in Sought._fields):
        with reading_of(request).store() as store:
            try:
                found = found_events(store, asked | {"limit": ROWS}, asker_of(request).reader)
            except UsageError as error:
                if type(error) is not UsageError:
                    raise
                problem = str(error)
    here = address_of(request)
    same = {name: asked.get(name) for name in Sought._fields}
    as_api = here.now("/v1/events", lang=None, **same)
    return rendered(
        request, "events.html", found=found, problem=problem, as_api=as_api, fields=Sought._fields, asked=asked
    )


# --- who asked --------------------------------------------------------------------------------------------------------


ACCESSES: Final = Access("accesses", of_scheme=False, of_subject=False)


class AccessesQuery(PageLanguageQuery):
    subject = text("Only of this subject, kind/id.", longest=80)
    before = whole("Only those before this number.", 1, 10**18)


def accesses(request: Request, asked: Asked) -> Response:
    """Who asked the service for explanations and decisions; that this was asked is noted, too."""
    keeping: Keeping = request.app.state.askers.keeping()
    found = keeping.latest_accesses(asked.get("subject"), asked.get("before"), ROWS + 1)
    names = {token.number: token.name for token in keeping.tokens()}
    more = found[ROWS - 1].number if len(found) > ROWS else None
    shown: dict[str, Any] = {"accesses": found[:ROWS], "names": names, "more": more, "every_subject": EVERY_SUBJECT}
    return rendered(request, "accesses.html", **shown)


PAGES: Final = (
    Page(
        "/accesses", accesses, DECISIONS, Access("accesses", of_scheme=False, of_subject=False), AccessesQuery, Schema
    ),
    Page("/worklist", worklist, LEVELS, None, WorklistQuery, Schema),
    Page("/boards", boards, LEVELS, None, PageLanguageQuery, Schema),
    Page("/boards/{board}", board, LEVELS, None, BoardPageQuery, BoardNamed),
    Page("/events", events, EXPLANATIONS, EVENTS, EventSearchQuery, Schema),
    Page("/events/{recorded}", event, EXPLANATIONS, EVENT, PageLanguageQuery, RecordPath),
)
