"""The view of `merchant-tier`: figures by day, the days on which something changed, and the tier.

An event is added to the figures of its day by what its order alone says: the order's earlier and later events are
looked up, and what they count for together now, less what they counted for before, goes to the days concerned. Then the
merchant is stepped from the first of these days, with the account that stood before it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Row

from domain.calendar import day_of, day_start, day_text, parse_day
from domain.events import Event
from domain.merchant_tier.facts import end_of, history_of, last_closed_day, spans_of
from domain.merchant_tier.rule import fast_day_again, state_after, state_of
from domain.merchant_tier.running import Change, Run, Window, run, span_on
from domain.merchant_tier.values import NEVER, NOT_OPEN, SCHEME, Account, Day, DayOpening, History, Span, State
from domain.policy import Policy, Term, start_of_day, term_at, terms_of
from projections.views.rows import JUDGED, change_columns, level_columns
from projections.views.step import (
    SINCE_EVER,
    SUBJECTS_AT_ONCE,
    Rewrite,
    Step,
    batched,
    calendar_rewrite,
    each,
    judged_by,
    level_rewrite,
    numbered,
)
from projections.views.tables import DAY_FIGURES
from replay.history.timeline import events_of

COUNTED_TYPES: Final = ("order.paid", "order.complained", "review.posted", "complaint.dismissed")
ACT_TYPES: Final = ("merchant.onboarded", "merchant.closed", "merchant.tier_set")


WITHOUT_FIGURES: Final = (None, str(State.NOT_ONBOARDED), str(State.OUT_OF_SCOPE))
"""States in which nothing needs figures, so that none are stored: one that comes into scope has them read anew."""


class Judging(NamedTuple):
    """The policies of a step as the rules read them."""

    terms: list[Term]
    spans: list[Span]
    policies: list[Policy]
    reach_days: int
    """How far back from a day the figures are asked for."""


def judging_of(step: Step) -> Judging:
    found: Judging | None = step.prepared.get(SCHEME)
    if found is None:
        terms = terms_of(step.policies[SCHEME].own, start_of_day)
        spans = spans_of(terms)
        reach = max(max(span.rules.window_days, span.rules.wait_days) for span in spans)
        found = step.prepared[SCHEME] = Judging(terms, spans, list(step.policies[SCHEME].own), reach)
    return found


def restart_of(step: Step, subject: str, touched: Sequence[Event]) -> int | None:
    """The earliest instant from which days are stepped again for these events; None where none bears on a tier."""
    if any(event.type == "merchant.onboarded" for event in touched):
        return SINCE_EVER  # who is in scope may have changed
    instants = [event.occurred_at for event in touched if event.type in ACT_TYPES]
    if step.state(subject, SCHEME) in WITHOUT_FIGURES:
        return min(instants, default=None)
    instants += [day_start(day) for day in changed_figures(step, subject, touched)]
    return min(instants, default=None)


def changed_figures(step: Step, subject: str, touched: Sequence[Event]) -> dict[int, Day]:
    """By day, what the orders of these events add to the stored figures; worked out once a step."""
    found: dict[str, dict[int, Day]] = step.prepared.setdefault("figures changed", {})
    if subject not in found:
        found[subject] = _changed_figures(step, subject, touched)
    return found[subject]


def _changed_figures(step: Step, subject: str, touched: Sequence[Event]) -> dict[int, Day]:
    orders = {event.data.order for event in touched if event.type in COUNTED_TYPES}
    if not orders:
        return {}
    about = step.about(subject, orders)
    terms = judging_of(step).terms
    earlier = [event for event in about if event.position <= step.before.position]
    now = _figures(step.taking_out(subject, about), terms)
    then = _figures(step.taking_out(subject, earlier, step.before.position), terms)
    none = (0,) * len(DAY_FIGURES)
    changed = {}
    for day in now.keys() | then.keys():
        added = [new - old for new, old in zip(now.get(day, none), then.get(day, none), strict=True)]
        if any(added):
            changed[day] = Day(day, *added)
    return changed


def _figures(events: Iterable[Event], terms: Sequence[Term]) -> dict[int, tuple[int, ...]]:
    ordered = sorted(events, key=lambda event: (event.occurred_at, event.position))
    history, _ = history_of(ordered, terms, 0)
    return {day.day: day[1:] for day in history.days}


def read_open_day(step: Step, subjects: Sequence[str]) -> None:
    """Read together what `add_to_open_day` will be asked for."""
    days, open_day = step.tables["tier_figures"].c, last_closed_day(step.after.as_of) + 1
    found = step.prepared.setdefault("figures of the open day", {})
    for some in batched(subjects, SUBJECTS_AT_ONCE):
        for row in step.rows("tier_figures", days.day == open_day, days.subject.in_(some)):
            found[row.subject] = Day(*list(row)[1:])


def add_to_open_day(step: Step, subject: str, touched: Sequence[Event]) -> list[Rewrite] | None:
    """New figures of the day that has not closed yet, which is looked at when it closes; None where there is more."""
    last_day = last_closed_day(step.after.as_of)
    if last_day != last_closed_day(step.before.as_of) or any(event.type in ACT_TYPES for event in touched):
        return None
    added = changed_figures(step, subject, touched)
    if not added:
        return []
    looked_at = [row.next_at for row in step.rows_of("calendar", subject, "next_at") if row.scheme == SCHEME]
    if added.keys() != {last_day + 1} or looked_at != [end_of(last_day + 1)] or min(added[last_day + 1][1:]) < 0:
        return None
    stored = step.prepared["figures of the open day"].get(subject, Day(last_day + 1))
    return _figures_rewrites(subject, [_sum(stored, added[last_day + 1])], whole=False)


def advance(step: Step, subject: str, restart: int, touched: Sequence[Event]) -> list[Rewrite]:
    """The figures of a merchant's days, and every day from that of an instant on, stepped again."""
    judging = judging_of(step)
    last_day = last_closed_day(step.after.as_of)
    acts, ahead = _acts(step, subject, judging, last_day)
    if not acts.in_scope:
        rewrites = [Rewrite("tier_figures", {"subject": subject}, [])]
        found = run(acts, judging.spans, last_day)
        return rewrites + _rewrites(step, subject, acts, found, None, ahead)
    if restart != SINCE_EVER and step.state(subject, SCHEME) in WITHOUT_FIGURES:
        restart = SINCE_EVER
    first_day = _first_day(step, judging, restart, last_day)
    if restart == SINCE_EVER:
        events = step.taking_out(subject, events_of(step.store, subject, step.after.position))
        figures = {day: Day(day, *values) for day, values in _figures(events, judging.terms).items()}
        written, kept = list(figures.values()), None
    else:
        kept = _last_kept(step, subject, first_day)
        since = first_day if kept is None else min(first_day, kept.since_day)
        added = changed_figures(step, subject, touched)
        stored = _stored_figures(step, subject, min([since - judging.reach_days - 1, *added]))
        written = [_sum(stored.get(day, Day(day)), more) for day, more in added.items()]
        figures = {number: day for number, day in (stored | {day.day: day for day in written}).items() if any(day[1:])}
    history = acts._replace(days=[figures[day] for day in sorted(figures)])
    opening = None if restart == SINCE_EVER else _opening(first_day, kept, history, judging)
    found = run(history, judging.spans, last_day, opening)
    rewrites = _figures_rewrites(subject, written, whole=restart == SINCE_EVER)
    return rewrites + _rewrites(step, subject, history, found, kept, ahead)


