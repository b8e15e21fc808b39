"""The view of `mcn-level` and of the boards: months from the parts that creators add, kept before they are bounded."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from domain.calendar import month_of, month_start, month_text, parse_month
from domain.events import BINDING_TYPES, Event
from domain.mcn_level.facts import History, evaluated_at, figures_of, held_at_close, history_of, rules_of
from domain.mcn_level.rule import SCHEME, Evaluation, Rules, State, evaluate
from domain.policy import Policy, Term, start_of_month, term_at, terms_of
from projections.schemes.creator_level.view import Judging as CreatorJudging
from projections.schemes.creator_level.view import judging_of as creators_judging_of
from projections.schemes.mcn_level.known import AgenciesKnown
from projections.views.monthly_rows import EvaluatedRow, UnevaluatedStanding, monthly_rewrites
from projections.views.step import Rewrite, Step, calendar_rewrite, judged_by
from replay.history.timeline import taking_part
from replay.policies.benefits import BENEFIT_PREFIX


class Judging(NamedTuple):
    """The policies of a step as the rules read them."""

    terms: list[Term]
    rules: dict[str, Rules]
    """By the policy's hash."""
    policies: list[Policy]
    creators: CreatorJudging
    """By which the creators' levels were judged."""
    assumed: bool

    def at(self, month: int) -> tuple[Policy, Rules]:
        policy = term_at(self.terms, month_start(month)).policy
        return policy, self.rules[policy.hash]


def judging_of(step: Step) -> Judging:
    found: Judging | None = step.prepared.get(SCHEME)
    if found is None:
        policies = list(step.policies[SCHEME].own)
        terms = terms_of(policies, start_of_month)
        rules = {policy.hash: rules_of(policy) for policy in policies}
        creators = creators_judging_of(step)
        names = {name for policy in creators.policies for name in policy.assumed if not name.startswith(BENEFIT_PREFIX)}
        assumed = bool(names) or any(policy.assumed for policy in policies)
        found = step.prepared[SCHEME] = Judging(terms, rules, policies, creators, assumed)
    return found


def months_of(step: Step, subject: str, touched: Sequence[Event]) -> list[int]:
    """The months from which on these events of an agency's own stream may change what was judged."""
    months = []
    for event in touched:
        if event.type == "mcn.onboarded":
            months.append(0)
        elif event.type == "credit.restored":
            life = step.tables["life"].c
            rows = step.rows("life", life.subject == subject, life.about == event.data.violation)
            months += [month_of(row.at) for row in rows if row.type == "credit.deducted"]
        elif event.type in ("credit.granted", "credit.deducted", *BINDING_TYPES):
            months.append(month_of(event.occurred_at))
    return months


def months_in(known: AgenciesKnown, subject: str, rewrites: Sequence[Rewrite], first_month: int) -> set[str]:
    """The months whose boards may come out otherwise: those that were and those that are now."""
    before = {row["month"] for row in known.months[subject] if row["month"] >= month_text(first_month)}
    after = [row for rewrite in rewrites if rewrite.table == "mcn_months" for row in rewrite.rows]
    return before | {row["month"] for row in after}


def advance(step: Step, subject: str, first_month: int, known: AgenciesKnown) -> list[Rewrite]:
    """An agency's months from one on, judged again from the parts that are kept."""
    judging = judging_of(step)
    life = taking_part(step.life(subject), step.after.as_of)
    history = _history(step, subject, life, known)
    kept = [row for row in known.months[subject] if row["month"] < month_text(first_month)]
    rows = {parse_month(row["month"]): row for row in kept}
    for month in _due_months(step, history, judging):
        if month >= first_month:
            policy, rules = judging.at(month)
            held = held_at_close(history, month)
            top = sum(1 for name in held if _is_top(known.levels.get((name, month)), rules, judging))
            found = evaluate(figures_of(history, month, top, rules), rules)
            rows[month] = month_row(subject, found, policy, rules, judging)
    evaluated = [EvaluatedRow(evaluated_at(month, judging.at(month)[1]), rows[month]) for month in sorted(rows)]
    begun = history.onboarded_at is not None
    standing = UnevaluatedStanding(SCHEME, str(State.NO_EVALUATION_YET if begun else State.NOT_ONBOARDED), "total")
    policy = term_at(judging.terms, step.after.as_of).policy
    return [
        Rewrite(
            "mcn_months",
            {"subject": subject},
            [rows[month] for month in sorted(rows) if month >= first_month],
            ("month", month_text(first_month)),
        ),
        *monthly_rewrites(subject, standing, evaluated, _judged(judging, policy)),
        calendar_rewrite(subject, SCHEME, _next_instants(step, subject, begun=begun)),
    ]


