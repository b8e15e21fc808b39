"""The pages of the desk: for each what it takes, who may read it, and from which model it is made."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from marshmallow import Schema
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from domain.calendar import shanghai_text
from projections.api.appeals import TIMES_REPLAYED
from projections.api.levels import check_judges
from projections.api.operations import reading_of
from projections.delivering.status import deliveries_told
from projections.desk import appeal_page as appeals
from projections.desk import differences_page as differences
from projections.desk.drawing.places import FRAMES, drawing_of
from projections.desk.exporting.files import PLACE
from projections.desk.framing.language import language_of, words_of
from projections.desk.framing.links import Address, subject_path
from projections.desk.framing.page import (
    AppealQuery,
    Asked,
    DifferencesQuery,
    FindQuery,
    Page,
    PageLanguageQuery,
    PageSchemeQuery,
    StandingQuery,
    SupposingQuery,
    WhyQuery,
)
from projections.desk.framing.rendering import NOT_KEPT, address_of, asset_bytes, rendered
from projections.desk.lab.pages import PAGES as LAB_PAGES
from projections.desk.lab.pages import try_candidate
from projections.desk.moment import Sight, check_subject, has_policy, looking, own_of, replayed, schemes_of, told_of
from projections.desk.overview_pages import PAGES as OVERVIEW_PAGES
from projections.desk.rules_page import PAGES as RULES_PAGES
from projections.desk.schemes.facet import Told
from projections.desk.schemes.registry import pages_of
from projections.desk.standing_page import (
    all_versions,
    disputes_of,
    shows_ways,
    standing_of,
    ways_or_why_not,
    what_if_of,
)
from projections.desk.timeline_page import mark_rows, timeline_of
from projections.desk.why_page import names_of, verdicts_of, why_of
from projections.http.parameters import (
    KINDS,
    PathReader,
    SubjectPath,
    choice,
    read_query,
)
from projections.http.problems import Problem, asked_wrongly, no_subject, no_views, not_found
from projections.http.scopes import DECISIONS, EVIDENCE, EXPLANATIONS, LEVELS, Access, asker_of, note_access, require
from projections.http.settings import Settings
from projections.projector.status import operations_of
from projections.reading.freshness import freshness
from projections.text.schemes.ahead.parts import Section
from projections.worklist import subjects as find
from replay.errors import UsageError
from replay.history.timeline import has_subject
from replay.schemes.registry import scheme_of

EVENTS_MAX: Final = 500
"""So many events of a step of a difference are shown; the appeal file and the API hold all."""
ROWS_MAX: Final = 200
"""So many changes and marks of a timeline are tabulated, the latest; all of them are drawn."""
CACHED: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
TYPES: Final = {
    "desk.css": "text/css; charset=utf-8",
    "htmx-4.0.1.min.js": "text/javascript; charset=utf-8",
    "htmx-LICENSE.txt": "text/plain; charset=utf-8",
    "mark.svg": "image/svg+xml",
}
"""The files of the desk, each with its kind."""


class AppealPath(SubjectPath):
    form = choice(appeals.FORMS, "The form of the file.", required=True)


def routes() -> list[BaseRoute]:
    """What the service mounts behind the routes of the API."""
    return [
        *(_route(page) for page in (*PAGES, *FILES)),
        Route("/lab", try_candidate, methods=["POST"]),
        Route("/static/{name}", _asset),
    ]


def error_page(request: Request, problem: Problem) -> Response:
    """A problem as a page; the service adds the problem's own headers."""
    return rendered(request, "error.html", status=problem.status, problem=problem)


def login_page(request: Request, problem: Problem | None, next_page: str) -> Response:
    """The form by which a token is exchanged for a session: posted to /login as `token` and `next`."""
    status = 200 if problem is None else problem.status
    return rendered(request, "login.html", status=status, problem=problem, next_page=next_page)


