"""The ways to an agency's next level: what the open month has to bring, row by row of the score.

The next level is that above the one held, and for who has none the lowest: of novices in the first month in which they
are none any more. Without enough service and credit there is no level, so that these are asked first; beside them one
row alone, and where none does it, the fewest together. What is sold or shown live is that of creators who are newly
bound, so that no creator's own level moves with it; levels of creators themselves are reached by their own ways.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from domain.calendar import month_of, month_start
from domain.limits import AMOUNT_FEN_MAX, CREDIT_POINTS_MAX, LIVE_MINUTES_MAX, SCORE_MAX
from domain.mcn_level.facts import evaluated_at, last_scores, rules_of
from domain.mcn_level.reaching import (
    COUNTED,
    CREDIT,
    LIVE_MINUTES,
    ORDERS,
    REPUTATION,
    ROWS,
    SHOWCASE_CREATORS,
    SOLD,
    WORRY_FREE,
    Amounts,
    creators_missing,
    fewest,
    least,
    reaches,
    required,
    with_amounts,
)
from domain.mcn_level.rule import Figures, Rules, State, evaluate
from domain.rules.contributions import CREATORS, FEN, HUNDREDTHS, MINUTES, POINTS
from domain.rules.contributions import ORDERS as ORDERS_UNIT
from replay.replaying.hypothetical import (
    PROVED_EVENTS_MAX,
    TIME,
    TIMES,
    TOGETHER,
    TOO_MANY_TO_PROVE,
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
from replay.schemes.mcn_level.replay import McnReplay, Month

ONBOARDING: Final = "onboarding"
TOP_CREATORS: Final = "top_creators"
NOT_EVALUATED: Final = "not_evaluated"
"""The month that would be judged is not."""
NOT_ENOUGH: Final = "not_enough_points"
"""Not even the highest band brings enough."""
OUT_OF_REACH: Final = "out_of_reach"
"""No amount meets what there has to be for a level at all."""
BY_THEIR_OWN_WAYS: Final = "by_their_own_ways"
MOVES_CREATORS: Final = "moves_creators"
"""Creators' own levels would move with it, so that it is reckoned only."""
UNITS: Final[Mapping[str, str]] = {
    **dict.fromkeys(SOLD, FEN),
    **dict.fromkeys((ORDERS, WORRY_FREE), ORDERS_UNIT),
    SHOWCASE_CREATORS: CREATORS,
    LIVE_MINUTES: MINUTES,
    REPUTATION: HUNDREDTHS,
    CREDIT: POINTS,
}


class _Open(NamedTuple):
    """A month as it is evaluated where nothing but what is known happens, and from when on things can."""

    replay: McnReplay
    """At the instant of the evaluation."""
    month: Month
    since: int
    onboarding: tuple[Lever, ...] = ()

    @property
    def figures(self) -> Figures:
        return self.month.found.figures

    @property
    def rules(self) -> Rules:
        return self.month.rules

    @property
    def close(self) -> int:
        """The last instant that counts for the month."""
        return month_start(self.month.month + 1) - 1


def ways(replay: McnReplay, lay: Overlay[McnReplay]) -> Ways:
    """The ways of an agency from where a replay stands; `lay` lays events over that replay."""
    pending = _pending(replay, lay)
    if pending is not None:
        wanted = _wanted(replay.held, pending.rules)
        if wanted is not None and reaches(pending.figures, pending.rules, wanted):
            return Ways(pending.rules.level_codes[wanted], (_way(pending, {}),), ())
    found = _open(replay, lay)
    if found is None:
        return Ways(None, (), (NoWay(TIME, NOT_EVALUATED),))
    wanted = _wanted(replay.held, found.rules)
    if wanted is None:
        return Ways(None, (), ())
    told = list(_told(found, lay, wanted))
    return Ways(
        found.rules.level_codes[wanted],
        tuple(item for item in told if isinstance(item, Way)),
        tuple(item for item in told if isinstance(item, NoWay)),
    )


def _pending(replay: McnReplay, lay: Overlay[McnReplay]) -> _Open | None:
    """The month that is closed and not evaluated yet."""
    as_of = replay.moment.as_of
    month = month_of(as_of) - 1
    rules = _rules(replay, month)
    return _evaluated(lay, month, rules, as_of) if evaluated_at(month, rules) > as_of else None


def _open(replay: McnReplay, lay: Overlay[McnReplay]) -> _Open | None:
    """The month that is open, or of novices the first in which they are none any more; None where it is not judged."""
    as_of = replay.moment.as_of
    month = month_of(as_of)
    closed = _closed(lay, month)
    at, onboarding = closed.history.onboarded_at, tuple[Lever, ...]()
    if at is None:
        event = Hypothetical(as_of, replay.subject, "mcn.onboarded", {})
        at, onboarding = as_of, (Lever(Need(ONBOARDING, 1, TIMES), (event,), ()),)
    judged = max(month, month_of(at) + _rules(closed, month).novice_months)
    rules = _rules(closed if judged == month else _closed(lay, judged), judged)
    found = _evaluated(lay, judged, rules, as_of, onboarding)
    return None if found is None or found.month.found.state is State.NOVICE else found


