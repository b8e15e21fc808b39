"""Lists over all subjects: what an auditor has to look at, what was decided, how many stand where, which there are."""

from collections.abc import Callable
from functools import partial
from typing import Final

from starlette.requests import Request

from projections.api.operations import Asked, Operation, Reply, reading_of
from projections.api.sheets import SheetRows
from projections.contract.lists import (
    AnnouncedPage,
    ChangedPage,
    DecisionsPage,
    DifferingPage,
    DistributionAnswer,
    SetAsidePage,
    SubjectsPage,
    TotalsAnswer,
)
from projections.contract.parts.vocabulary import STATES
from projections.http.cursors import cursor_of, values_of
from projections.http.parameters import (
    KINDS,
    LIMIT_MAX,
    PERIOD,
    SCHEME_NAMES,
    CursorQuery,
    FormQuery,
    ViewQuery,
    choice,
    limit,
    text,
)
from projections.http.scopes import DECISIONS, LEVELS, Access
from projections.reading.freshness import standing_json
from projections.worklist.answers import LISTS, decisions_page_json, distribution_json, totals_json, worklist_json
from projections.worklist.looking import Filters
from projections.worklist.subjects import SEARCH_CHARS_MAX, search

WORKLIST: Final = Access("worklist", of_scheme=False, of_subject=False)


class FilterQuery(ViewQuery, FormQuery):
    scheme = choice(SCHEME_NAMES, "Only rows of this scheme.")
    state = choice(STATES, "Only rows in which a subject is in this state, as decided or as known now.")
    level = text("Only rows in which this level stands, by its code.", longest=64)


class ListQuery(FilterQuery, CursorQuery):
    limit = limit(LIMIT_MAX, 500, "rows")


class PeriodListQuery(ListQuery):
    period = text("Only periods of this month, or of schemes that decide by the day of this day.", form=PERIOD)


class ChangedListQuery(ListQuery):
    period = text("The month or day of the changes; left out, the month in which the views stand.", form=PERIOD)


class SubjectsQuery(ViewQuery, CursorQuery, FormQuery):
    q = text("The beginning of an id, or of kind/id.", longest=SEARCH_CHARS_MAX)
    kind = choice(KINDS, "Only subjects of this kind.")
    limit = limit(LIMIT_MAX, 100, "subjects")


class DistributionQuery(FilterQuery):
    period = text("As it was at the close of this month or day; left out, as it stands.", form=PERIOD)


class TotalsQuery(FilterQuery):
    period = text("Only periods of this month or day, and what changed in it.", form=PERIOD)


def filters_of(asked: Asked) -> Filters:
    return Filters(*(asked.get(name) for name in Filters._fields))


def read_worklist(name: str, request: Request, asked: Asked) -> Reply:
    """A page of one of the lists."""
    reading = reading_of(request)
    with reading.store() as store, reading.snapshot() as at:
        return Reply(worklist_json(at, store, name, filters_of(asked), asked.get("cursor"), asked["limit"]))


def read_all_decisions(request: Request, asked: Asked) -> Reply:
    """A page of every decision."""
    reading = reading_of(request)
    with reading.store() as store, reading.snapshot() as at:
        return Reply(decisions_page_json(at, store, filters_of(asked), asked.get("cursor"), asked["limit"]))


def read_distribution(request: Request, asked: Asked) -> Reply:
    """How many subjects stand where."""
    reading = reading_of(request)
    with reading.store() as store, reading.snapshot() as at:
        return Reply(distribution_json(at, store, filters_of(asked)))


def read_totals(request: Request, asked: Asked) -> Reply:
    """How many rows each list has."""
    reading = reading_of(request)
    with reading.store() as store, reading.snapshot() as at:
        return Reply(totals_json(at, store, filters_of(asked)))


