"""What the keys of the JSON answers mean: a marshmallow schema an answer, each with its version.

A version rises when a key goes, or changes its meaning; new keys may come within one. The tests load
answers of every command through these schemas.
"""

from collections.abc import Iterator
from typing import Any, Final

from marshmallow import RAISE, Schema, fields, validate

from domain import creator_facts, creator_level, mcn_facts, mcn_level, reputation, tier, tier_facts
from domain.policy import STATUSES
from domain.reputation_account import NOTES
from replay.diff import STEPS

STATES: Final = sorted(
    {str(state) for scheme in (reputation, tier, creator_level, mcn_level) for state in scheme.State}
)
VERDICTS: Final = sorted(
    {verdict.word for verdict in reputation.Verdict}
    | {str(verdict) for facts in (tier_facts, creator_facts, mcn_facts) for verdict in facts.Verdict}
)
_NOTES: Final = (*NOTES, "retracted")
_MONTH: Final = r"\A[0-9]{4}-[0-9]{2}\Z"
_INSTANT: Final = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]{6})?\+08:00\Z"
_POINTS: Final = r"\A[+-]?[0-9]+\.[0-9]\Z"


def _text(description: str, form: str | None = None, **options: Any) -> fields.String:
    check = None if form is None else validate.Regexp(form)
    return fields.String(required=True, validate=check, metadata={"description": description}, **options)


def _one_of(names: Any, description: str, **options: Any) -> fields.String:
    return fields.String(
        required=True, validate=validate.OneOf(list(names)), metadata={"description": description}, **options
    )


def _points(description: str, **options: Any) -> fields.String:
    return _text(f"{description}; points with one decimal", _POINTS, **options)


def _instant(description: str, **options: Any) -> fields.String:
    return _text(f"{description}; RFC 3339, Shanghai", _INSTANT, **options)


def _whole(description: str, **options: Any) -> fields.Integer:
    return fields.Integer(required=True, strict=True, metadata={"description": description}, **options)


def _flag(description: str) -> fields.Boolean:
    return fields.Boolean(required=True, metadata={"description": description})


def _texts(description: str) -> fields.List[Any]:
    return fields.List(fields.String(), required=True, metadata={"description": description})


def _list(schema: type[Schema], description: str) -> fields.List[Any]:
    return fields.List(fields.Nested(schema), required=True, metadata={"description": description})


def _nested(schema: type[Schema], description: str, **options: Any) -> fields.Nested:
    return fields.Nested(schema, required=True, metadata={"description": description}, **options)


class Answer(Schema):
    """An object of an answer: it holds these keys and no others."""

    class Meta:
        unknown = RAISE


class StandingAnswer(Answer):
    state = _one_of(STATES, "whether there is a level, or why not")
    level = _text("code of the running level; null unless rated", allow_none=True)


class PointsAnswer(StandingAnswer):
    points = _points("running points at as_of")


class RevisionAnswer(Answer):
    scheme = _text("the scheme whose policy it is")
    id = _text("policy id")
    hash = _text("SHA-256 of its canonical JSON")


class AskedAnswer(Answer):
    policy = _text("id of the policy version that judges the month of as_of")
    policy_hash = _text("SHA-256 of its canonical JSON", r"\A[0-9a-f]{64}\Z")
    as_of = _instant("what had happened by then takes part")
    known_at = _instant("what the ledger had recorded by then takes part")
    position = _whole("the same as a position of the ledger")
    in_force = _flag("whether that version was in force at as_of; false is a reconstruction")
    policies = fields.List(
        fields.Nested(RevisionAnswer),
        required=True,
        metadata={"description": "every version that took part, the earliest first"},
    )


class CommonAnswer(AskedAnswer):
    subject = _text("merchant/<id>, creator/<id> or mcn/<id>")
    scheme = _text("the scheme that judged")
    program = _text("version of the program")
    assumed = _texts("parameters used that no rule text gives")


class EffectiveAnswer(Answer):
    state = _one_of(STATES, "of a reputation: as last published (before that unrated, or not_onboarded); else as above")
    level = _text("the same of the level's code; null unless rated", allow_none=True)
    since = _text("publication, evaluation or day since which they are the same; null for none", allow_none=True)


class DecidedAnswer(Answer):
    run = _text("the latest run of decisions for the month")
    points = _points("as decided")
    level = _text("as decided", allow_none=True)
    known_at = _instant("what the run knew")
    restated = _flag("whether this replay finds other points or another level")


class PublishedAnswer(Answer):
    month = _text("the month whose close was published", _MONTH)
    points = _points("at that close")
    level = _text("code, at that close; null unless rated", allow_none=True)
    at = _instant("the publication")
    decided = _nested(DecidedAnswer, "what was decided of that month; null where nothing was", allow_none=True)
    in_force = _flag("whether the policy was in force at the publication")


