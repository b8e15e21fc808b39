"""The ways to a creator's next level: what the open month has to bring until it is evaluated.

The next level is that above the one held; of who is gated, the one that is withheld; of who has none yet, the lowest.
It is reached at an evaluation, judged by the version in force then: money and scores count in the month that is judged.
Where a gate cannot be met in it without an appeal, the ways of the first later month are told in which it can. An
appeal reaches back, and may lift the gate of the evaluation that holds.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import product
from typing import Final, NamedTuple

from domain.calendar import day_of, day_start, month_of, month_start
from domain.creator_level.facts import hundredths
from domain.creator_level.reaching import best_days, fewest_violations, least_sales, least_score, level_after
from domain.creator_level.rule import Rules, is_gated, level_of
from domain.limits import AMOUNT_FEN_MAX, SCORE_MAX
from domain.rules.contributions import DAYS, FEN, HUNDREDTHS
from replay.replaying.hypothetical import (
    REGISTRATION,
    TIME,
    TIMES,
    VIOLATIONS,
    Hypothetical,
    Lever,
    Need,
    NoWay,
    Overlay,
    Way,
    Ways,
    in_parts,
    named,
    way_by,
)
from replay.schemes.creator_level.replay import CreatorReplay, Month

SALES: Final = "sales"
"""Sales of no good goods; of any, where that is the same."""
GOOD_SALES: Final = "good_sales"
SCORE_EACH_DAY: Final = "score_each_day"
"""The same score on every day that is left."""
BEST_DAYS: Final = "best_days"
"""Days on which the score is the best."""
APPEALS: Final = "appeals"
"""Violations whose deductions are lifted."""
TOO_FEW_DAYS: Final = "too_few_days"
"""Not even the best score on all days that are left does it."""
SHARE_TOO_LOW: Final = "share_too_low"
"""The share of good goods keeps the score down, however much is sold."""
ABOVE_ALL_BANDS: Final = "above_all_bands"
"""No scores come to it."""
NOT_EVALUATED: Final = "not_evaluated"
"""The month that is open is not."""
CREDIT: Final = "credit_deducted"
REPUTATION: Final = "reputation_mean"
"""The gates, as comparisons name them."""
_MONTHS_MAX: Final = 14
"""So many evaluations are looked at: no gate looks back further than a year."""


class _Open(NamedTuple):
    """A month as it is evaluated where nothing but what is known happens, and from when on things can."""

    replay: CreatorReplay
    """At the instant of the evaluation."""
    month: Month
    since: int
    registering: tuple[Lever, ...]

    @property
    def days_left(self) -> range:
        """The days whose scores count and are still to come, that of `since` included."""
        end = day_of(self.month.at)
        return range(max(day_of(self.since), end - self.month.rules.gate_days), end)

    def is_met(self, gate: str) -> bool:
        """Whether a gate is met, or there is none."""
        return all(compared.met for compared in self.month.found.gates if compared.what == gate)


class _Sold(NamedTuple):
    """Sales that bring the level, and which level they bring."""

    levers: tuple[Lever, ...]
    level: str


def ways(replay: CreatorReplay, lay: Overlay[CreatorReplay]) -> Ways:
    """The ways of a creator from where a replay stands; `lay` lays events over that replay."""
    months = _open_months(replay, lay)
    found = next(months, None)
    if found is None:
        return Ways(None, (), (NoWay(TIME, NOT_EVALUATED),))
    wanted = _wanted(replay.held, found.month.rules)
    if wanted is None:
        return Ways(None, (), ())
    next_level, unreachable = found.month.rules.levels[wanted], tuple(_unreachable(found, wanted))
    found_ways = [*_by_appeals_at_once(replay), *_ways_in(found, wanted, _by_appeals(replay, found))]
    while found is not None and not _can_be_met(found):
        found = next(months, None)
        if found is not None:
            found_ways += _ways_in(found, wanted, ())
    return Ways(next_level, tuple(found_ways), unreachable)


def _open_months(replay: CreatorReplay, lay: Overlay[CreatorReplay]) -> Iterator[_Open]:
    """The months that are evaluated next, the open one first: of who is not registered by then, with that done."""
    as_of = replay.moment.as_of
    registering = Hypothetical(as_of, replay.subject, "creator.registered", {})
    for month in range(month_of(as_of), month_of(as_of) + _MONTHS_MAX):
        then, levers = lay((), month_start(month + 1)), tuple[Lever, ...]()
        if not then.begun:
            levers = (Lever(Need(REGISTRATION, 1, TIMES), (registering,), ()),)
            then = lay([registering], month_start(month + 1))
        if then.held is None or then.held.month != month:
            return
        yield _Open(then, then.held, max(as_of, month_start(month)), levers)


def _wanted(held: Month | None, rules: Rules) -> int | None:
    """The rank of the next level among those of the version that judges it; None at the top."""
    if held is None:
        return 0
    code, rank = held.rules.levels[held.found.level], held.found.level
    rank = rules.levels.index(code) if code in rules.levels else rank
    wanted = rank if held.found.gated else rank + 1
    return wanted if wanted < len(rules.levels) else None


def _ways_in(found: _Open, wanted: int, appeals: Sequence[tuple[Lever, ...]]) -> list[Way]:
    """The ways of one month: each way to meet the gates with each to sell enough."""
    lifted = [()] if found.is_met(CREDIT) else appeals
    return [
        way_by((*found.registering, *lifting, *scoring, *sold.levers), sold.level, found.month.at)
        for lifting, scoring, sold in product(lifted, _by_scores(found), _by_sales(found, wanted))
    ]


def _can_be_met(found: _Open) -> bool:
    """Whether both gates can be met in a month without an appeal."""
    return found.is_met(CREDIT) and bool(_by_scores(found))


def _unreachable(found: _Open, wanted: int) -> Iterator[NoWay]:
    """What does not bring the level in a month."""
    if not _by_scores(found):
        yield NoWay(BEST_DAYS, TOO_FEW_DAYS)
    figures, rules = found.month.found.figures, found.month.rules
    best = level_of(rules.sales_bands[-1].score, rules.behaviour_bands[-1].score, rules)
    for kind in (SALES, GOOD_SALES):
        if least_sales(figures, rules, wanted, good_goods=kind == GOOD_SALES) is None:
            yield NoWay(kind, SHARE_TOO_LOW if best >= wanted else ABOVE_ALL_BANDS)


# --- sales ------------------------------------------------------------------------------------------------------------


def _by_sales(found: _Open, wanted: int) -> list[_Sold]:
    """What has to be sold: nothing where it is enough, good goods where less of them is needed than of any."""
    figures, rules = found.month.found.figures, found.month.rules
    plain, good = (least_sales(figures, rules, wanted, good_goods=good_goods) for good_goods in (False, True))
    needed = [(SALES, plain)] if plain is not None else []
    needed += [(GOOD_SALES, good)] if good is not None and good != plain else []
    return [
        _Sold(
            () if fen == 0 else (_sales(found, kind, fen),),
            rules.levels[level_after(figures, rules, fen, good_goods=kind == GOOD_SALES)],
        )
        for kind, fen in needed
    ]


def _sales(found: _Open, kind: str, fen: int) -> Lever:
    subject = found.replay.subject
    events, less = (sold(subject, found.since, amount, good_goods=kind == GOOD_SALES) for amount in (fen, fen - 1))
    return Lever(Need(kind, fen, FEN), events, less)


def sold(subject: str, at: int, fen: int, *, good_goods: bool) -> tuple[Hypothetical, ...]:
    """Sales that come to so many fen: several where one cannot be as large."""
    return tuple(
        Hypothetical(
            at,
            subject,
            "sale.settled",
            {"order": named(at, number), "amount": amount, "good_goods": good_goods, "channel": "live"},
        )
        for number, amount in enumerate(in_parts(fen, AMOUNT_FEN_MAX), 1)
    )


# --- gates ------------------------------------------------------------------------------------------------------------


def _by_scores(found: _Open) -> list[tuple[Lever, ...]]:
    """How the gate of the mean score is met: by nothing, or by the same score on each day left or the best on few."""
    if found.is_met(REPUTATION):
        return [()]
    scores = {
        day_of(event.occurred_at): hundredths(event.data.value)
        for event in found.replay.gating(found.month)
        if event.type == "creator.scored"
    }
    left, minimum = found.days_left, found.month.rules.reputation_min
    least, best = least_score(scores, left, minimum), best_days(scores, left, minimum)
    if least is None or best is None:
        return []
    subject = found.replay.subject
    same, lower = (_scored(subject, left, score) for score in (least, least - 1))
    each_day = Lever(Need(SCORE_EACH_DAY, least, HUNDREDTHS), same, lower)
    few, fewer = (_scored(subject, days, SCORE_MAX) for days in (best, best[:-1]))
    return [(each_day,), (Lever(Need(BEST_DAYS, len(best), DAYS), few, fewer),)]


def _scored(subject: str, days: Iterable[int], score: int) -> tuple[Hypothetical, ...]:
    """A score at the close of each day, where it is the day's last; under 0 none at all."""
    value = f"{score // 100}.{score % 100:02d}"
    return tuple(
        Hypothetical(day_start(day + 1) - 1, subject, "creator.scored", {"score": "reputation", "value": value})
        for day in days
        if score >= 0
    )


