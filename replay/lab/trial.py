"""What a trial is about: a scheme, its candidates, and the moments at which both sides are judged."""

from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from domain.calendar import LEDGER_START, day_of, month_of, month_start, month_text, parse_month, shanghai_text
from domain.policy import Policy, term_at, terms_of
from replay.errors import UsageError
from replay.history.timeline import Asked, Moment, Present, last_known, present_of, resolve
from replay.lab.candidates import Candidates, tried_scheme, with_candidates
from replay.lab.sampling import Sample, sample_of
from replay.policies.catalog import DEFAULT, Choice
from replay.replaying.base import Policies
from replay.replaying.periods import Period
from replay.replaying.values import Instants, of_month
from replay.schemes.registry import Scheme, check_holds_all, check_whole, choose
from replay.store.base.identity import Head
from replay.store.base.store import Store

GROUPINGS: Final = ("category", "level", "size", "tenure")
RANKED_FROM: Final = 30
"""Groups of fewer subjects are listed, and not ranked."""


class AskedTrial(NamedTuple):
    """A trial as it was asked for: texts as given, None where left out."""

    scheme: str | None = None
    first: str | None = None
    """The first month; with `last` a range of months, without both of them one moment."""
    last: str | None = None
    as_of: str | None = None
    hindsight: bool = False
    """Whether to judge by all that is known now, too."""
    sample: int | None = None
    """Of how many subjects; None for all."""


class Sides(NamedTuple):
    """One moment, and the policies that judge at it on either side."""

    moment: Moment
    baseline: Policies
    candidate: Policies


class TrialPeriod(NamedTuple):
    """One month, or one moment: as each subject stood by what was known then, and by what is known now."""

    text: str
    """The month; of one moment, its instant."""
    begins: int | None
    """The beginning of the month; None of one moment."""
    then: Sides
    """Known at the instant at which the period was decided or published."""
    now: Sides | None
    """Known now, where hindsight was asked for."""

    @property
    def counted(self) -> Instants | None:
        """Within which verdicts are counted: the month, which some schemes judge days after it; None: all of them."""
        return None if self.begins is None else of_month(month_of(self.begins))


class PolicyTrial(NamedTuple):
    """A trial that can be run: everything that it rests on has been looked up."""

    scheme: Scheme
    candidates: Candidates
    asked: AskedTrial
    periods: Sequence[TrialPeriod]
    head: Head
    """What the ledger held when the trial was made."""
    sample: Sample


def trial_of(store: Store, candidates: Candidates, asked: AskedTrial, choice: Choice = DEFAULT) -> PolicyTrial:
    """What is asked for, in the terms of a ledger. `choice` says which policies the baseline is.

    Raises UsageError for a range and a moment at once, months that are not due, and candidates that do not bear on the
    scheme; LevelbookError for a scheme that is not whole.
    """
    scheme = tried_scheme(candidates, asked.scheme)
    check_whole(scheme)
    check_holds_all(store, scheme)
    present = present_of(store)
    if not present.head.position:
        raise UsageError(f"{store.name} holds no record; there is nothing to try a policy on")
    sides = partial(_sides, store, scheme, candidates, choice)
    if asked.first is None and asked.last is None:
        periods = [_of_moment(store, asked, present, sides)]
    elif asked.as_of is not None:
        raise UsageError("--as-of is one moment, --from and --to are months; give one of the two")
    else:
        periods = _of_months(store, scheme, asked, present, choice, sides)
    return PolicyTrial(scheme, candidates, asked, periods, present.head, sample_of(store, scheme.kind, asked.sample))


def _sides(
    store: Store, scheme: Scheme, candidates: Candidates, choice: Choice, moment: Moment, begins: int | None
) -> Sides:
    """Both sides at a moment: the baseline as replays judge at it."""
    baseline = choose(store, scheme.replay, moment, choice)._replace(previewed=())
    return Sides(moment, baseline, with_candidates(baseline, scheme, candidates, begins))


