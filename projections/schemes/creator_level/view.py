"""The view of `creator-level`: each creator's sums by month, the evaluations, and what they add to agencies.

Months are independent: an event concerns its own month, a sale its refunds' months, a score or deduction near a month's
end the next month's gate too. A month that is not over is worked out when it is.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from domain.calendar import day_of, day_start, month_of, month_start, month_text, parse_month
from domain.creator_level.facts import evaluation_period, figures_of, history_of, hundredths, rules_of
from domain.creator_level.rule import SCHEME, Evaluation, Figures, Rules, State, evaluate, ranking_score
from domain.events import Event
from domain.mcn_level.facts import history_of as agency_history
from domain.policy import Policy, Term, term_at, terms_of
from projections.views.monthly_rows import EvaluatedRow, UnevaluatedStanding, monthly_rewrites
from projections.views.step import Rewrite, Step, binding_of, calendar_rewrite, each, judged_by
from projections.views.tables import SUMS
from replay.columnar.columns import WHATS
from replay.history.timeline import events_about, events_between, events_of

SALE_TYPES: Final = ("sale.settled", "sale.refunded")


class Judging(NamedTuple):
    """The policies of a step as the rules read them."""

    terms: list[Term]
    rules: dict[str, Rules]
    """By the policy's hash."""
    policies: list[Policy]

    def at(self, month: int) -> tuple[Policy, Rules]:
        policy = term_at(self.terms, month_start(month)).policy
        return policy, self.rules[policy.hash]


def judging_of(step: Step) -> Judging:
    found: Judging | None = step.prepared.get(SCHEME)
    if found is None:
        policies = list(step.policies[SCHEME].own)
        terms = terms_of(policies, evaluation_period)
        found = step.prepared[SCHEME] = Judging(terms, {policy.hash: rules_of(policy) for policy in policies}, policies)
    return found


def months_of(step: Step, subject: str, touched: Sequence[Event]) -> set[int]:
    """The months that these events concern."""
    months = {month_of(event.occurred_at) for event in touched}
    orders = {event.data.order for event in touched if event.type in SALE_TYPES}
    lifted = {event.data.violation for event in touched if event.type == "credit.restored"}
    about = list(events_about(step.store, subject, orders | lifted, step.after.position)) if orders or lifted else []
    months |= {month_of(event.occurred_at) for event in about if event.type in SALE_TYPES}
    near = [event for event in (*touched, *about) if event.type in ("creator.scored", "credit.deducted")]
    for event in near:
        months |= gated_months(judging_of(step), day_of(event.occurred_at))
    return months


def months_since(step: Step, subject: str, month: int) -> set[int]:
    """The months from one on that have been worked out."""
    table = step.tables["creator_figures"].c
    return {row.month for row in step.rows("creator_figures", table.subject == subject, table.month >= month)}


def gated_months(judging: Judging, day: int) -> set[int]:
    """The months whose gate looks at a day."""
    month = month_of(day_start(day))
    reach = max(rules.gate_days for rules in judging.rules.values())
    return {
        later
        for later in range(month, month_of(day_start(day + reach)) + 1)
        if day_of(month_start(later + 1)) - judging.at(later)[1].gate_days <= day
    } | {month}


class CreatorAdvance(NamedTuple):
    """What an advance of a creator changes, and the earliest month that agencies may see changed; None for none."""

    rewrites: list[Rewrite]
    agencies_from: int | None


class MonthFigures(NamedTuple):
    """A creator's month before it is judged."""

    events: int
    """How many of the creator's events that some rule reads took part in it."""
    figures: Figures
    last_reputation: int | None
    parts: list[dict[str, Any]]
    """Rows of `mcn_parts`."""

    @property
    def is_kept(self) -> bool:
        """Whether there is anything to keep: the gate of a month without events may look at days before it."""
        return self.events > 0 or any(self.figures[1:])


