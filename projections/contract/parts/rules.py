"""The rules of a scheme at a glance: their keys, the same for every scheme."""

from marshmallow import fields

from domain.policy import STATUSES
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
from projections.contract.parts.shared import LATER_TEXT, BenefitAnswer
from replay.answers.rules import FORCES
from replay.rendering.glance.beside import CHANGES


class VersionAnswer(Answer):
    policy = text_key("id of the policy version")
    policy_hash = text_key("SHA-256 of its canonical JSON", r"\A[0-9a-f]{64}\Z")
    in_force_from = instant_key("from when on it judges")
    preview_from = instant_key("from when on it can be previewed; null where it cannot", allow_none=True)
    recalculates_from = instant_key("from when on it judges anew; null where it does not", allow_none=True)
    force = choice_key(
        FORCES,
        "whether it judges at as_of: in_force; preview: not yet, and it can be previewed; to_come; replaced by a later"
        " version; unused, because another revision of the version counts",
    )


class AdoptedOn(Answer):
    position = whole_key("position of the adoption")
    report = text_key("hash of the report", r"\A[0-9a-f]{64}\Z")


class RevisionAtHand(VersionAnswer):
    adopted = fields.List(
        fields.Integer(), required=True, metadata={"description": "positions at which it was adopted"}
    )
    reports = list_key(AdoptedOn, "on which report of a trial each was, where one was named")
    used = flag_key("whether replays use this revision where none is named")


class LevelOfRules(Answer):
    rank = whole_key("0 being the lowest")
    code = text_key("the level")
    name = text_key("what it is called in lang")
    benefits = texts_key("codes of those that it brings, where what they also need is met")


class ColumnAnswer(Answer):
    code = text_key("the column")
    title = text_key("what it is called in lang")
    basis = text_key("code of what its figures rest on; null where rows say so, or nothing does", allow_none=True)


class CellAnswer(Answer):
    texts = texts_key("what stands there in lang: mostly one text, of bands and benefits one each")
    against = fields.List(
        fields.String(),
        required=True,
        allow_none=True,
        metadata={"description": "the same of the other version; null without one, or where that has no such row"},
    )
    differs = flag_key("whether both differ")


class RowAnswer(Answer):
    code = text_key("the row: a level, benefit, figure, parameter or rule")
    basis = text_key("code of what it rests on; null where the columns say so", allow_none=True)
    change = choice_key(CHANGES, "from the other version to this one: same (also without one), changed, added or gone")
    cells = list_key(CellAnswer, "one for each column")


class SectionAnswer(Answer):
    code = text_key("the section")
    title = text_key("what it is called in lang")
    note = text_key("what stands in the place of rows; null where there are some", allow_none=True)
    columns = list_key(ColumnAnswer, "from left to right")
    rows = list_key(RowAnswer, "levels the lowest first")


class SaidAnswer(Answer):
    status = choice_key(STATUSES, "whether the platform published it")
    source = text_key("rule text by title, section and date")
    later_text = text_key(LATER_TEXT, allow_none=True)
    value = fields.Raw(
        required=True, allow_none=True, metadata={"description": "of a parameter, as the policy has it; else null"}
    )


class RuleBasisAnswer(Answer):
    code = text_key("what columns and rows name it by")
    name = text_key("what it is called in lang")
    parameter = text_key("the parameter of the policy; null for a rule that none sets", allow_none=True)
    shown = nested_key(SaidAnswer, "by this version; null where it has none", allow_none=True)
    against = nested_key(SaidAnswer, "by the other version; null without one, or where it has none", allow_none=True)
    change = choice_key(CHANGES, "from the other version to this one")


class RulesAnswer(VersionAnswer):
    """The rules of a scheme at a glance."""

    scheme = text_key("whose rules these are")
    program = text_key("version of the program")
    position = whole_key("position of the ledger whose policies are at hand; null without a ledger", allow_none=True)
    as_of = instant_key("whether a version is in force is said of this instant")
    assumed = texts_key("parameters that no rule text gives")
    against = nested_key(VersionAnswer, "the other version; null where none was asked for", allow_none=True)
    levels = list_key(LevelOfRules, "the lowest first")
    benefits = list_key(BenefitAnswer, "every one that the version names")
    sections = list_key(SectionAnswer, "the rules; each parameter stands in one of them")
    bases = list_key(RuleBasisAnswer, "what the figures rest on, in the order in which they stand")
    versions = list_key(RevisionAtHand, "every version and revision at hand, the earliest first")
