"""What the keys of the JSON answers mean: a marshmallow schema an answer, each with its version.

A version rises when a key goes, or changes its meaning; new keys may come within one. The tests load
answers of every command through these schemas.
"""

from collections.abc import Iterator
from typing import Any, Final

from marshmallow import RAISE, Schema, fields, validate

from domain.creator_level import facts as creator_facts
from domain.creator_level import rule as creator_level
from domain.mcn_level import facts as mcn_facts
from domain.mcn_level import rule as mcn_level
from domain.merchant_reputation import rule as reputation
from domain.merchant_reputation.account import NOTES
from domain.merchant_tier import facts as tier_facts
from domain.merchant_tier import rule as tier
from domain.policy import STATUSES
from replay.answers.diff import STEPS
from replay.history.same_instant import BEFORE_OPENING
from replay.replaying.base import COMMON_NOTES

STATES: Final = sorted(
    {str(state) for scheme in (reputation, tier, creator_level, mcn_level) for state in scheme.State}
)
VERDICTS: Final = sorted(
    {verdict.word for verdict in reputation.Verdict}
    | {str(verdict) for facts in (tier_facts, creator_facts, mcn_facts) for verdict in facts.Verdict}
)
_NOTES: Final = (*NOTES, BEFORE_OPENING, *COMMON_NOTES)
_MONTH: Final = r"\A[0-9]{4}-[0-9]{2}\Z"
_INSTANT: Final = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]{6})?\+08:00\Z"
_POINTS: Final = r"\A[+-]?[0-9]+\.[0-9]\Z"


def text_key(description: str, form: str | None = None, **options: Any) -> fields.String:
    check = None if form is None else validate.Regexp(form)
    return fields.String(required=True, validate=check, metadata={"description": description}, **options)


def choice_key(names: Any, description: str, **options: Any) -> fields.String:
    return fields.String(
        required=True, validate=validate.OneOf(list(names)), metadata={"description": description}, **options
    )


def points_key(description: str, **options: Any) -> fields.String:
    return text_key(f"{description}; points with one decimal", _POINTS, **options)


def instant_key(description: str, **options: Any) -> fields.String:
    return text_key(f"{description}; RFC 3339, Shanghai", _INSTANT, **options)


def whole_key(description: str, **options: Any) -> fields.Integer:
    return fields.Integer(required=True, strict=True, metadata={"description": description}, **options)


def flag_key(description: str) -> fields.Boolean:
    return fields.Boolean(required=True, metadata={"description": description})


def texts_key(description: str) -> fields.List[Any]:
    return fields.List(fields.String(), required=True, metadata={"description": description})


def list_key(schema: type[Schema], description: str) -> fields.List[Any]:
    return fields.List(fields.Nested(schema), required=True, metadata={"description": description})


def nested_key(schema: type[Schema], description: str, *, required: bool = True, **options: Any) -> fields.Nested:
    return fields.Nested(schema, required=required, metadata={"description": description}, **options)


class Answer(Schema):
    """An object of an answer: it holds these keys and no others."""

    class Meta:
        unknown = RAISE


class StandingAnswer(Answer):
    state = choice_key(STATES, "whether there is a level, or why not")
    level = text_key("code of the running level; null unless rated", allow_none=True)


class PointsAnswer(StandingAnswer):
    points = points_key("running points at as_of")


class RevisionAnswer(Answer):
    scheme = text_key("the scheme whose policy it is")
    id = text_key("policy id")
    hash = text_key("SHA-256 of its canonical JSON")


OPEN: Final = (
    "the known_at that was asked for, where no record is later yet, so that more may come to be known by then: ask by"
    " position for the same again; null: the answer stands for ever"
)


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
    subject = text_key("merchant/<id>, creator/<id> or mcn/<id>")
    scheme = text_key("the scheme that judged")
    program = text_key("version of the program")
    assumed = texts_key("parameters used that no rule text gives")


