"""The answers about the tiers of merchants."""

from projections.contract.parts.explained import ExplainAnswer, RuleAnswer
from projections.contract.parts.keys import Answer, list_key, nested_key, text_key, texts_key, whole_key
from projections.contract.parts.shared import RatioAnswer, ReplayAnswer


class IndicatorsAnswer(Answer):
    complaint = nested_key(RatioAnswer, "complaints of orders, in percent")
    product = nested_key(RatioAnswer, "good among reviews, in percent")
    service = nested_key(RatioAnswer, "good among service ratings, in percent")


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
    indicators = nested_key(IndicatorsAnswer, "over the window that ends with that day")
    next_evaluation = text_key(
        "the next day on which the tier may rise or fall by itself; null unless rated", allow_none=True
    )
    history = list_key(TierDayAnswer, "each day on which the tier was set or changed")
    limits = nested_key(LimitsAnswer, "the tier's daily limits; null unless rated", allow_none=True)


class TierEvaluationAnswer(Answer):
    at = text_key("the day")
    level = text_key("the tier before", allow_none=True)
    decided = texts_key("what set or changed the tier on that day")
    rules = list_key(RuleAnswer, "every rule that was tried, in order")


class TierExplained(TierAnswer, ExplainAnswer):
    evaluations = list_key(TierEvaluationAnswer, "each day on which the tier changed, and the last closed one")
