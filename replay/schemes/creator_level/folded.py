"""What a compiled fold of creators' levels says of one creator, as the values that its plain replay is made of."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from domain.calendar import month_start
from domain.creator_level.facts import rules_of
from domain.creator_level.rule import Evaluation, Figures, Rules, gates
from domain.policy import Term, term_at
from replay.columnar.rows import part_of
from replay.schemes.creator_level.fold import UNREGISTERED, CreatorFolded
from replay.schemes.creator_level.replay import Month


class FoldedCreator(NamedTuple):
    """One creator up to the instant of the fold."""

    registered_at: int | None
    months: list[Month]
    """Every evaluation, the earliest first."""


def rules_by_hash(terms: Sequence[Term]) -> dict[str, Rules]:
    """By the policy's hash."""
    return {term.policy.hash: rules_of(term.policy) for term in terms}


def creator_of(
    folded: CreatorFolded,
    subject: int,
    terms: Sequence[Term],
    rules: Mapping[str, Rules] | None = None,
    since: int | None = None,
) -> FoldedCreator:
    """What a fold under some terms says of a subject; who asks for many gives the terms' rules beside them.

    `since`: with the evaluations of that month and of later ones alone.
    What another version would make of a month, whose gates may count other days, a fold under that version says.
    """
    evaluations = folded.evaluations[part_of(folded.evaluations["subject"], subject)]
    if since is not None:
        evaluations = evaluations[evaluations["month"] >= since]
    rules = rules or rules_by_hash(terms)
    sums = _sums_of(folded, subject)
    months = []
    for _, month, settled, good, *scores in evaluations.tolist():
        sales, behaviour, level, gated, *_ = scores
        policy = term_at(terms, month_start(month)).policy
        figures = sums.get(month, Figures(month, 0, 0, 0, 0, 0))
        found = gates(figures, rules[policy.hash])
        months.append(
            Month(policy, rules[policy.hash], Evaluation(figures, settled, good, sales, behaviour, level, gated, found))
        )
    registered_at = int(folded.registered_at[subject])
    return FoldedCreator(None if registered_at == UNREGISTERED else registered_at, months)


def figures_of(folded: CreatorFolded, subject: int, month: int) -> Figures:
    """A month's figures, by the days that the fold's own versions count."""
    return _sums_of(folded, subject).get(month, Figures(month, 0, 0, 0, 0, 0))


def _sums_of(folded: CreatorFolded, subject: int) -> dict[int, Figures]:
    """By month, its figures where there are any."""
    part = part_of(folded.subjects, subject)
    rows = zip(folded.months[part].tolist(), folded.figures[part].tolist(), strict=True)
    return {month: Figures(month, *values[:-1]) for month, values in rows}
