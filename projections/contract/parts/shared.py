"""What the answers about every scheme have, and what several schemes' answers are made of."""

from typing import Final

from marshmallow import fields

from domain.languages import LANGUAGES
from domain.policy import STATUSES
from projections.contract.parts.keys import (
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
from projections.contract.parts.vocabulary import STATES, SUBJECT

OPEN: Final = (
    "the known_at that was asked for, where no record is later yet, so that more may come to be known by then: ask by"
    " position for the same again; null: the answer stands for ever"
)


class StandingAnswer(Answer):
    state = choice_key(STATES, "whether there is a level, or why not")
    level = text_key("code of the running level; null unless rated", allow_none=True)


class AnyStandingAnswer(StandingAnswer):
    points = fields.String(metadata={"description": "in schemes that have points"})


class PointsAnswer(StandingAnswer):
    points = points_key("running points at as_of")


class RevisionAnswer(Answer):
    scheme = text_key("the scheme whose policy it is")
    id = text_key("policy id")
    hash = text_key("SHA-256 of its canonical JSON")


class AskedAnswer(Answer):
    policy = text_key("id of the policy version that judges the month of as_of")
    policy_hash = text_key("SHA-256 of its canonical JSON", r"\A[0-9a-f]{64}\Z")
    as_of = instant_key("what had happened by then takes part")
    known_at = instant_key("what the ledger had recorded by then takes part")
    position = whole_key("the same as a position of the ledger")
    asked_known_at = instant_key(OPEN, allow_none=True)
    in_force = flag_key("whether that version was in force at as_of; false is a reconstruction")
    policies = fields.List(
        fields.Nested(RevisionAnswer),
        required=True,
        metadata={"description": "every version that took part, the earliest first"},
    )


class CommonAnswer(AskedAnswer):
    subject = text_key(SUBJECT)
    scheme = text_key("the scheme that judged")
    program = text_key("version of the program")
    assumed = texts_key("parameters used that no rule text gives")


class EffectiveAnswer(Answer):
    state = choice_key(
        STATES, "of a reputation: as last published (before that unrated, or not_onboarded); else as above"
    )
    level = text_key("the same of the level's code; null unless rated", allow_none=True)
    since = text_key("publication, evaluation or day since which they are the same; null for none", allow_none=True)


class NextDatesAnswer(Answer):
    evaluation = text_key("when the level is reckoned next; null where no date does", allow_none=True)
    publication = text_key("when it is published next; null in schemes that do not publish", allow_none=True)
    update = text_key("when what is shown may be another next", allow_none=True)


class ReplayAnswer(CommonAnswer, StandingAnswer):
    """What the answers about every scheme have."""

    level_name = text_key("what the level is called in --lang", allow_none=True)
    effective = nested_key(EffectiveAnswer, "what counts towards the outside at as_of")
    next_level = text_key(
        "code of the level that comes next: of a gated creator that which meeting the gates gives; null at the top, and"
        " where none can come",
        allow_none=True,
    )
    next_level_name = text_key("what that is called in --lang", allow_none=True)
    next_dates = nested_key(NextDatesAnswer, "instants, or days of schemes that judge by the day")


class RatioAnswer(Answer):
    numerator = whole_key("of the exact fraction")
    denominator = whole_key("of the exact fraction; 0 leaves it undefined")
    value = text_key("as a decimal, rounded half up; null where undefined", allow_none=True)


class ComparisonAnswer(RatioAnswer):
    what = text_key("the figure")
    unit = text_key("percent or number: how value and bound are shown")
    relation = text_key("<, <=, > or >=")
    bound = text_key("what it was held against")
    met = flag_key("whether the relation holds")


LATER_TEXT: Final = "day of the text that it rests on, where that came after the version was in force; else null"
BenefitAnswer: Final = Answer.from_dict(
    {
        "code": text_key("the benefit"),
        **{code: text_key(f"its name in {language.name}") for code, language in reversed(LANGUAGES.items())},
        "from_rank": whole_key("rank of the first level that has it, 0 being the lowest; -1 for every state"),
        "reputation_hundredths_min": fields.Integer(metadata={"description": "mean reputation that it also needs"}),
        "later_text": text_key(LATER_TEXT, allow_none=True),
        "status": choice_key(STATUSES, "whether the platform published it"),
        "source": text_key("rule text by title, section and date"),
    },
    name="BenefitAnswer",
)
"""A benefit, with its name in each language."""


class BenefitsAnswer(Answer):
    held = list_key(BenefitAnswer, "held at this level")
    won = texts_key("codes that the period before did not have")
    lost = texts_key("codes that the period before had")
    gone = list_key(BenefitAnswer, "those lost")
    next = list_key(BenefitAnswer, "that the next level, or the reputation that they also need, would bring")