def _first_day(step: Step, judging: Judging, restart: int, last_day: int) -> int:
    """The day from which on days are stepped: all that have closed since the last step, at the least."""
    if restart == SINCE_EVER:
        return judging.spans[0].rules.start_day
    return min(day_of(restart), last_closed_day(step.before.as_of) + 1, last_day + 1)


def _last_kept(step: Step, subject: str, first_day: int) -> Row[Any] | None:
    rows = [row for row in step.rows_of("tier_days", subject, "number") if row.day < day_text(first_day)]
    return rows[-1] if rows else None


def _stored_figures(step: Step, subject: str, first_day: int) -> dict[int, Day]:
    days = step.tables["tier_figures"].c
    rows = step.rows("tier_figures", days.subject == subject, days.day >= first_day, order="day")
    return {row.day: Day(*list(row)[1:]) for row in rows}


def _sum(one: Day, other: Day) -> Day:
    return Day(one.day, *(first + second for first, second in zip(one[1:], other[1:], strict=True)))


def _acts(step: Step, subject: str, judging: Judging, last_day: int) -> tuple[History, list[int]]:
    """What acts up to the last closed day, without figures, and the days after it on which something will act."""
    life = step.life(subject)
    history, _ = history_of([act for act in life if act.occurred_at <= end_of(last_day)], judging.terms, last_day)
    ahead = [day_of(act.occurred_at) for act in life if act.occurred_at > end_of(last_day)]
    return history, ahead


def _opening(first_day: int, kept: Row[Any] | None, history: History, judging: Judging) -> DayOpening:
    account = NOT_OPEN if kept is None else account_of(kept)
    rules, window = span_on(judging.spans, first_day - 1).rules, Window(history.days)
    return DayOpening(first_day - 1, fast_day_again(first_day, account, window.days, window.sums, rules))