class MonthAnswer(Answer):
    month = _text("natural month in Shanghai; months without any verdict are left out", _MONTH)
    opening = _points("at the close of the month before")
    growth = _points("net growth that the cap bounds; a closing of the shop sets it to zero")
    cap = _points(
        "the month's growth cap at its end (after a closing, that of no level); null for none", allow_none=True
    )
    closing = _points("at the month's close, or at as_of")
    level = _text("code at the month's close, or at as_of; null unless rated", allow_none=True)
    verdicts = fields.Dict(
        keys=fields.String(validate=validate.OneOf([verdict.word for verdict in reputation.Verdict])),
        values=fields.Integer(strict=True),
        required=True,
        metadata={"description": "how many events got which verdict"},
    )


class ReplayAnswer(CommonAnswer, StandingAnswer):
    """What the answers about every scheme have."""

    level_name = _text("what the level is called in --lang", allow_none=True)
    effective = _nested(EffectiveAnswer, "what counts towards the outside at as_of")


class ReputationAnswer(ReplayAnswer, PointsAnswer):
    to_next = _points("missing to the next level; null at the top or without a running count", allow_none=True)
    published = _nested(PublishedAnswer, "the last publication; null before the first", allow_none=True)
    months = _list(MonthAnswer, "the month table")


class RatioAnswer(Answer):
    numerator = _whole("of the exact fraction")
    denominator = _whole("of the exact fraction; 0 leaves it undefined")
    value = _text("as a decimal, rounded half up; null where undefined", allow_none=True)


class IndicatorsAnswer(Answer):
    complaint = _nested(RatioAnswer, "complaints of orders, in percent")
    product = _nested(RatioAnswer, "good among reviews, in percent")
    service = _nested(RatioAnswer, "good among service ratings, in percent")


class LimitsAnswer(Answer):
    orders = _whole("a day; null for no limit", allow_none=True)
    gmv_fen = _whole("a day, in fen; null for no limit", allow_none=True)


class TierDayAnswer(Answer):
    day = _text("the Shanghai day")
    level = _text("the tier from then on; null when closed or cleared out", allow_none=True)
    cause = _text("opened, notice, upgrade, downgrade, fast_upgrade, closed or cleared_out")


class TierAnswer(ReplayAnswer):
    day = _text("the last closed day, whose close the answer tells of")
    since = _text("day of the last notice or change; null unless rated", allow_none=True)
    indicators = _nested(IndicatorsAnswer, "over the window that ends with that day")
    next_evaluation = _text(
        "the next day on which the tier may rise or fall by itself; null unless rated", allow_none=True
    )
    history = _list(TierDayAnswer, "each day on which the tier was set or changed")
    limits = _nested(LimitsAnswer, "the tier's daily limits; null unless rated", allow_none=True)


class ComparisonAnswer(RatioAnswer):
    what = _text("the figure")
    unit = _text("percent or number: how value and bound are shown")
    relation = _text("<, <=, > or >=")
    bound = _text("what it was held against")
    met = _flag("whether the relation holds")


class BenefitAnswer(Answer):
    code = _text("the benefit")
    zh = _text("its name in Chinese")
    en = _text("its name in English")
    from_rank = _whole("rank of the first level that has it, 0 being the lowest; -1 for every state")
    reputation_hundredths_min = fields.Integer(metadata={"description": "mean reputation that it also needs"})
    status = _one_of(STATUSES, "whether the platform published it")
    source = _text("rule text by title, section and date")


class BenefitsAnswer(Answer):
    held = _list(BenefitAnswer, "held at this level")
    won = _texts("codes that the period before did not have")
    lost = _texts("codes that the period before had")


class PreviewAnswer(StandingAnswer):
    policy = _text("the version that can be previewed")
    benefits = _list(BenefitAnswer, "held under it")


class DiagnosisAnswer(Answer):
    gates_not_met = _list(ComparisonAnswer, "each with value and threshold")
    next_level = _text("the next level up, reckoned without the gates; null at the top", allow_none=True)
    settled_missing = fields.Raw(
        required=True, allow_none=True, metadata={"description": "least settled fen missing to it, or unreachable"}
    )
    share_needed = fields.Raw(
        required=True, allow_none=True, metadata={"description": "least share of good goods in percent, or unreachable"}
    )


class CreatorFiguresAnswer(Answer):
    month = _text("the month that was evaluated", _MONTH, allow_none=True)
    settled = _whole("fen, refunds taken off, not under 0", allow_none=True)
    good = _whole("fen of good goods, within settled", allow_none=True)
    sales_score = _whole("S", allow_none=True)
    behaviour_score = _whole("B", allow_none=True)
    reputation_mean = _text("of the days before the evaluation, two decimals, rounded half up", allow_none=True)
    credit_deducted = _whole("in those days", allow_none=True)
    gates = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(ComparisonAnswer),
        required=True,
        allow_none=True,
        metadata={"description": "each gate with value and threshold; empty where the version has none"},
    )