class EffectiveAnswer(Answer):
    state = choice_key(
        STATES, "of a reputation: as last published (before that unrated, or not_onboarded); else as above"
    )
    level = text_key("the same of the level's code; null unless rated", allow_none=True)
    since = text_key("publication, evaluation or day since which they are the same; null for none", allow_none=True)


class DecidedAnswer(Answer):
    run = text_key("the latest run of decisions for the month")
    points = points_key("as decided")
    level = text_key("as decided", allow_none=True)
    known_at = instant_key("what the run knew")
    restated = flag_key("whether this replay finds other points or another level")


class PublishedAnswer(Answer):
    month = text_key("the month whose close was published", _MONTH)
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


class MonthAnswer(Answer):
    month = text_key("natural month in Shanghai; months without any verdict are left out", _MONTH)
    opening = points_key("at the close of the month before")
    growth = points_key("net growth that the cap bounds; a closing of the shop sets it to zero")
    cap = points_key(
        "the month's growth cap at its end (after a closing, that of no level); null for none", allow_none=True
    )
    closing = points_key("at the month's close, or at as_of")
    level = text_key("code at the month's close, or at as_of; null unless rated", allow_none=True)
    verdicts = fields.Dict(
        keys=fields.String(validate=validate.OneOf([verdict.word for verdict in reputation.Verdict])),
        values=fields.Integer(strict=True),
        required=True,
        metadata={"description": "how many events got which verdict"},
    )


class ReplayAnswer(CommonAnswer, StandingAnswer):
    """What the answers about every scheme have."""

    level_name = text_key("what the level is called in --lang", allow_none=True)
    effective = nested_key(EffectiveAnswer, "what counts towards the outside at as_of")


class ReputationAnswer(ReplayAnswer, PointsAnswer):
    to_next = points_key("missing to the next level; null at the top or without a running count", allow_none=True)
    published = nested_key(PublishedAnswer, "the last publication; null before the first", allow_none=True)
    months = list_key(MonthAnswer, "the month table")


class RatioAnswer(Answer):
    numerator = whole_key("of the exact fraction")
    denominator = whole_key("of the exact fraction; 0 leaves it undefined")
    value = text_key("as a decimal, rounded half up; null where undefined", allow_none=True)


class IndicatorsAnswer(Answer):
    complaint = nested_key(RatioAnswer, "complaints of orders, in percent")
    product = nested_key(RatioAnswer, "good among reviews, in percent")
    service = nested_key(RatioAnswer, "good among service ratings, in percent")


class LimitsAnswer(Answer):
    orders = whole_key("a day; null for no limit", allow_none=True)
    gmv_fen = whole_key("a day, in fen; null for no limit", allow_none=True)


class TierDayAnswer(Answer):
    day = text_key("the Shanghai day")
    level = text_key("the tier from then on; null when closed or cleared out", allow_none=True)
    cause = text_key("opened, notice, upgrade, downgrade, fast_upgrade, closed or cleared_out")


class TierAnswer(ReplayAnswer):
    day = text_key("the last closed day, whose close the answer tells of")
    since = text_key("day of the last notice or change; null unless rated", allow_none=True)
    indicators = nested_key(IndicatorsAnswer, "over the window that ends with that day")
    next_evaluation = text_key(
        "the next day on which the tier may rise or fall by itself; null unless rated", allow_none=True
    )
    history = list_key(TierDayAnswer, "each day on which the tier was set or changed")
    limits = nested_key(LimitsAnswer, "the tier's daily limits; null unless rated", allow_none=True)


class ComparisonAnswer(RatioAnswer):
    what = text_key("the figure")
    unit = text_key("percent or number: how value and bound are shown")
    relation = text_key("<, <=, > or >=")
    bound = text_key("what it was held against")
    met = flag_key("whether the relation holds")


