"""What decisions say of all agencies' levels, out of the compiled folds of all columns together."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from domain.calendar import month_of
from domain.creator_level.facts import evaluation_period
from domain.mcn_level.rule import State
from domain.policy import Term, start_of_month, term_at, terms_of
from replay.columnar.columns import Columns
from replay.history.timeline import Moment
from replay.replaying.base import Policies
from replay.replaying.monthly import NO_EVALUATION_YET
from replay.replaying.outcomes import FoldedOutcomes
from replay.replaying.values import Standing
from replay.schemes.mcn_level.folded import FoldedAgency, McnFolded, agency_of, fold_mcn
from replay.schemes.mcn_level.replay import JudgedAgency, McnReplay, evaluations


def fold(buckets: Sequence[Columns], policies: Policies, moment: Moment) -> FoldedOutcomes:
    """What every agency comes to at a moment; the columns hold all records of agencies and creators that were known."""
    return fold_each(buckets, [policies], moment)[0]


def fold_each(buckets: Sequence[Columns], many: Sequence[Policies], moment: Moment) -> list[FoldedOutcomes]:
    """The same under each of some policies: what the same versions say of creators is folded once."""
    folds: dict[tuple[tuple[int, str], ...], tuple[McnFolded, list[FoldedAgency]]] = {}
    found = []
    for policies in many:
        terms, of_creators = terms_of(policies.own, start_of_month), terms_of(policies.beside, evaluation_period)
        by = tuple((term.begins, term.policy.hash) for term in of_creators)
        if by not in folds:
            folded = fold_mcn(buckets, of_creators, moment.as_of, judges=True)
            folds[by] = folded, _agencies_of(folded, terms)
            agencies = folds[by][1]
        else:
            agencies = [_judged_by(agency, terms, moment.as_of) for agency in folds[by][1]]
        found.append(_told(folds[by][0], agencies, terms, moment))
    return found


def _judged_by(agency: FoldedAgency, terms: Sequence[Term], as_of: int) -> FoldedAgency:
    """The same agency under other terms: its last evaluations, which are all that is told of it."""
    recent = evaluations(agency.history, agency.creator_months, terms, as_of, month_of(as_of) - 2)
    return agency._replace(months=recent or evaluations(agency.history, agency.creator_months, terms, as_of))


def _told(folded: McnFolded, agencies: Sequence[FoldedAgency], terms: Sequence[Term], moment: Moment) -> FoldedOutcomes:
    held = [agency.months[-1] if agency.months else None for agency in agencies]
    figures = [[] if month is None else month.decided_figures for month in held]
    at_moment = term_at(terms, moment.as_of).policy
    assert folded.verdicts is not None, "they were asked for"
    return FoldedOutcomes(
        folded.slots.agencies,
        range(len(agencies)),
        [_none_yet(agency) if month is None else month.standing for agency, month in zip(agencies, held, strict=True)],
        [None if month is None else month.found.total for month in held],
        [at_moment if month is None else month.policy for month in held],
        McnReplay.words,
        folded.verdicts,
        np.array([*accumulate(map(len, figures), initial=0)], np.int64),
        np.array([number for numbers in figures for number in numbers], np.int64),
    )


def judged_agencies(buckets: Sequence[Columns], policies: Policies, as_of: int) -> list[JudgedAgency]:
    """The evaluations of every agency up to an instant, from the same columns."""
    folded = fold_mcn(buckets, terms_of(policies.beside, evaluation_period), as_of, judges=False)
    found = _agencies_of(folded, terms_of(policies.own, start_of_month))
    return [JudgedAgency(name, agency.months) for name, agency in zip(folded.slots.agencies, found, strict=True)]


def _agencies_of(folded: McnFolded, terms: Sequence[Term]) -> list[FoldedAgency]:
    return [agency_of(folded, number, terms) for number in range(len(folded.slots.agencies))]


def _none_yet(agency: FoldedAgency) -> Standing:
    begun = agency.history.onboarded_at is not None
    return Standing(NO_EVALUATION_YET if begun else str(State.NOT_ONBOARDED), None)
