"""Publications as they were when they came, by what was known then: beside them stands what would be published now."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from domain.calendar import month_start, month_text, shanghai_text
from domain.merchant_reputation.account import Publication, Shown
from replay.history.timeline import Moment
from replay.rendering.clauses import points_text
from replay.rendering.facet import KnownAt
from replay.replaying.base import Policies
from replay.schemes.merchant_reputation.late import Issue


class Displayed(NamedTuple):
    """What a publication shows to people: of a merchant that is closed as of one without points."""

    points_tenths: int
    level: str | None


class Issued(NamedTuple):
    """A publication: of which month, and when it came."""

    month: int
    at: int


class Then(NamedTuple):
    """A publication by what was known when it came."""

    published: Publication | None
    """None where nothing was published then."""
    is_known: bool = True
    """False where it was not worked out."""

    @property
    def seen(self) -> Displayed | None:
        return None if self.published is None else seen_in(self.published.shown)


class JudgedNow(Protocol):
    """What a merchant comes to by all that is known now: a replay, or what the views make of it."""

    def publications(self) -> Sequence[Publication]:
        """Every publication up to now."""

    def touched(self, issues: Sequence[Issue]) -> set[int]:
        """The places of the publications on whose months something bears that was recorded behind them."""

    def published_by(self, moment: Moment, policies: Policies) -> Sequence[Publication]:
        """Every publication as it was by what was known at an earlier moment, under the policies known then."""

    def known_by(self, position: int) -> int:
        """How many of the merchant's records were known up to a position."""

    def judged_alike(self, policies: Policies, month: int) -> bool:
        """Whether others judge a month's close and all before it as it was judged."""


def publications_then(now: JudgedNow, issued: Sequence[Issued], known: KnownAt, replays_max: int) -> list[Then]:
    """What some publications, the earliest first, showed of the merchant by what was known at their instants.

    Judged again are only those on which something bears that was recorded behind them, or that other policies judged;
    of so many at most, the latest. All others are what the replay says
    of their months.
    """
    moments, shown = known.moments([item.at for item in issued]), {item.month: item for item in now.publications()}
    issues = [Issue(month_start(item.month + 1), moment.position) for item, moment in zip(issued, moments, strict=True)]
    touched, found, later = now.touched(issues), list[Then](), None
    for place, (item, moment) in reversed([*enumerate(zip(issued, moments, strict=True))]):
        policies, place_known = known.policies(moment), now.known_by(moment.position)
        if place not in touched and now.judged_alike(policies, item.month):
            found.append(Then(shown.get(item.month)))
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


def published_then_json(now: Publication, then: Displayed | None) -> dict[str, Any] | None:
    """What a publication showed when it came, beside what it would show now; None where nothing was published then."""
    if then is None:
        return None
    return {
        "month": month_text(now.month),
        "at": shanghai_text(now.at),
        "points": points_text(then.points_tenths),
        "level": then.level,
        "differs": seen_in(now.shown) != then,
    }


def seen_in(shown: Shown | None) -> Displayed | None:
    """What people see of an account where it is published; None where it is not."""
    return None if shown is None else Displayed(shown.points_tenths, shown.level)