class BenefitAnswer(Answer):
    code = text_key("the benefit")
    zh = text_key("its name in Chinese")
    en = text_key("its name in English")
    from_rank = whole_key("rank of the first level that has it, 0 being the lowest; -1 for every state")
    reputation_hundredths_min = fields.Integer(metadata={"description": "mean reputation that it also needs"})
    status = choice_key(STATUSES, "whether the platform published it")
    source = text_key("rule text by title, section and date")


class BenefitsAnswer(Answer):
    held = list_key(BenefitAnswer, "held at this level")
    won = texts_key("codes that the period before did not have")
    lost = texts_key("codes that the period before had")


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
    month = text_key("the month that was evaluated", _MONTH, allow_none=True)
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


class McnScoresAnswer(Answer):
    month = text_key("the month that was evaluated", _MONTH, allow_none=True)
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


class McnAnswer(ReplayAnswer, McnScoresAnswer):
    figures = nested_key(McnFiguresAnswer, "of the month; null before the first evaluation", allow_none=True)
    to_next = whole_key("points missing to the next level; null unless rated, and at the top", allow_none=True)
    benefits = nested_key(BenefitsAnswer, "held, won and lost")
    months = list_key(McnMonthAnswer, "every evaluation up to as_of")


class EventAnswer(Answer):
    subject = fields.String(metadata={"description": "whose event it is, where it may be another subject's"})
    source = text_key("`source` of the event")
    event = text_key("`id` of the event")
    position = whole_key("position of the event in the ledger")


class MadeAnswer(Answer):
    verdict = fields.String(validate=validate.OneOf(VERDICTS), metadata={"description": "the verdict"})
    points = fields.String(
        allow_none=True,
        validate=validate.Regexp(_POINTS),
        metadata={"description": "what it moved the points by, signed; null in schemes without"},
    )
    at = fields.String(validate=validate.Regexp(_INSTANT), metadata={"description": "when it was judged"})
    note = fields.String(validate=validate.OneOf(_NOTES), metadata={"description": "why there is no verdict"})


class ComparedAnswer(EventAnswer):
    source = fields.String(metadata={"description": "of the event that decided"})
    event = fields.String(metadata={"description": "of the event that decided"})
    position = fields.Integer(metadata={"description": "of the event that decided"})
    what = choice_key(
        [
            *("amount_fen", "pair_net", "month_growth", "reviewed_at", "entered_at", "opened_at", "closing", "flag"),
            *("stars", "default_credit", "due_at", "review", "retraction", "names_nothing", "recorded_later"),
        ],
        "what was compared, or which event decided",
    )
    found = fields.Raw(allow_none=True, metadata={"description": "the figure found"})
    bound = fields.Raw(allow_none=True, metadata={"description": "what it was held against"})
    at = fields.String(validate=validate.Regexp(_INSTANT), metadata={"description": "when the deciding event was"})
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
    order = text_key("the order that it is about", allow_none=True)
    policy = text_key("id of the policy that it was given under")
    policy_hash = text_key("its hash")
    compared = nested_key(
        ComparedAnswer, "the figures compared or the event that decided; null where none", allow_none=True
    )


class NoteAnswer(RemarkedAnswer):
    note = choice_key(_NOTES, "why the event has no verdict of its own")
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
    event = text_key("--event", allow_none=True)


class SumAnswer(Answer):
    opening = points_key("before the first verdict shown; null with --event", allow_none=True)
    verdicts = points_key("sum of the verdicts shown, signed")
    closing = points_key("after the last verdict shown; null with --event", allow_none=True)


class ExplainAnswer(Answer):
    """What the explanations of every scheme add to its answer."""

    part = nested_key(PartAnswer, "which part was asked for; null for all")
    verdicts = list_key(VerdictAnswer, "in the order of judgement")
    notes = list_key(NoteAnswer, "in the order of the ledger")
    clauses = list_key(ClauseAnswer, "of the rules, verdicts and notes shown")


class ReputationExplained(ReputationAnswer, ExplainAnswer):
    adds_up = nested_key(SumAnswer, "opening + verdicts = closing")


