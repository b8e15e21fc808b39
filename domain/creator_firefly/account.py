"""A creator's account over time: the level at an instant, each change of it, and the close of each month."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from domain.calendar import month_of, month_start
from domain.creator_firefly.facts import Finding, Rules, Run, rules_of
from domain.creator_firefly.rule import NEVER, NEW, Account, Verdict, rank_of
from domain.policy import Term

OPENED: Final = "opened"
POLICY: Final = "policy"


class Span(NamedTuple):
    """From the beginning of which month on which rules judge."""

    begins: int
    rules: Rules


class Change(NamedTuple):
    """Another level than before, or the first."""

    at: int
    before: str | None
    """None: not registered."""
    after: str
    earned: int
    """In all, by then."""
    position: int | None
    """The event that caused it; None where the month's version did."""

    @property
    def cause(self) -> str:
        """The registration, points that counted, or the policy whose rules began to judge."""
        if self.position is None:
            return POLICY
        return OPENED if self.before is None else str(Verdict.COUNTED)


class Month(NamedTuple):
    """The close of a month in which points of a registered creator were judged, or how it stands so far."""

    month: int
    level: str
    total: int
    """Points earned in all, by then."""
    balance: int
    earned: int
    """In the month itself."""
    redeemed: int
    events: int
    """How many got a verdict."""
    begun_with: int
    """Points earned in all by the end of the very instant at which the month begins: the month before is decided as of
    that instant, and takes it in.
    """


def spans_of(terms: Iterable[Term]) -> list[Span]:
    """The rules by month of each term."""
    return [Span(term.begins, rules_of(term.policy)) for term in terms]


def rules_at(spans: Sequence[Span], instant: int) -> Rules:
    """The rules that judge the month of an instant."""
    return next(span.rules for span in reversed(spans) if span.begins <= instant)


def level_of(account: Account, rules: Rules) -> str | None:
    """The code of the level; None for who is not registered."""
    return None if account.registered_at == NEVER else rules.codes[rank_of(rules.bounds, account.earned)]


def missing(account: Account, rules: Rules) -> tuple[str, int] | None:
    """The next level and the points that it takes; None at the top, and for who is not registered."""
    rank = rank_of(rules.bounds, account.earned) + 1
    if account.registered_at == NEVER or rank == len(rules.bounds):
        return None
    return rules.codes[rank], rules.bounds[rank] - account.earned


def changes(run: Run, spans: Sequence[Span], as_of: int) -> list[Change]:
    """Each change of level up to an instant, the earliest first."""
    found: list[Change] = []
    before: str | None = None
    for at, account, position in _moments(run, spans, as_of):
        after = level_of(account, rules_at(spans, at))
        if after is not None and after != before:
            found.append(Change(at, before, after, account.earned, position))
        before = after
    return found


def _moments(run: Run, spans: Sequence[Span], as_of: int) -> Iterator[tuple[int, Account, int | None]]:
    """When the level may change: at the registration, at points that are judged, where rules begin to judge."""
    begins = [span.begins for span in spans if span.begins <= as_of]
    account = NEW
    for at, after, position in _moves(run):
        while begins and begins[0] <= at:
            yield begins.pop(0), account, None
        account = after
        yield at, account, position
    for at in begins:
        yield at, account, None


def _moves(run: Run) -> Iterator[tuple[int, Account, int]]:
    if run.registered_by is not None:
        at = run.account.registered_at
        yield at, NEW._replace(registered_at=at), run.registered_by
    for finding in run.findings:
        if finding.verdict is not Verdict.NOT_REGISTERED:
            yield finding.at, finding.after, finding.position


def months(run: Run, spans: Sequence[Span]) -> list[Month]:
    """Every month in which points were judged since the registration, the earliest first."""
    by_month: dict[int, list[Finding]] = {}
    for finding in run.findings:
        if finding.verdict is not Verdict.NOT_REGISTERED:
            by_month.setdefault(month_of(finding.at), []).append(finding)
    return [_month(month, findings, rules_at(spans, month_start(month))) for month, findings in by_month.items()]


def _month(month: int, findings: Sequence[Finding], rules: Rules) -> Month:
    closing = findings[-1].after
    level = level_of(closing, rules)
    assert level is not None, "points are judged from the registration on"
    earned, redeemed = (
        sum(finding.points for finding in findings if finding.verdict is verdict)
        for verdict in (Verdict.COUNTED, Verdict.REDEEMED)
    )
    begun_with = begins_with(findings, month_start(month))
    return Month(month, level, closing.earned, closing.balance, earned, redeemed, len(findings), begun_with)


def begins_with(findings: Sequence[Finding], begins: int) -> int:
    """The points earned in all by the end of the instant at which the month of some findings begins."""
    at_once = [finding.after for finding in findings if finding.at == begins]
    return at_once[-1].earned if at_once else findings[0].before.earned
