"""The answers about the levels of agencies."""

from domain.mcn_level.rule import SCORES
from projections.contract.parts.explained import ExplainAnswer, MonthEvaluationAnswer
from projections.contract.parts.keys import (
    MONTH,
    Answer,
    choice_key,
    flag_key,
    list_key,
    nested_key,
    text_key,
    whole_key,
)
from projections.contract.parts.shared import (
    BenefitsAnswer,
    ComparisonAnswer,
    RatioAnswer,
    ReplayAnswer,
    StandingAnswer,
)


class McnScoresAnswer(Answer):
    month = text_key("the month that was evaluated", MONTH, allow_none=True)
    credit = whole_key("at the close of the month", allow_none=True)
    operating = whole_key("points", allow_none=True)
    growth = whole_key("points", allow_none=True)
    service = whole_key("points", allow_none=True)
    bonus = whole_key("points", allow_none=True)
    total = whole_key("with bonus", allow_none=True)


class McnMonthAnswer(McnScoresAnswer, StandingAnswer):
    policy = text_key("the version that judged it")


class McnFiguresAnswer(Answer):
    settled = whole_key("fen")
    orders = whole_key("first settlements")
    top_creators = whole_key("creators held at the close whose level counts")
    live_minutes = whole_key("of creators held at that instant")
    showcase = whole_key("fen")
    showcase_creators = whole_key("creators with a showcase sale")
    good = whole_key("fen of good goods")
    reputation_mean = text_key("of the creators held at the close, rounded half up", allow_none=True)
    worry_free = whole_key("worry-free orders settled")


class PhaseAnswer(Answer):
    last_novice_month = text_key("the last month of a novice; null for others", MONTH, allow_none=True)
    rated_when = list_key(
        ComparisonAnswer, "what a level asks beside: observation ends with the evaluation that meets both"
    )


class ScoreRowAnswer(RatioAnswer):
    score = choice_key(SCORES, "the score that its points belong to")
    what = text_key("the figure")
    unit = choice_key(("percent", "number"), "how value and bands are shown")
    points = whole_key("of the band reached")
    points_max = whole_key("of the highest band")
    band_from = text_key("from where on that band reaches")
    next_from = text_key("from where on the next band reaches; null in the highest", allow_none=True)
    next_points = whole_key("of that band", allow_none=True)


class McnAnswer(ReplayAnswer, McnScoresAnswer):
    figures = nested_key(McnFiguresAnswer, "of the month; null before the first evaluation", allow_none=True)
    credit_max = whole_key("over which credit never rises", allow_none=True)
    rows = list_key(ScoreRowAnswer, "of the four scores; null before the first evaluation", allow_none=True)
    phase = nested_key(PhaseAnswer, "when it ends, or what ends it; null before the onboarding", allow_none=True)
    to_next = whole_key("points missing to the next level; null unless rated, and at the top", allow_none=True)
    benefits = nested_key(BenefitsAnswer, "held, won, lost and of the next level")
    months = list_key(McnMonthAnswer, "every evaluation up to as_of")


class HeldCreatorAnswer(Answer):
    creator = text_key("creator/<id>, which can be explained in turn")
    level = text_key("its creator-level for the month", allow_none=True)
    counted = flag_key("whether it is one of the top creators")
    reputation = text_key("its last value up to the close", allow_none=True)
    settled = whole_key("fen that it added, before any bound")


class McnEvaluationAnswer(MonthEvaluationAnswer):
    creators = list_key(HeldCreatorAnswer, "held at the month's close")


class McnExplained(McnAnswer, ExplainAnswer):
    evaluations = list_key(McnEvaluationAnswer, "of the part")