def _closed(lay: Overlay[McnReplay], month: int) -> McnReplay:
    """The replay at a month's close, which knows the version that judges it."""
    return lay((), month_start(month + 1) - 1)


def _rules(replay: McnReplay, month: int) -> Rules:
    return rules_of(replay.policy_at(month_start(month)))


def _evaluated(
    lay: Overlay[McnReplay], month: int, rules: Rules, as_of: int, onboarding: tuple[Lever, ...] = ()
) -> _Open | None:
    """A month as it is evaluated; None where it is not."""
    then = lay([event for lever in onboarding for event in lever.events], evaluated_at(month, rules))
    held = then.held
    since = max(as_of, month_start(month))
    return None if held is None or held.month != month else _Open(then, held, since, onboarding)


def _wanted(held: Month | None, rules: Rules) -> int | None:
    """The rank of the next level among those of the version that judges it; None at the top."""
    if held is None or held.level is None:
        return 0
    rank = rules.level_codes.index(held.level) if held.level in rules.level_codes else held.found.level - 1
    return rank + 1 if rank + 1 < len(rules.level_codes) else None


def _told(found: _Open, lay: Overlay[McnReplay], wanted: int) -> Iterator[Way | NoWay]:
    """Every way of a month, and what is none."""
    asked = required(found.figures, found.rules)
    if asked is None:
        yield NoWay(TOGETHER, OUT_OF_REACH)
        return
    figures = with_amounts(found.figures, asked)
    if reaches(figures, found.rules, wanted):
        yield _proposed(found, lay, asked, next(iter(asked), TIME))
        return
    alone = _alone(figures, found.rules, wanted)
    told = [_proposed(found, lay, _added(asked, {kind: amount}), kind) for kind, amount in alone.items()]
    yield from told
    if not any(isinstance(item, Way) for item in told):
        yield from _together(found, lay, asked, wanted, bool(alone))
    for kind in ROWS:
        if kind not in alone and (kind not in SOLD or not alone.keys() & SOLD.keys()):
            yield NoWay(kind, NOT_ENOUGH)
    yield _by_creators(figures, found.rules, wanted)


