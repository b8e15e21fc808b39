"""What events add to figures, and how the figures add up: the same keys in every scheme."""

from domain.rules.contributions import UNITS
from projections.contract.parts.keys import Answer, choice_key, list_key, text_key, texts_key, whole_key
from projections.contract.parts.vocabulary import FIGURES, SUM_LINES


class ContributionAnswer(Answer):
    figure = choice_key(FIGURES, "the figure that the event adds to")
    unit = choice_key(UNITS, "of the amount")
    amount = whole_key("what it adds, in whole units; negative for what it takes away")
    periods = texts_key("the months or days whose figure it is part of")


class SumLineAnswer(Answer):
    what = choice_key(SUM_LINES, "where this part comes from, or which bound cuts it")
    amount = whole_key("in whole units of the figure")


class FigureSumAnswer(Answer):
    figure = choice_key(FIGURES, "the figure")
    unit = choice_key(UNITS, "of the amounts")
    lines = list_key(SumLineAnswer, "that add up to the value")
    value = whole_key("the figure, in whole units")


class PeriodSumsAnswer(Answer):
    period = text_key("the month or day")
    figures = list_key(FigureSumAnswer, "each as it adds up")