class CreatorMonthAnswer(CreatorFiguresAnswer, StandingAnswer):
    policy = _text("the version that judged it")


class CreatorAnswer(ReplayAnswer, CreatorFiguresAnswer):
    preview = _nested(PreviewAnswer, "under the version that can be previewed; else null", allow_none=True)
    diagnosis = _nested(DiagnosisAnswer, "what it would take; null before the first evaluation", allow_none=True)
    benefits = _nested(BenefitsAnswer, "held, won and lost")
    months = _list(CreatorMonthAnswer, "every evaluation up to as_of")


class McnScoresAnswer(Answer):
    month = _text("the month that was evaluated", _MONTH, allow_none=True)
    credit = _whole("at the close of the month", allow_none=True)
    operating = _whole("points", allow_none=True)
    growth = _whole("points", allow_none=True)
    service = _whole("points", allow_none=True)
    bonus = _whole("points", allow_none=True)
    total = _whole("with bonus", allow_none=True)


class McnMonthAnswer(McnScoresAnswer, StandingAnswer):
    policy = _text("the version that judged it")


class McnFiguresAnswer(Answer):
    settled = _whole("fen")
    orders = _whole("first settlements")
    top_creators = _whole("creators held at the close whose level counts")
    live_minutes = _whole("of creators held at that instant")
    showcase = _whole("fen")
    showcase_creators = _whole("creators with a showcase sale")
    good = _whole("fen of good goods")
    reputation_mean = _text("of the creators held at the close, rounded half up", allow_none=True)
    worry_free = _whole("worry-free orders settled")


class McnAnswer(ReplayAnswer, McnScoresAnswer):
    figures = _nested(McnFiguresAnswer, "of the month; null before the first evaluation", allow_none=True)
    to_next = _whole("points missing to the next level; null unless rated, and at the top", allow_none=True)
    benefits = _nested(BenefitsAnswer, "held, won and lost")
    months = _list(McnMonthAnswer, "every evaluation up to as_of")


class EventAnswer(Answer):
    subject = fields.String(metadata={"description": "whose event it is, where it may be another subject's"})
    source = _text("`source` of the event")
    event = _text("`id` of the event")
    position = _whole("position of the event in the ledger")


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
    what = _one_of(
        [
            *("amount_fen", "pair_net", "month_growth", "reviewed_at", "entered_at", "opened_at", "closing", "flag"),
            *("stars", "default_credit", "due_at", "review", "retraction"),
        ],
        "what was compared, or which event decided",
    )
    found = fields.Raw(allow_none=True, metadata={"description": "the figure found"})
    bound = fields.Raw(allow_none=True, metadata={"description": "what it was held against"})
    at = fields.String(validate=validate.Regexp(_INSTANT), metadata={"description": "when the deciding event was"})
    learned_at = fields.String(metadata={"description": "when the ledger learned of it"})
    reason = fields.String(allow_none=True, metadata={"description": "the reason that it gives"})
    case = fields.String(allow_none=True, metadata={"description": "the case that it names"})


class VerdictAnswer(EventAnswer):
    verdict = _one_of(VERDICTS, "what became of the event")
    points = _points("what it moved the points by, signed; null in schemes without", allow_none=True)
    at = _instant("when it was judged")
    balance = _points("the points after it; null in schemes without", allow_none=True)
    order = _text("the order that it is about", allow_none=True)
    policy = _text("id of the policy that it was given under")
    policy_hash = _text("its hash")
    compared = _nested(
        ComparedAnswer, "the figures compared or the event that decided; null where none", allow_none=True
    )


class NoteAnswer(EventAnswer):
    note = _one_of(_NOTES, "why the event has no verdict of its own")
    at = _instant("when it happened")
    policy = _text("id of the policy that it was given under")
    policy_hash = _text("its hash")
    compared = _nested(ComparedAnswer, "the figure or the event that says so")


class BasisAnswer(Answer):
    parameter = _text("parameter of the policy; null where the clause reads none", allow_none=True)
    source = _text("rule text by title, section and date")
    status = _one_of(STATUSES, "whether the platform published it")


class ClauseAnswer(Answer):
    name = _text("the verdict or note")
    policy = _text("id of the policy whose values it shows")
    policy_hash = _text("its hash")
    text = _text("the clause in our words, in --lang")
    short = _text("the same in a few words")
    rests_on = fields.List(
        fields.Nested(BasisAnswer), required=True, metadata={"description": "what it rests on, with source and status"}
    )


