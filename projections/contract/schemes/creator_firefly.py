"""The answers about the Firefly levels of creators."""

from projections.contract.parts.explained import ExplainAnswer
from projections.contract.parts.keys import MONTH, Answer, list_key, nested_key, text_key, whole_key
from projections.contract.parts.shared import BenefitsAnswer, ReplayAnswer, StandingAnswer


class ToNextAnswer(Answer):
    level = text_key("the next level up")
    points = whole_key("that are missing to it")


class FireflyMonthAnswer(StandingAnswer):
    month = text_key("natural month in Shanghai; months in which no points were judged are left out", MONTH)
    earned = whole_key("points that counted in it")
    redeemed = whole_key("points that were taken in it")
    score = whole_key("points earned in all, at its close or at as_of")
    balance = whole_key("points left then")
    policy = text_key("the version that judged it")


class FireflyAnswer(ReplayAnswer):
    score = whole_key("points earned in all, which no redemption lowers")
    balance = whole_key("points left to redeem")
    to_next = nested_key(ToNextAnswer, "null at the top, and for who is not registered", allow_none=True)
    benefits = nested_key(BenefitsAnswer, "held, won and lost by the last change of level, and of the next")
    months = list_key(FireflyMonthAnswer, "the month table")


class FireflyExplained(FireflyAnswer, ExplainAnswer):
    pass