def advance(step: Step, subject: str, months: Collection[int] | None, *, rejudge: bool) -> CreatorAdvance:
    """A creator's closed months among these, or all for None; `rejudge` when its registration may have changed."""
    last = month_of(step.after.as_of) - 1
    if months is None:
        figures = _all_figures(step, subject, last)
    else:
        closing = range(month_of(step.before.as_of), last + 1)
        figures = {}
        for first, end in _runs({month for month in months if month <= last}.union(closing)):
            figures |= figures_between(step, subject, range(first, end), _events(step, subject, first, end))
    rows = [figures_row(subject, found) for found in figures.values() if found.is_kept]
    parts = [row for found in figures.values() for row in found.parts]
    whose, of_parts = {"subject": subject}, {"creator": _name(subject)}
    if months is None:
        rewrites = [Rewrite("creator_figures", whose, rows), Rewrite("mcn_parts", of_parts, parts)]
    else:
        rewrites = [
            *each("creator_figures", whose, "month", figures),
            *each("mcn_parts", of_parts, "month", figures),
            Rewrite("creator_figures", None, rows),
            Rewrite("mcn_parts", None, parts),
        ]
    judged, changed = _judged(step, subject, figures, rejudge=rejudge or months is None)
    return CreatorAdvance(rewrites + judged, min([*figures, *changed], default=None))


def _name(subject: str) -> str:
    return subject.partition("/")[2]


def _runs(months: Collection[int]) -> list[tuple[int, int]]:
    """Months as runs without a gap: first, and one after the last."""
    runs: list[tuple[int, int]] = []
    for month in sorted(months):
        if runs and runs[-1][1] == month:
            runs[-1] = (runs[-1][0], month + 1)
        else:
            runs.append((month, month + 1))
    return runs


def _all_figures(step: Step, subject: str, last: int) -> dict[int, MonthFigures]:
    events = step.taking_out(subject, events_of(step.store, subject, step.after.position))
    first = min((month_of(event.occurred_at) for event in events), default=last + 1)
    return figures_between(step, subject, range(first, last + 1), events)


def _events(step: Step, subject: str, first: int, end: int) -> list[Event]:
    """What the figures of months rest on: their own events, all of the orders named, and what lifts a deduction."""
    judging, position = judging_of(step), step.after.position
    begins = min(
        [month_start(first), *(gate_begins(judging.at(month)[1], month) for month in range(first, end))],
    )
    events = list(events_between(step.store, subject, begins, month_start(end), position))
    names = {event.data.order for event in events if event.type in SALE_TYPES}
    names |= {event.data.violation for event in events if event.type == "credit.deducted"}
    events += events_about(step.store, subject, names, position)
    return step.taking_out(subject, events)


def gate_begins(rules: Rules, month: int) -> int:
    """The instant at which the days of a month's gate begin."""
    return day_start(day_of(month_start(month + 1)) - rules.gate_days)


def figures_between(step: Step, subject: str, months: range, events: Iterable[Event]) -> dict[int, MonthFigures]:
    """By month, what it is judged by and what it adds to agencies."""
    judging = judging_of(step)
    ordered = sorted(events, key=lambda event: (event.occurred_at, event.position))
    history, _ = history_of(ordered)
    scores = {
        month_of(event.occurred_at): hundredths(event.data.value)
        for event in ordered
        if event.type == "creator.scored" and event.data.score == "reputation"
    }
    parts = _parts(step, _name(subject), ordered)
    counts = Counter(month_of(event.occurred_at) for event in ordered if event.type in WHATS)
    return {
        month: MonthFigures(
            counts[month],
            figures_of(history, month, judging.at(month)[1].gate_days),
            scores.get(month),
            parts.get(month, []),
        )
        for month in months
    }


def _parts(step: Step, creator: str, ordered: Sequence[Event]) -> dict[int, list[dict[str, Any]]]:
    """By month, what a creator adds to each agency."""
    bindings = bindings_of(step, [creator])
    merged = sorted([*bindings, *ordered], key=lambda event: (event.occurred_at, event.position))
    parts: dict[int, list[dict[str, Any]]] = {}
    for agency in sorted({event.originator_id for event in bindings}):
        history, _ = agency_history(merged, agency)
        for (_, month), sums in history.sums.items():
            if any(sums):
                row = {"mcn": agency, "month": month, "creator": creator, **dict(zip(SUMS, sums, strict=True))}
                parts.setdefault(month, []).append(row)
    return parts


def bindings_of(step: Step, creators: Iterable[str]) -> list[Event]:
    """Every binding of these creators by any agency that takes part, by (`occurred_at`, position)."""
    table = step.tables["bindings"].c
    found = [
        binding_of(row)
        for row in step.rows("bindings", table.creator.in_(sorted(creators)))
        if row.position not in step.retracted(row.mcn)
    ]
    return sorted(found, key=lambda event: (event.occurred_at, event.position))


# --- evaluations ------------------------------------------------------------------------------------------------------


