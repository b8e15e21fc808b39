"""What agencies are judged from, read of some of them together out of what the views keep."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, func, select

from domain.calendar import month_start, month_text, parse_month
from domain.events import Event
from domain.mcn_level.facts import Sums
from projections.schemes.creator_level.view import bindings_of
from projections.views.step import SUBJECTS_AT_ONCE, Step, batched

CreatorMonth = tuple[str, int]
"""A creator's id and a month."""


class AgenciesKnown:
    """Of some agencies what they are judged from, each from a month of its own on or an earlier one."""

    def __init__(self, step: Step, firsts: Mapping[str, int]) -> None:
        self.firsts = firsts
        """By agency, the first month that can be judged."""
        self.creators: dict[str, set[str]] = defaultdict(set)
        """By agency, the ids of all that it ever bound or unbound."""
        self.bindings: dict[str, list[Event]] = defaultdict(list)
        """By creator, those by any agency that take part, by (`occurred_at`, position)."""
        self.sums: dict[str, dict[CreatorMonth, Sums]] = defaultdict(dict)
        """By agency, what its creators add to its months."""
        self.reputation: dict[str, list[tuple[int, int]]] = defaultdict(list)
        """By creator, the last value of each month that has one, dated by the month's beginning; of the months before
        the first only that of the last."""
        self.levels: dict[CreatorMonth, tuple[str, str | None]] = {}
        """The policy that judged, and the level."""
        self.months: dict[str, list[dict[str, Any]]] = defaultdict(list)
        """By agency, the rows of all its months as they stand, in order."""
        self._step = step
        self._first = min(firsts.values())
        step.prepare(firsts, ("life",))
        for some in batched(sorted(firsts), SUBJECTS_AT_ONCE):
            self._read_agencies(some)
        names = sorted({name for creators in self.creators.values() for name in creators})
        for some in batched(names, SUBJECTS_AT_ONCE):
            self._read_creators(some)

    def _read_agencies(self, some: Collection[str]) -> None:
        bindings, parts, months = (self._step.tables[name] for name in ("bindings", "mcn_parts", "mcn_months"))
        for mcn, creator in self._rows(select(bindings.c.mcn, bindings.c.creator).where(bindings.c.mcn.in_(some))):
            self.creators[mcn].add(creator)
        for row in self._rows(select(parts).where(parts.c.mcn.in_(some), parts.c.month >= self._first)):
            self.sums[row[0]][row[2], row[1]] = Sums(*row[3:])
        names = [column.name for column in months.c]
        for row in self._rows(select(months).where(months.c.subject.in_(some)).order_by(months.c.month)):
            self.months[row.subject].append(dict(zip(names, row, strict=True)))

    def _read_creators(self, some: Collection[str]) -> None:
        months = self._step.tables["creator_months"].c
        for event in bindings_of(self._step, some):
            self.bindings[event.data.creator].append(event)
        subjects = [f"creator/{name}" for name in some]
        for subject, month, value in [*self._last_reputation(subjects), *self._reputation_since(subjects)]:
            self.reputation[_name(subject)].append((month_start(month), value))
        judged = select(months.subject, months.month, months.policy_hash, months.level)
        since = months.month >= month_text(self._first)
        for subject, month, policy_hash, level in self._rows(judged.where(months.subject.in_(subjects), since)):
            self.levels[_name(subject), parse_month(month)] = policy_hash, level

    def _last_reputation(self, subjects: Collection[str]) -> Sequence[Any]:
        """Of each the last month before the first that has a value."""
        figures = self._step.tables["creator_figures"].c
        valued = figures.subject.in_(subjects), figures.last_reputation.is_not(None), figures.month < self._first
        last = select(figures.subject, func.max(figures.month).label("month")).where(*valued).group_by(figures.subject)
        found = last.subquery().c
        same = figures.subject == found.subject, figures.month == found.month
        return self._rows(select(figures.subject, figures.month, figures.last_reputation).where(*same))

    def _reputation_since(self, subjects: Collection[str]) -> Sequence[Any]:
        figures = self._step.tables["creator_figures"].c
        valued = figures.subject.in_(subjects), figures.last_reputation.is_not(None), figures.month >= self._first
        query = select(figures.subject, figures.month, figures.last_reputation).where(*valued)
        return self._rows(query.order_by(figures.month))

    def _rows(self, query: Select[Any]) -> Sequence[Any]:
        return self._step.connection.execute(query).all()


def _name(subject: str) -> str:
    return subject.partition("/")[2]
