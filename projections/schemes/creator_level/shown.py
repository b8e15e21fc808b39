"""What the answers about a creator's level say, from the rows of its months."""

from functools import lru_cache
from typing import Any

from domain.calendar import parse_month
from domain.creator_level.facts import rules_of
from domain.creator_level.rule import Evaluation, Figures, State, evaluate, gates, level_of
from projections.schemes.shared.viewed import Viewed
from replay.history.timeline import Asked, resolve
from replay.schemes.creator_level.answer import CreatorShown, creator_json
from replay.schemes.creator_level.replay import CreatorReplay, Month

_rules_of = lru_cache(64)(rules_of)


def own_json(viewed: Viewed) -> dict[str, Any]:
    months = [_month(row, viewed) for row in viewed.rows("creator_months")]
    if months and months[-1].found.settled_fen == 0:
        months[-1] = _with_sums(months[-1], viewed)
    previewed = _previewed(months[-1], viewed) if months and viewed.policies.previewed else None
    registered = viewed.stored.state != State.NOT_REGISTERED
    return creator_json(CreatorShown(months, previewed, registered, viewed.as_of))


def _month(row: dict[str, Any], viewed: Viewed) -> Month:
    """An evaluation again, from what it came to."""
    policy = viewed.by_hash[row["policy_hash"]]
    rules, settled, good = _rules_of(policy), row["settled_fen"], row["good_fen"]
    reputation = row["reputation_sum"], row["reputation_days"]
    figures = Figures(parse_month(row["month"]), settled, good, *reputation, row["deducted"])
    sales, behaviour = row["sales_score"], row["behaviour_score"]
    level, gated = level_of(sales, behaviour, rules), row["state"] == State.GATED
    found = Evaluation(figures, settled, good, sales, behaviour, level, gated, gates(figures, rules))
    return Month(policy, rules, found)


def _with_sums(month: Month, viewed: Viewed) -> Month:
    """The same with its sums of money as they were before they were bounded: a month may have refunds beyond its sales,
    which count in what is missing.
    """
    kept = next((row for row in viewed.rows("creator_figures", ("month", month.month))), None)
    if kept is None or kept["month"] != month.month:
        return month
    figures = month.found.figures._replace(settled_sum_fen=kept["settled_sum_fen"], good_sum_fen=kept["good_sum_fen"])
    return month._replace(found=month.found._replace(figures=figures))


def _previewed(held: Month, viewed: Viewed) -> Month | None:
    """The evaluation that holds, under the version that can be previewed: where this looks at as many days, its figures
    are the same; else they are counted anew.
    """
    policy = viewed.policies.previewed[0]
    rules = _rules_of(policy)
    if rules.gate_days == held.rules.gate_days:
        return Month(policy, rules, evaluate(held.found.figures, rules))
    known = CreatorReplay.load(viewed.store, viewed.subject, viewed.position)
    moment = resolve(viewed.store, Asked(position=viewed.position))._replace(as_of=viewed.as_of)
    return CreatorReplay(viewed.subject, known, moment, viewed.policies).previewed()
