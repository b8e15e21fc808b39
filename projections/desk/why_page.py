"""Why a level is what it is: the periods and what they came to, then the verdicts of one month, a page at a time."""

from typing import Any, Final, NamedTuple

from domain.calendar import parse_month
from projections.api.replays import part_of
from projections.desk.framing.rendering import verdict_name
from projections.desk.moment import Sight, replayed
from projections.desk.schemes.facet import Told
from projections.desk.schemes.registry import pages_of
from projections.reading.reader import revisions_of
from projections.views.belonging import check_placed, placed
from projections.views.tables import VERDICT_COLUMNS
from replay.answers.explain import ALL, ListedStretch, bearing_on, part_stretch
from replay.errors import UsageError
from replay.replaying.base import Part, Replay

PAGE: Final = 100
FILE_ROWS_MAX: Final = 100_000


class Why(NamedTuple):
    """The explanation of a month, of a day or of a single event."""

    month: str | None
    day: str | None
    event: str | None
    verdict: str | None
    found: dict[str, Any]
    """The part of an explanation that tells of this: verdicts, notes, clauses, and what the scheme adds."""
    counts: dict[str, int]
    """How often each verdict was given in the month, whatever is listed."""
    listed: int
    """How many verdicts and notes there are, of the verdict that is wanted."""
    verdicts: int
    """How many of these are verdicts."""
    page: int
    pages: int


def why_of(sight: Sight, subject: str, told: Told, asked: dict[str, Any], language: str) -> Why | None:
    """The explanation that was asked for; None where neither month nor day nor event was."""
    month, day, event, verdict = (asked.get(name) for name in ("month", "day", "event", "verdict"))
    if month is None and day is None and event is None:
        return None
    replay = _replay(sight, subject, told, month if day is None else None, event)
    part, page = part_of(asked), asked["page"]
    stretch = ListedStretch((page - 1) * PAGE, PAGE, verdict)
    if "table" in asked:
        stretch = _whole(replay, part, verdict)
    found, listed = part_stretch(replay, part, language, stretch)
    pages = max(-(-listed // PAGE), 1)
    wanted = {name: found[name] for name in ("sums", "verdicts", "notes", "clauses")}
    wanted |= {name: found[name] for name in ("adds_up", "evaluations") if name in found}
    counts = _counts(replay, part) if event is None else {}
    judged = len(bearing_on(replay, part, verdict).verdicts)
    return Why(month, day, event, verdict, wanted, counts, listed, judged, page, pages)


def _whole(replay: Replay, part: Part, verdict: str | None) -> ListedStretch:
    """Everything, as a file has it. Raises UsageError where that is too much for one."""
    bearing = bearing_on(replay, part, verdict)
    rows = len(bearing.verdicts) + len(bearing.notes)
    if rows > FILE_ROWS_MAX:
        raise UsageError(
            f"there are {rows} verdicts and notes, and a file of the desk holds {FILE_ROWS_MAX};"
            " the API's explanation gives them a page at a time"
        )
    return ALL._replace(verdict=verdict)


def verdicts_of(row: dict[str, Any]) -> dict[str, int]:
    """How often each verdict was given in a month of reputation."""
    return {word: row[word] for word in VERDICT_COLUMNS if row[word]}


def names_of(why: Why, told: Told, language: str) -> dict[str, Any]:
    """The clauses of verdicts, notes and rules, each led to by its rows; and what counted verdicts are called."""
    shorts = {name: verdict_name(told.policies.own[-1], name, language) for name in why.counts}
    return {**clauses_of(why.found), "shorts": shorts}


def clauses_of(explained: dict[str, Any]) -> dict[str, Any]:
    """The clauses of an explanation: of verdicts and notes by their own policies, of rules by the last."""
    found = explained["clauses"]
    return {
        "short": {(clause["name"], clause["policy_hash"]): clause for clause in found},
        "rules": {clause["name"]: clause for clause in found},
        "rule_names": {clause["name"]: clause["short"] for clause in found},
    }


def _replay(sight: Sight, subject: str, told: Told, month: str | None, event: str | None) -> Replay:
    """From the month's opening, where the views know it; else the whole past."""
    opening = pages_of(told.scheme).opening
    is_kept = opening is not None and sight.views is not None and told.set_aside is None
    if opening is not None and is_kept and sight.views is not None and month is not None and event is None:
        moment = placed(sight.store, sight.moment)
        key = (subject, f"{told.scheme} {month}", moment, revisions_of(told.policies), sight.reader)
        wanted = (sight.store, sight.views, sight.moment, subject, told, parse_month(month))

        def make() -> Replay:
            found = opening.replay(*wanted)
            check_placed(sight.store, moment)
            return found.shown_to(sight.reader)

        return sight.reading.kept(key, opening.events(*wanted), make)
    return replayed(sight, subject, told.scheme)


def _counts(replay: Replay, part: Part) -> dict[str, int]:
    return dict(sorted(replay.verdict_counts(replay.instants_of(part)).items()))
