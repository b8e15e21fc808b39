"""What the keys of the answers of the API alone mean, a marshmallow schema each; those of replays are shared."""

from typing import Any

from marshmallow import INCLUDE, Schema, fields, validate

from domain.limits import WHAT_IF_EVENTS_SENT_MAX
from domain.policy import STATUSES
from projections.contract.parts.changes import DiffAnswer
from projections.contract.parts.keys import (
    Answer,
    choice_key,
    flag_key,
    instant_key,
    list_key,
    nested_key,
    text_key,
    texts_key,
    whole_key,
)
from projections.contract.parts.rules import AdoptedOn
from projections.contract.parts.shared import OPEN, EffectiveAnswer, RevisionAnswer
from projections.contract.parts.vocabulary import STATES, SUBJECT, one_of
from projections.http.parameters import SCHEME_NAMES, SUBJECTS_MAX, WHEN, Query, instant
from replay.schemes.registry import kinds

SUBJECT_FORM = rf"\A({'|'.join(kinds())})/[A-Za-z0-9][A-Za-z0-9._-]{{0,63}}\Z"


class BatchBody(Query):
    """Which levels are wanted."""

    subjects = fields.List(
        fields.String(validate=validate.Regexp(SUBJECT_FORM, error=f"names no {one_of(kinds())}")),
        required=True,
        validate=validate.Length(0, SUBJECTS_MAX, error="names more than {max} subjects"),
        metadata={"description": f"{SUBJECT}; one named twice is answered once"},
    )
    scheme = fields.String(
        validate=validate.OneOf(SCHEME_NAMES, error="is not one of {choices}"),
        metadata={"description": "only this scheme"},
    )


class WhatIfBody(Query):
    """What is supposed."""

    events = fields.List(
        fields.Dict(),
        load_default=list,
        validate=validate.Length(0, WHAT_IF_EVENTS_SENT_MAX, error="holds more than {max} events"),
        metadata={"description": "events that did not happen, as CloudEvents in the form in which they are recorded"},
    )
    to = instant(f"Time moves on to then: {WHEN}. Left out, to the last event, where that is later than the replay.")


class FreshnessAnswer(Answer):
    lag_events = whole_key("events of the ledger that the views have not taken in yet")
    lag_seconds = whole_key("seconds from the views' as_of to now")


class StandingOfViews(Answer):
    """The one moment at which an answer from the views stands."""

    program = text_key("version of the program")
    position = whole_key("position of the ledger up to which everything took part")
    as_of = instant_key("what had happened by then took part")
    known_at = instant_key("when the ledger recorded that position; null before the first", allow_none=True)
    freshness = nested_key(FreshnessAnswer, "how far the views lie behind")


class LevelAnswer(StandingOfViews):
    """A level as the views hold it: the keys that the levels of every scheme have. Those of a scheme are beside them,
    the same as a replay's.
    """

    class Meta:
        unknown = INCLUDE

    subject = text_key(SUBJECT)
    scheme = choice_key(SCHEME_NAMES, "the scheme that judged")
    policy = text_key("id of the policy version that judged the level")
    policy_hash = text_key("SHA-256 of its canonical JSON", r"\A[0-9a-f]{64}\Z")
    in_force = flag_key("whether that version was in force at as_of")
    policies = list_key(RevisionAnswer, "every version that took part, the earliest first")
    assumed = texts_key("parameters used that no rule text gives")
    state = choice_key(STATES, "whether there is a level, or why not")
    level = text_key("code of the running level; null unless rated", allow_none=True)
    points: Any = fields.String(metadata={"description": "running points, in schemes that have points"})
    level_name = text_key("what the level is called in lang", allow_none=True)
    score = whole_key("points in tenths, rank of the tier, 4 S + B, or total; null without", allow_none=True)
    effective = nested_key(EffectiveAnswer, "what counts towards the outside")
    stale = flag_key("true: the level could not be worked out lately, and stands as it stood before")


class LevelsOfSubject(StandingOfViews):
    subject = text_key("whose levels these are")
    levels = list_key(LevelAnswer, "one for each scheme that judges the subject")


class LevelRow(Answer):
    """A level among many."""

    subject = text_key(SUBJECT)
    scheme = choice_key(SCHEME_NAMES, "the scheme that judged")
    state = choice_key(STATES, "whether there is a level, or why not")
    level = text_key("code of the running level; null unless rated", allow_none=True)
    score = whole_key("points in tenths, rank of the tier, 4 S + B, or total; null without", allow_none=True)
    effective = nested_key(EffectiveAnswer, "what counts towards the outside")
    policy = text_key("id of the policy version that judged the level")
    policy_hash = text_key("SHA-256 of its canonical JSON", r"\A[0-9a-f]{64}\Z")
    assumed = flag_key("whether a parameter that no rule text gives took part")
    stale = flag_key("true: the level could not be worked out lately, and stands as it stood before")
    changed_position = whole_key("where the views stood when this level last changed")


