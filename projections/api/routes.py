"""The routes of the API, each with what it takes and gives: the documentation is made from the same table."""

from typing import Final

from starlette.routing import Route

from projections.api import appeals, boards, evidence, feed, found_events, hypothetical, levels, lists
from projections.api import replays as replayed
from projections.api.operations import Operation, route_of
from projections.api.sheets import SheetRows
from projections.contract.api import (
    AppealAnswer,
    BatchBody,
    BoardAnswer,
    ChangesPage,
    DecisionsAnswer,
    EventsPage,
    LevelsBatch,
    LevelsOfSubject,
    LevelsPage,
    PoliciesAnswer,
)
from projections.contract.parts.rules import RulesAnswer
from projections.contract.parts.vocabulary import VERDICTS
from projections.http.parameters import (
    LIMIT_MAX,
    PERIOD,
    SCHEME_NAMES,
    WHEN,
    BoardPath,
    CursorQuery,
    FormQuery,
    LanguageQuery,
    MomentQuery,
    RulesPath,
    SchemePath,
    SchemeQuery,
    SubjectPath,
    ViewQuery,
    choice,
    day,
    instant,
    limit,
    month,
    text,
    whole,
)
from projections.http.scopes import DECISIONS, EVIDENCE, EXPLANATIONS, LEVELS, Access

SUBJECT: Final = "/v1/subjects/{kind}/{id}"


class LevelsQuery(ViewQuery, LanguageQuery):
    pass


class LevelQuery(ViewQuery, MomentQuery, LanguageQuery):
    pass


class HistoryQuery(SchemeQuery, MomentQuery, FormQuery):
    pass


class DecisionsQuery(SchemeQuery, FormQuery):
    pass


class BoardQuery(ViewQuery, FormQuery):
    pass


class ExplanationQuery(SchemeQuery, MomentQuery, LanguageQuery, CursorQuery, FormQuery):
    month = month("Only what was judged in this month, such as 2022-11.")
    day = day("Where levels are evaluated by the day: this day's evaluation, and what was judged in its window.")
    event = text("Only the event of this id; of a payment or flag, its whole order.")
    verdict = choice(VERDICTS, "Only verdicts of this name, and no notes.")
    limit = limit(LIMIT_MAX, 500, "verdicts and notes")


class DiffQuery(SchemeQuery, MomentQuery, FormQuery):
    to_as_of = instant(f"as_of of the other replay: {WHEN}. Left out, that of the first if given.")
    to_known_at = instant(f"known_at of the other replay: {WHEN}. Left out, everything known.")
    to_position = whole("In place of to_known_at.", 1, 10**18)
    to_policy = text("policy of the other replay. Left out, that of the first.")


class EventsQuery(MomentQuery, CursorQuery, FormQuery):
    order = text("Only events that name this order.")
    type = text("Only events of this type.")
    limit = limit(LIMIT_MAX, 100, "events")

    class Meta(MomentQuery.Meta):
        exclude = ("policy",)


class EvidenceQuery(SchemeQuery):
    period = text("The month or day whose last decision, or else announcement, is disputed.", form=PERIOD)
    decision = whole("In place of period: the position of the record of a decision.", 1, 10**18)
    as_of = instant(f"In place of both, of a replay that nothing claims: {WHEN}.")
    known_at = instant(f"Of such a replay: {WHEN}. Left out, everything known.")
    position = whole("In place of known_at.", 1, 10**18)


class AppealFileQuery(SchemeQuery, LanguageQuery):
    period = text("The month or day whose level is disputed.", form=PERIOD)
    run = text("As decided in this run of decisions; left out, in the latest.", longest=64)


class PageQuery(ViewQuery, CursorQuery, FormQuery):
    scheme = choice(SCHEME_NAMES, "Only levels of this scheme.")
    level = text("Only this level, by its code.", longest=64)
    changed_since = instant("Only what the views came to show at this instant or later; of a date, its first moment.")
    limit = limit(LIMIT_MAX, 500, "levels")


class RulesQuery(LanguageQuery):
    as_of = instant(f"The version in force then, also in days to come: {WHEN}. Left out, now.")
    policy = text("In place of as_of: this version by ID, or this revision by ID@HASH.")
    against = text("Beside it another version, with what differs marked: ID, ID@HASH, a date or an instant.")


class ChangesQuery(FormQuery):
    after = text("Where to go on: `next` of the page before, `feed` of a page of levels, or an event's id.", longest=64)
    scheme = choice(SCHEME_NAMES, "Only levels of this scheme.")
    limit = limit(LIMIT_MAX, 500, "changes")


