"""What answers about what could be hold: a replay beside one with events that did not happen, and ways to a level."""

from marshmallow import fields, validate

from domain.rules.contributions import UNITS
from projections.contract.parts.changes import ChangeAnswer
from projections.contract.parts.keys import Answer, instant_key, list_key, nested_key, text_key, texts_key, whole_key
from projections.contract.parts.shared import (
    AnyStandingAnswer,
    AskedAnswer,
    BenefitAnswer,
    CommonAnswer,
    EffectiveAnswer,
    NextDatesAnswer,
)


class HypotheticalAnswer(CommonAnswer):
    """What is marked so that nobody takes it for a replay."""

    hypothetical = fields.Boolean(
        required=True,
        validate=validate.Equal(True),
        metadata={"description": "always true: what the answer tells did not happen, and none of it is recorded"},
    )


class SupposedAnswer(AskedAnswer, AnyStandingAnswer):
    """One of the two replays that stand side by side."""

    level_name = text_key("what the level is called in --lang", allow_none=True)
    effective = nested_key(EffectiveAnswer, "what counts towards the outside at its as_of")
    score = whole_key("what the scheme ranks by; null without", allow_none=True)
    figures = fields.Dict(required=True, metadata={"description": "the figures that decide, as the replay names them"})
    next_level = text_key("code of the level that comes next; null where none can", allow_none=True)
    next_level_name = text_key("what that is called in --lang", allow_none=True)
    next_dates = nested_key(NextDatesAnswer, "instants, or days of schemes that judge by the day")


class BenefitsThenAnswer(Answer):
    kept = list_key(BenefitAnswer, "held now, and then, too")
    gained = list_key(BenefitAnswer, "held only then")
    lost = list_key(BenefitAnswer, "held now, and not then")


class WhatIfAnswer(HypotheticalAnswer):
    events = whole_key("how many hypothetical events took part")
    events_later = whole_key("how many are later than the then of this answer, and took no part")
    now = nested_key(SupposedAnswer, "the replay as it was asked for")
    then = nested_key(SupposedAnswer, "the same with what did not happen")
    changes = list_key(ChangeAnswer, "changes of state or level that only the second has, the earliest first")
    benefits = nested_key(
        BenefitsThenAnswer, "those of now beside those of then; null in schemes without", allow_none=True
    )


class NeedAnswer(Answer):
    figure = text_key("what is asked for")
    amount = whole_key("how much, in whole units")
    unit = text_key(f"one of {', '.join(UNITS)}, or one that names itself")


class WayAnswer(Answer):
    kind = text_key("what is done")
    asks = list_key(NeedAnswer, "the least that it takes; empty where time alone does it")
    level = text_key("code of the level that it reaches")
    level_name = text_key("what that is called in --lang", allow_none=True)
    reached_at = instant_key("the earliest instant at which a replay with its events has the level")
    effective_at = instant_key(
        "when it counts towards the outside; null where that is the same, and where other rules judge before it would",
        allow_none=True,
    )
    each_alone = list_key(NeedAnswer, "where several figures have to be met together, what each alone would take")
    events = whole_key("how many events that did not happen make it up")


class NoWayAnswer(Answer):
    kind = text_key("what is done")
    why = text_key("why the level cannot be reached so, or is not proved to be")
    asks = list_key(NeedAnswer, "what it would ask, where that can be said")


class WaysAnswer(HypotheticalAnswer, AnyStandingAnswer):
    level_name = text_key("what the level is called in --lang", allow_none=True)
    next_level = text_key("code of the level that the ways lead to; null at the top", allow_none=True)
    next_level_name = text_key("what that is called in --lang", allow_none=True)
    ways = list_key(WayAnswer, "those that were proved: they reach the level, and with one unit less do not")
    unreachable = list_key(NoWayAnswer, "what cannot reach the level")
    unproved = texts_key("kinds that were proposed and not proved, a fault of the program: normally none")
