"""What histories and differences hold: each change with its cause, each step between two replays."""

from marshmallow import fields

from projections.contract.parts.explained import EventAnswer, MadeAnswer
from projections.contract.parts.keys import (
    Answer,
    choice_key,
    flag_key,
    list_key,
    nested_key,
    points_key,
    text_key,
    texts_key,
)
from projections.contract.parts.shared import AnyStandingAnswer, AskedAnswer, CommonAnswer
from projections.contract.parts.vocabulary import SUBJECT
from replay.answers.diff import STEPS


class CauseAnswer(MadeAnswer):
    source = fields.String(metadata={"description": "of the event"})
    event = fields.String(metadata={"description": "of the event"})
    position = fields.Integer(metadata={"description": "of the event"})
    type = fields.String(metadata={"description": "of the event"})
    rule = fields.String(metadata={"description": "the rule that decided, in schemes that evaluate"})
    month = fields.String(metadata={"description": "the month that was evaluated"})
    policy = fields.String(metadata={"description": "the policy whose rules began to count, or that judged the month"})
    policy_hash = fields.String(metadata={"description": "its hash"})


class ChangeAnswer(Answer):
    at = text_key("when the state or level changed: an instant, or a day in daily schemes")
    before = nested_key(AnyStandingAnswer, "until then")
    after = nested_key(AnyStandingAnswer, "from then on")
    cause = nested_key(CauseAnswer, "the event and its verdict, the rule, or the policy")


class HistoryAnswer(CommonAnswer):
    changes = list_key(ChangeAnswer, "each change, the earliest first")


class EndAnswer(AskedAnswer, AnyStandingAnswer):
    """One of the two replays of a difference."""


class MovedAnswer(EventAnswer):
    type = text_key("type of the event")
    before = nested_key(MadeAnswer, "what the run before made of it; null for nothing", allow_none=True)
    after = nested_key(MadeAnswer, "what the step's run made of it; null for nothing", allow_none=True)
    points = points_key("what that moved, signed; null in schemes without", allow_none=True)
    by_time = flag_key("time alone, and no other event, brought it or took it: a default credit that fell due")


class StepAnswer(Answer):
    step = choice_key(STEPS, "the cause")
    points = points_key("what the step moved, signed; null in schemes without", allow_none=True)
    before = nested_key(AnyStandingAnswer, "before the step")
    after = nested_key(AnyStandingAnswer, "after the step, a run of the scheme of its own")
    figures = fields.Dict(
        required=True,
        allow_none=True,
        metadata={"description": "in schemes of ratios and bands, the scheme's figures before and after; else null"},
    )
    events = list_key(MovedAnswer, "what changed, in the order of the ledger")


class DiffAnswer(Answer):
    subject = text_key(SUBJECT)
    scheme = text_key("the scheme that judged")
    program = text_key("version of the program")
    from_ = fields.Nested(
        EndAnswer, required=True, data_key="from", metadata={"description": "the replay named by --as-of and so on"}
    )
    to = nested_key(EndAnswer, "the replay named by --to-as-of and so on")
    points = points_key(
        "from the one to the other, signed; the steps add up to it; null in schemes without", allow_none=True
    )
    steps = list_key(StepAnswer, "always all four, in the order in which the one that knew less comes to know more")
    assumed = texts_key("parameters used that no rule text gives")
