"""What the keys of lists over all subjects mean."""

from marshmallow import fields

from projections.contract.api import DecisionMade, OfLedger, StandingOfViews
from projections.contract.parts.keys import (
    Answer,
    choice_key,
    flag_key,
    instant_key,
    list_key,
    nested_key,
    text_key,
    whole_key,
)
from projections.contract.parts.vocabulary import STATES, SUBJECT
from projections.http.parameters import SCHEME_NAMES

NEXT = "cursor of the next page; null at the end, and only there"


class OutcomeAnswer(Answer):
    """What a period came to."""

    state = choice_key(STATES, "whether there is a level, or why not")
    level = text_key("code of the level; null unless rated", allow_none=True)
    score = whole_key("points in tenths, rank of the tier, 4 S + B, or total; null without", allow_none=True)


class OfPeriod(Answer):
    """A row about a period of a subject in a scheme."""

    subject = text_key(SUBJECT)
    scheme = choice_key(SCHEME_NAMES, "the scheme that judged")
    period = text_key("the month or day")


class DifferingRow(OfPeriod):
    run = text_key("the run that decided it")
    position_of_decision = whole_key("where the decision is recorded")
    decided = nested_key(OutcomeAnswer, "as decided")
    now = nested_key(OutcomeAnswer, "as known now; null where there is nothing of the period", allow_none=True)
    stale = flag_key("true: the level is set aside, so that what is known now is not worked out yet")


class AnnouncedDecision(OutcomeAnswer):
    period = text_key("the period decided: of schemes that decide by the day the last day with a decision")
    run = text_key("the run that decided it")
    position_of_decision = whole_key("where the decision is recorded")


class AnnouncedRow(OfPeriod):
    position = whole_key("where the announcement is recorded")
    announced_at = instant_key("when it was announced")
    announced = text_key("code of the level that was announced; null for none", allow_none=True)
    decided = nested_key(AnnouncedDecision, "as decided; null where nothing was", allow_none=True)
    now = nested_key(OutcomeAnswer, "as known now; null where there is nothing of the period", allow_none=True)
    is_period = flag_key("false: the scheme has no such period, a day of one that is decided by the month, or a month")


class StandingBrief(Answer):
    state = choice_key(STATES, "whether there is a level, or why not")
    level = text_key("code of the level; null unless rated", allow_none=True)


class ChangedRow(Answer):
    subject = text_key(SUBJECT)
    scheme = choice_key(SCHEME_NAMES, "the scheme that judged")
    at = instant_key("when the level changed")
    before = nested_key(StandingBrief, "before it")
    after = nested_key(StandingBrief, "from then on")
    cause = text_key("in a word: a verdict, a rule, opened, policy or evaluation")
    cause_position = whole_key("of the event that caused it; 0 where none did", allow_none=True)
    until = instant_key("when it changed again; null: it stands", allow_none=True)


class SetAsideRow(Answer):
    subject = text_key(SUBJECT)
    scheme = choice_key(SCHEME_NAMES, "the scheme that could not judge")
    position = whole_key("of the first event that was not taken in")
    since = instant_key("since when it stands still")
    state = choice_key(STATES, "as it stood before; null where it never stood", allow_none=True)
    level = text_key("as it stood before", allow_none=True)
    reason = text_key("why it could not be worked out")


class DistributionRow(Answer):
    scheme = choice_key(SCHEME_NAMES, "the scheme that judged")
    state = choice_key(STATES, "whether there is a level, or why not")
    level = text_key("code of the level; null unless rated", allow_none=True)
    subjects = whole_key("how many stand so")


class DecisionRow(DecisionMade):
    subject = text_key(SUBJECT)


class LevelBrief(StandingBrief):
    scheme = choice_key(SCHEME_NAMES, "the scheme that judged")
    stale = flag_key("true: the level could not be worked out lately, and stands as it stood before")


class SubjectRow(Answer):
    subject = text_key(SUBJECT)
    levels = list_key(LevelBrief, "one for each scheme that judges the subject")


