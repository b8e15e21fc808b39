"""The answers about the levels of creators."""

from marshmallow import fields

from projections.contract.parts.explained import ExplainAnswer, MonthEvaluationAnswer
from projections.contract.parts.keys import MONTH, Answer, list_key, nested_key, text_key, whole_key
from projections.contract.parts.shared import (
    BenefitAnswer,
    BenefitsAnswer,
    ComparisonAnswer,
    ReplayAnswer,
    StandingAnswer,
)


class PreviewAnswer(StandingAnswer):
    policy = text_key("the version that can be previewed")
    benefits = list_key(BenefitAnswer, "held under it")


class DiagnosisAnswer(Answer):
    gates_not_met = list_key(ComparisonAnswer, "each with value and threshold")
    next_level = text_key("the next level up, reckoned without the gates; null at the top", allow_none=True)
    settled_missing = fields.Raw(
        required=True, allow_none=True, metadata={"description": "least settled fen missing to it, or unreachable"}
    )
    share_needed = fields.Raw(
        required=True, allow_none=True, metadata={"description": "least share of good goods in percent, or unreachable"}
    )


class CreatorFiguresAnswer(Answer):
    month = text_key("the month that was evaluated", MONTH, allow_none=True)
    settled = whole_key("fen, refunds taken off, not under 0", allow_none=True)
    good = whole_key("fen of good goods, within settled", allow_none=True)
    sales_score = whole_key("S", allow_none=True)
    behaviour_score = whole_key("B", allow_none=True)
    reputation_mean = text_key("of the days before the evaluation, two decimals, rounded half up", allow_none=True)
    credit_deducted = whole_key("in those days", allow_none=True)
    gates = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(ComparisonAnswer),
        required=True,
        allow_none=True,
        metadata={"description": "each gate with value and threshold; empty where the version has none"},
    )


class CreatorMonthAnswer(CreatorFiguresAnswer, StandingAnswer):
    policy = text_key("the version that judged it")


class CreatorAnswer(ReplayAnswer, CreatorFiguresAnswer):
    preview = nested_key(PreviewAnswer, "under the version that can be previewed; else null", allow_none=True)
    diagnosis = nested_key(DiagnosisAnswer, "what it would take; null before the first evaluation", allow_none=True)
    benefits = nested_key(BenefitsAnswer, "held, won and lost")
    months = list_key(CreatorMonthAnswer, "every evaluation up to as_of")


class CreatorExplained(CreatorAnswer, ExplainAnswer):
    evaluations = list_key(MonthEvaluationAnswer, "of the part")