def _judged(judging: Judging, policy: Policy) -> dict[str, Any]:
    return judged_by(judging.policies, policy) | {"assumed": judging.assumed}


def _history(step: Step, subject: str, life: Sequence[Event], known: AgenciesKnown) -> History:
    """The agency as its rules read it, from what is kept of its creators; sums from a month on."""
    bindings = [event for name in known.creators[subject] for event in known.bindings[name]]
    occurred = [event for event in bindings if event.occurred_at <= step.after.as_of]
    events = sorted([*life, *occurred], key=lambda event: (event.occurred_at, event.position))
    history, _ = history_of(events, subject)
    return history._replace(sums=known.sums[subject], reputation=known.reputation)


def _is_top(found: tuple[str, str | None] | None, rules: Rules, judging: Judging) -> bool:
    """Whether a creator's level of a month is high enough, by the levels of the version that judged it."""
    if found is None or found[1] is None:
        return False
    levels = judging.creators.rules[found[0]].levels
    return rules.top_level in levels and levels.index(found[1]) >= levels.index(rules.top_level)


def _due_months(step: Step, history: History, judging: Judging) -> list[int]:
    """The months that are evaluated by the step's end."""
    if history.onboarded_at is None:
        return []
    as_of = step.after.as_of
    return [
        month
        for month in range(month_of(history.onboarded_at), month_of(as_of) + 1)
        for rules in [judging.at(month)[1]]
        if month >= rules.first_month and evaluated_at(month, rules) <= as_of
    ]


def _next_instants(step: Step, subject: str, *, begun: bool) -> list[int]:
    """The next evaluation, and what is known to happen before it."""
    as_of = step.after.as_of
    ahead = step.ahead(step.life(subject))
    if not begun:
        return ahead
    judging = judging_of(step)
    months = range(month_of(as_of) - 1, month_of(as_of) + 1)
    dates = [evaluated_at(month, judging.at(month)[1]) for month in months]
    return [*ahead, min(at for at in dates if at > as_of)]


def month_row(subject: str, found: Evaluation, policy: Policy, rules: Rules, judging: Judging) -> dict[str, Any]:
    """One evaluation."""
    figures = found.figures
    rated = found.state is State.RATED and found.level > 0
    return {
        "subject": subject,
        "month": month_text(figures.month),
        "state": str(found.state),
        "level": rules.level_codes[found.level - 1] if rated else None,
        "total": found.total,
        "operating": found.operating,
        "growth": found.growth,
        "service": found.service,
        "bonus": found.bonus,
        "credit": figures.credit,
        "settled_fen": found.settled_fen,
        "showcase_fen": found.showcase_fen,
        "good_fen": found.good_fen,
        "orders": figures.orders,
        "worry_free": figures.worry_free,
        "showcase_creators": figures.showcase_creators,
        "live_minutes": figures.live_minutes,
        "top_creators": figures.top_creators,
        "reputation_sum": figures.reputation_sum,
        "reputation_creators": figures.reputation_creators,
        **_judged(judging, policy),
    }


def every_board(step: Step) -> list[Rewrite]:
    """Every board that there are agencies for."""
    return board_rewrites(step, {row.month for row in step.rows("mcn_months")})


def board_rewrites(step: Step, months: Iterable[str]) -> list[Rewrite]:
    """The boards of these months, sorted again: rated agencies, ties by the larger settled amount, then by id."""
    judging, rewrites = judging_of(step), []
    for month in sorted(months):
        agencies = step.tables["mcn_months"].c
        rated = step.rows("mcn_months", agencies.month == month, agencies.state == str(State.RATED))
        policy, _ = judging.at(parse_month(month))
        rows = []
        for board in policy.parameters["boards"].value:
            ranks_by = board["ranks_by"]
            scored = [(row._mapping[ranks_by], row) for row in rated]
            ordered = sorted(scored, key=lambda item: (-item[0], -item[1].settled_fen, item[1].subject))
            rows += [
                {
                    "board": board["code"],
                    "month": month,
                    "rank": rank,
                    "subject": row.subject,
                    "score": score,
                    "settled_fen": row.settled_fen,
                    "level": row.level,
                    **_judged(judging, policy),
                }
                for rank, (score, row) in enumerate(ordered, 1)
            ]
        rewrites.append(Rewrite("leaderboards", {"month": month}, rows))
    return rewrites