def _together(
    found: _Open, lay: Overlay[McnReplay], asked: Amounts, wanted: int, one_does: bool
) -> Iterator[Way | NoWay]:
    """The fewest rows that bring the level where no single one does that can be proved, of what can be; nothing where a
    single one does as well, which is told of by itself.
    """
    figures = with_amounts(found.figures, asked)
    together = fewest(figures, found.rules, wanted, PROVED_EVENTS_MAX // (len(COUNTED) + 1))
    if together is None and not one_does:
        together = fewest(figures, found.rules, wanted)
    if together is None and not one_does:
        yield NoWay(TOGETHER, NOT_ENOUGH)
    if together is not None and len(together) > 1:
        yield _proposed(found, lay, _added(asked, together), TOGETHER)


def _alone(figures: Figures, rules: Rules, wanted: int) -> Amounts:
    """Of each row that alone does it the least; of sales those of which less is needed than of plainer ones."""
    found = {kind: amount for kind in ROWS if (amount := least(kind, figures, rules, wanted)) is not None}
    return {
        kind: amount
        for kind, amount in found.items()
        if kind not in SOLD
        or all(amount < found[other] for other in SOLD if other != kind and other in found and _is_part(other, kind))
    }


def _is_part(kind: str, other: str) -> bool:
    """Whether sales of a kind are asked to be nothing that those of another are not."""
    return all(is_so <= would for is_so, would in zip(SOLD[kind], SOLD[other], strict=True))


def _added(asked: Mapping[str, int], more: Mapping[str, int]) -> Amounts:
    """What is asked first, and what beside; of one thing together."""
    return {
        kind: asked.get(kind, 0) + more.get(kind, 0) for kind in (*asked, *(item for item in more if item not in asked))
    }


def _by_creators(figures: Figures, rules: Rules, wanted: int) -> NoWay:
    missing = creators_missing(figures, rules, wanted)
    if missing is None:
        return NoWay(TOP_CREATORS, NOT_ENOUGH)
    return NoWay(TOP_CREATORS, BY_THEIR_OWN_WAYS, (Need(TOP_CREATORS, missing, CREATORS),))


def _proposed(found: _Open, lay: Overlay[McnReplay], asked: Amounts, kind: str) -> Way | NoWay:
    """A way, where it can be proved and moves no creator's own level."""
    needs = tuple(Need(name, amount, UNITS[name]) for name, amount in asked.items())
    if sum(_events_of(found, name, amount) for name, amount in asked.items()) > PROVED_EVENTS_MAX:
        return NoWay(kind, TOO_MANY_TO_PROVE, needs)
    way = _way(found, asked)
    if REPUTATION in asked:
        then = lay(way.events, way.reached_at).held
        if then is None or then.found.figures.top_creators != found.figures.top_creators:
            return NoWay(kind, MOVES_CREATORS, needs)
    return way


def _way(found: _Open, asked: Amounts) -> Way:
    levers = [Lever(Need(kind, amount, UNITS[kind]), *_brought(found, kind, amount)) for kind, amount in asked.items()]
    level = evaluate(with_amounts(found.figures, asked), found.rules).level
    return way_by([*found.onboarding, *levers], found.rules.level_codes[level - 1], found.month.at)


# --- events -----------------------------------------------------------------------------------------------------------


def _events_of(found: _Open, kind: str, amount: int) -> int:
    """About how many events something takes."""
    largest = {**dict.fromkeys(SOLD, AMOUNT_FEN_MAX), LIVE_MINUTES: LIVE_MINUTES_MAX, CREDIT: CREDIT_POINTS_MAX}
    if kind == REPUTATION:
        return len(_bettered(last_scores(found.replay.history, found.month.month), amount)) or 2
    return (2 if kind == SHOWCASE_CREATORS else 1) * -(-amount // largest.get(kind, 1))


def _brought(found: _Open, kind: str, amount: int) -> tuple[tuple[Hypothetical, ...], tuple[Hypothetical, ...]]:
    """The events that bring something, and the same with one unit less."""
    events, less = (tuple(_events(found, kind, some)) if some else () for some in (amount, amount - 1))
    return events, less


def _events(found: _Open, kind: str, amount: int) -> Iterator[Hypothetical]:
    if kind == CREDIT:
        for points in in_parts(amount, CREDIT_POINTS_MAX):
            yield Hypothetical(found.close, found.replay.subject, "credit.granted", {"points": points})
    elif kind == REPUTATION:
        yield from _scored(found, amount)
    elif kind == SHOWCASE_CREATORS:
        for number in range(1, amount + 1):
            yield _bound(found, named(found.since, number))
            yield _sold(found, named(found.since, number), 1, 0, in_showcase=True)
    else:
        creator = named(found.since, kind)
        yield _bound(found, creator)
        yield from _by_one(found, creator, kind, amount)


def _by_one(found: _Open, creator: str, kind: str, amount: int) -> Iterator[Hypothetical]:
    """What a creator who is newly bound sells or shows."""
    if kind == LIVE_MINUTES:
        for minutes in in_parts(amount, LIVE_MINUTES_MAX):
            yield Hypothetical(found.since, f"creator/{creator}", "live.held", {"minutes": minutes})
    elif kind in SOLD:
        in_showcase, good = SOLD[kind]
        for number, fen in enumerate(in_parts(amount, AMOUNT_FEN_MAX), 1):
            yield _sold(found, creator, number, fen, in_showcase=in_showcase, good_goods=good)
    else:
        for number in range(1, amount + 1):
            yield _sold(found, creator, number, 0, worry_free=kind == WORRY_FREE)


def _bound(found: _Open, creator: str) -> Hypothetical:
    return Hypothetical(found.since, found.replay.subject, "creator.bound", {"creator": creator})


def _sold(
    found: _Open,
    creator: str,
    number: int,
    fen: int,
    *,
    in_showcase: bool = False,
    good_goods: bool = False,
    worry_free: bool = False,
) -> Hypothetical:
    channel = "showcase" if in_showcase else "live"
    sale = {
        "order": named(found.since, number),
        "amount": fen,
        "good_goods": good_goods,
        "channel": channel,
        "worry_free": worry_free,
    }
    return Hypothetical(found.since, f"creator/{creator}", "sale.settled", sale)


def _scored(found: _Open, hundredths: int) -> Iterator[Hypothetical]:
    """Scores at the close of the month that are so much better in all, the lowest made better first; where no creator
    has one, that of one who is newly bound.
    """
    scores = last_scores(found.replay.history, found.month.month)
    if not scores:
        newcomer = named(found.since, REPUTATION)
        yield _bound(found, newcomer)
        scores = {newcomer: 0}
    for creator, score in _bettered(scores, hundredths):
        data = {"score": "reputation", "value": f"{score // 100}.{score % 100:02d}"}
        yield Hypothetical(found.close, f"creator/{creator}", "creator.scored", data)


def _bettered(scores: Mapping[str, int], hundredths: int) -> list[tuple[str, int]]:
    """The creators whose scores are made better, and what these are then."""
    found = []
    for creator, score in sorted(scores.items(), key=lambda item: (item[1], item[0])):
        better = min(SCORE_MAX - score, hundredths)
        hundredths -= better
        if better:
            found.append((creator, score + better))
    return found
