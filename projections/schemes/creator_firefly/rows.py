"""The rows of `creator-firefly` in the views, of a creator whose points were judged one by one or over columns."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from domain.calendar import month_start, month_text
from domain.creator_firefly.account import Change, Month, Span, level_of, rules_at, spans_of
from domain.creator_firefly.rule import SCHEME, Account, State
from domain.policy import Policy, Term, start_of_month, term_at, terms_of
from projections.views.rows import change_columns, level_columns
from projections.views.step import Step, judged_by


class Judging(NamedTuple):
    """The policies of a step as the rules read them."""

    terms: list[Term]
    spans: list[Span]
    policies: list[Policy]

    def at(self, instant: int) -> dict[str, Any]:
        """By which policy rows of an instant are judged."""
        return judged_by(self.policies, term_at(self.terms, instant).policy)


def judging_of(step: Step) -> Judging:
    found: Judging | None = step.prepared.get(SCHEME)
    if found is None:
        policies = list(step.policies[SCHEME].own)
        terms = terms_of(policies, start_of_month)
        found = step.prepared[SCHEME] = Judging(terms, spans_of(terms), policies)
    return found


def month_row(subject: str, month: Month, judging: Judging) -> dict[str, Any]:
    """The close of a month, or how it stands so far."""
    begins = month_start(month.month)
    return month_columns(subject, (month_text(month.month), begins), month.level, month[2:], judging.at(begins))


def month_columns(
    subject: Any, month: tuple[Any, Any], level: Any, figures: Sequence[Any], judged: Mapping[str, Any]
) -> dict[str, Any]:
    """A month's row, or many as columns: of the month its name and when it begins; `figures` are the fields of a
    `Month` behind its level.
    """
    named = {"subject": subject, "month": month[0], "begins_at": month[1], "level": level}
    return {**named, **dict(zip(MONTH_FIGURES, figures, strict=True)), **judged}


MONTH_FIGURES: Final = ("score", "balance", "earned", "redeemed", "events", "begun_with")
"""The columns of a month's row that are the fields of a `Month` behind its level."""


def history_row(subject: str, change: Change, judging: Judging) -> dict[str, Any]:
    after = str(State.RATED), change.after, change.earned
    return change_columns((subject, SCHEME), change.at, after, judging.at(change.at), (change.cause, change.position))


def level_row(
    subject: str, account: Account, changes: Sequence[Change], judging: Judging, as_of: int
) -> dict[str, Any]:
    level = level_of(account, rules_at(judging.spans, as_of))
    state = str(State.NOT_REGISTERED if level is None else State.RATED)
    since = changes[-1].at if changes else None
    return level_columns((subject, SCHEME), (state, level, account.earned), (state, level, since), judging.at(as_of))