def _judged(
    step: Step, subject: str, figures: dict[int, MonthFigures], *, rejudge: bool
) -> tuple[list[Rewrite], list[int]]:
    """The evaluations of months whose figures are new, or of all months; what follows; and which months changed."""
    judging = judging_of(step)
    life = step.life(subject)
    registered = registered_at(life, step.after.as_of)
    begun = range(0) if registered is None else range(month_of(registered), month_of(step.after.as_of))
    table = step.tables["creator_months"].c
    stored = {
        parse_month(row.month): dict(row._mapping) for row in step.rows("creator_months", table.subject == subject)
    }
    wanted = [month for month in begun if rejudge or month in figures or month not in stored]
    kept = _stored_figures(step, subject) if any(month not in figures for month in wanted) else {}
    rows = {month: row for month, row in stored.items() if month in begun and not rejudge}
    for month in wanted:
        _, rules = judging.at(month)
        if month >= rules.first_month:
            found = figures[month].figures if month in figures else kept.get(month, Figures(month, 0, 0, 0, 0, 0))
            rows[month] = month_row(subject, _made_of(evaluate(found, rules)), judging)
    changed = [month for month in sorted(rows.keys() | stored.keys()) if rows.get(month) != stored.get(month)]
    evaluated = [EvaluatedRow(month_start(month + 1), rows[month]) for month in sorted(rows)]
    standing = standing_of(registered=registered is not None)
    policy = term_at(judging.terms, step.after.as_of).policy
    return [
        *each("creator_months", {"subject": subject}, "month", map(month_text, changed)),
        Rewrite("creator_months", None, [rows[month] for month in changed if month in rows]),
        *monthly_rewrites(subject, standing, evaluated, judged_by(judging.policies, policy)),
        calendar_rewrite(subject, SCHEME, [*step.ahead(life), month_start(month_of(step.after.as_of) + 1)]),
    ], changed


def standing_of(*, registered: bool) -> UnevaluatedStanding:
    """Of a creator's rows, and what its state is where nothing was evaluated."""
    return UnevaluatedStanding(SCHEME, str(State.NO_EVALUATION_YET if registered else State.NOT_REGISTERED))


def registered_at(life: Sequence[Event], as_of: int) -> int | None:
    """The first registration that takes part."""
    instants = [event.occurred_at for event in life if event.type == "creator.registered"]
    return next((at for at in instants if at <= as_of), None)


def _stored_figures(step: Step, subject: str) -> dict[int, Figures]:
    table = step.tables["creator_figures"].c
    return {
        row.month: Figures(row.month, *list(row)[3:8]) for row in step.rows("creator_figures", table.subject == subject)
    }


def figures_row(subject: str, found: MonthFigures) -> dict[str, Any]:
    return figures_columns(subject, found.events, found.figures, found.last_reputation)


def figures_columns(subject: Any, events: Any, figures: Figures, last_reputation: Any) -> dict[str, Any]:
    """A row of `creator_figures`, or many as columns."""
    return {"subject": subject, "events": events, **figures._asdict(), "last_reputation": last_reputation}


class MonthMade(NamedTuple):
    """One evaluation, as far as its row shows it."""

    month: int
    settled_fen: int
    good_fen: int
    sales_score: int
    behaviour_score: int
    level: int
    gated: bool
    reputation_sum: int
    reputation_days: int
    deducted: int


def _made_of(found: Evaluation) -> MonthMade:
    figures = found.figures
    return MonthMade(figures.month, *found[1:7], figures.reputation_sum, figures.reputation_days, figures.deducted)


def month_row(subject: str, made: MonthMade, judging: Judging) -> dict[str, Any]:
    policy, rules = judging.at(made.month)
    return month_columns(
        (subject, month_text(made.month)),
        (str(State.GATED if made.gated else State.RATED), None if made.gated else rules.levels[made.level]),
        ranking_score(made.sales_score, made.behaviour_score, rules),
        {name: getattr(made, name) for name in MADE},
        judged_by(judging.policies, policy),
    )


def month_columns(
    whose: tuple[Any, Any], standing: tuple[Any, Any], score: Any, made: Any, judged: Mapping[str, Any]
) -> dict[str, Any]:
    """An evaluation's row: of whom and which month, state and level, score, the figures of MADE; or many as columns."""
    subject, month = whose
    state, level = standing
    figures = {name: made[name] for name in MADE}
    return {"subject": subject, "month": month, "state": state, "level": level, "score": score, **figures, **judged}


MADE: Final = (
    *("settled_fen", "good_fen", "sales_score", "behaviour_score"),
    *("reputation_sum", "reputation_days", "deducted"),
)
"""What a row shows of an evaluation as it is."""
