"""The lab: candidates and how each is tried, the reports that were kept, and one of them as a page."""

import shlex
from typing import Any, Final

from marshmallow import Schema
from starlette.requests import Request
from starlette.responses import Response

from projections.api.boards import TRIED, ReportPath, folder_of, no_report
from projections.api.operations import reading_of
from projections.desk.framing.language import words_of
from projections.desk.framing.page import Asked, Page, PageLanguageQuery
from projections.desk.framing.rendering import rendered
from projections.desk.lab.document import scope_of
from projections.http.scopes import TRYING
from projections.reading.trial_reports import candidate_files, kept_report, kept_reports
from replay.policies.catalog import revisions
from replay.schemes.registry import SCHEMES


def lab(request: Request, _: Asked) -> Response:
    """Candidates in the folder, versions that are adopted and not in force yet, and the reports that are kept."""
    with reading_of(request).store() as store:
        folder, now = folder_of(request, store), store.now()
        files, reports = candidate_files(folder), kept_reports(folder)
        coming = [
            item.policy
            for scheme in SCHEMES
            if store.holds(f"policy/{scheme}")
            for item in revisions(store, None, scheme)
            if item.adopted and item.used and item.policy.in_force_from > now
        ]
    commands = {item.name: f"levelbook policy try {shlex.quote(item.name)} --save" for item in files}
    return rendered(request, "lab.html", files=files, coming=coming, reports=reports, commands=commands)


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
