"""Where a subject stands in one scheme: its level, what comes next, what is needed for it, and what would be."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from domain.limits import MINUTE_MICROS
from domain.policy import Policy
from projections.desk.framing.language import DeskWords, words_of
from projections.desk.moment import Sight, replayed
from projections.desk.schemes.facet import SchemePages, Told
from projections.desk.schemes.registry import pages_of
from projections.desk.timeline_page import is_long
from projections.http.problems import Problem
from projections.reading.disputes import Dispute, claims_on, disputed
from projections.reading.supposing import Supposing, supposed_beside, ways_within
from projections.text.lab.hypothetical import ways_not_now, ways_section
from projections.text.schemes.ahead.parts import Section
from projections.text.schemes.ahead.registry import sections_ahead
from replay.answers.ways import ways_json
from replay.answers.what_if import what_if_json
from replay.hypothetical.laid import supposed
from replay.hypothetical.simple import SIMPLE, simple_events
from replay.policies.catalog import Choice
from replay.replaying.base import Policies, Replay
from replay.schemes.registry import scheme_of
from replay.schemes.replaying import weight_under

WAYS_EVENTS_MAX: Final = 2_000
"""On so many events a replay may rest whose ways are proved while a page of several cards is made."""


class SchemeCard(NamedTuple):
    """One scheme's card."""

    told: Told
    policy: Policy
    in_force: bool
    """Whether that version was in force at the moment; false is a reconstruction."""
    facet: SchemePages
    sections: Sequence[Section]
    """What comes next."""
    disputes: Sequence[Dispute]
    """What was announced or decided and is not what is known now, the latest period first."""


def standing_of(
    told: Told,
    own: dict[str, Any],
    as_of: int,
    words: DeskWords,
    disputes: Sequence[Dispute] = (),
    ways: Sequence[Section] = (),
) -> SchemeCard:
    """A card from what is told of a level and the keys that only its scheme's answers have."""
    policy = told.policy(told.level["policy_hash"])
    found = {"scheme": told.scheme, "state": told.level["state"], "level": told.level["level"], **own}
    sections = [*sections_ahead(found, words.shared.naming(told.level_names)), *ways]
    return SchemeCard(told, policy, as_of >= policy.in_force_from, pages_of(told.scheme), sections, disputes)


def disputes_of(sight: Sight, subject: str, told: Told) -> list[Dispute]:
    """The disputes about a level at the moment of a page; none of one that is set aside, whose history is not whole."""
    if told.set_aside is not None:
        return []
    claims = claims_on(sight.store, subject, told.scheme, sight.moment, sight.reader)
    return disputed(claims, told.rows["history"])


class WhatIf(NamedTuple):
    """What is supposed of a subject, beside what is."""

    answer: dict[str, Any] | None
    """As the service gives it; None where nothing is asked."""
    sections: Sequence[Section]
    """The ways to the next level."""
    names: Sequence[str]
    """What can be supposed by its name."""
    is_partial: bool
    """Whether something was asked, but neither a time nor what happens and how many of it."""


def what_if_of(sight: Sight, subject: str, told: Told, asked: dict[str, Any]) -> WhatIf:
    """What would be, of what a form asks. Raises UsageError for what cannot be supposed."""
    language, replay = asked["lang"], replayed(sight, subject, told.scheme)
    words = words_of(language)
    name, count = asked.get("suppose"), asked.get("count")
    answer = None
    if asked.get("to") is not None or (name is not None and count is not None):
        events = supposed(simple_events(subject, name or "", count or 0, sight.moment.as_of + MINUTE_MICROS))
        found = supposed_beside(sight.reading, replay, Supposing(events, asked.get("to"), sight.choice), "")
        later = sum(item.event.occurred_at > found.moment.as_of for item in events)
        answer = what_if_json(replay, found, len(events) - later, later, language)
    sections = _ways_from(sight, replay, told, words)
    is_partial = answer is None and (name is not None or count is not None)
    return WhatIf(answer, sections, tuple(SIMPLE[subject.partition("/")[0]]), is_partial)


def shows_ways(sight: Sight, subject: str, told: Told) -> bool:
    """Whether a card has ways: not of a subject of more events than a page of many cards waits for, nor of one that is
    set aside.
    """
    weight = weight_under(sight.store, scheme_of(told.scheme).replay, subject, sight.moment.position)
    return told.set_aside is None and weight <= WAYS_EVENTS_MAX and not is_long(sight.store, subject)


def ways_or_why_not(sight: Sight, subject: str, told: Told, words: DeskWords) -> Sequence[Section]:
    """The ways to the next level; where there is no room to replay for them, a section that says so."""
    try:
        return _ways_of(sight, subject, told, words)
    except Problem:
        return [ways_not_now(words.shared.naming(told.level_names))]


def _ways_of(sight: Sight, subject: str, told: Told, words: DeskWords) -> Sequence[Section]:
    """The ways to the next level, and to that under each version that can be previewed."""
    replay = replayed(sight, subject, told.scheme)
    found = _ways_from(sight, replay, told, words)
    for policy in replay.policies.previewed:
        choice = Choice(f"{policy.id}@{policy.hash}")
        then = sight.reading.replay(replay.subject, replay.scheme, sight.moment, sight.reader, choice)
        told_then = ways_json(then, ways_within(sight.reading, then), words.language)
        names = words.shared.naming(told.level_names).naming(then.level_names(words.language))
        found.append(ways_section(told_then, names, policy.id))
    return found


def _ways_from(sight: Sight, replay: Replay, told: Told, words: DeskWords) -> list[Section]:
    found = ways_json(replay, ways_within(sight.reading, replay), words.language)
    return [ways_section(found, words.shared.naming(told.level_names))]


def all_versions(policies: Policies) -> list[Policy]:
    """Every version that took part."""
    return [*policies.own, *policies.beside]
