"""What decisions say of many creators' levels, out of the compiled fold."""

from typing import Any, Final, NamedTuple

import numpy as np

from domain.calendar import month_start
from domain.creator_level.facts import evaluation_period, rules_of
from domain.creator_level.rule import Rules, State, ranking_score
from domain.policy import Policy, Term, term_at, terms_of
from replay.columnar.columns import Columns
from replay.history.timeline import Moment
from replay.replaying.base import Policies
from replay.replaying.monthly import NO_EVALUATION_YET
from replay.replaying.outcomes import FoldedOutcomes, subjects_of_kind
from replay.replaying.values import Standing
from replay.schemes.creator_level.fold import UNREGISTERED, NumberedEvaluation, fold_creators
from replay.schemes.creator_level.replay import CreatorReplay

_FIGURES: Final = (
    *("month", "settled_fen", "good_fen", "sales_score", "behaviour_score"),
    *("reputation_sum", "reputation_days", "deducted"),
)
"""The fields of an evaluation in the order of `CreatorReplay.decided_figures`."""


class _Held(NamedTuple):
    """What the evaluation that holds says."""

    standing: Standing
    score: int | None
    policy: Policy


def fold(columns: Columns, policies: Policies, moment: Moment) -> FoldedOutcomes:
    """What every creator of some columns, which hold what was known, comes to at a moment."""
    terms = terms_of(policies.own, evaluation_period)
    folded = fold_creators(columns, terms, moment.as_of, judges=True)
    subjects = subjects_of_kind(columns, "creator")
    rules = {term.policy.hash: rules_of(term.policy) for term in terms}
    owners = folded.evaluations["subject"]
    last = np.searchsorted(owners, np.array(subjects, owners.dtype), side="right") - 1
    is_held = np.array([row >= 0 and owners[row] == subject for row, subject in zip(last, subjects, strict=True)], bool)
    evaluations = folded.evaluations[last[is_held]]
    told = iter(evaluations.tolist())
    registered = (folded.registered_at[subjects] != UNREGISTERED).tolist()
    at_moment = term_at(terms, moment.as_of).policy
    found = [
        _held(next(told), terms, rules) if held else _Held(_none_yet(registered[place]), None, at_moment)
        for place, held in enumerate(is_held.tolist())
    ]
    figures = np.stack([evaluations[name].astype(np.int64) for name in _FIGURES], axis=1)
    assert folded.verdicts is not None, "they were asked for"
    return FoldedOutcomes(
        [columns.subjects[number] for number in subjects],
        subjects,
        [item.standing for item in found],
        [item.score for item in found],
        [item.policy for item in found],
        CreatorReplay.words,
        folded.verdicts,
        np.concatenate(([0], np.cumsum(is_held))) * len(_FIGURES),
        figures.reshape(-1),
    )


def _held(evaluation: tuple[Any, ...], terms: list[Term], rules: dict[str, Rules]) -> _Held:
    numbers = NumberedEvaluation._make(evaluation)
    policy = term_at(terms, month_start(numbers.month)).policy
    judging = rules[policy.hash]
    standing = (
        Standing(str(State.GATED), None) if numbers.gated else Standing(str(State.RATED), judging.levels[numbers.level])
    )
    return _Held(standing, ranking_score(numbers.sales_score, numbers.behaviour_score, judging), policy)


def _none_yet(registered: bool) -> Standing:
    return Standing(NO_EVALUATION_YET if registered else str(State.NOT_REGISTERED), None)
