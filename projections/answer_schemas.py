"""What the keys of the JSON answers mean: a marshmallow schema an answer, each with its version.

A version rises when a key goes, or changes its meaning; new keys may come within one. The tests load
answers of every command through these schemas.
"""

from collections.abc import Iterator
from typing import Any, Final

from marshmallow import RAISE, Schema, fields, validate

from domain.policy import STATUSES
from domain.reputation import State, Verdict
from domain.reputation_account import NOTES
from replay.diff import STEPS

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


def _nested(schema: type[Schema], description: str, **options: Any) -> fields.Nested:
    return fields.Nested(schema, required=True, metadata={"description": description}, **options)


class Answer(Schema):
    """An object of an answer: it holds these keys and no others."""

    class Meta:
        unknown = RAISE


class StandingAnswer(Answer):
    state = _one_of(State, "whether there is a level")
    level = _text("code of the running level; null unless rated", allow_none=True)
    points = _points("running points at as_of")


class AskedAnswer(Answer):
    policy = _text("id of the policy version that judges the month of as_of")
    policy_hash = _text("SHA-256 of its canonical JSON", r"\A[0-9a-f]{64}\Z")
    as_of = _instant("what had happened by then takes part")
    known_at = _instant("what the ledger had recorded by then takes part")
    position = _whole("the same as a position of the ledger")
    in_force = _flag("whether that version was in force at as_of; false is a reconstruction")


class CommonAnswer(AskedAnswer):
    subject = _text("merchant/<id>")
    scheme = _text("the scheme that judged")
    program = _text("version of the program")
    assumed = _texts("parameters used that no rule text gives")


class RevisionAnswer(Answer):
    scheme = _text("the scheme whose policy it is")
    id = _text("policy id")
    hash = _text("SHA-256 of its canonical JSON")


class EffectiveAnswer(Answer):
    state = _one_of(State, "state last published; before that unrated, or not_onboarded")
    level = _text("code of the level last published; null unless rated", allow_none=True)
    since = _instant("publication since which they are the same; null before the first", allow_none=True)


class DecidedAnswer(Answer):
    run = _text("the latest run of decisions for the month")
    points = _points("as decided", allow_none=True)
    level = _text("as decided", allow_none=True)
    known_at = _text("what the run knew; RFC 3339")
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
        keys=fields.String(validate=validate.OneOf([verdict.word for verdict in Verdict])),
        values=fields.Integer(strict=True),
        required=True,
        metadata={"description": "how many events got which verdict"},
    )


class ReplayAnswer(CommonAnswer, StandingAnswer):
    policies = fields.List(
        fields.Nested(RevisionAnswer),
        required=True,
        metadata={"description": "the versions in force at as_of, or the one that was named"},
    )
    level_name = _text("what the level is called in --lang", allow_none=True)
    effective = _nested(EffectiveAnswer, "what counts towards the outside at as_of")
    to_next = _points("missing to the next level; null at the top or without a running count", allow_none=True)
    published = _nested(PublishedAnswer, "the last publication; null before the first", allow_none=True)
    months = fields.List(fields.Nested(MonthAnswer), required=True, metadata={"description": "the month table"})


class EventAnswer(Answer):
    source = _text("`source` of the event")
    event = _text("`id` of the event")
    position = _whole("position of the event in the ledger")


