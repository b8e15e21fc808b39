"""The rows of `merchant-reputation` in the views, and the policies and publications that they rest on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row

from domain.calendar import month_start, month_text, parse_month
from domain.merchant_reputation.account import Change, EffectivePublication, last_published, shown
from domain.merchant_reputation.facts import spans_of
from domain.merchant_reputation.rule import NO_CAP, SCHEME, Account, Finding, Span, State, Verdict
from domain.merchant_reputation.running import Month
from domain.policy import Policy, Term, start_of_month, term_at, terms_of
from projections.views.rows import change_columns, level_columns
from projections.views.step import Step, judged_by
from projections.views.tables import VERDICT_COLUMNS


class Judging(NamedTuple):
    """The policies of a step as the rules read them."""

    terms: list[Term]
    spans: list[Span]
    policies: list[Policy]
    window_micros: int
    """The longest review window."""
    hashes: tuple[str, ...]
    """Of the policies."""


def judging_of(step: Step) -> Judging:
    found = step.prepared.get(SCHEME)
    if found is None:
        terms = terms_of(step.policies[SCHEME].own, start_of_month)
        spans = spans_of(terms)
        window = max(span.rules.window_micros for span in spans)
        policies = [term.policy for term in terms]
        hashes = tuple(policy.hash for policy in policies)
        found = step.prepared[SCHEME] = Judging(terms, spans, policies, window, hashes)
    return found


def effective_in(level: Row[Any]) -> EffectivePublication:
    """What a stored level says is effective."""
    return EffectivePublication(State(level.effective_state), level.effective_level, level.effective_since)


def published(step: Step) -> int | None:
    """The month last published at the step's beginning and end; None where it is not one month."""
    key = f"{SCHEME} published"
    if key not in step.prepared:
        spans = judging_of(step).spans
        before, after = (last_published(spans, moment.as_of) for moment in (step.before, step.after))
        step.prepared[key] = after if before == after else None
    found: int | None = step.prepared[key]
    return found


def month_rows(
    subject: str, months: Sequence[Month], findings: Sequence[Finding], judging: Judging
) -> list[dict[str, Any]]:
    """Each month in which something happened: from its opening to its close, and how often each verdict was given."""
    rows = []
    for month in months:
        counts = Counter(findings[index].verdict.word for index in month.findings)
        rows.append(month_row(subject, month, counts, judging))
    return rows


def month_row(subject: str, month: Month, counts: dict[str, int], judging: Judging) -> dict[str, Any]:
    closing = month.closing
    found = shown(closing, judging.spans, month.begun.month_end - 1)
    policy = term_at(judging.terms, month_start(month.month)).policy
    return month_columns(
        subject,
        month_text(month.month),
        (month.begun, closing),
        None if closing.cap == NO_CAP else closing.cap,
        (str(found.state), found.level),
        {word: counts.get(word, 0) for word in VERDICT_COLUMNS},
        judged_by(judging.policies, policy),
    )


def month_columns(
    subject: Any,
    month: Any,
    accounts: tuple[Account, Account],
    cap: Any,
    standing: tuple[Any, Any],
    counts: Mapping[str, Any],
    judged: Mapping[str, Any],
) -> dict[str, Any]:
    """A month's row, from its opening to its close; or many rows as columns, where these are arrays and lists."""
    begun, closing = accounts
    state, level = standing
    return {
        "subject": subject,
        "month": month,
        "opening_tenths": begun.points,
        "growth_tenths": closing.growth,
        "cap_tenths": cap,
        "closing_tenths": closing.points,
        "state": state,
        "level": level,
        **counts,
        **judged,
        "month_end": closing.month_end,
        "opened_at": closing.opened_at,
        "is_open": closing.open,
        "closed_at": closing.closed_at,
        "closed_position": closing.closed_position,
        "netting": closing.netting,
    }


def account_of(row: Row[Any]) -> Account:
    """The account at a stored month's close."""
    return account_in(dict(row._mapping))


def account_in(row: Mapping[str, Any]) -> Account:
    """The same from a row by its columns."""
    return Account(
        points=row["closing_tenths"],
        growth=row["growth_tenths"],
        cap=NO_CAP if row["cap_tenths"] is None else row["cap_tenths"],
        month_end=row["month_end"],
        opened_at=row["opened_at"],
        open=bool(row["is_open"]),
        closed_at=row["closed_at"],
        closed_position=row["closed_position"],
        netting=row["netting"],
    )


def month_of_row(row: Row[Any]) -> Month:
    closing = account_of(row)
    return Month(parse_month(row.month), closing, closing, range(0))


def history_rows(subject: str, moved: Sequence[Change], judging: Judging) -> list[dict[str, Any]]:
    """Each change of state or level, with the points after it and what caused it."""
    return [
        change_columns(
            (subject, SCHEME),
            change.at,
            (str(change.after.state), change.after.level, change.after.points_tenths),
            judged_by(judging.policies, term_at(judging.terms, change.at).policy),
            (cause_of(change.finding and change.finding.verdict, change.position), change.position or None),
        )
        for change in moved
    ]


def cause_of(verdict: Verdict | None, position: int) -> str:
    """What a change came with, in a word."""
    if verdict is not None:
        return verdict.word
    return "opened" if position else "policy"


def level_row(
    subject: str, account: Account, effective: EffectivePublication, judging: Judging, as_of: int
) -> dict[str, Any]:
    """Where the merchant stands, and what the publications made effective."""
    standing = shown(account, judging.spans, as_of)
    return level_columns(
        (subject, SCHEME),
        (str(standing.state), standing.level, standing.points_tenths),
        (str(effective.state), effective.level, effective.since),
        judged_by(judging.policies, term_at(judging.terms, as_of).policy),
    )