def _of_moment(store: Store, asked: AskedTrial, present: Present, sides: "partial[Sides]") -> TrialPeriod:
    """One moment: without a date the present, by all that is known."""
    moment = resolve(store, Asked(asked.as_of, None, None), present)
    now = Moment(moment.as_of, present.head.recorded_at, present.head.position)
    found = _known_at(store, moment.as_of, present.head) if asked.as_of is not None else now
    then = now if found.position == now.position else found  # all that is known is said in one way
    return TrialPeriod(
        shanghai_text(moment.as_of), None, sides(then, None), sides(now, None) if asked.hindsight else None
    )


def _known_at(store: Store, instant: int, head: Head, as_of: int | None = None) -> Moment:
    """A moment by what was known at an instant: a position, for recorded times alone tell no prefix."""
    position = head.position if instant >= head.recorded_at else last_known(store, instant, 0, head.position)
    return Moment(instant if as_of is None else as_of, instant, position)


def _of_months(
    store: Store,
    scheme: Scheme,
    asked: AskedTrial,
    present: Present,
    choice: Choice,
    sides: "partial[Sides]",
) -> list[TrialPeriod]:
    head = present.head
    period_of = partial(_month, store, scheme, choice, head)
    last = _asked_month("--to", asked.last) if asked.last else _last_due(period_of, present.now)
    first = _asked_month("--from", asked.first) if asked.first else last
    if first > last:
        raise UsageError(f"--from {month_text(first)} is after --to {month_text(last)}")
    if month_start(first) < LEDGER_START:
        raise UsageError(f"--from {month_text(first)} is before 2020-06, when levels begin")
    found = []
    for month in range(first, last + 1):
        period = period_of(month)
        if period.due > present.now:
            raise UsageError(
                f"{month_text(month)} of {scheme.code} is not due before {shanghai_text(period.due)};"
                " end with an earlier month (--to)"
            )
        then = _known_at(store, period.due, head, period.as_of)
        now = Moment(period.as_of, head.recorded_at, head.position)
        begins = month_start(first)
        found.append(
            TrialPeriod(
                month_text(month),
                month_start(month),
                sides(then, begins),
                sides(now, begins) if asked.hindsight else None,
            )
        )
    return found


def _month(store: Store, scheme: Scheme, choice: Choice, head: Head, month: int) -> Period:
    """A month as the scheme decides it; in schemes that are decided by the day, its last day.

    Both sides are judged as of the baseline's instants: another calendar of publications would tell what was known
    apart, and not what the rules make of it. That calendar is what was known of it, too: a version that was adopted
    later moves no publication that has been.
    """
    found = _month_as_known(store, scheme, choice, _known_at(store, month_start(month + 1) - 1, head), month)
    while (put_off := _month_as_known(store, scheme, choice, _known_at(store, found.due, head), month)).due > found.due:
        found = put_off
    return found


def _month_as_known(store: Store, scheme: Scheme, choice: Choice, known: Moment, month: int) -> Period:
    """In the same way by the policies that were known at a moment."""

    def policy_at(begins: int, last: int) -> Policy:
        own = choose(store, scheme.replay, known._replace(as_of=last), choice).own
        return term_at(terms_of(own, scheme.replay.period_start), begins).policy

    is_daily = scheme.periods.unit == "day"
    number = day_of(month_start(month + 1)) - 1 if is_daily else month
    return scheme.periods.period(number, policy_at)


def _last_due(period_of: "partial[Period]", now: int) -> int:
    """The last month that can be decided by now."""
    month = month_of(now)
    while period_of(month).due > now:
        month -= 1
    return month


def _asked_month(option: str, text: str) -> int:
    try:
        return parse_month(text)
    except ValueError as error:
        raise UsageError(f"{option} {text!r} {error}; give a month such as 2022-11") from None