class RuleAnswer(Answer):
    rule = text_key("the rule")
    fired = flag_key("whether it decided")
    points = whole_key("what it is worth; null in schemes that do not score", allow_none=True)
    compared = list_key(ComparisonAnswer, "every figure that it asks for")


class TierEvaluationAnswer(Answer):
    at = text_key("the day")
    level = text_key("the tier before", allow_none=True)
    decided = texts_key("what set or changed the tier on that day")
    rules = list_key(RuleAnswer, "every rule that was tried, in order")


class TierExplained(TierAnswer, ExplainAnswer):
    evaluations = list_key(TierEvaluationAnswer, "each day on which the tier changed, and the last closed one")


class MonthEvaluationAnswer(StandingAnswer):
    at = instant_key("the evaluation")
    month = text_key("the month", _MONTH)
    policy = text_key("the version that judged it")
    rules = list_key(RuleAnswer, "every rule that was tried, in order")


class CreatorExplained(CreatorAnswer, ExplainAnswer):
    evaluations = list_key(MonthEvaluationAnswer, "of the part")


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


class CauseAnswer(MadeAnswer):
    source = fields.String(metadata={"description": "of the event"})
    event = fields.String(metadata={"description": "of the event"})
    position = fields.Integer(metadata={"description": "of the event"})
    type = fields.String(metadata={"description": "of the event"})
    rule = fields.String(metadata={"description": "the rule that decided, in schemes that evaluate"})
    month = fields.String(metadata={"description": "the month that was evaluated"})
    policy = fields.String(metadata={"description": "the policy whose rules began to count, or that judged the month"})
    policy_hash = fields.String(metadata={"description": "its hash"})


class AnyStandingAnswer(StandingAnswer):
    points = fields.String(metadata={"description": "in schemes that have points"})


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
    subject = text_key("merchant/<id>, creator/<id> or mcn/<id>")
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


_REPLAYS: Final = {
    "merchant-reputation": (ReputationAnswer, ReputationExplained),
    "merchant-tier": (TierAnswer, TierExplained),
    "creator-level": (CreatorAnswer, CreatorExplained),
    "mcn-level": (McnAnswer, McnExplained),
}
SCHEMAS: Final[dict[tuple[str, str], tuple[int, type[Schema]]]] = {
    (command, scheme): (
        1,
        {"replay": shown, "explain": explained, "history": HistoryAnswer, "diff": DiffAnswer}[command],
    )
    for scheme, (shown, explained) in _REPLAYS.items()
    for command in ("replay", "explain", "history", "diff")
}
"""By command and scheme: version and schema of its JSON answer."""


def describe(name: str | None, scheme: str | None) -> dict[str, Any]:
    """The keys of one answer, or of all: place, type, description."""
    chosen = {
        f"{command} {judging}": found
        for (command, judging), found in SCHEMAS.items()
        if name in (None, command) and scheme in (None, judging)
    }
    return {kind: {"version": version, "keys": list(_keys(schema(), ""))} for kind, (version, schema) in chosen.items()}


def _keys(schema: Schema, place: str) -> Iterator[dict[str, str]]:
    for name, field in schema.fields.items():
        key = f"{place}{field.data_key or name}"
        inner = field.inner if isinstance(field, fields.List) else field
        listed = "[]" if isinstance(field, fields.List) else ""
        yield {"key": key + listed, "type": _type(inner, field), "description": field.metadata["description"]}
        if isinstance(field, fields.Dict) and isinstance(field.value_field, fields.Nested):
            yield from _keys(field.value_field.schema, f"{key}.*.")
        if isinstance(inner, fields.Nested):
            yield from _keys(inner.schema, f"{key}{listed}.")


def _type(inner: fields.Field[Any], field: fields.Field[Any]) -> str:
    names = {fields.String: "text", fields.Integer: "integer", fields.Boolean: "boolean", fields.Raw: "any"}
    name = names.get(type(inner), "object")
    return f"{name} or null" if field.allow_none else name