def _by_appeals(replay: CreatorReplay, found: _Open) -> list[tuple[Lever, ...]]:
    """The fewest appeals that meet the gate of the credit in a month; none where they lift that of the evaluation that
    holds, so that the month does not have to be waited for.
    """
    if found.is_met(CREDIT):
        return []
    chosen = fewest_violations(_deducted(found.replay, found.month), found.month.rules.deducted_max)
    at = max(found.since, replay.moment.as_of + 1)
    return [] if _lift(replay, chosen) else [(_appeals(replay.subject, at, chosen),)]


def _by_appeals_at_once(replay: CreatorReplay) -> list[Way]:
    """The fewest appeals that lift the gate of the evaluation that holds, if nothing else does."""
    held, at = replay.held, replay.moment.as_of + 1
    if held is None or not held.found.gated:
        return []
    chosen = fewest_violations(_deducted(replay, held), held.rules.deducted_max)
    if not _lift(replay, chosen):
        return []
    return [way_by([_appeals(replay.subject, at, chosen)], held.rules.levels[held.found.level], at)]


def _lift(replay: CreatorReplay, violations: Collection[str]) -> bool:
    """Whether appeals give who is gated the level that is withheld, before there is another evaluation."""
    held, as_of = replay.held, replay.moment.as_of
    if held is None or not held.found.gated or month_of(as_of + 1) > month_of(as_of):
        return False
    lifted = sum(points for name, points in _deducted(replay, held).items() if name in violations)
    figures = held.found.figures._replace(deducted=held.found.figures.deducted - lifted)
    return not is_gated(figures, held.rules)


def _appeals(subject: str, at: int, violations: Sequence[str]) -> Lever:
    events = tuple(Hypothetical(at, subject, "credit.restored", {"violation": name}) for name in violations)
    return Lever(Need(APPEALS, len(events), VIOLATIONS), events, events[:-1])


def _deducted(replay: CreatorReplay, month: Month) -> dict[str, int]:
    """By violation, the points that count for a month's gate."""
    found: dict[str, int] = {}
    for event in replay.gating(month):
        if event.type == "credit.deducted":
            found[event.data.violation] = found.get(event.data.violation, 0) + event.data.points
    return found
