"""Moving the views on: new events, and what time alone changes, in one transaction with the checkpoint.

A subject's view of one scheme is a unit. What a unit cannot process stops that unit and no other: it is quarantined
(set aside) with its reason, its rows stay as they were, and the views say that they are stale.
"""

from collections.abc import Collection
from typing import NamedTuple

from projections.projector.many import Many, are_many, events_at_once
from projections.projector.units import Units
from projections.schemes.registry import VIEWS, check_views_whole, kinds_in_bulk
from projections.views.belonging import check_history, end_of_step
from projections.views.changes import StoodAt
from projections.views.database import Build, Views
from projections.views.readahead import Windows
from projections.views.step import Rewrite, Step
from projections.views.unexpected import Unexpected
from replay.history.timeline import Moment
from replay.schemes.registry import kinds


class StepReport(NamedTuple):
    """What one step did."""

    build: Build
    events: int
    units: int
    set_aside: int
    recovered: list["Unexpected"]
    """What failed in a way that nobody foresaw, and was then worked out from nothing."""


def advance(
    views: Views,
    build: int,
    now: int | None = None,
    events_max: int | None = None,
    windows: Windows | None = None,
) -> StepReport:
    """One step of a build: the next events, and everything due by now. `now` is the ledger's clock where left out.

    `windows` are handed from step to step by who takes many. Raises OtherHistory where the ledger does not go on from
    where the build stands: its position never goes back.
    """
    store = views.store
    windows = Windows() if windows is None else windows
    with views.moving() as connection:
        found = views.build(connection, build)
        most = events_at_once(store, found.position) if events_max is None else events_max
        last, chain = end_of_step(store, found, most)
        as_of = max(found.as_of, store.now() if now is None else now)
        before, choice = Moment(found.as_of, 0, found.position), views.choice(connection, found)
        ends = min(view.step_end(store, choice, before, Moment(as_of, 0, last)) for view in VIEWS.values())
        if ends < last:
            last, chain = end_of_step(store, found, ends - found.position)
        after = Moment(as_of, 0, last)
        windows.begin(build, found.position)
        watch = views.watch(connection, found)
        step = Step(store, connection, views.tables(build), before, after, windows, watch, choice)
        units = Units(step)
        units.see_policies(found.policies)
        units.see_publications()
        units.see_calendar()
        events = _move_on(units)
        if watch is not None:
            watch.note(StoodAt(last, as_of))
        policies = step.policies_json()
        moved = found._replace(position=last, as_of=as_of, policies=policies, moved_at=store.now(), chain=chain)
        check_history(store, moved)  # a ledger that was replaced meanwhile: nothing of the step stays
        views.note(
            connection,
            build,
            **{name: getattr(moved, name) for name in ("position", "as_of", "policies", "moved_at", "chain")},
        )
    windows.end(build, last)
    return StepReport(moved, events, units.moved, units.set_aside, units.recovered)


def bring_to(views: Views, number: int, other: Build, windows: Windows | None = None) -> Build:
    """Move a build on to the moment of another one, and no further; one that stands later in any way is left alone."""
    windows = Windows() if windows is None else windows
    with views.reading() as connection:
        made = views.build(connection, number)
    while made[2:4] != other[2:4] and made.position <= other.position and made.as_of <= other.as_of:
        most = min(events_at_once(views.store, made.position), other.position - made.position)
        made = advance(views, number, other.as_of, most, windows).build
    return made


def _move_on(units: Units) -> int:
    """Every kind of subject in turn: what a scheme rests on comes before it. How many events that took in."""
    many, in_sets = Many(units), are_many(units)
    events = many.read() if in_sets else units.read()
    for kind in kinds():
        if kind in kinds_in_bulk():
            (many.move if in_sets else many.move_long)(kind)
        units.move_kind(kind)
    return events


class Retried(NamedTuple):
    """What became of units that were set aside."""

    taken_up: list[tuple[str, str]]
    still_aside: list[tuple[str, str]]


def retry(views: Views, subjects: Collection[str] = ()) -> Retried:
    """Work out what was set aside anew, of these subjects or all, at the moment where the live build stands.

    Raises LevelbookError for a scheme whose view is not whole, before anything is begun.
    """
    check_views_whole()
    with views.moving() as connection:
        live = views.live(connection)
        check_history(views.store, live)
        moment = Moment(live.as_of, 0, live.position)
        watch = views.watch(connection, live)
        step = Step(views.store, connection, views.tables(live.build), moment, moment, watch=watch)
        aside = [(row.subject, row.scheme) for row in step.rows("set_aside", order="subject")]
        chosen = [unit for unit in aside if not subjects or unit[0] in subjects]
        step.write(Rewrite("set_aside", {"subject": subject, "scheme": scheme}, []) for subject, scheme in chosen)
        units = Units(step)
        for subject in sorted({subject for subject, _ in chosen}):
            units.keep_again(subject)
        for kind in kinds():
            for subject, scheme in chosen:
                if subject.startswith(f"{kind}/"):
                    units.fill(subject, (scheme,))
        units.move_dependents()
        if watch is not None:
            watch.note(StoodAt(live.position, live.as_of))
        still = {(row.subject, row.scheme) for row in step.rows("set_aside")}
    return Retried([unit for unit in chosen if unit not in still], [unit for unit in chosen if unit in still])