def account_of(row: Row[Any]) -> Account:
    """The account after a stored change."""
    return Account(
        tier=row.tier,
        since=row.since_day,
        lowest_since=row.lowest_since_day,
        open=bool(row.is_open),
        cleared_out=bool(row.cleared_out),
    )


# --- rows -------------------------------------------------------------------------------------------------------------


def _figures_rewrites(subject: str, written: Sequence[Day], *, whole: bool) -> list[Rewrite]:
    rows = [figures_row(subject, day) for day in written if any(day[1:])]
    if whole:
        return [Rewrite("tier_figures", {"subject": subject}, rows)]
    days = [day.day for day in written]
    return [*each("tier_figures", {"subject": subject}, "day", days), Rewrite("tier_figures", None, rows)]


def figures_row(subject: str, day: Day) -> dict[str, Any]:
    return {"subject": subject, "day": day.day, **dict(zip(DAY_FIGURES, day[1:], strict=True))}


def _rewrites(
    step: Step, subject: str, history: History, found: Run, kept: Row[Any] | None, ahead: list[int]
) -> list[Rewrite]:
    judging = judging_of(step)
    first = 0 if kept is None else kept.number + 1
    rows = day_rows(subject, found.changes, judging, first)
    stood = None if kept is None else parse_day(kept.day)
    changed = found.changes[-1].day if found.changes else stood
    past = step.rows_of("history", subject, "number") if kept is not None else []
    last = [row for row in past if row.scheme == SCHEME and row.number == first - 1]
    due = [end_of(day) for day in (found.next_day, *ahead) if day != NEVER]
    return [
        Rewrite("tier_days", {"subject": subject}, rows, ("number", first)),
        Rewrite(
            "history",
            {"subject": subject, "scheme": SCHEME},
            numbered(history_rows(rows, found.changes), last[0] if last else None),
            ("number", max(first - 1, 0)),
        ),
        level_rewrite(level_row(step, subject, state_of(history, found.account), found.account, changed)),
        calendar_rewrite(subject, SCHEME, due),
    ]


def day_rows(subject: str, changes: Sequence[Change], judging: Judging, first: int) -> list[dict[str, Any]]:
    """Each change of the tier, numbered on from the ones before."""
    rows = []
    for number, change in enumerate(changes, first):
        state = state_after(change.after)
        codes = span_on(judging.spans, change.day).codes
        level = codes[change.after.tier] if state is State.RATED else None
        judged = judged_by(judging.policies, term_at(judging.terms, day_start(change.day)).policy)
        cause = str(change.cause), change.position
        rows.append(
            day_columns((subject, number), day_text(change.day), cause, (str(state), level), judged, change.after)
        )
    return rows


def day_columns(
    whose: tuple[Any, Any],
    day: Any,
    cause: tuple[Any, Any],
    standing: tuple[Any, Any],
    judged: Mapping[str, Any],
    after: Any,
) -> dict[str, Any]:
    """A row of `tier_days`, of whom and by which number; or many as columns. `after` has the fields of an account."""
    subject, number = whose
    word, position = cause
    state, level = standing
    return {
        "subject": subject,
        "number": number,
        "day": day,
        "cause": word,
        "cause_position": position,
        "state": state,
        "level": level,
        **judged,
        "tier": after.tier,
        "since_day": after.since,
        "lowest_since_day": after.lowest_since,
        "is_open": after.open,
        "cleared_out": after.cleared_out,
    }


def history_rows(rows: Sequence[dict[str, Any]], changes: Sequence[Change]) -> list[dict[str, Any]]:
    """The rows of days on which the tier changed as rows of the level's history: it shows once the day has closed."""
    return [
        change_columns(
            (row["subject"], SCHEME),
            end_of(change.day),
            (row["state"], row["level"], change.after.tier if row["level"] is not None else None),
            {name: row[name] for name in JUDGED},
            (row["cause"], change.position or None),
        )
        for row, change in zip(rows, changes, strict=True)
    ]


def level_row(step: Step, subject: str, state: State, account: Account, changed: int | None) -> dict[str, Any]:
    """Where a merchant stands; `changed` is the day of the last change."""
    judging, last_day = judging_of(step), last_closed_day(step.after.as_of)
    rated = state is State.RATED
    level = span_on(judging.spans, last_day).codes[account.tier] if rated else None
    since = account.since if rated else changed
    return level_columns(
        (subject, SCHEME),
        (str(state), level, account.tier if rated else None),
        (str(state), level, None if since is None else day_start(since)),
        judged_by(judging.policies, term_at(judging.terms, day_start(last_day)).policy),
    )
