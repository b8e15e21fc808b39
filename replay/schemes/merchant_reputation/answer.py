"""What only the answers about a merchant's reputation say: points month by month, publication, how verdicts add up."""

from collections.abc import Sequence
from typing import Any

from domain.calendar import month_start, month_text, parse_instant, shanghai_text
from domain.merchant_reputation import account
from domain.merchant_reputation.rule import NO_CAP, Month
from replay.rendering.clauses import points_text
from replay.rendering.facet import VerdictsAnswer
from replay.replaying.base import Part
from replay.schemes.merchant_reputation.replay import ReputationReplay


class ReputationAnswer(VerdictsAnswer[ReputationReplay]):
    """One replay of one merchant, as its answers show it."""

    def own_json(self) -> dict[str, Any]:
        to_next, published = self.replay.shown.to_next_tenths, self.replay.published
        return {
            "to_next": None if to_next is None else points_text(to_next),
            "published": None if published is None else self._published_json(published),
            "months": self._months_json(),
        }

    def figures_json(self) -> dict[str, Any]:
        return {"points": points_text(self.replay.shown.points_tenths), "months": self._months_json()}

    def explained_json(self, part: Part, shown: Sequence[int]) -> dict[str, Any]:
        """How the verdicts shown add up; for single events there is no balance to close."""
        balances, begun, moved = self.replay.balances, self.replay.opening.points, self.replay.tenths_of(shown)
        if part.event_id is not None:
            return {"adds_up": {"opening": None, "verdicts": points_text(moved, signed=True), "closing": None}}
        first, last = (shown[0], shown[-1]) if shown else (0, -1)
        if not shown and part.month is not None:
            first = sum(len(month.findings) for month in self.replay.run.months if month.month < part.month)
            last = first - 1
        opening = balances[first - 1] if first > 0 else begun
        closing = balances[last] if last >= 0 else begun
        assert closing - opening == moved, "verdicts add up to the points"
        return {
            "adds_up": {
                "opening": points_text(opening),
                "verdicts": points_text(moved, signed=True),
                "closing": points_text(closing),
            }
        }

    def _published_json(self, found: account.Publication) -> dict[str, Any]:
        return {
            "month": month_text(found.month),
            "points": points_text(found.shown.points_tenths),
            "level": found.shown.level,
            "at": shanghai_text(found.at),
            **({"decided": self._decided_json(found)} if self.replay.reader.sees_decisions else {}),
            "in_force": found.at >= self.replay.policy_at(month_start(found.month)).in_force_from,
        }

    def _decided_json(self, found: account.Publication) -> dict[str, Any] | None:
        """What was decided of the published month, and whether it would come out otherwise now."""
        decision = self.replay.decision(month_text(found.month))
        if decision is None:
            return None
        return {
            "run": decision.run,
            "points": points_text(decision.score or 0),
            "level": decision.level,
            "known_at": shanghai_text(parse_instant(decision.known_at)),
            "restated": (decision.score or 0, decision.level) != (found.shown.points_tenths, found.shown.level),
        }

    def _months_json(self) -> list[dict[str, Any]]:
        return [self._month_json(month) for month in self.replay.run.months if month.findings]

    def _month_json(self, month: Month) -> dict[str, Any]:
        cap = month.closing.cap
        counts = self.replay.counts_of(month)
        return {
            "month": month_text(month.month),
            "opening": points_text(month.begun.points),
            "growth": points_text(month.closing.growth, signed=True),
            "cap": None if cap == NO_CAP else points_text(cap),
            "closing": points_text(month.closing.points),
            "level": account.shown(month.closing, self.replay.spans, month.begun.month_end - 1).level,
            "verdicts": {verdict.word: counts[verdict] for verdict in sorted(counts)},
        }
