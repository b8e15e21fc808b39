"""Boards as the views hold them; the policies that replays use, the rules that they make, reports of their trials."""

from pathlib import Path
from typing import Any, Final

from marshmallow import INCLUDE, Schema
from sqlalchemy import select
from starlette.requests import Request

from domain.calendar import LEDGER_START, month_start, parse_month, shanghai_text
from domain.events import BoardRow
from domain.policy import start_of_month, term_at, terms_of
from domain.version import PROGRAM_VERSION
from projections.api.operations import Asked, Operation, Reply, reading_of
from projections.contract.parts.keys import Answer, instant_key, list_key, text_key, whole_key
from projections.contract.parts.shared import RevisionAnswer
from projections.http.parameters import text
from projections.http.problems import Problem
from projections.http.scopes import TRYING, Access, asker_of
from projections.http.settings import Settings
from projections.reading.freshness import standing_json
from projections.reading.trial_reports import kept_report, kept_reports, lab_folder
from replay.answers.board import decided_json, row_json
from replay.answers.rules import AtHand, RulesAsked, rules_json
from replay.history.timeline import Moment
from replay.policies.catalog import list_policies, revisions
from replay.schemes.registry import LEADERBOARD, choose, ranking
from replay.store.base.store import Store

TRIED: Final = Access("trial", of_scheme=False, of_subject=False)
"""Reports name who moves."""
_HASH: Final = r"\A[0-9a-f]{64}\Z"


def read_board(request: Request, asked: Asked) -> Reply:
    """A board of a month: rated agencies, best first."""
    board, month = asked["board"], parse_month(asked["month"])
    if month_start(month) < LEDGER_START:
        raise _no_board(f"month {asked['month']} is before 2020-06, when levels begin", "month")
    reading, reader, ranked_by = reading_of(request), asker_of(request).reader, ranking(LEADERBOARD)
    assert ranked_by is not None
    with reading.store() as store, reading.snapshot() as at:
        standing, head = at.standing, store.head()
        policies = choose(store, ranked_by.replay, Moment(standing.as_of, 0, standing.position))
        policy = term_at(terms_of(policies.own, start_of_month), month_start(month)).policy
        ranks_by = {item["code"]: item["ranks_by"] for item in policy.parameters["boards"].value}
        if board not in ranks_by:
            raise _no_board(f"there is no board {board!r}; known are {', '.join(ranks_by)}", "board")
        due = ranked_by.periods.period(month, lambda *_: policy).due
        if due > standing.as_of:
            raise _no_board(f"month {asked['month']} is not evaluated yet: it is due at {shanghai_text(due)}", "month")
        places = at.tables["leaderboards"]
        query = select(places).where(places.c.board == board, places.c.month == asked["month"]).order_by(places.c.rank)
        rows = [
            BoardRow(rank=row.rank, subject=row.subject, score=row.score, settled=row.settled_fen, level=row.level)
            for row in at.connection.execute(query)
        ]
        body = {
            "board": board,
            "month": asked["month"],
            "ranks_by": ranks_by[board],
            **standing_json(standing, store),
            "policy": policy.id,
            "policy_hash": policy.hash,
            "in_force": standing.as_of >= policy.in_force_from,
            "assumed": ranked_by.replay.assumed_of(policies),
            "rows": [row_json(row) for row in rows],
            **decided_json(store, board, month, rows, reader),
        }
    return Reply(body, standing.etag(head.chain.hex()[:16], *([] if reader.sees_decisions else ["undecided"])))


def read_policies(request: Request, asked: Asked) -> Reply:
    """Every version and revision at hand, each parameter with its value, source and status."""
    with reading_of(request).store() as store:
        position = store.head().position
        found = list_policies(store, None, asked.get("scheme"))
    return Reply({"program": PROGRAM_VERSION, "position": position, "policies": found})


def read_rules(request: Request, asked: Asked) -> Reply:
    """The rules of a scheme at a glance, as a version of those at hand has them."""
    with reading_of(request).store() as store:
        found = rules_beside(store, asked["scheme"], asked, asked["lang"])
    return Reply(found)


def rules_beside(store: Store, scheme: str, asked: Asked, language: str) -> dict[str, Any]:
    """The rules that were asked for by as_of, policy and against, out of a ledger."""
    wanted = RulesAsked(asked.get("as_of"), asked.get("policy"), asked.get("against"))
    at_hand = AtHand(revisions(store, None, scheme), store.now(), store.head().position)
    return rules_json(at_hand, wanted, language)


def _no_board(detail: str, field: str) -> Problem:
    return Problem(404, "no-such-board", "There is no such board", detail, field=field)


# --- reports of trials ------------------------------------------------------------------------------------------------


class ReportPath(Schema):
    report = text("The hash of the report.", form=_HASH, required=True)


class ReportHead(Answer):
    report = text_key("hash by which it is named", _HASH)
    scheme = text_key("whose levels were judged")
    candidate = list_key(RevisionAnswer, "the revisions that were tried")
    as_of = instant_key("the last moment that was judged")
    first = text_key("the first month; null for one moment", allow_none=True, data_key="from")
    last = text_key("the last month; null for one moment", allow_none=True, data_key="to")
    position = whole_key("position of the ledger when it was tried")
    subjects = whole_key("how many have a level on either side")
    subjects_moving = whole_key("how many of them do not stand the same in some month")


class ReportsAnswer(Answer):
    program = text_key("version of the program")
    reports = list_key(ReportHead, "by their hashes")


class ReportAnswer(Answer):
    class Meta:
        unknown = INCLUDE

    report = text_key("hash by which it is named: SHA-256 of the canonical JSON of all the rest", _HASH)
    form = whole_key("the form of a report, whose schema is docs/reference/trial.schema.json")
    scheme = text_key("whose levels were judged")
    program = text_key("version of the program that tried it")


def read_reports(request: Request, _: Asked) -> Reply:
    """The reports that are kept."""
    with reading_of(request).store() as store:
        found = kept_reports(folder_of(request, store))
    return Reply({"program": PROGRAM_VERSION, "reports": found})


def read_report(request: Request, asked: Asked) -> Reply:
    """One report whole."""
    with reading_of(request).store() as store:
        found = kept_report(folder_of(request, store), asked["report"])
    if found is None:
        raise no_report(asked["report"])
    return Reply(found, found["report"], fixed=True)


def folder_of(request: Request, store: Store) -> Path | None:
    """Where this service finds candidates and reports."""
    settings: Settings = request.app.state.settings
    return lab_folder(store, settings.candidates)


def no_report(name: str) -> Problem:
    return Problem(404, "no-such-report", "There is no such report", f"no report {name} is kept here", field="report")


TRIALS: Final = (
    Operation(
        "readReports",
        "/v1/lab/reports",
        read_reports,
        TRYING,
        TRIED,
        "Reports of trials of policies",
        ReportsAnswer,
        "Those that 'levelbook policy try --save' kept in the folder of candidates.",
    ),
    Operation(
        "readReport",
        "/v1/lab/reports/{report}",
        read_report,
        TRYING,
        TRIED,
        "One report of a trial",
        ReportAnswer,
        "It never changes: its hash is that of its content.",
        ReportPath,
        example={"report": "0" * 64},
    ),
)
