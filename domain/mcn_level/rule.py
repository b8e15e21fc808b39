"""The scheme `mcn-level`: an agency's figures of a month → its phase, four scores and V1 to V5; and the boards.

RULEBOOK §4. Months are independent: the figures of one go in, its evaluation comes out, row by row. Integers only:
money in fen, scores in hundredths, shares and means as fractions.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from domain.rules.bands import Band, band_of
from domain.rules.comparison import Comparison, Trial, Worth, band_trial, worths

SCHEME: Final = "mcn-level"


class State(StrEnum):
    """The phase of an agency, or why it has none."""

    RATED = "rated"
    NOVICE = "novice"
    OBSERVATION = "observation"
    NOT_ONBOARDED = "not_onboarded"
    NO_EVALUATION_YET = "no_evaluation_yet"


class Figures(NamedTuple):
    """What a month is judged by; sums of money with refunds taken off, before they are bounded."""

    month: int
    months_onboarded: int
    """1 in the month of onboarding."""
    credit: int
    settled_sum_fen: int
    showcase_sum_fen: int
    good_sum_fen: int
    orders: int
    worry_free: int
    showcase_creators: int
    live_minutes: int
    top_creators: int
    reputation_sum: int
    """Of the last value of each creator held, in hundredths."""
    reputation_creators: int


class Rules(NamedTuple):
    """A policy's parameters as the rules read them; shares in percent."""

    first_month: int
    evaluation_day: int
    novice_months: int
    service_min: int
    credit_min: int
    credit_start: int
    credit_max: int
    top_level: str
    settled_bands: tuple[Band, ...]
    orders_bands: tuple[Band, ...]
    top_creators_bands: tuple[Band, ...]
    live_minutes_bands: tuple[Band, ...]
    showcase_share_bands: tuple[Band, ...]
    showcase_creators_bands: tuple[Band, ...]
    good_share_bands: tuple[Band, ...]
    service_bands: tuple[Band, ...]
    worry_free_bands: tuple[Band, ...]
    level_codes: tuple[str, ...]
    level_bounds: tuple[int, ...]
    """Rising."""


class ScoreRow(NamedTuple):
    """One row of the score: a figure, the band that it reached, and to which score its points belong."""

    score: str
    what: str
    numerator: int
    denominator: int
    unit: int
    """What a band's figure is multiplied by to be compared: 100 for shares in percent and means in hundredths."""
    bands: tuple[Band, ...]

    @property
    def band(self) -> Band:
        return band_of(self.bands, self.numerator * self.unit, self.denominator)

    @property
    def points(self) -> int:
        return self.band.score


class Evaluation(NamedTuple):
    """What a month comes to."""

    figures: Figures
    settled_fen: int
    showcase_fen: int
    good_fen: int
    rows: list[ScoreRow]
    operating: int
    growth: int
    service: int
    bonus: int
    state: State
    level: int
    """The number of level bounds reached."""
    to_next: int | None

    @property
    def total(self) -> int:
        """The sum with bonus."""
        return self.operating + self.growth + self.service + self.bonus


def evaluate(figures: Figures, rules: Rules) -> Evaluation:
    """Judge a month."""
    settled = max(figures.settled_sum_fen, 0)
    showcase = min(max(figures.showcase_sum_fen, 0), settled)
    good = min(max(figures.good_sum_fen, 0), settled)
    rows = rows_of(figures, settled, showcase, good, rules)
    scores = {name: sum(row.points for row in rows if row.score == name) for name in SCORES}
    total = sum(scores.values())
    level = sum(1 for bound in rules.level_bounds if bound <= total)
    to_next = rules.level_bounds[level] - total if level < len(rules.level_bounds) else None
    state = state_of(figures, scores["service"], rules)
    return Evaluation(figures, settled, showcase, good, rows, **scores, state=state, level=level, to_next=to_next)


SCORES: Final = ("operating", "growth", "service", "bonus")


def rows_of(figures: Figures, settled: int, showcase: int, good: int, rules: Rules) -> list[ScoreRow]:
    """Every row of the score, in the order of the rulebook."""
    reputation = (figures.reputation_sum, figures.reputation_creators)
    return [
        ScoreRow("operating", "settled_fen", settled, 1, 1, rules.settled_bands),
        ScoreRow("operating", "orders", figures.orders, 1, 1, rules.orders_bands),
        ScoreRow("operating", "top_creators", figures.top_creators, 1, 1, rules.top_creators_bands),
        ScoreRow("operating", "live_minutes", figures.live_minutes, 1, 1, rules.live_minutes_bands),
        ScoreRow("growth", "showcase_share", showcase, settled, 100, rules.showcase_share_bands),
        ScoreRow("growth", "showcase_creators", figures.showcase_creators, 1, 1, rules.showcase_creators_bands),
        ScoreRow("growth", "good_share", good, settled, 100, rules.good_share_bands),
        ScoreRow("service", "reputation_hundredths", *reputation, 1, rules.service_bands),
        ScoreRow("bonus", "worry_free_orders", figures.worry_free, 1, 1, rules.worry_free_bands),
    ]


def state_of(figures: Figures, service: int, rules: Rules) -> State:
    """The phase of a month: the first that applies."""
    if figures.months_onboarded <= rules.novice_months:
        return State.NOVICE
    if service < rules.service_min or figures.credit < rules.credit_min:
        return State.OBSERVATION
    return State.RATED


def rated_when(found: Evaluation, rules: Rules) -> list[Comparison]:
    """What an agency that is no novice has to meet for there to be a level, compared as `state_of` does."""
    return [
        Comparison("service", found.service, 1, ">=", rules.service_min),
        Comparison("credit", found.figures.credit, 1, ">=", rules.credit_min),
    ]


def asked_of_novices(rules: Rules) -> list[Comparison]:
    """The same before the first evaluation: there is nothing yet to hold against the bounds."""
    return [
        Comparison("service", 0, 0, ">=", rules.service_min),
        Comparison("credit", 0, 0, ">=", rules.credit_min),
    ]


def trials(found: Evaluation, rules: Rules) -> list[Trial]:
    """The phases, then every row and the level, with the bands that they reached."""
    novice = Comparison("months_onboarded", found.figures.months_onboarded, 1, "<=", rules.novice_months)
    watched = [
        Comparison("service", found.service, 1, "<", rules.service_min),
        Comparison("credit", found.figures.credit, 1, "<", rules.credit_min),
    ]
    tried = [Trial("novice", [novice], novice.met)]
    tried.append(Trial("observation", watched, found.state is State.OBSERVATION))
    tried += [
        band_trial(row.score, row.what, row.numerator, row.denominator, worths(row.bands, row.unit))
        for row in found.rows
    ]
    levels = [Worth(begins, 1, level=code) for code, begins in zip(rules.level_codes, rules.level_bounds, strict=True)]
    phase = () if found.state is State.RATED else (str(found.state),)
    return [*tried, band_trial("level", "total", found.total, 1, levels, phase)]


def credit_after(movements: Sequence[tuple[int, int]], before: int, rules: Rules) -> int:
    """The credit just before an instant: movements are (instant, points), in order; the cap holds after each."""
    credit = rules.credit_start
    for at, points in movements:
        if at < before:
            credit = credit_moved(credit, points, rules.credit_max)
    return credit


def credit_moved(credit: int, points: int, credit_max: int) -> int:
    """The credit after a movement; compiled, where many agencies are judged."""
    return min(credit + points, credit_max)


def score_on(board: str, found: Evaluation) -> int:
    """What a board ranks by: the total, or one of the scores."""
    return found.total if board == "total" else int(getattr(found, board))
