"""The least that reaches a level of creators, in closed form: of money, of daily scores, of appeals.

Levels change only where money reaches a bound of a band, so that it is enough to look at these. Money in fen, scores in
hundredths, shares in percent.
"""

from collections.abc import Collection, Iterable, Mapping

from domain.creator_level.rule import Figures, Rules, decide
from domain.limits import SCORE_MAX


def level_after(figures: Figures, rules: Rules, fen: int, *, good_goods: bool) -> int:
    """The level without the gates that a month comes to with further sales."""
    settled, good = figures.settled_sum_fen + fen, figures.good_sum_fen + (fen if good_goods else 0)
    return decide(figures._replace(settled_sum_fen=settled, good_sum_fen=good), rules).level


def least_sales(figures: Figures, rules: Rules, wanted: int, *, good_goods: bool) -> int | None:
    """The least fen of further sales with which a month comes to a level without the gates, or a higher one.

    0 where it does as it is, None where no amount does it: sales that are no good goods lower the share of good ones.
    Refunds beyond the month's sales have to be made up for. Between two bounds of settled money no more of such sales
    does what the least of them did not; good goods never lower anything.
    """
    settled, good = figures.settled_sum_fen, figures.good_sum_fen
    bounds = [0, 1 - settled, *(band.begins - settled for band in rules.sales_bands)]
    if good_goods:
        shares = [band.begins for band in rules.behaviour_bands if band.begins < 100]
        bounds += [_at_least(share * settled - 100 * good, 100 - share) for share in shares]
    reaching = (
        fen for fen in sorted(bounds) if fen >= 0 and level_after(figures, rules, fen, good_goods=good_goods) >= wanted
    )
    return next(reaching, None)


def least_score(scores: Mapping[int, int], left: Collection[int], minimum: int) -> int | None:
    """The least score that, held on each of the days that are left, brings the mean to a minimum; None: not the best.

    `scores` are those of days as they stand; on days that are left they give way to others.
    """
    if not left:
        return None
    kept = [score for day, score in scores.items() if day not in left]
    least = _at_least(minimum * (len(kept) + len(left)) - sum(kept), len(left))
    return max(least, 0) if least <= SCORE_MAX else None


def best_days(scores: Mapping[int, int], left: Iterable[int], minimum: int) -> list[int] | None:
    """The fewest of the days that are left on which the best score brings the mean to a minimum, those first that bring
    it furthest; None: not all of them.

    What a day brings is told by the sum of what each day's score is over the minimum, which must not be negative.
    """
    by_gain = sorted(left, key=lambda day: (scores.get(day, minimum), day))
    missing, chosen = minimum * len(scores) - sum(scores.values()), list[int]()
    for day in by_gain:
        chosen.append(day)
        missing -= SCORE_MAX - scores.get(day, minimum)
        if missing <= 0:
            return chosen
    return None


def fewest_violations(points: Mapping[str, int], maximum: int) -> list[str]:
    """The fewest violations without whose points no more than so many are deducted: those of the most points."""
    left, chosen = sum(points.values()), list[str]()
    for violation in sorted(points, key=lambda name: (-points[name], name)):
        if left <= maximum:
            break
        chosen.append(violation)
        left -= points[violation]
    return chosen


def _at_least(numerator: int, denominator: int) -> int:
    """A fraction, rounded up."""
    return -(-numerator // denominator)
