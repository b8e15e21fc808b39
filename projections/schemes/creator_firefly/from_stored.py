"""Points that lie behind all that was judged of a creator go on from what is stored: its past is not read again."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row

from domain.calendar import month_of, month_start, month_text
from domain.creator_firefly.account import Change, Month, begins_with, level_of, rules_at
from domain.creator_firefly.facts import EARNED, READ_TYPES, REDEEMED, REGISTERED, Finding, go_on
from domain.creator_firefly.rule import SCHEME, Account, State, Verdict
from domain.events import Event
from projections.schemes.creator_firefly.rows import Judging, history_row, judging_of, month_row
from projections.views.step import Rewrite, Step, level_rewrite, numbered
from replay.history.timeline import RETRACTED
from replay.store.queries import event_rows_between
from replay.store.reading.asked import EVERYTHING

_POINTS: Final = (EARNED, REDEEMED)


def go_on_from_stored(step: Step, subject: str, events: Sequence[Event]) -> list[Rewrite] | None:
    """What new events change of a creator; None where they ask for more than its stored account."""
    level = step.level(subject, SCHEME)
    if level is None or level.state != State.RATED or any(event.type == RETRACTED for event in events):
        return None
    points = [event for event in events if event.type in READ_TYPES]
    if not points:
        return []
    if not _lie_behind(step, subject, points):
        return None
    registration = next(event for event in step.life(subject) if event.type == REGISTERED)
    names = {event.data.task if event.type == EARNED else event.data.redemption for event in points}
    about = [event for event in step.about(subject, names) if event.position <= step.before.position]
    since = (registration.occurred_at, registration.position)
    earlier = [
        event
        for event in step.taking_out(subject, about)
        if event.type in READ_TYPES and (event.type not in _POINTS or (event.occurred_at, event.position) > since)
    ]
    months = step.rows_of("firefly_months", subject, "month")
    before = Account(registration.occurred_at, level.score, months[-1].balance if months else 0)
    ordered = sorted(points, key=lambda event: (event.occurred_at, event.position))
    findings = go_on(before, earlier, ordered).findings
    return [*_months(step, subject, findings, months), *_levels(step, level, findings)]


def _lie_behind(step: Step, subject: str, points: Sequence[Event]) -> bool:
    """Whether these are points that have occurred, and from the first of them on nothing else that is read is known and
    no other rules begin to judge."""
    as_of = step.after.as_of
    if any(event.type not in _POINTS or event.occurred_at > as_of for event in points):
        return False
    first = min(event.occurred_at for event in points)
    if any(first < span.begins <= as_of for span in judging_of(step).spans):
        return False
    rows = event_rows_between(step.store, subject, first, EVERYTHING, step.before.position)
    return not any(row[3] in READ_TYPES for row in rows)


def _months(step: Step, subject: str, findings: Sequence[Finding], stored: Sequence[Row[Any]]) -> list[Rewrite]:
    """The months of the findings: the first of them may have begun before."""
    judging, rewrites = judging_of(step), []
    for number in sorted({month_of(finding.at) for finding in findings}):
        some = [finding for finding in findings if month_of(finding.at) == number]
        begun = [row for row in stored if row.month == month_text(number)]
        made = _month(number, some, begun[0] if begun else None, judging)
        rewrites.append(
            Rewrite(
                "firefly_months", {"subject": subject, "month": month_text(number)}, [month_row(subject, made, judging)]
            )
        )
    return rewrites


def _month(number: int, findings: Sequence[Finding], begun: Row[Any] | None, judging: Judging) -> Month:
    closing = findings[-1].after
    level = level_of(closing, rules_at(judging.spans, findings[-1].at))
    assert level is not None, "the creator is registered"
    earned, redeemed = (
        sum(finding.points for finding in findings if finding.verdict is verdict)
        for verdict in (Verdict.COUNTED, Verdict.REDEEMED)
    )
    begun_with = begins_with(findings, month_start(number)) if begun is None else begun.begun_with
    had = (0, 0, 0) if begun is None else (begun.earned, begun.redeemed, begun.events)
    in_month = had[0] + earned, had[1] + redeemed, had[2] + len(findings)
    return Month(number, level, closing.earned, closing.balance, *in_month, begun_with)


def _levels(step: Step, level: Row[Any], findings: Sequence[Finding]) -> list[Rewrite]:
    """The level with its points, and its history where it changed."""
    judging, changes = judging_of(step), []
    code = level.level
    for finding in findings:
        after = level_of(finding.after, rules_at(judging.spans, finding.at))
        if after is not None and after != code:
            changes.append(Change(finding.at, code, after, finding.after.earned, finding.position))
            code = after
    shown = {"level": code, "effective_level": code, "score": findings[-1].after.earned}
    since = {"effective_since": changes[-1].at} if changes else {}
    rewrites = [level_rewrite(dict(level._mapping) | shown | since | judging.at(step.after.as_of))]
    if changes:
        past = [row for row in step.rows_of("history", level.subject, "number") if row.scheme == SCHEME]
        rows = numbered([history_row(level.subject, change, judging) for change in changes], past[-1])
        keys = {"subject": level.subject, "scheme": SCHEME}
        rewrites.append(Rewrite("history", keys, rows, ("number", past[-1].number)))
    return rewrites
