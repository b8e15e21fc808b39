"""The answers about the levels of creators."""

from typing import Any

from marshmallow import fields

from projections.contract.parts.explained import ExplainAnswer, MonthEvaluationAnswer
from projections.contract.parts.keys import (
    HASH,
    MONTH,
    Answer,
    choice_key,
    instant_key,
    list_key,
    nested_key,
    text_key,
    whole_key,
)
from projections.contract.parts.shared import (
    BenefitAnswer,
    BenefitsAnswer,
    ComparisonAnswer,
    ReplayAnswer,
    StandingAnswer,
)
from replay.schemes.creator_level.answer import APPEAL


def gates_key(description: str, **options: Any) -> fields.Dict:
    return fields.Dict(
        keys=fields.String(),
        values=fields.Nested(ComparisonAnswer),
        required=True,
        metadata={"description": description},
        **options,
    )


class DiagnosisAnswer(Answer):
    gates_not_met = list_key(ComparisonAnswer, "each with value and threshold")
    level_without_gates = text_key("the level that the scores come to")
    next_level = text_key("the next level up, reckoned without the gates; null at the top", allow_none=True)
    settled_missing = fields.Raw(
        required=True, allow_none=True, metadata={"description": "least settled fen missing to it, or unreachable"}
    )
    share_needed = fields.Raw(
        required=True, allow_none=True, metadata={"description": "least share of good goods in percent, or unreachable"}
    )


class PresentAnswer(StandingAnswer):
    policy = text_key("the version in force")


class BenefitsBesideAnswer(Answer):
    kept = list_key(BenefitAnswer, "held under either version")
    gained = list_key(BenefitAnswer, "held under the new version alone")
    lost = list_key(BenefitAnswer, "held under the present version alone")
    next = list_key(BenefitAnswer, "about to be unlocked under the new version")


class PreviewAnswer(StandingAnswer):
    policy = text_key("the version that can be previewed")
    policy_hash = text_key("SHA-256 of its canonical JSON", HASH)
    rules = text_key("where the API shows its rules beside those of now")
    takes_effect = instant_key("when it comes into force")
    present = nested_key(PresentAnswer, "state and level of now")
    gates = gates_key("each gate of the new version with value and threshold")
    diagnosis = nested_key(DiagnosisAnswer, "what it would take under the new version")
    benefits = list_key(BenefitAnswer, "held under it")
    benefits_beside = nested_key(BenefitsBesideAnswer, "beside those of now")


class CreatorFiguresAnswer(Answer):
    month = text_key("the month that was evaluated", MONTH, allow_none=True)
    settled = whole_key("fen, refunds taken off, not under 0", allow_none=True)
    good = whole_key("fen of good goods, within settled", allow_none=True)
    sales_score = whole_key("S", allow_none=True)
    behaviour_score = whole_key("B", allow_none=True)
    reputation_mean = text_key("of the days before the evaluation, two decimals, rounded half up", allow_none=True)
    credit_deducted = whole_key("in those days", allow_none=True)
    gates = gates_key("each gate with value and threshold; empty where the version has none", allow_none=True)


class CreatorMonthAnswer(CreatorFiguresAnswer, StandingAnswer):
    policy = text_key("the version that judged it")


class CreatorAnswer(ReplayAnswer, CreatorFiguresAnswer):
    preview = nested_key(PreviewAnswer, "under the version that can be previewed; else null", allow_none=True)
    diagnosis = nested_key(DiagnosisAnswer, "what it would take; null before the first evaluation", allow_none=True)
    benefits = nested_key(BenefitsAnswer, "held, won, lost and of the next level")
    appeal = choice_key(
        (APPEAL,), "what an appeal may concern: the level itself is computed and not appealed as such (CREP, published)"
    )
    months = list_key(CreatorMonthAnswer, "every evaluation up to as_of")


class CreatorExplained(CreatorAnswer, ExplainAnswer):
    evaluations = list_key(MonthEvaluationAnswer, "of the part")
