"""When publications come, and what was known then: a step ends where the next one may show something else afterwards.

A publication is settled once a step has taken in all that was known at its instant: what it showed is what the views
hold of its month then, whatever comes behind.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from domain.calendar import month_of, month_start
from domain.limits import HOUR_MICROS
from domain.merchant_reputation.account import published_months
from domain.merchant_reputation.facts import spans_of
from domain.merchant_reputation.rule import SCHEME, Span
from domain.policy import start_of_month, terms_of
from projections.schemes.merchant_reputation.rows import judging_of
from projections.views.step import Step
from replay.history.timeline import Moment, last_known, last_known_each
from replay.policies.catalog import Choice, adopted_policies, shipped
from replay.replaying.base import Policies
from replay.schemes.merchant_reputation.replay import ReputationReplay
from replay.schemes.merchant_reputation.then import Issued
from replay.schemes.registry import choose_where_given
from replay.store.base.store import Store
from replay.store.queries import link_at

_Found = TypeVar("_Found")


def _once(step: Step, name: str, make: Callable[[], _Found]) -> _Found:
    """What is worked out once for the whole step."""
    key = f"{SCHEME} {name}"
    if key not in step.prepared:
        step.prepared[key] = make()
    found: _Found = step.prepared[key]
    return found


class Issues(NamedTuple):
    """The publications up to a step's end, each list the earliest first."""

    all: list[Issued]
    settled: list[Issued]
    """At the step's beginning: all that was known then was taken in."""
    unsettled: list[Issued]
    """The others, which are later."""


def issues_of(step: Step) -> Issues:
    return _once(step, "issues", lambda: _issues(step))


def _issues(step: Step) -> Issues:
    before, found = step.before, _issued(judging_of(step).spans, step.after.as_of)
    link = link_at(step.store, before.position + 1) if step.after.position > before.position else None
    settled = [
        item for item in found if item.at <= before.as_of and (link is None or item.at < link.recorded_at)
    ]  # recorded times never fall: what came behind one came behind those before it
    return Issues(found, settled, found[len(settled) :])


def _issued(spans: Sequence[Span], as_of: int) -> list[Issued]:
    first = min(month_of(span.rules.start) for span in spans)
    return [Issued(month, at) for month, at in published_months(spans, as_of, first)][::-1]


def position_then(step: Step, item: Issued) -> int:
    """The last position that was known at a publication, of those up to the step's end; 0 where nothing was."""
    return _once(step, "positions", lambda: _positions(step))[item.at]


def _positions(step: Step) -> dict[int, int]:
    instants = [item.at for item in issues_of(step).all]
    return dict(zip(instants, last_known_each(step.store, instants, step.after.position), strict=True))


def look_up(step: Step) -> None:
    """Ask the ledger what was known at each publication, and which policies judged then."""
    for item in issues_of(step).all:
        position_then(step, item)
        policies_then(step, item)


def unknown_of(step: Step) -> list[Issued]:
    """Publications that come in the step and of which the ledger knew nothing: it was begun later."""
    return _once(step, "unknown", lambda: [item for item in issues_of(step).unsettled if not position_then(step, item)])


# --- which policies judged --------------------------------------------------------------------------------------------


def policies_then(step: Step, item: Issued) -> Policies:
    """By which policies the replay at a publication judges."""
    return _once(step, f"policies at {item.at}", lambda: _policies_then(step, item))


def _policies_then(step: Step, item: Issued) -> Policies:
    own = step.policies[SCHEME].own
    if not _once(step, "others adopted", lambda: _has_adopted_others(step.store)):
        return Policies([policy for policy in own if policy.in_force_from <= item.at] or own[:1])
    return step.policies_at(SCHEME, Moment(item.at, item.at, position_then(step, item)))


def _has_adopted_others(store: Store) -> bool:
    """Whether the ledger adopted anything but what comes with the program, of which adoption changes nothing."""
    files = {(policy.id, policy.hash) for policy in shipped(SCHEME)}
    return not {(item.policy.id, item.policy.hash) for item in adopted_policies(store, SCHEME)} <= files


def is_judged_alike(step: Step, policies: Policies, month: int) -> bool:
    """Whether others judge a month's close and all before it as those of the step do."""
    both = terms_of(policies.own, start_of_month), judging_of(step).terms
    theirs, ours = ([term for term in terms if term.begins <= month_start(month)] for terms in both)
    return theirs == ours


# --- where steps end --------------------------------------------------------------------------------------------------


def step_end(store: Store, choice: Choice, before: Moment, after: Moment) -> int:
    """Where a step ends that may go on from one moment to another: what was recorded behind a publication that is not
    settled yet waits for the next one."""
    first = link_at(store, before.position)
    for at in () if first is None else _issued_between(store, choice, first.recorded_at, after):
        known = last_known(store, at, before.position, after.position)
        if known > before.position or before.as_of < at <= after.as_of:
            return known
    return after.position


def _issued_between(store: Store, choice: Choice, first: int, after: Moment) -> Iterator[int]:
    """The instants of publications that came from one instant on and before the last record of a moment was made."""
    link = link_at(store, after.position)
    if link is None or (link.recorded_at - 1) // HOUR_MICROS * HOUR_MICROS < first:  # they come on the hour
        return
    judging = choose_where_given(store, ReputationReplay, after, choice)
    spans = spans_of(terms_of(judging.own, start_of_month))
    yield from (item.at for item in _issued(spans, link.recorded_at - 1) if item.at >= first)


def is_judged_anew(step: Step) -> bool:
    """Whether what stands does not tell what publications showed that are not settled: views that lagged behind their
    ledger's clock took in what came behind one, or other policies judged then."""
    return any(
        (item.at > step.before.as_of and position_then(step, item) < step.before.position)
        or not is_judged_alike(step, policies_then(step, item), item.month)
        for item in issues_of(step).unsettled
        if position_then(step, item)
    )