def read_subjects(request: Request, asked: Asked) -> Reply:
    """Subjects by the beginning of their id."""
    reading = reading_of(request)
    (after,) = (None,) if asked.get("cursor") is None else values_of(asked["cursor"], str)
    with reading.store() as store, reading.snapshot() as at:
        found = search(at, asked.get("q", ""), asked.get("kind"), after, asked["limit"])
        rows = [
            {
                "subject": item.subject,
                "levels": [
                    {"scheme": row.scheme, "state": row.state, "level": row.level, "stale": row.reason is not None}
                    for row in item.levels
                ],
            }
            for item in found.found
        ]
        following = None if found.next is None else cursor_of(found.next)
        return Reply({**standing_json(at.standing, store), "rows": rows, "next": following})


_Answers = Callable[[Request, Asked], Reply]


def _of(name: str) -> _Answers:
    assert name in LISTS
    return partial(read_worklist, name)


OPERATIONS: Final = (
    Operation(
        "readSubjects",
        "/v1/subjects",
        read_subjects,
        LEVELS,
        None,
        "Subjects by the beginning of their id, with their levels",
        SubjectsPage,
        query=SubjectsQuery,
        example={"q": "tea", "limit": "2"},
        listed=SheetRows(("rows",)),
    ),
    Operation(
        "readDistribution",
        "/v1/levels/distribution",
        read_distribution,
        LEVELS,
        None,
        "How many subjects stand in which state and level of each scheme",
        DistributionAnswer,
        "Counted in one walk through an index: under half a second for a million levels. At the close of a period it is"
        " counted by the histories; only those are counted that had come to a level or a state by then.",
        query=DistributionQuery,
        listed=SheetRows(("rows",)),
    ),
    Operation(
        "readAllDecisions",
        "/v1/decisions",
        read_all_decisions,
        DECISIONS,
        WORKLIST,
        "The decisions on all subjects, page by page",
        DecisionsPage,
        "Scheme by scheme, from the latest period back. `next` is null only at the end, also where a page is short.",
        query=PeriodListQuery,
        example={"limit": "2"},
        listed=SheetRows(("rows",)),
    ),
    Operation(
        "readTotals",
        "/v1/worklist/totals",
        read_totals,
        DECISIONS,
        WORKLIST,
        "How many rows each list has, scheme by scheme",
        TotalsAnswer,
        "Of each scheme the latest 100,000 decisions and announcements are looked at: where there are more, `whole` is"
        " false, and a period narrows it.",
        query=TotalsQuery,
        example={"period": "2022-11"},
        listed=SheetRows(("rows",)),
    ),
    Operation(
        "readDiffering",
        "/v1/worklist/differing",
        _of("differing"),
        DECISIONS,
        WORKLIST,
        "Decisions that would come out otherwise now",
        DifferingPage,
        "The latest decision of each period against what the views hold of it: state, level and score. Of schemes that"
        " decide by the day only days of which there is a decision are held. `next` is null only at the end, also where"
        " a page is short.",
        query=PeriodListQuery,
        example={"limit": "2"},
        listed=SheetRows(("rows",)),
    ),
    Operation(
        "readAnnounced",
        "/v1/worklist/announced",
        _of("announced"),
        DECISIONS,
        WORKLIST,
        "Announced levels that were not decided so",
        AnnouncedPage,
        "Where nothing was decided of the period, those that are not the level as known now. `next` is null only at the"
        " end, also where a page is short.",
        query=PeriodListQuery,
        example={"limit": "2"},
        listed=SheetRows(("rows",)),
    ),
    Operation(
        "readChanged",
        "/v1/worklist/changed",
        _of("changed"),
        LEVELS,
        None,
        "Levels and states that changed in a month, or on a day",
        ChangedPage,
        "As known now, the latest first.",
        query=ChangedListQuery,
        example={"limit": "2", "period": "2022-12"},
        listed=SheetRows(("rows",)),
    ),
    Operation(
        "readSetAside",
        "/v1/worklist/set-aside",
        _of("set-aside"),
        LEVELS,
        None,
        "Levels that could not be worked out and stand still",
        SetAsidePage,
        query=ListQuery,
        example={"limit": "2"},
        listed=SheetRows(("rows",)),
    ),
)
