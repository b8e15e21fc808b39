"""What the explanations of every scheme have: verdicts, notes, clauses, and the rules that were tried."""

from typing import Final

from marshmallow import fields, validate

from domain.policy import STATUSES
from domain.rules.comparison import RULE_KINDS
from projections.contract.parts.contributions import ContributionAnswer, PeriodSumsAnswer
from projections.contract.parts.keys import (
    INSTANT,
    MONTH,
    POINTS,
    Answer,
    choice_key,
    flag_key,
    instant_key,
    list_key,
    nested_key,
    points_key,
    text_key,
    texts_key,
    whole_key,
)
from projections.contract.parts.shared import AnyStandingAnswer, ComparisonAnswer, StandingAnswer
from projections.contract.parts.vocabulary import COMPARED, NOTES, VERDICTS


class EventAnswer(Answer):
    subject = fields.String(metadata={"description": "whose event it is, where it may be another subject's"})
    source = text_key("`source` of the event")
    event = text_key("`id` of the event")
    position = whole_key("position of the event in the ledger")


class MadeAnswer(Answer):
    verdict = fields.String(validate=validate.OneOf(VERDICTS), metadata={"description": "the verdict"})
    points = fields.String(
        allow_none=True,
        validate=validate.Regexp(POINTS),
        metadata={"description": "what it moved the points by, signed; null in schemes without"},
    )
    at = fields.String(validate=validate.Regexp(INSTANT), metadata={"description": "when it was judged"})
    note = fields.String(validate=validate.OneOf(NOTES), metadata={"description": "why there is no verdict"})


class ComparedAnswer(EventAnswer):
    source = fields.String(metadata={"description": "of the event that decided"})
    event = fields.String(metadata={"description": "of the event that decided"})
    position = fields.Integer(metadata={"description": "of the event that decided"})
    what = choice_key(COMPARED, "what was compared, or which event decided")
    found = fields.Raw(allow_none=True, metadata={"description": "the figure found"})
    bound = fields.Raw(allow_none=True, metadata={"description": "what it was held against"})
    at = fields.String(validate=validate.Regexp(INSTANT), metadata={"description": "when the deciding event was"})
    learned_at = fields.String(metadata={"description": "when the ledger learned of it"})
    reason = fields.String(allow_none=True, metadata={"description": "the reason that it gives"})
    case = fields.String(allow_none=True, metadata={"description": "the case that it names"})


class LearnedAnswer(EventAnswer):
    type = text_key("its type")
    learned_at = instant_key("when the ledger learned of it")


class RemarkedAnswer(EventAnswer):
    same_instant = nested_key(
        LearnedAnswer,
        "the cause that the event lacks, which happened at the same instant and was recorded after it; null for none",
        allow_none=True,
    )
    retracted_in_vain_by = list_key(
        LearnedAnswer, "retractions that named the event before it was recorded, and so do nothing"
    )


class VerdictAnswer(RemarkedAnswer):
    verdict = choice_key(VERDICTS, "what became of the event")
    points = points_key("what it moved the points by, signed; null in schemes without", allow_none=True)
    at = instant_key("when it was judged")
    balance = points_key("the points after it; null in schemes without", allow_none=True)
    contribution = list_key(ContributionAnswer, "what the event adds to which figures; empty for nothing")
    order = text_key("the order that it is about", allow_none=True)
    policy = text_key("id of the policy that it was given under")
    policy_hash = text_key("its hash")
    compared = nested_key(
        ComparedAnswer, "the figures compared or the event that decided; null where none", allow_none=True
    )


class NoteAnswer(RemarkedAnswer):
    note = choice_key(NOTES, "why the event has no verdict of its own")
    at = instant_key("when it happened")
    policy = text_key("id of the policy that it was given under")
    policy_hash = text_key("its hash")
    compared = nested_key(ComparedAnswer, "the figure or the event that says so; null where none", allow_none=True)


class BasisAnswer(Answer):
    parameter = text_key("parameter of the policy; null where the clause reads none", allow_none=True)
    source = text_key("rule text by title, section and date")
    status = choice_key(STATUSES, "whether the platform published it")


class ClauseAnswer(Answer):
    name = text_key("the verdict or note")
    policy = text_key("id of the policy whose values it shows")
    policy_hash = text_key("its hash")
    text = text_key("the clause in our words, in --lang")
    short = text_key("the same in a few words")
    rests_on = fields.List(
        fields.Nested(BasisAnswer), required=True, metadata={"description": "what it rests on, with source and status"}
    )


class PartAnswer(Answer):
    month = text_key("--month", allow_none=True)
    day = text_key("--day", allow_none=True)
    event = text_key("--event", allow_none=True)
    standing = nested_key(
        AnyStandingAnswer,
        "where the subject stood at the month's close, or what its evaluation came to; null without --month, and where"
        " there was nothing yet",
        allow_none=True,
    )


class SumAnswer(Answer):
    opening = points_key("before the first verdict shown; null with --event", allow_none=True)
    verdicts = points_key("sum of the verdicts shown, signed")
    closing = points_key("after the last verdict shown; null with --event", allow_none=True)


class ExplainAnswer(Answer):
    """What the explanations of every scheme add to its answer."""

    part = nested_key(PartAnswer, "which part was asked for; null for all")
    sums = list_key(PeriodSumsAnswer, "how the figures of each period of the part add up; empty with --event")
    verdicts = list_key(VerdictAnswer, "in the order of judgement")
    notes = list_key(NoteAnswer, "in the order of the ledger")
    clauses = list_key(ClauseAnswer, "of the rules, verdicts and notes shown")


WorthAnswer: Final = Answer.from_dict(
    {
        "from": text_key("the figure from which on it counts, in the unit of the comparison"),
        "points": whole_key("what it is worth; null for bands of levels", allow_none=True),
        "level": text_key("the level that it gives; null for bands of points", allow_none=True),
    },
    name="WorthAnswer",
)
"""A band."""


class RuleAnswer(Answer):
    rule = text_key("the rule")
    kind = choice_key(RULE_KINDS, "gate: met or not; threshold: holds or not; band: the highest that is reached counts")
    fired = flag_key("whether the gate is met, the threshold holds, or a band is reached and counts")
    points = whole_key("what it is worth; null in schemes that do not score", allow_none=True)
    compared = list_key(ComparisonAnswer, "every figure that it asks for")
    reached = nested_key(WorthAnswer, "the band that is reached; null for none, and for other rules", allow_none=True)
    next = nested_key(WorthAnswer, "the band above it; null at the top, and for other rules", allow_none=True)
    withheld_by = texts_key("the rules for which the level that the band would give is withheld")


class MonthEvaluationAnswer(StandingAnswer):
    at = instant_key("the evaluation")
    month = text_key("the month", MONTH)
    policy = text_key("the version that judged it")
    rules = list_key(RuleAnswer, "every rule that was tried, in order")
