"""The answers about the tiers of merchants."""

from typing import Final

from domain.merchant_tier.unchanged import WhyUnchanged
from projections.contract.parts.explained import ExplainAnswer, RuleAnswer
from projections.contract.parts.keys import (
    Answer,
    choice_key,
    flag_key,
    list_key,
    nested_key,
    text_key,
    texts_key,
    whole_key,
)
from projections.contract.parts.shared import ComparisonAnswer, RatioAnswer, ReplayAnswer, StandingAnswer


class BoundAnswer(Answer):
    relation = text_key("< or >")
    bound = text_key("in percent")
    met = flag_key("whether the relation holds")


class IndicatorAnswer(RatioAnswer):
    up = nested_key(BoundAnswer, "what it is held against for the tier to rise; null where it cannot", allow_none=True)
    down = nested_key(
        BoundAnswer, "what it is held against for the tier to fall; null where it cannot", allow_none=True
    )


class IndicatorsAnswer(Answer):
    complaint = nested_key(IndicatorAnswer, "complaints of orders, in percent")
    product = nested_key(IndicatorAnswer, "good among reviews, in percent")
    service = nested_key(IndicatorAnswer, "good among service ratings, in percent")


class FastUpgradeAnswer(Answer):
    open = flag_key("whether one may still come before the next evaluation")
    last_day = text_key("the last day at whose close it may")
    day = text_key(
        "the day that its conditions of one day are told of: the first since the last change that met them all, else"
        " the last closed one; null on the day of the change",
        allow_none=True,
    )
    day_is_met = flag_key("whether a day since the last change met all of these")
    compared = list_key(ComparisonAnswer, "its conditions: three of the window, then those of one day")


class ClearOutAnswer(Answer):
    lowest_since = text_key("the day on which the tier became the lowest")
    on = text_key("the day at whose close the shop is cleared out if it still is")
    days_left = whole_key("days until then")


class LimitsAnswer(Answer):
    orders = whole_key("a day; null for no limit", allow_none=True)
    gmv_fen = whole_key("a day, in fen; null for no limit", allow_none=True)


class TierDayAnswer(Answer):
    day = text_key("the Shanghai day")
    level = text_key("the tier from then on; null when closed or cleared out", allow_none=True)
    cause = text_key("opened, notice, upgrade, downgrade, fast_upgrade, closed or cleared_out")


class TierAnswer(ReplayAnswer):
    day = text_key("the last closed day, whose close the answer tells of")
    since = text_key("day of the last notice or change; null unless rated", allow_none=True)
    indicators = nested_key(
        IndicatorsAnswer,
        "over the window that ends with that day; null for merchants whom the scheme does not judge",
        allow_none=True,
    )
    next_evaluation = text_key(
        "the next day on which the tier may rise or fall by itself; null unless rated", allow_none=True
    )
    fast_upgrade = nested_key(FastUpgradeAnswer, "null unless rated below the highest tier", allow_none=True)
    clear_out = nested_key(ClearOutAnswer, "null unless rated in the lowest tier", allow_none=True)
    history = list_key(TierDayAnswer, "each day on which the tier was set or changed")
    limits = nested_key(LimitsAnswer, "the tier's daily limits; null unless rated", allow_none=True)


WindowAnswer: Final = Answer.from_dict(
    {"from": text_key("its first day"), "to": text_key("its last day")}, name="WindowAnswer"
)
"""The days that indicators are of."""


class UnchangedAnswer(Answer):
    why = choice_key(WhyUnchanged, "why the day left the tier as it was")
    until = text_key("the day on which the waiting time is over; else null", allow_none=True)
    indicators = texts_key("those that it is about")


class LowestAnswer(Answer):
    level = text_key("the lowest tier")
    since = text_key("the day on which the tier became the lowest")
    days = whole_key("since then")
    limit = whole_key("after so many the merchant is cleared out")


class TierEvaluationAnswer(Answer):
    at = text_key("the day")
    before = nested_key(StandingAnswer, "at the close of the day before")
    after = nested_key(StandingAnswer, "at the close of the day")
    decided = texts_key("what set or changed the tier on that day")
    since = text_key("day of the last notice or change before the evaluation; null without a tier", allow_none=True)
    lowest = nested_key(LowestAnswer, "how long it is in the lowest tier; null for others", allow_none=True)
    window = nested_key(WindowAnswer, "the days that the indicators are of")
    indicators = nested_key(IndicatorsAnswer, "over the window, with the values of the tier evaluated")
    unchanged = list_key(UnchangedAnswer, "why nothing changed; empty where something did")
    rules = list_key(RuleAnswer, "every rule that was tried, in order")


class TierExplained(TierAnswer, ExplainAnswer):
    evaluations = list_key(
        TierEvaluationAnswer, "the day of --day; else each day on which the tier changed, and the last closed one"
    )