def _route(page: Page) -> Route:
    """A page behind its scope, with its parameters read; what a form sent becomes the one address of what it asks."""
    parameters, places = page.query(), PathReader(page.named())

    def endpoint(request: Request) -> Response:
        require(request, page.scope)
        clean = address_of(request).tidied()
        if clean is not None:
            return RedirectResponse(clean, 303, NOT_KEPT)
        asked = places.read(request) | read_query(parameters, request) | {"lang": language_of(request)}
        if asked.get("scheme") is not None and "kind" in asked and "id" in asked:
            check_judges(asked["kind"], asked["scheme"])
        if page.access is not None:
            note_access(request, page.access, asked)
        try:
            return page.make(request, asked)
        except UsageError as error:
            raise asked_wrongly(error) from None

    return Route(page.path, endpoint, methods=["GET"])


# --- finding and operating --------------------------------------------------------------------------------------------


def _find(request: Request, asked: Asked) -> Response:
    reader = asker_of(request).reader
    with looking(reading_of(request), reader, {}) as sight:
        if sight.views is None and sight.store.held is not None:
            return RedirectResponse(address_of(request).to(f"/subjects/{sight.store.held.subject}"), 303, NOT_KEPT)
        if sight.views is None:
            raise no_views()
        found = find.search(sight.views, asked.get("q", ""), asked.get("kind"), asked.get("after"))
        disputes = find.disputes_of(sight.views, sight.store, found, reader)
        decisions = find.recent_decisions(sight.views, reader)
        standing = sight.views.standing
        behind = freshness(standing, sight.store.now())
    return rendered(
        request,
        "find.html",
        search=found,
        as_api=address_of(request).now("/v1/subjects", lang=None, q=asked.get("q"), kind=asked.get("kind")),
        decisions=decisions,
        disputes=disputes,
        kinds=KINDS,
        reads_decisions=reader.sees_decisions,
        standing=standing,
        behind=behind,
    )


def _operations(request: Request, _: Asked) -> Response:
    settings: Settings = request.app.state.settings
    reading = reading_of(request)
    found = operations_of(reading, needs_token=settings.needs_token)
    return rendered(request, "operations.html", **found, deliveries=deliveries_told(reading))


# --- a subject --------------------------------------------------------------------------------------------------------


def _standing(request: Request, asked: Asked) -> Response:
    subject = f"{asked['kind']}/{asked['id']}"
    with looking(reading_of(request), asker_of(request).reader, asked) as sight:
        check_subject(sight, subject)
        told = [told_of(sight, subject, scheme, asked["lang"]) for scheme in _schemes(sight, subject, asked)]
        words = words_of(asked["lang"])
        cards = [
            standing_of(
                item,
                own_of(sight, subject, item),
                sight.moment.as_of,
                words,
                disputes_of(sight, subject, item),
                _ways(request, sight, subject, item, asked),
            )
            for item in told
            if item is not None
        ]
        return _framed(request, "standing.html", asked, sight, None, cards=cards, versions_of=all_versions)


def _ways(request: Request, sight: Sight, subject: str, told: Told, asked: Asked) -> Sequence[Section]:
    """The ways of a card to whom explanations are shown, written down as where the API is asked for them."""
    if EXPLANATIONS not in asker_of(request).scopes or not shows_ways(sight, subject, told):
        return ()
    note_access(request, Access("ways"), asked | {"scheme": told.scheme})
    return ways_or_why_not(sight, subject, told, words_of(asked["lang"]))


def _timeline(request: Request, asked: Asked) -> Response:
    with looking(reading_of(request), asker_of(request).reader, asked) as sight:
        subject, told = _told(sight, asked)
        timeline = timeline_of(sight, subject, told, partial(replayed, sight, subject, told.scheme))
        drawings = [drawn for frame in FRAMES if (drawn := drawing_of(timeline, frame)) is not None]
        return _framed(
            request,
            "timeline.html",
            asked,
            sight,
            told,
            timeline=timeline,
            mark_rows=mark_rows(timeline.marks),
            drawings=drawings,
            reads_decisions=sight.reader.sees_decisions,
            months=pages_of(told.scheme).periods.months(told),
            verdicts_of=verdicts_of,
            rows_max=ROWS_MAX,
        )