class PartAnswer(Answer):
    month = _text("--month", allow_none=True)
    event = _text("--event", allow_none=True)


class SumAnswer(Answer):
    opening = _points("before the first verdict shown; null with --event", allow_none=True)
    verdicts = _points("sum of the verdicts shown, signed")
    closing = _points("after the last verdict shown; null with --event", allow_none=True)


class ExplainAnswer(Answer):
    """What the explanations of every scheme add to its answer."""

    part = _nested(PartAnswer, "which part was asked for; null for all")
    verdicts = _list(VerdictAnswer, "in the order of judgement")
    notes = _list(NoteAnswer, "in the order of the ledger")
    clauses = _list(ClauseAnswer, "of the rules, verdicts and notes shown")


class ReputationExplained(ReputationAnswer, ExplainAnswer):
    adds_up = _nested(SumAnswer, "opening + verdicts = closing")


class RuleAnswer(Answer):
    rule = _text("the rule")
    fired = _flag("whether it decided")
    points = _whole("what it is worth; null in schemes that do not score", allow_none=True)
    compared = _list(ComparisonAnswer, "every figure that it asks for")


class TierEvaluationAnswer(Answer):
    at = _text("the day")
    level = _text("the tier before", allow_none=True)
    decided = _texts("what set or changed the tier on that day")
    rules = _list(RuleAnswer, "every rule that was tried, in order")


class TierExplained(TierAnswer, ExplainAnswer):
    evaluations = _list(TierEvaluationAnswer, "each day on which the tier changed, and the last closed one")


class MonthEvaluationAnswer(StandingAnswer):
    at = _instant("the evaluation")
    month = _text("the month", _MONTH)
    policy = _text("the version that judged it")
    rules = _list(RuleAnswer, "every rule that was tried, in order")


class CreatorExplained(CreatorAnswer, ExplainAnswer):
    evaluations = _list(MonthEvaluationAnswer, "of the part")


class HeldCreatorAnswer(Answer):
    creator = _text("creator/<id>, which can be explained in turn")
    level = _text("its creator-level for the month", allow_none=True)
    counted = _flag("whether it is one of the top creators")
    reputation = _text("its last value up to the close", allow_none=True)
    settled = _whole("fen that it added, before any bound")


class McnEvaluationAnswer(MonthEvaluationAnswer):
    creators = _list(HeldCreatorAnswer, "held at the month's close")


class McnExplained(McnAnswer, ExplainAnswer):
    evaluations = _list(McnEvaluationAnswer, "of the part")


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
    at = _text("when the state or level changed: an instant, or a day in daily schemes")
    before = _nested(AnyStandingAnswer, "until then")
    after = _nested(AnyStandingAnswer, "from then on")
    cause = _nested(CauseAnswer, "the event and its verdict, the rule, or the policy")


class HistoryAnswer(CommonAnswer):
    changes = _list(ChangeAnswer, "each change, the earliest first")


class EndAnswer(AskedAnswer, AnyStandingAnswer):
    """One of the two replays of a difference."""


class MovedAnswer(EventAnswer):
    type = _text("type of the event")
    before = _nested(MadeAnswer, "what the run before made of it; null for nothing", allow_none=True)
    after = _nested(MadeAnswer, "what the step's run made of it; null for nothing", allow_none=True)
    points = _points("what that moved, signed; null in schemes without", allow_none=True)
    by_time = _flag("time alone, and no other event, brought it or took it: a default credit that fell due")


class StepAnswer(Answer):
    step = _one_of(STEPS, "the cause")
    points = _points("what the step moved, signed; null in schemes without", allow_none=True)
    before = _nested(AnyStandingAnswer, "before the step")
    after = _nested(AnyStandingAnswer, "after the step, a run of the scheme of its own")
    figures = fields.Dict(
        required=True,
        allow_none=True,
        metadata={"description": "in schemes of ratios and bands, the scheme's figures before and after; else null"},
    )
    events = _list(MovedAnswer, "what changed, in the order of the ledger")


class DiffAnswer(Answer):
    subject = _text("merchant/<id>, creator/<id> or mcn/<id>")
    scheme = _text("the scheme that judged")
    program = _text("version of the program")
    from_ = fields.Nested(
        EndAnswer, required=True, data_key="from", metadata={"description": "the replay named by --as-of and so on"}
    )
    to = _nested(EndAnswer, "the replay named by --to-as-of and so on")
    points = _points(
        "from the one to the other, signed; the steps add up to it; null in schemes without", allow_none=True
    )
    steps = _list(StepAnswer, "always all four, in the order in which the one that knew less comes to know more")
    assumed = _texts("parameters used that no rule text gives")


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