class MadeAnswer(Answer):
    verdict = fields.String(
        validate=validate.OneOf([verdict.word for verdict in Verdict]), metadata={"description": "the verdict"}
    )
    points = fields.String(
        validate=validate.Regexp(_POINTS), metadata={"description": "what it moved the points by, signed"}
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
    verdict = _one_of([verdict.word for verdict in Verdict], "what became of the entry")
    points = _points("what it moved the points by, signed")
    at = _instant("when it was judged")
    balance = _points("the points after it")
    order = _text("the order that it is about", allow_none=True)
    compared = _nested(
        ComparedAnswer, "the figures compared or the event that decided; null where none", allow_none=True
    )


class NoteAnswer(EventAnswer):
    note = _one_of(_NOTES, "why the event has no verdict of its own")
    at = _instant("when it happened")
    compared = _nested(ComparedAnswer, "the figure or the event that says so")


class BasisAnswer(Answer):
    parameter = _text("parameter of the policy; null where the clause reads none", allow_none=True)
    source = _text("rule text by title, section and date")
    status = _one_of(STATUSES, "whether the platform published it")


class ClauseAnswer(Answer):
    name = _text("the verdict or note")
    policy = _text("id of the policy whose values it shows")
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


class ExplainAnswer(ReplayAnswer):
    part = _nested(PartAnswer, "which part was asked for; null for all")
    adds_up = _nested(SumAnswer, "opening + verdicts = closing")
    verdicts = fields.List(
        fields.Nested(VerdictAnswer), required=True, metadata={"description": "in the order of judgement"}
    )
    notes = fields.List(
        fields.Nested(NoteAnswer), required=True, metadata={"description": "in the order of the ledger"}
    )
    clauses = fields.List(
        fields.Nested(ClauseAnswer), required=True, metadata={"description": "of the verdicts and notes shown"}
    )


class CauseAnswer(MadeAnswer):
    source = fields.String(metadata={"description": "of the event"})
    event = fields.String(metadata={"description": "of the event"})
    position = fields.Integer(metadata={"description": "of the event"})
    type = fields.String(metadata={"description": "of the event"})
    policy = fields.String(metadata={"description": "the policy whose rules began to count"})
    policy_hash = fields.String(metadata={"description": "its hash"})


class ChangeAnswer(Answer):
    at = _instant("when the state or level changed")
    before = _nested(StandingAnswer, "until then")
    after = _nested(StandingAnswer, "from then on")
    cause = _nested(CauseAnswer, "the event and its verdict, or the policy")


class HistoryAnswer(CommonAnswer):
    changes = fields.List(
        fields.Nested(ChangeAnswer), required=True, metadata={"description": "each change, the earliest first"}
    )


class EndAnswer(AskedAnswer, StandingAnswer):
    """One of the two replays of a difference."""


class MovedAnswer(EventAnswer):
    type = _text("type of the event")
    before = _nested(MadeAnswer, "what the run before made of it; null for nothing", allow_none=True)
    after = _nested(MadeAnswer, "what the step's run made of it; null for nothing", allow_none=True)
    points = _points("what that moved, signed")
    by_time = _flag("it had happened at the earlier as_of: time alone brought its default credit")


class StepAnswer(Answer):
    step = _one_of(STEPS, "the cause")
    points = _points("what the step moved, signed")
    before = _nested(StandingAnswer, "before the step")
    after = _nested(StandingAnswer, "after the step, a run of the scheme of its own")
    events = fields.List(
        fields.Nested(MovedAnswer), required=True, metadata={"description": "what changed, in the order of the ledger"}
    )


class DiffAnswer(Answer):
    subject = _text("merchant/<id>")
    scheme = _text("the scheme that judged")
    program = _text("version of the program")
    from_ = fields.Nested(
        EndAnswer, required=True, data_key="from", metadata={"description": "the replay named by --as-of and so on"}
    )
    to = _nested(EndAnswer, "the replay named by --to-as-of and so on")
    points = _points("from the one to the other, signed; the steps add up to it")
    steps = fields.List(
        fields.Nested(StepAnswer),
        required=True,
        metadata={"description": "always all four, from the replay that knew less to the other"},
    )
    assumed = _texts("parameters used that no rule text gives")


SCHEMAS: Final[dict[str, tuple[int, type[Schema]]]] = {
    "replay": (1, ReplayAnswer),
    "explain": (1, ExplainAnswer),
    "history": (1, HistoryAnswer),
    "diff": (1, DiffAnswer),
}
"""By command: version and schema of its JSON answer."""


def describe(name: str | None) -> dict[str, Any]:
    """The keys of one answer, or of all: place, type, description."""
    chosen = SCHEMAS if name is None else {name: SCHEMAS[name]}
    return {kind: {"version": version, "keys": list(_keys(schema(), ""))} for kind, (version, schema) in chosen.items()}


def _keys(schema: Schema, place: str) -> Iterator[dict[str, str]]:
    for name, field in schema.fields.items():
        key = f"{place}{field.data_key or name}"
        inner = field.inner if isinstance(field, fields.List) else field
        listed = "[]" if isinstance(field, fields.List) else ""
        yield {"key": key + listed, "type": _type(inner, field), "description": field.metadata["description"]}
        if isinstance(inner, fields.Nested):
            yield from _keys(inner.schema, f"{key}{listed}.")


def _type(inner: fields.Field[Any], field: fields.Field[Any]) -> str:
    names = {fields.String: "text", fields.Integer: "integer", fields.Boolean: "boolean", fields.Raw: "any"}
    name = names.get(type(inner), "object")
    return f"{name} or null" if field.allow_none else name