def _why(request: Request, asked: Asked) -> Response:
    with looking(reading_of(request), asker_of(request).reader, asked) as sight:
        subject, told = _told(sight, asked)
        why = why_of(sight, subject, told, asked, asked["lang"])
        months = pages_of(told.scheme).periods.months(told)
        named: dict[str, Any] = {} if why is None else names_of(why, told, asked["lang"])
        return _framed(
            request,
            "why.html",
            asked,
            sight,
            told,
            why=why,
            months=months,
            verdicts_of=verdicts_of,
            is_daily=scheme_of(told.scheme).periods.unit == "day",
            **named,
        )


def _what_if(request: Request, asked: Asked) -> Response:
    with looking(reading_of(request), asker_of(request).reader, asked) as sight:
        subject, told = _told(sight, asked)
        found = what_if_of(sight, subject, told, asked)
        return _framed(request, "what_if.html", asked, sight, told, found=found, own={"suppose", "count", "to"})


def _differences(request: Request, asked: Asked) -> Response:
    names_moment = any(asked.get(name) is not None for name in ("as_of", "known_at", "position"))
    if names_moment and asked.get("period") is not None:
        raise UsageError("period names a decision with its own moment; leave out as_of, known_at and position")
    with looking(reading_of(request), asker_of(request).reader, asked) as sight:
        subject, told = _told(sight, asked)
        decisions = differences.decisions_of(sight, subject, told.scheme)
        period = asked.get("period") or (decisions[0].period if decisions and not names_moment else None)
        found = None
        if period is not None:
            with sight.reading.room(subject, told.scheme, sight.store.head().position, TIMES_REPLAYED):
                found = differences.of_decision(sight, subject, told.scheme, asked | {"period": period}, asked["lang"])
        elif names_moment:
            found = differences.of_moments(sight, subject, told.scheme, asked, asked["lang"])
        permanent = None
        if found is not None:
            permanent = _permanent_difference(address_of(request), sight, told, found, asked["lang"])
        values = {"decisions": decisions, "found": found, "events_max": EVENTS_MAX}
        return _framed(request, "differences.html", asked, sight, told, permanent, **values)


def _evidence(request: Request, _: Asked) -> Response:
    with reading_of(request).store() as store:
        return rendered(request, "evidence.html", held=store.held)


def _appeal(request: Request, asked: Asked) -> Response:
    with looking(reading_of(request), asker_of(request).reader, {}) as sight:
        subject, told = _told(sight, asked)
        decisions = differences.decisions_of(sight, subject, told.scheme)
        is_daily = scheme_of(told.scheme).periods.unit == "day"
        values: dict[str, Any] = {"decisions": decisions, "forms": appeals.FORMS, "is_daily": is_daily}
        values["evidence_path"] = f"/v1{subject_path(subject, 'evidence')}"
        values["has_evidence"] = sight.store.held is None and {EVIDENCE, DECISIONS} <= asker_of(request).scopes
        return _framed(request, "appeal.html", asked, sight, told, **values)


def _appeal_file(request: Request, asked: Asked) -> Response:
    subject = f"{asked['kind']}/{asked['id']}"
    if asked.get("period") is None:
        raise UsageError("period is missing; name the month or day whose level is disputed")
    with reading_of(request).store() as store:
        if not has_subject(store, subject):
            raise no_subject(subject)
        scheme = asked.get("scheme") or schemes_of(store, subject)[0]
        reader = asker_of(request).reader
        wanted = appeals.Wanted(subject, scheme, asked["period"], asked.get("run"), asked["lang"], reader)
        reading = reading_of(request)
        with reading.room(subject, scheme, store.head().position, TIMES_REPLAYED):
            file = appeals.file_of(store, wanted, asked["form"])
    headers = NOT_KEPT | {"Content-Disposition": f'attachment; filename="{file.name}"'}
    return Response(file.content, 200, headers, file.media_type)


def _schemes(sight: Sight, subject: str, asked: Asked) -> list[str]:
    """The schemes that judge a subject; of one policy alone, its own."""
    schemes = schemes_of(sight.store, subject)
    if asked.get("policy") is None:
        return schemes
    found = [scheme for scheme in schemes if has_policy(sight.store, scheme, asked["policy"])]
    return found or schemes[:1]


