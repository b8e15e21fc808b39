"""The scheme `creator-level`: a creator's figures of a month → L0 to L7, behind two gates.

RULEBOOK §3. Months are independent: the figures of one go in, its evaluation comes out, with every gate and score
that led there. Integers only: money in fen, scores in hundredths, means as sum and number of days.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from domain.rules.bands import Band, score_of
from domain.rules.comparison import GATE, Comparison, Trial, Worth, band_trial, worths

SCHEME: Final = "creator-level"
NO_GATE: Final = -1


class State(StrEnum):
    """Whether there is a level."""

    RATED = "rated"
    GATED = "gated"
    NOT_REGISTERED = "not_registered"
    NO_EVALUATION_YET = "no_evaluation_yet"


class Figures(NamedTuple):
    """What a month is judged by; both sums with refunds taken off, before they are bounded."""

    month: int
    settled_sum_fen: int
    good_sum_fen: int
    reputation_sum: int
    """Of each day's last value, in hundredths, over the days before the evaluation."""
    reputation_days: int
    deducted: int


class Rules(NamedTuple):
    """A policy's parameters as the rules read them."""

    first_month: int
    sales_bands: tuple[Band, ...]
    behaviour_bands: tuple[Band, ...]
    """In percent."""
    sales_percent: int
    behaviour_percent: int
    gate_days: int
    reputation_min: int
    """In hundredths; NO_GATE: no such gate."""
    deducted_max: int
    levels: tuple[str, ...]


class Decided(NamedTuple):
    """What decides a month, in numbers."""

    settled_fen: int
    good_fen: int
    sales_score: int
    behaviour_score: int
    level: int
    """The level that it would be without the gates."""
    gated: bool


class Evaluation(NamedTuple):
    """What a month comes to, and what its gates compared."""

    figures: Figures
    settled_fen: int
    good_fen: int
    sales_score: int
    behaviour_score: int
    level: int
    gated: bool
    gates: list[Comparison]

    @property
    def state(self) -> State:
        return State.GATED if self.gated else State.RATED


class Moves(NamedTuple):
    """Each single move that reaches the next level, the other figures held; None where there is none."""

    settled_missing_fen: int | None
    share_percent: int | None


def evaluate(figures: Figures, rules: Rules) -> Evaluation:
    """Judge a month."""
    return Evaluation(figures, *decide(figures, rules), gates(figures, rules))


def decide(figures: Figures, rules: Rules) -> Decided:
    """What a month comes to; compiled, where many creators are judged."""
    settled = max(figures.settled_sum_fen, 0)
    good = min(max(figures.good_sum_fen, 0), settled)
    sales = score_of(rules.sales_bands, settled)
    behaviour = score_of(rules.behaviour_bands, good * 100, settled)
    return Decided(settled, good, sales, behaviour, level_of(sales, behaviour, rules), is_gated(figures, rules))


def is_gated(figures: Figures, rules: Rules) -> bool:
    """Whether a gate is not met. A mean of no days at all meets nothing."""
    days = figures.reputation_days
    if rules.reputation_min != NO_GATE and (days == 0 or figures.reputation_sum < rules.reputation_min * days):
        return True
    return rules.deducted_max != NO_GATE and figures.deducted > rules.deducted_max


def level_of(sales_score: int, behaviour_score: int, rules: Rules) -> int:
    """The weighted mean of both scores, rounded half up."""
    return (rules.sales_percent * sales_score + rules.behaviour_percent * behaviour_score + 50) // 100


DECIDING: Final = (decide, is_gated, level_of, score_of)
"""The functions that are compiled where many creators are judged."""


def ranking_score(sales_score: int, behaviour_score: int, rules: Rules) -> int:
    """What creators are ranked by: 4S + B where sales weigh 80 % and behaviour 20 %."""
    return (rules.sales_percent * sales_score + rules.behaviour_percent * behaviour_score) // 20


def gates(figures: Figures, rules: Rules) -> list[Comparison]:
    """What has to be met for there to be a level at all, compared as `is_gated` does."""
    found = []
    if rules.reputation_min != NO_GATE:
        days = figures.reputation_days
        found.append(Comparison("reputation_mean", figures.reputation_sum, days * 100, ">=", rules.reputation_min, 100))
    if rules.deducted_max != NO_GATE:
        found.append(Comparison("credit_deducted", figures.deducted, 1, "<=", rules.deducted_max))
    return found


def moves(found: Evaluation, rules: Rules) -> Moves | None:
    """How the next level up, reckoned without the gates, could be reached by one figure; None at the top.

    What is missing is counted from the sum before it is bounded: refunds beyond the month's sales have to be made up
    for first.
    """
    wanted = found.level + 1
    if wanted >= len(rules.levels):
        return None
    sales = [band.begins for band in rules.sales_bands if level_of(band.score, found.behaviour_score, rules) >= wanted]
    shares = [band.begins for band in rules.behaviour_bands if level_of(found.sales_score, band.score, rules) >= wanted]
    return Moves(
        settled_missing_fen=min(sales) - found.figures.settled_sum_fen if sales else None,
        share_percent=min(shares) if shares else None,
    )


def trials(found: Evaluation, rules: Rules) -> list[Trial]:
    """The gates, then both scores and the level: each with the band that it reached."""
    gated_by = tuple(f"gate_{gate.what}" for gate in found.gates if not gate.met)
    weighted = rules.sales_percent * found.sales_score + rules.behaviour_percent * found.behaviour_score
    levels = [Worth(max(100 * rank - 50, 0), 100, level=code) for rank, code in enumerate(rules.levels)]
    return [
        *(Trial(f"gate_{gate.what}", [gate], gate.met, kind=GATE) for gate in found.gates),
        band_trial("sales_score", "settled_fen", found.settled_fen, 1, worths(rules.sales_bands)),
        band_trial(
            "behaviour_score", "good_share", found.good_fen, found.settled_fen, worths(rules.behaviour_bands, 100)
        ),
        band_trial("level", "weighted_mean", weighted, 100, levels, gated_by),
    ]