_MERCHANT: Final = {"kind": "merchant", "id": "tea-house"}
OPERATIONS: Final = (
    Operation(
        "readLevel",
        f"{SUBJECT}/levels/{{scheme}}",
        replayed.read_level,
        LEVELS,
        None,
        "The level of a subject",
        "Level",
        "As the views hold it; with as_of, known_at, position or policy as a replay gives it.",
        SchemePath,
        LevelQuery,
        example=_MERCHANT | {"scheme": SCHEME_NAMES[0]},
    ),
    Operation(
        "readLevelsOfSubject",
        f"{SUBJECT}/levels",
        levels.read_levels_of,
        LEVELS,
        None,
        "The levels of a subject in every scheme",
        LevelsOfSubject,
        path_schema=SubjectPath,
        query=LevelsQuery,
        example=_MERCHANT,
    ),
    Operation(
        "readHistory",
        f"{SUBJECT}/history",
        replayed.read_history,
        EXPLANATIONS,
        Access("history"),
        "Each change of a level with its cause",
        "History",
        path_schema=SubjectPath,
        query=HistoryQuery,
        example=_MERCHANT,
        listed=SheetRows(("changes",)),
    ),
    Operation(
        "readExplanation",
        f"{SUBJECT}/explanation",
        replayed.read_explanation,
        EXPLANATIONS,
        Access("explanation"),
        "A verdict or note for every event that bears on a level",
        "Explanation",
        "Without a moment it explains the level that the views show. Every page is of the moment of the first.",
        SubjectPath,
        ExplanationQuery,
        example=_MERCHANT,
        listed=SheetRows(("verdicts", "notes")),
    ),
    Operation(
        "readDiff",
        f"{SUBJECT}/diff",
        replayed.read_diff,
        EXPLANATIONS,
        Access("diff"),
        "The difference of two replays, by cause and event",
        "Diff",
        path_schema=SubjectPath,
        query=DiffQuery,
        example=_MERCHANT | {"as_of": "2022-11-30", "known_at": "2022-12-17"},
        listed=SheetRows(("steps",), "events"),
    ),
    Operation(
        "readEvents",
        f"{SUBJECT}/events",
        replayed.read_events,
        EXPLANATIONS,
        Access("events", of_scheme=False),
        "The recorded events of a subject",
        EventsPage,
        "In the order of the ledger; buyers stand in them under their aliases.",
        SubjectPath,
        EventsQuery,
        example=_MERCHANT | {"limit": "2"},
        listed=SheetRows(("events",)),
    ),
    Operation(
        "readDecisions",
        f"{SUBJECT}/decisions",
        replayed.read_decisions,
        DECISIONS,
        Access("decisions", of_scheme=False),
        "The decisions on a subject",
        DecisionsAnswer,
        path_schema=SubjectPath,
        query=DecisionsQuery,
        example=_MERCHANT,
        listed=SheetRows(("decisions",)),
    ),
    Operation(
        "readAppeal",
        f"{SUBJECT}/appeal",
        appeals.read_appeal,
        EXPLANATIONS,
        Access("appeal"),
        "The file of one disputed level",
        AppealAnswer,
        "As announced, as decided, as known now, the differences by cause, every verdict with its clause, and the"
        " events that bear on it. The audit desk hands the same out as a document.",
        SubjectPath,
        AppealFileQuery,
        example=_MERCHANT | {"period": "2022-11"},
    ),
    Operation(
        "readEvidence",
        f"{SUBJECT}/evidence",
        evidence.read_evidence,
        EVIDENCE,
        Access("evidence"),
        "A file by which a stranger can check a level offline",
        "Evidence",
        "With what was decided, so that decisions:read is needed, too. It stands under the last checkpoint; without one"
        " the answer is 404. What is given away cannot be called back.",
        SubjectPath,
        EvidenceQuery,
        example=_MERCHANT | {"as_of": "2022-11-30"},
    ),
    Operation(
        "readLevels",
        "/v1/levels",
        levels.read_page,
        LEVELS,
        None,
        "Levels of all subjects, page by page",
        LevelsPage,
        "In the order of subject and scheme. Each page says at which position it stands; levels that change between"
        " two pages are in the feed, behind `feed` of the first page.",
        query=PageQuery,
        example={"limit": "2"},
        listed=SheetRows(("levels",)),
    ),
    Operation(
        "readManyLevels",
        "/v1/levels:read",
        levels.read_batch,
        LEVELS,
        None,
        "The levels of up to 1,000 subjects at one moment",
        LevelsBatch,
        "It only reads: a thousand names do not fit a URL, and so are sent.",
        query=ViewQuery,
        body=BatchBody,
        sends={"subjects": ["merchant/tea-house", "creator/lin"], "scheme": SCHEME_NAMES[0]},
    ),
    Operation(
        "readLeaderboard",
        "/v1/leaderboards/{board}/{month}",
        boards.read_board,
        LEVELS,
        None,
        "A board of agencies of a month",
        BoardAnswer,
        path_schema=BoardPath,
        query=BoardQuery,
        example={"board": "comprehensive", "month": "2023-04"},
        listed=SheetRows(("rows",)),
    ),
    Operation(
        "readPolicies",
        "/v1/policies",
        boards.read_policies,
        LEVELS,
        None,
        "The policies: versions, revisions, each parameter with source and status",
        PoliciesAnswer,
        query=SchemeQuery,
    ),
    Operation(
        "readRules",
        "/v1/rules/{scheme}",
        boards.read_rules,
        LEVELS,
        None,
        "The rules of a scheme at a glance",
        RulesAnswer,
        "Levels, benefits, limits, caps, gates, bands and calendar of a version, with source and status of each figure;"
        " beside another version with what differs marked.",
        RulesPath,
        RulesQuery,
        example={"scheme": SCHEME_NAMES[0]},
    ),
    Operation(
        "readChanges",
        "/v1/changes",
        feed.read_changes,
        LEVELS,
        None,
        "The feed of changed levels",
        ChangesPage,
        "As JSON a page at a time; with Accept: text/event-stream as server-sent events, without end, resumed by"
        " Last-Event-ID. Whoever takes over every event holds what /v1/levels shows.",
        query=ChangesQuery,
        example={"limit": "2"},
        listed=SheetRows(("changes",)),
    ),
    *hypothetical.OPERATIONS,
    *lists.OPERATIONS,
    *boards.TRIALS,
    *found_events.OPERATIONS,
)


def routes() -> list[Route]:
    return [route_of(operation) for operation in OPERATIONS]