def _told(sight: Sight, asked: Asked) -> tuple[str, Told]:
    """The subject that a page is about, in the scheme that was asked for or the first that judges it."""
    subject = f"{asked['kind']}/{asked['id']}"
    check_subject(sight, subject)
    scheme = asked.get("scheme") or schemes_of(sight.store, subject)[0]
    told = told_of(sight, subject, scheme, asked["lang"])
    if told is None:
        detail = f"the views hold no {scheme} of {subject} yet; ask with an as_of, and it is replayed"
        raise Problem(404, "no-level-yet", "There is no level yet", detail, field="scheme")
    return subject, told


def _framed(
    request: Request,
    template: str,
    asked: Asked,
    sight: Sight,
    told: Told | None,
    permanent: str | None = None,
    **values: Any,
) -> Response:
    """A page about a subject: with the moment that it shows, and a link that shows the same for ever."""
    subject = f"{asked['kind']}/{asked['id']}"
    here = address_of(request)
    return rendered(
        request,
        template,
        subject=subject,
        kind=asked["kind"],
        schemes=schemes_of(sight.store, subject),
        scheme=None if told is None else told.scheme,
        facet=None if told is None else pages_of(told.scheme),
        told=told,
        sight=sight,
        asked=asked,
        permanent=permanent or _permanent(here, sight, told, asked["lang"]),
        behind=None if sight.views is None else freshness(sight.views.standing, sight.store.now()),
        **values,
    )


def _permanent(here: Address, sight: Sight, told: Told | None, language: str) -> str:
    """A link to exactly this: the moment in full, and a policy, where one was chosen, by its whole hash."""
    policy = here.query.get("policy")
    if policy is not None and told is not None:
        chosen = told.policies.own[0]
        policy = f"{chosen.id}@{chosen.hash}"
    as_of, position = shanghai_text(sight.moment.as_of), sight.moment.position
    return here.to(as_of=as_of, position=position, known_at=None, policy=policy, lang=language)


def _permanent_difference(
    here: Address, sight: Sight, told: Told, found: differences.Differences, language: str
) -> str:
    """A link to exactly these two tellings: a decision by its run, the later one by its position."""
    end = found.found["to"]["position"]
    if found.period is None:
        moved = Address(here.path, here.query | {"to_position": str(end)})
        return _permanent(moved, sight, told, language)
    run = found.decided["run"] if found.decided is not None and found.decided["is_of_period"] else None
    return here.to(period=found.period, run=run, to_position=end, lang=language)


def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in TYPES:
        raise not_found(request.url.path)
    return Response(asset_bytes(name), 200, CACHED, TYPES[name])


# --- the table --------------------------------------------------------------------------------------------------------

_SUBJECT: Final = "/subjects/{kind}/{id}"
PAGES: Final = (
    Page("/", _find, LEVELS, None, FindQuery, Schema),
    Page("/evidence", _evidence, LEVELS, None, PageLanguageQuery, Schema),
    Page("/operations", _operations, LEVELS, None, PageLanguageQuery, Schema),
    *OVERVIEW_PAGES,
    *LAB_PAGES,
    *RULES_PAGES,
    Page(_SUBJECT, _standing, LEVELS, None, StandingQuery),
    Page(f"{_SUBJECT}/timeline", _timeline, LEVELS, None, PageSchemeQuery),
    Page(f"{_SUBJECT}/why", _why, EXPLANATIONS, Access("explanation"), WhyQuery),
    Page(f"{_SUBJECT}/what-if", _what_if, EXPLANATIONS, Access("what_if"), SupposingQuery),
    Page(f"{_SUBJECT}/differences", _differences, EXPLANATIONS, Access("diff"), DifferencesQuery),
    Page(f"{_SUBJECT}/appeal", _appeal, EXPLANATIONS, Access("appeal"), AppealQuery),
    Page(f"{_SUBJECT}/appeal/file.{{form}}", _appeal_file, EXPLANATIONS, Access("appeal"), AppealQuery, AppealPath),
)
"""Every page but those of signing in and of errors; a test walks them."""
_TABULATED: Final = [page for page in PAGES if page.named is not AppealPath]
FILES: Final = tuple(page._replace(path=page.path.rstrip("/") + PLACE) for page in _TABULATED)
"""The tables of the pages as files, under their scopes."""