class LevelsPage(StandingOfViews):
    levels = list_key(LevelRow, "in the order of subject and scheme")
    feed = text_key("where to go on in /v1/changes, having read this page first")
    next = text_key("cursor of the next page; null at the end", allow_none=True)


class LevelsBatch(StandingOfViews):
    levels = list_key(LevelRow, "in the order of subject and scheme")
    feed = text_key("where to go on in /v1/changes")
    missing = texts_key("subjects that the views hold no level of")


class BoardPlace(Answer):
    rank = whole_key("1 being the best")
    subject = text_key("mcn/<id>")
    score = whole_key("what the board ranks by")
    settled = whole_key("fen of the month")
    level = text_key("level of the month", allow_none=True)


class DecidedBoard(Answer):
    run = text_key("the latest run of decisions for the month")
    known_at = instant_key("what the run knew")
    rows = list_key(BoardPlace, "as decided")
    restated = flag_key("whether the board comes out otherwise here")


class BoardAnswer(StandingOfViews):
    board = text_key("code of the board")
    month = text_key("the month")
    ranks_by = text_key("what its score is")
    policy = text_key("id of the policy version that judged the month")
    policy_hash = text_key("SHA-256 of its canonical JSON")
    in_force = flag_key("whether that version was in force at as_of")
    assumed = texts_key("parameters used that no rule text gives")
    rows = list_key(BoardPlace, "rated agencies, best first")
    decided = nested_key(
        DecidedBoard,
        "what was decided of it; null where nothing was; left out without decisions:read",
        allow_none=True,
        required=False,
    )


class ParameterAnswer(Answer):
    value = fields.Raw(required=True, metadata={"description": "in force under this policy"}, allow_none=True)
    source = text_key("rule text by title, section and date")
    status = choice_key(STATUSES, "whether the platform published it")


class PolicyAnswer(RevisionAnswer):
    in_force_from = instant_key("from when on it judges")
    recalculates_from = instant_key("from when on it judges anew; null where it does not", allow_none=True)
    preview_from = instant_key("from when on it can be previewed; null where it cannot", allow_none=True)
    parameters = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(ParameterAnswer),
        required=True,
        metadata={"description": "by name"},
    )
    adopted = fields.List(
        fields.Integer(), required=True, metadata={"description": "positions at which it was adopted"}
    )
    reports = list_key(AdoptedOn, "on which report of a trial each was, where one was named")
    used = flag_key("whether replays use this revision where none is named")


class OfLedger(Answer):
    program = text_key("version of the program")
    position = whole_key("position of the ledger that the answer rests on")


class PoliciesAnswer(OfLedger):
    policies = list_key(PolicyAnswer, "the earliest version first, scheme by scheme")


class DecisionMade(Answer):
    """A decision, of whomever it is."""

    position_of_decision = whole_key("where the decision is recorded")
    scheme = choice_key(SCHEME_NAMES, "the scheme that judged")
    period = text_key("the month or day")
    run = text_key("the run that decided it")
    state = choice_key(STATES, "as decided")
    level = text_key("as decided", allow_none=True)
    score = whole_key("as decided", allow_none=True)
    policy = text_key("id of the policy version that judged")
    policy_hash = text_key("its hash")
    as_of = instant_key("what had happened by then took part")
    known_at = instant_key("what the run knew")
    position = whole_key("the same as a position")
    as_decided = flag_key("whether it is the latest of its period")


class DecisionAnswer(DecisionMade):
    recorded_at = instant_key("when it was made")
    chain = text_key("chain hash of the ledger at that position")
    facts = text_key("digest of the records that took part")
    findings = text_key("digest of verdicts and figures")


class DecisionsAnswer(OfLedger):
    subject = text_key("whose decisions these are")
    decisions = list_key(DecisionAnswer, "in the order in which they were made")


class HashesAnswer(Answer):
    content = text_key("of the event without its buyer")
    leaf = text_key("of the record")
    chain = text_key("of the ledger up to the record")


class EventRecorded(Answer):
    position = whole_key("of the ledger")
    subject = text_key("whose event it is")
    version = whole_key("its place among the subject's events")
    occurred_at = instant_key("when it happened")
    recorded_at = instant_key("when the ledger learned of it")
    backfill = flag_key("whether it was recorded as learned earlier")
    event = fields.Dict(required=True, metadata={"description": "the CloudEvent, its buyer under the alias"})
    extensions = fields.Dict(
        required=True,
        metadata={"description": "extension attributes recorded beside the event, no part of its content"},
    )
    hashes = nested_key(HashesAnswer, "SHA-256 each")
    corrected_by = fields.List(fields.Integer(), required=True, metadata={"description": "positions of corrections"})
    retracted_by = fields.List(fields.Integer(), required=True, metadata={"description": "positions of retractions"})
    retracted = flag_key("whether a retraction of it stands")


