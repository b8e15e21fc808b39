"""Publications as they were when they came, by what was known then: beside them stands what would be published now."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from domain.calendar import month_start, month_text, shanghai_text
from domain.merchant_reputation.account import Publication, Shown
from replay.rendering.clauses import points_text
from replay.rendering.facet import KnownAt
from replay.replaying.base import Policies
from replay.schemes.merchant_reputation.late import Issue
from replay.schemes.merchant_reputation.replay import ReputationReplay


class Then(NamedTuple):
    """A publication by what was known when it came."""

    published: Publication | None
    """None where nothing was published then."""
    is_known: bool = True
    """False where it was not worked out."""


def publications_then(
    now: ReputationReplay, published: Sequence[Publication], known: KnownAt, replays_max: int
) -> list[Then]:
    """Each of some publications, the earliest first, by what was known at its instant.

    Judged again are only those on which something bears that was recorded behind them, or that other policies judged;
    of so many at most, the latest.
    """
    moments = known.moments([item.at for item in published])
    issues = [
        Issue(month_start(item.month + 1), moment.position) for item, moment in zip(published, moments, strict=True)
    ]
    touched, found, later = now.touched(issues), list[Then](), None
    for place, (item, moment) in reversed([*enumerate(zip(published, moments, strict=True))]):
        policies, place_known = known.policies(moment), now.known_by(moment.position)
        if place not in touched and now.judged_alike(policies, item.month):
            found.append(Then(item))
            continue
        if place_known == 0:
            found.append(Then(None))
            continue
        if later is None or (later.known, later.policies) != (place_known, policies):
            later = None if replays_max == 0 else Later(place_known, policies, now.published_by(moment, policies))
            replays_max = max(replays_max - 1, 0)
        found.append(Then(None, is_known=False) if later is None else Then(_of_month(later.published, item.month)))
    return found[::-1]


class Later(NamedTuple):
    """What was published up to a later publication: it tells of those before it that nothing more was known of."""

    known: int
    policies: Policies
    published: Sequence[Publication]


def _of_month(published: Sequence[Publication], month: int) -> Publication | None:
    return next((item for item in reversed(published) if item.month == month), None)


def published_then_json(now: Publication, then: Then) -> dict[str, Any] | None:
    """A publication as it was beside what it would be now; None where nothing was published then."""
    shown = None if then.published is None else then.published.shown
    if shown is None and then.is_known:
        return None
    return {
        "month": month_text(now.month),
        "at": shanghai_text(now.at),
        "worked_out": then.is_known,
        "points": shown and points_text(shown.points_tenths),
        "level": shown and shown.level,
        "differs": None if shown is None else _seen(now.shown) != _seen(shown),
    }


def _seen(shown: Shown) -> tuple[int, str | None]:
    """What a publication shows to people: points and level, of a merchant that is closed as of one without points."""
    return shown.points_tenths, shown.level
