"""What only the answers about a creator's Firefly level say: points, what is missing, benefits, months."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from domain.calendar import month_start, month_text
from domain.creator_firefly.account import Month, rules_at, spans_of
from domain.creator_firefly.facts import rules_of
from domain.creator_firefly.rule import State, rank_of
from domain.policy import Policy, Term, term_at
from replay.policies.benefits import NOTHING_HELD, Entitled, benefits_json, held_benefits
from replay.rendering.ahead import next_dates_json
from replay.rendering.facet import VerdictsAnswer
from replay.schemes.creator_firefly.replay import FireflyReplay


class LastChange(NamedTuple):
    """The last change of a level: when, from which, and by which event, None for the rules of another version."""

    at: int
    before: str | None
    position: int | None


class FireflyShown(NamedTuple):
    """What is shown of a creator, whether a replay gives it or the views do."""

    earned: int
    balance: int
    level: str | None
    """None for who is not registered."""
    last: LastChange | None
    months: Sequence[Month]
    terms: Sequence[Term]
    as_of: int


class FireflyAnswer(VerdictsAnswer[FireflyReplay]):
    """One replay of one creator, as its answers show it."""

    figure_names = ("score", "balance")

    def own_json(self) -> dict[str, Any]:
        replay, changes = self.replay, self.replay.level_changes
        last = LastChange(changes[-1].at, changes[-1].before, changes[-1].position) if changes else None
        account = replay.run.account
        return firefly_json(
            FireflyShown(
                account.earned, account.balance, replay.level, last, replay.months, replay.terms, replay.moment.as_of
            )
        )


def firefly_json(shown: FireflyShown) -> dict[str, Any]:
    """The keys that only the answers about a Firefly level have."""
    to_next = _to_next_json(shown)
    return {
        "score": shown.earned,
        "balance": shown.balance,
        "to_next": to_next,
        "next_level": to_next and to_next["level"],
        "next_dates": next_dates_json(None),
        "benefits": _benefits_json(shown),
        "months": [_month_json(month, shown) for month in shown.months],
    }


def _to_next_json(shown: FireflyShown) -> dict[str, Any] | None:
    """The next level and the points missing to it; None at the top, and for who is not registered."""
    rules = rules_at(spans_of(shown.terms), shown.as_of)
    rank = rank_of(rules.bounds, shown.earned) + 1
    if shown.level is None or rank == len(rules.bounds):
        return None
    return {"level": rules.codes[rank], "points": rules.bounds[rank] - shown.earned}


def _benefits_json(shown: FireflyShown) -> dict[str, Any]:
    """What the level brings, what its last change won and lost, and what comes with the next."""
    policy = term_at(shown.terms, shown.as_of).policy
    holding = _holding(policy, shown.level)
    before = None if shown.last is None else _held_before(shown.last, shown)
    top = len(rules_of(policy).codes) - 1
    return benefits_json(policy, holding, before, None if holding.rank is None else min(holding.rank + 1, top))


def _held_before(last: LastChange, shown: FireflyShown) -> list[dict[str, Any]]:
    """Where the policy changed the level: by the policy before it."""
    policy = term_at(shown.terms, last.at if last.position is not None else last.at - 1).policy
    return held_benefits(policy, _holding(policy, last.before))


def _holding(policy: Policy, level: str | None) -> Entitled:
    return NOTHING_HELD if level is None else Entitled(rules_of(policy).codes.index(level))


def _month_json(month: Month, shown: FireflyShown) -> dict[str, Any]:
    return {
        "month": month_text(month.month),
        "state": str(State.RATED),
        "level": month.level,
        "earned": month.earned,
        "redeemed": month.redeemed,
        "score": month.total,
        "balance": month.balance,
        "policy": term_at(shown.terms, month_start(month.month)).policy.id,
    }
