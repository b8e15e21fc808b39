"""Finding a subject: by kind and the beginning of its id, from the views; and what was decided last."""

from typing import Any, Final, NamedTuple

from sqlalchemy import select

from projections.http.parameters import KINDS
from projections.reading.disputes import Dispute, disputes_in
from projections.reading.reader import Snapshot
from replay.history.readers import Reader
from replay.store.base.store import Store

PAGE: Final = 20
SEARCH_CHARS_MAX: Final = 80
RECENT: Final = 8
_AFTER_EVERY_ID: Final = "~"
"""Sorts behind every character of an id."""


class FoundSubject(NamedTuple):
    """A subject, and its levels in the schemes that judge it."""

    subject: str
    levels: list[Any]


class Search(NamedTuple):
    """What was looked for, and a page of what there is."""

    kind: str | None
    begins: str
    found: list[FoundSubject]
    next: str | None
    """The subject behind which the next page begins; None on the last."""


def search(views: Snapshot, query: str, kind: str | None, after: str | None, limit: int = PAGE) -> Search:
    """Subjects whose id begins with the query, which may name the kind, too: "merchant/tea"."""
    named, slash, rest = query.strip().partition("/")
    if slash and named in KINDS:
        kind, begins = named, rest
    else:
        begins = query.strip()
    found: list[FoundSubject] = []
    for each in sorted(KINDS) if kind is None else [kind]:
        if len(found) <= limit:
            found += _of_kind(views, f"{each}/{begins}", after or "", limit + 1 - len(found))
    more = found[limit - 1].subject if len(found) > limit else None
    return Search(kind, begins, found[:limit], more)


def disputes_of(views: Snapshot, store: Store, found: Search, reader: Reader) -> dict[tuple[str, str], list[Dispute]]:
    """By subject and scheme, the disputes about the levels that were found, but for those that are set aside."""
    whole = {(row.subject, row.scheme) for item in found.found for row in item.levels if row.reason is None}
    by_level: dict[tuple[str, str], list[Dispute]] = {}
    for dispute in disputes_in(views, store, [item.subject for item in found.found], reader):
        if (level := (dispute.claim.subject, dispute.claim.scheme)) in whole:
            by_level.setdefault(level, []).append(dispute)
    return by_level


def recent_decisions(views: Snapshot, reader: Reader) -> list[Any]:
    """The decisions made last, of all subjects; none for a reader who may not see them."""
    if not reader.sees_decisions:
        return []
    decisions = views.tables["decisions"]
    return list(views.connection.execute(select(decisions).order_by(decisions.c.position.desc()).limit(RECENT)))


def _of_kind(views: Snapshot, begins: str, after: str, limit: int) -> list[FoundSubject]:
    levels, aside = views.tables["levels"], views.tables["set_aside"]
    of_range = (levels.c.subject >= begins, levels.c.subject < begins + _AFTER_EVERY_ID, levels.c.subject > after)
    named = select(levels.c.subject).where(*of_range).distinct().order_by(levels.c.subject).limit(limit)
    subjects = list(views.connection.execute(named).scalars())
    joined = levels.outerjoin(aside, (aside.c.subject == levels.c.subject) & (aside.c.scheme == levels.c.scheme))
    query = select(levels, aside.c.reason).select_from(joined).where(levels.c.subject.in_(subjects))
    rows = list(views.connection.execute(query.order_by(levels.c.subject, levels.c.scheme)))
    return [FoundSubject(subject, [row for row in rows if row.subject == subject]) for subject in subjects]