class EventsPage(OfLedger):
    subject = text_key("whose events these are")
    as_of = instant_key("what had happened by then is listed")
    known_at = instant_key("what the ledger had recorded by then is listed")
    asked_known_at = instant_key(OPEN, allow_none=True)
    events = list_key(EventRecorded, "in the order of the ledger")
    next = text_key("cursor of the next page; null at the end", allow_none=True)


class LedgerAnswer(Answer):
    id = text_key("of the ledger")
    position = whole_key("its head, up to which everything took part as known now")
    known_at = instant_key("when the ledger recorded that position")
    chain = text_key("hash over all records up to it; empty where that is not known, as in evidence")


class DisputedDecision(Answer):
    """A decision, and whether it comes out again."""

    run = text_key("the run that made it")
    decided_at = instant_key("when it was recorded")
    position_of_decision = whole_key("its record")
    period = text_key("of a daily scheme it may be of an earlier day")
    state = choice_key(STATES, "as decided")
    level = text_key("as decided", allow_none=True)
    score = whole_key("what the scheme ranks by; points in tenths", allow_none=True)
    points: Any = fields.String(metadata={"description": "running points, in schemes that have points"})
    policy = text_key("id of the policy version")
    policy_hash = text_key("SHA-256 of its canonical JSON")
    as_of = instant_key("what had happened by then took part")
    known_at = instant_key("what the ledger had recorded by then took part")
    position = whole_key("up to which position it knew")
    outcome = text_key("`reproduced`, or why it does not come out as it was decided")


class AppealAnswer(Answer):
    """The file of one disputed level."""

    subject = text_key(SUBJECT)
    scheme = choice_key(SCHEME_NAMES, "the scheme whose level is disputed")
    period = text_key("the month or day")
    program = text_key("version of the program")
    ledger = nested_key(LedgerAnswer, "which ledger, and its head")
    level_names = fields.Dict(required=True, metadata={"description": "what levels are called in lang, by code"})
    announced = fields.List(
        fields.Dict(), required=True, metadata={"description": "what was announced, each with what was known then"}
    )
    announced_difference = nested_key(
        DiffAnswer,
        "between what was known when it was announced last and what was decided, from the one that knew less; null"
        " where nothing was announced",
        allow_none=True,
    )
    decided = nested_key(
        DisputedDecision,
        "as decided; null where nothing was; left out without decisions:read",
        allow_none=True,
        required=False,
    )
    now = fields.Dict(required=True, metadata={"description": "as known now, as an explanation of the period tells it"})
    difference = nested_key(
        DiffAnswer,
        "from what was decided, or announced later by what was known then, to what is known now; null without a"
        " decision; left out without decisions:read",
        allow_none=True,
        required=False,
    )
    events = list_key(EventRecorded, "the records that bear on the level, in the order of the ledger")


class ChangeEvent(Answer):
    """A CloudEvent 1.0."""

    specversion = text_key("1.0")
    id = text_key("names the change; a cursor to go on behind it")
    source = text_key("the ledger")
    type = choice_key(("levelbook.level.changed", "levelbook.level.gone"), "whether there is still such a level")
    subject = text_key(SUBJECT)
    time = instant_key("as_of of the views when the level changed")
    datacontenttype = text_key("application/json")
    data = fields.Dict(
        required=True,
        metadata={"description": "the level as /v1/levels shows it; of one that is gone, subject and scheme"},
    )


class ChangesPage(StandingOfViews):
    changes = list_key(ChangeEvent, "each changed level once, in the order of the changes")
    next = text_key("where to go on, now or later")
    caught_up = flag_key("whether this is all there was")


class ProblemAnswer(Answer):
    """Problem details, RFC 9457."""

    type = text_key("names the kind of problem: urn:levelbook:problem:…")
    title = text_key("the kind in words")
    status = whole_key("the HTTP status")
    detail = text_key("what was found, why it is refused, what to do")
    field = fields.String(metadata={"description": "the parameter, member or header that is meant"})


def replayed_level(schema: type[Schema]) -> type[Schema]:
    """A replay as it stands in the place of a level."""
    more = {
        "score": whole_key("points in tenths, rank of the tier, 4 S + B, or total; null without", allow_none=True),
        "stale": flag_key("always false: a replay is never stale"),
    }
    return type(f"Replayed{schema.__name__}", (schema,), more)


def viewed_level(schema: type[Schema]) -> type[Schema]:
    """A level as the views hold it, with all the keys of its scheme."""
    more = {
        "score": whole_key("points in tenths, rank of the tier, 4 S + B, or total; null without", allow_none=True),
        "stale": flag_key("true: the level could not be worked out lately, and stands as it stood before"),
        "freshness": nested_key(FreshnessAnswer, "how far the views lie behind"),
    }
    return type(f"Viewed{schema.__name__}", (schema,), more)


def explained_page(schema: type[Schema]) -> type[Schema]:
    """A page of an explanation."""
    more = {
        "listed": whole_key("verdicts and notes of all pages together"),
        "next": text_key("cursor of the next page; null at the end", allow_none=True),
    }
    return type(f"{schema.__name__}Page", (schema,), more)
