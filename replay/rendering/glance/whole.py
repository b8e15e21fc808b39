"""The whole of a policy at a glance: its sections in the order of its scheme, and what their figures rest on."""

from typing import Final, NamedTuple

from domain.calendar import month_of, month_start, shanghai_text
from domain.limits import DAY_MICROS
from domain.policy import Policy
from replay.rendering.glance.form import OwnRules, RuleBasis, RuleSection
from replay.rendering.glance.parts import bases_of, benefits_section, facts_section, further_section
from replay.rendering.glance.texts import Texts, glance_words
from replay.replaying.periods import Daily, Monthly

_CLOCK_CHARS: Final = len("2022-11-16T12:00")


class RulesGlance(NamedTuple):
    """A policy at a glance."""

    policy: Policy
    sections: list[RuleSection]
    bases: list[RuleBasis]
    codes: list[str]
    """Of its levels, the lowest first."""


def glance_of(policy: Policy, texts: Texts, own: OwnRules, codes: list[str], periods: Monthly | Daily) -> RulesGlance:
    """Everything that a policy says, each parameter once."""
    values = {**own.values, **_times(policy, texts, periods)}
    tables = {section.code: section for section in (*own.tables, benefits_section(policy, texts, codes))}
    sections = []
    for code in glance_words(policy.scheme)["order"]:
        facts = facts_section(code, policy, texts, values)
        found = tables.get(code)
        sections.append(facts if found is None else found._replace(rows=(*found.rows, *facts.rows)))
    sections = [section for section in sections if section.rows or section.note]
    claimed = {code for section in sections for code in section.bases()}
    further = further_section(policy, texts, claimed)
    sections += [further] if further.rows else []
    return RulesGlance(policy, sections, bases_of(policy, texts, sections), codes)


def _times(policy: Policy, texts: Texts, periods: Monthly | Daily) -> dict[str, str]:
    """As of when a period is judged, and from when on that is shown: of any, as the scheme's periods say it."""
    if isinstance(periods, Daily):
        return {"judged": texts("day_close"), "due": texts("day_begins")}
    month = month_of(policy.in_force_from)
    found = periods.period(month, lambda *_: policy)
    end = month_start(month + 1)
    return {"judged": _in_month(found.as_of, end, texts), "due": _in_month(found.due, end, texts)}


def _in_month(instant: int, end: int, texts: Texts) -> str:
    """An instant in the terms of the month that ends at another."""
    if instant < end:
        return texts("month_close")
    time = shanghai_text(instant)[:_CLOCK_CHARS].partition("T")[2]
    return texts("next_month_day", day=(instant - end) // DAY_MICROS + 1, time=time)