class WorklistPage(StandingOfViews):
    """What the pages of all lists that auditors look through have."""

    list = text_key("which list")
    period = text_key("only of this month or day; null for all", allow_none=True)
    next = text_key(NEXT, allow_none=True)


class DifferingPage(WorklistPage):
    rows = list_key(DifferingRow, "scheme by scheme, from the latest period back")


class AnnouncedPage(WorklistPage):
    rows = list_key(AnnouncedRow, "scheme by scheme, from the latest period back")


class ChangedPage(WorklistPage):
    rows = list_key(ChangedRow, "the latest first")


class SetAsidePage(WorklistPage):
    rows = list_key(SetAsideRow, "in the order of subject and scheme")


class DistributionAnswer(StandingOfViews):
    period = text_key("at the close of this month or day; null: as it stands", allow_none=True)
    rows = list_key(DistributionRow, "by scheme, level and state")
    total = whole_key("levels of all schemes together")


class TotalsRow(Answer):
    scheme = choice_key(SCHEME_NAMES, "the scheme that judged")
    differing = whole_key("decisions that would come out otherwise now; null to who may not see them", allow_none=True)
    announced = whole_key("announced levels that were not decided so; null in the same way", allow_none=True)
    whole = flag_key("false: only the latest decisions and announcements were looked at; there may be more")
    changed = whole_key("levels and states that changed in the month or day of `changed_in`")
    set_aside = whole_key("levels that could not be worked out")


class TotalsAnswer(StandingOfViews):
    period = text_key("only of this month or day; null for all", allow_none=True)
    changed_in = text_key("the period, or where none was named the month in which the views stand")
    rows = list_key(TotalsRow, "scheme by scheme")


class DecisionsPage(StandingOfViews):
    period = text_key("only of this month or day; null for all", allow_none=True)
    rows = list_key(DecisionRow, "scheme by scheme, from the latest period back")
    next = text_key(NEXT, allow_none=True)


class SubjectsPage(StandingOfViews):
    rows = list_key(SubjectRow, "in the order of their names, kind by kind")
    next = text_key(NEXT, allow_none=True)


class NamedRecord(Answer):
    position = whole_key("where it stands")
    type = text_key("its type")
    source = text_key("of the event")
    id = text_key("of the event")
    recorded_at = instant_key("when the ledger learned of it")


class LinkAnswer(Answer):
    position = whole_key("of the ledger")
    chain = text_key("chain hash there")


class NeighboursAnswer(Answer):
    before = nested_key(LinkAnswer, "the record before; null for the first", allow_none=True)
    behind = nested_key(LinkAnswer, "the record behind; null for the last", allow_none=True)


class FittingHashes(Answer):
    content = text_key("of the event without its buyer")
    leaf = text_key("of the record")
    chain = text_key("of the ledger up to the record")
    fits = text_key("whether the chain follows from the record before it")


class MadeByScheme(Answer):
    scheme = choice_key(SCHEME_NAMES, "the scheme that judges")
    made = fields.Dict(
        required=True,
        allow_none=True,
        metadata={"description": "verdict or note as known now, with the policy; null where nothing is made of it"},
    )


class EventFound(Answer):
    """A recorded event as it stands."""

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


class EventTold(EventFound):
    program = text_key("version of the program")
    as_known_at = whole_key("the position of the ledger at which `made` is worked out")
    hashes = nested_key(FittingHashes, "SHA-256 each")
    neighbours = nested_key(NeighboursAnswer, "the links of the chain beside it")
    corrects = list_key(NamedRecord, "what it corrects, or takes out")
    corrected_by = list_key(NamedRecord, "corrections of what it is about")
    retracted_by = list_key(NamedRecord, "retractions of it")
    retracted_in_vain_by = list_key(NamedRecord, "retractions recorded before it, which do nothing")
    retracts_nothing = flag_key("whether it is a retraction that takes nothing out")
    retracted = flag_key("whether a retraction of it stands")
    made = list_key(MadeByScheme, "what each scheme of the subject makes of it")


class FoundEventsPage(OfLedger):
    events = list_key(EventFound, "in the order of the ledger; of what events are about subject by subject")
    next = text_key(NEXT, allow_none=True)
