"""The answers about the reputation of merchants."""

from marshmallow import fields, validate

from domain.merchant_reputation.rule import Verdict
from projections.contract.parts.explained import ExplainAnswer, SumAnswer
from projections.contract.parts.keys import (
    MONTH,
    Answer,
    flag_key,
    instant_key,
    list_key,
    nested_key,
    points_key,
    text_key,
)
from projections.contract.parts.shared import PointsAnswer, ReplayAnswer


class DecidedAnswer(Answer):
    run = text_key("the latest run of decisions for the month")
    points = points_key("as decided")
    level = text_key("as decided", allow_none=True)
    known_at = instant_key("what the run knew")
    restated = flag_key("whether this replay finds other points or another level")


class PublishedAnswer(Answer):
    month = text_key("the month whose close was published", MONTH)
    points = points_key("at that close")
    level = text_key("code, at that close; null unless rated", allow_none=True)
    at = instant_key("the publication")
    decided = nested_key(
        DecidedAnswer,
        "what was decided of that month; null where nothing was; left out for who may not see decisions",
        allow_none=True,
        required=False,
    )
    in_force = flag_key("whether the policy was in force at the publication")


class GrowthAnswer(Answer):
    month = text_key("the month of as_of", MONTH)
    growth = points_key("net growth so far")
    cap = points_key("over which it may not rise; null for none", allow_none=True)
    room = points_key("what is left of the cap", allow_none=True)


class PublishedThenAnswer(Answer):
    month = text_key("that of published", MONTH)
    at = instant_key("the publication: what was recorded by then takes part")
    points = points_key("at its close, by what was known then")
    level = text_key("code, in the same way; null unless rated", allow_none=True)
    differs = flag_key("whether people saw other points or another level than `published` says")


class MonthAnswer(Answer):
    month = text_key("natural month in Shanghai; months without any verdict are left out", MONTH)
    opening = points_key("at the close of the month before")
    growth = points_key("net growth that the cap bounds; a closing of the shop sets it to zero")
    cap = points_key(
        "the month's growth cap at its end (after a closing, that of no level); null for none", allow_none=True
    )
    closing = points_key("at the month's close, or at as_of")
    level = text_key("code at the month's close, or at as_of; null unless rated", allow_none=True)
    verdicts = fields.Dict(
        keys=fields.String(validate=validate.OneOf([verdict.word for verdict in Verdict])),
        values=fields.Integer(strict=True),
        required=True,
        metadata={"description": "how many events got which verdict"},
    )


class ReputationAnswer(ReplayAnswer, PointsAnswer):
    to_next = points_key("missing to the next level; null at the top or without a running count", allow_none=True)
    growth_of_month = nested_key(GrowthAnswer, "against the growth cap; null unless open", allow_none=True)
    published = nested_key(
        PublishedAnswer, "the last publication, by all that this replay knows; null before the first", allow_none=True
    )
    published_then = nested_key(
        PublishedThenAnswer,
        "the same publication by what the ledger knew when it came; null where by that nothing was published",
        allow_none=True,
    )
    months = list_key(MonthAnswer, "the month table")


class ReputationExplained(ReputationAnswer, ExplainAnswer):
    adds_up = nested_key(SumAnswer, "opening + verdicts = closing")
