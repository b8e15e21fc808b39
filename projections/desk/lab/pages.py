"""The lab: candidates, a form that tries one, the reports that were kept, and one of them as a page."""

import shlex
from collections.abc import Mapping
from typing import Any, Final

from marshmallow import Schema, fields
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from projections.api.boards import TRIED, ReportPath, folder_of, no_report
from projections.api.operations import reading_of
from projections.desk.framing.language import language_of, words_of
from projections.desk.framing.page import Asked, Page, PageLanguageQuery
from projections.desk.framing.rendering import NOT_KEPT, address_of, rendered
from projections.desk.lab.document import scope_of
from projections.http.forms import check_same_origin, read_form
from projections.http.parameters import SCHEME_NAMES, Query, choice, month, read_body, text, whole
from projections.http.problems import Problem, asked_wrongly
from projections.http.scopes import TRYING, note_access, require
from projections.http.settings import Settings, prefix_of
from projections.reading.trial_reports import candidate_files, kept_report, kept_reports
from projections.reading.trying import TOO_LARGE, TOO_LONG, UNDER_WAY, WantedTrial, check_trial, tried
from replay.errors import UsageError
from replay.lab.trial import GROUPINGS, AskedTrial
from replay.policies.catalog import revisions
from replay.schemes.registry import SCHEMES
from replay.store.base.store import Store

SAMPLE_MAX: Final = 1_000_000
FAULTY: Final = "faulty-candidate"
_YES: Final = "yes"
"""What a box that is ticked sends."""
TRIAL_FIELDS: Final[dict[str, fields.Field[Any]]] = {
    "candidate": text("The file of the candidate.", form=r"\A[^/\\\x00-\x1f]{1,100}\.toml\Z", required=True),
    "scheme": choice(SCHEME_NAMES, "Whose levels; left out, those of the candidate."),
    "from": month("The first month."),
    "to": month("The last month; without both, one moment."),
    "by": choice(GROUPINGS, "By what is grouped; left out, by each."),
    "hindsight": choice((_YES,), "By all that is known now, too."),
    "sensitivity": choice((_YES,), "How many move where a threshold is a step lower or higher."),
    "sample": whole("Of so many subjects.", 1, SAMPLE_MAX),
}
_FORM: Final = Query.from_dict({**TRIAL_FIELDS}, name="TrialForm")()
_SAID_IN_THE_FORM: Final = (TOO_LARGE, TOO_LONG, UNDER_WAY, "wrong-parameter", FAULTY)


def lab(request: Request, _: Asked) -> Response:
    """Candidates in the folder, versions that are adopted and not in force yet, and the reports that are kept."""
    return _shown(request, {}, None)


def _shown(request: Request, given: Mapping[str, str], problem: Problem | None) -> Response:
    """The page; with a form as it was sent, and what was wrong with it."""
    with reading_of(request).store() as store:
        folder = folder_of(request, store)
        files, reports, coming = candidate_files(folder), kept_reports(folder), _coming(store)
    response = rendered(
        request,
        "lab.html",
        status=200 if problem is None else problem.status,
        files=files,
        coming=coming,
        reports=reports,
        commands={item.name: command_of({"candidate": item.name}) for item in files},
        given=given,
        problem=problem,
        command=command_of(given) if given.get("candidate") else None,
        groupings=GROUPINGS,
        schemes=SCHEME_NAMES,
        sample_max=SAMPLE_MAX,
    )
    response.headers.update({} if problem is None else problem.headers)
    return response


def _coming(store: Store) -> list[Any]:
    now = store.now()
    return [
        item.policy
        for scheme in SCHEMES
        if store.holds(f"policy/{scheme}")
        for item in revisions(store, None, scheme)
        if item.adopted and item.used and item.policy.in_force_from > now
    ]


def command_of(given: Mapping[str, str]) -> str:
    """The command that tries what a form asks for."""
    words = ["levelbook", "policy", "try", given["candidate"]]
    for name in ("scheme", "from", "to", "by", "sample"):
        words += [f"--{name}", given[name]] if given.get(name) else []
    words += ["--hindsight"] if given.get("hindsight") else []
    return shlex.join([*words, "--save"])


async def try_candidate(request: Request) -> Response:
    """What the form asks for, tried; then its report. What cannot be tried here is said beside the form."""
    request.scope["levelbook.operation"] = "tryOnPage"  # measured by itself: a replay of many takes its time
    require(request, TRYING)
    check_same_origin(request)
    form = await read_form(request)
    return await run_in_threadpool(_try, request, {name: value for name, value in form.items() if value})


def _try(request: Request, given: dict[str, str]) -> Response:
    try:
        asked = read_body(_FORM, given)
        note_access(request, TRIED, {"scheme": asked.get("scheme")})
        report = tried(_checked(request, asked))
    except UsageError as error:
        return _shown(request, given, asked_wrongly(error))
    except Problem as problem:
        if problem.kind not in _SAID_IN_THE_FORM:
            raise
        return _shown(request, given, problem)
    here = address_of(request).now(f"{prefix_of(request.scope)}/lab/{report}", lang=language_of(request))
    return RedirectResponse(here, 303, NOT_KEPT)


def _checked(request: Request, asked: Asked) -> WantedTrial:
    """What is asked for, where it can be tried here."""
    settings: Settings = request.app.state.settings
    with reading_of(request).store() as store:
        folder = folder_of(request, store)
        if folder is None:
            raise _no_candidate(asked["candidate"])
        found = next((item for item in candidate_files(folder) if item.name == asked["candidate"]), None)
        if found is None:
            raise _no_candidate(asked["candidate"])
        if found.fault is not None:
            raise Problem(400, FAULTY, "The candidate cannot be used", found.fault, field="candidate")
        asked_trial = AskedTrial(
            asked.get("scheme"),
            asked.get("from"),
            asked.get("to"),
            hindsight="hindsight" in asked,
            sample=asked.get("sample"),
        )
        by = (asked["by"],) if "by" in asked else GROUPINGS
        wanted = WantedTrial(
            store.location, settings.segments, folder, found.name, asked_trial, by, sensitivity="sensitivity" in asked
        )
        check_trial(store, wanted, settings.replay_events)
    return wanted


def _no_candidate(name: str) -> Problem:
    detail = f"candidate {name!r} is no file in the folder of candidates; choose one that is listed"
    return Problem(400, "wrong-parameter", "A parameter cannot be used", detail, field="candidate")


def report(request: Request, asked: Asked) -> Response:
    """A report as it was kept."""
    with reading_of(request).store() as store:
        found = kept_report(folder_of(request, store), asked["report"])
    if found is None:
        raise no_report(asked["report"])
    scope: dict[str, Any] = scope_of(found, words_of(asked["lang"]))
    return rendered(request, "lab_report.html", **{name: scope[name] for name in scope if name != "t"})


PAGES: Final = (
    Page("/lab", lab, TRYING, TRIED, PageLanguageQuery, Schema),
    Page("/lab/{report}", report, TRYING, TRIED, PageLanguageQuery, ReportPath),
)
