"""What only the answers about a merchant's reputation say: points month by month, publication, how verdicts add up."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from domain.calendar import month_of, month_start, month_text, parse_instant, shanghai_text
from domain.merchant_reputation import account
from domain.merchant_reputation.rule import NEVER, NO_CAP, Account, Span, begin_month, standing
from domain.merchant_reputation.running import Month, span_at
from domain.policy import Term, term_at
from replay.rendering.ahead import next_dates_json
from replay.rendering.clauses import points_text
from replay.rendering.facet import KnownAt, VerdictsAnswer
from replay.replaying.base import Part
from replay.schemes.merchant_reputation.replay import ReputationReplay
from replay.schemes.merchant_reputation.then import Issued, publications_then, published_then_json


class MonthShown(NamedTuple):
    """A month with verdicts; points in tenths."""

    month: int
    opening: int
    growth: int
    cap: int | None
    closing: int
    level: str | None
    verdicts: Mapping[str, int]


class DecidedShown(NamedTuple):
    """What was decided of a month in the latest run."""

    run: str
    points: int
    level: str | None
    known_at: int


class ReputationShown(NamedTuple):
    """What is shown of a merchant, whether a replay gives it or the views do."""

    account: Account
    published: account.Publication | None
    """The last publication at or before `as_of`."""
    decided: DecidedShown | None
    """What was decided of its month."""
    sees_decisions: bool
    months: Sequence[MonthShown]
    terms: Sequence[Term]
    spans: Sequence[Span]
    as_of: int


class ReputationAnswer(VerdictsAnswer[ReputationReplay]):
    """One replay of one merchant, as its answers show it."""

    def own_json(self) -> dict[str, Any]:
        replay, published = self.replay, self.replay.published
        decided = None if published is None else self._decided(month_text(published.month))
        sees = replay.reader.sees_decisions
        shown = replay.run.account, published, decided, sees, self._months(), replay.terms, replay.spans
        return reputation_json(ReputationShown(*shown, replay.moment.as_of))

    def then_json(self, known: KnownAt) -> dict[str, Any]:
        """The last publication as it was by what was known at its own instant."""
        published = self.replay.published
        if published is None:
            return {"published_then": None}
        (then,) = publications_then(self.replay, [Issued(published.month, published.at)], known, 1)
        return {"published_then": published_then_json(published, then.seen)}

    def figures_json(self) -> dict[str, Any]:
        return {
            "points": points_text(self.replay.shown.points_tenths),
            "months": [_month_json(month) for month in self._months()],
        }

    def explained_json(self, part: Part, shown: Sequence[int]) -> dict[str, Any]:
        """How the verdicts shown add up; for single events there is no balance to close."""
        begun, moved = self.replay.opening.points, self.replay.tenths_of(shown)
        if part.event_id is not None:
            return {"adds_up": {"opening": None, "verdicts": points_text(moved, signed=True), "closing": None}}
        first, last = (shown[0], shown[-1]) if shown else (0, -1)
        if not shown and part.month is not None:
            first = sum(len(month.findings) for month in self.replay.run.months if month.month < part.month)
            last = first - 1
        opening = self.replay.balance(first - 1) if first > 0 else begun
        closing = self.replay.balance(last) if last >= 0 else begun
        assert closing - opening == moved, "verdicts add up to the points"
        return {
            "adds_up": {
                "opening": points_text(opening),
                "verdicts": points_text(moved, signed=True),
                "closing": points_text(closing),
            }
        }

    def _decided(self, month: str) -> DecidedShown | None:
        found = self.replay.decision(month) if self.replay.reader.sees_decisions else None
        if found is None:
            return None
        return DecidedShown(found.run, found.score or 0, found.level, parse_instant(found.known_at))

    def _months(self) -> list[MonthShown]:
        return [self._month(month) for month in self.replay.run.months if month.findings]

    def _month(self, month: Month) -> MonthShown:
        closing, counts = month.closing, self.replay.counts_of(month)
        return MonthShown(
            month.month,
            month.begun.points,
            closing.growth,
            None if closing.cap == NO_CAP else closing.cap,
            closing.points,
            account.shown(closing, self.replay.spans, month.begun.month_end - 1).level,
            {verdict.word: counts[verdict] for verdict in sorted(counts)},
        )


def reputation_json(shown: ReputationShown) -> dict[str, Any]:
    """The keys that only the answers about a merchant's reputation have."""
    span = span_at(shown.spans, shown.as_of)
    found = standing(shown.account, span.rules)
    to_next = found.to_next_tenths
    return {
        "to_next": None if to_next is None else points_text(to_next),
        "next_level": None if to_next is None else span.codes[found.level],
        "next_dates": _dates_json(shown),
        "growth_of_month": _growth_json(shown) if shown.account.open else None,
        "published": None if shown.published is None else _published_json(shown.published, shown),
        "months": [_month_json(month) for month in shown.months],
    }


def _dates_json(shown: ReputationShown) -> dict[str, Any]:
    """The close of the month, and the next publication; none of a merchant that never opened."""
    if shown.account.opened_at == NEVER:
        return next_dates_json(None)
    publication = account.next_publication_since(month_of(shown.account.opened_at), shown.spans, shown.as_of)
    return next_dates_json(shanghai_text(month_start(month_of(shown.as_of) + 1)), shanghai_text(publication))


def _growth_json(shown: ReputationShown) -> dict[str, Any]:
    """The growth of the month of `as_of` against its cap; of a month in which nothing happened yet, none."""
    month, found = month_of(shown.as_of), shown.account
    if found.month_end <= shown.as_of:
        found = begin_month(found, month, span_at(shown.spans, shown.as_of).rules)
    is_capped = found.cap != NO_CAP
    return {
        "month": month_text(month),
        "growth": points_text(found.growth, signed=True),
        "cap": points_text(found.cap) if is_capped else None,
        "room": points_text(found.cap - found.growth) if is_capped else None,
    }


def _published_json(found: account.Publication, shown: ReputationShown) -> dict[str, Any]:
    return {
        "month": month_text(found.month),
        "points": points_text(found.shown.points_tenths),
        "level": found.shown.level,
        "at": shanghai_text(found.at),
        **({"decided": _decided_json(found, shown.decided)} if shown.sees_decisions else {}),
        "in_force": found.at >= term_at(shown.terms, month_start(found.month)).policy.in_force_from,
    }


def _decided_json(found: account.Publication, decided: DecidedShown | None) -> dict[str, Any] | None:
    """What was decided of the published month, and whether it would come out otherwise now."""
    if decided is None:
        return None
    return {
        "run": decided.run,
        "points": points_text(decided.points),
        "level": decided.level,
        "known_at": shanghai_text(decided.known_at),
        "restated": (decided.points, decided.level) != (found.shown.points_tenths, found.shown.level),
    }


def _month_json(month: MonthShown) -> dict[str, Any]:
    return {
        "month": month_text(month.month),
        "opening": points_text(month.opening),
        "growth": points_text(month.growth, signed=True),
        "cap": None if month.cap is None else points_text(month.cap),
        "closing": points_text(month.closing),
        "level": month.level,
        "verdicts": dict(month.verdicts),
    }
