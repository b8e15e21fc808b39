"""Reputations folded by the compiled loop: equal to what plain replays give, subject by subject."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.events import Event
from domain.limits import DAY_MICROS, HOUR_MICROS
from domain.merchant_reputation.account import Change, changes, effective_of, shown
from domain.merchant_reputation.facts import KINDS
from domain.merchant_reputation.rule import NEVER, STATES, Account, Span, Verdict
from domain.policy import Policy
from replay.columnar.columns import GOOD_GOODS, NO_NUMBER, ORDER_PAID, TYPES, WHATS, Columns
from replay.history.timeline import Moment
from replay.replaying.base import Policies
from replay.replaying.verdicts import judged_of
from replay.schemes.merchant_reputation.effective import Standings, shown_of_all
from replay.schemes.merchant_reputation.fold import fold_reputation, new_accounts
from replay.schemes.merchant_reputation.folded import Folded, account_of
from replay.schemes.merchant_reputation.replay import ReputationReplay
from tests.conftest import SOAK
from tests.support.folded import FoldedChange, FoldedMonth, changes_of, findings_of, months_of
from tests.support.merchant_columns import as_columns, made_of
from tests.support.replays import VERSION_LISTS, VERSIONS, candidates
from tests.worlds.merchant_reputation import (
    LONG_AFTER,
    NOV,
    OCT,
    SHIPPED,
    World,
    opened,
    paid,
    received,
    recorded,
    worlds,
)

# --- compiled == plain ------------------------------------------------------------------------------------------------


def replay_of(versions: Sequence[Policy], known: list[Event], as_of: int) -> ReputationReplay:
    return ReputationReplay("merchant/any", known, Moment(as_of, 0, 0), Policies(candidates(versions, as_of)))


def assert_same(replay: ReputationReplay, folded: Folded, subject: int) -> None:
    """What was folded of a subject is what its replay gives."""
    assert findings_of(folded, subject) == [found[:4] for found in replay.findings]
    assert judged_of(folded.findings, subject, ReputationReplay) == replay.judged
    assert account_of(folded, subject) == replay.run.account
    assert months_of(folded, subject) == [
        FoldedMonth(
            month.month,
            month.begun,
            month.closing,
            {verdict: count for verdict in Verdict if (count := _count(replay, month.findings, verdict))},
            *shown(month.closing, replay.spans, month.begun.month_end - 1)[:2],
        )
        for month in replay.run.months
    ]
    assert changes_of(folded, subject) == [
        _as_folded(change) for change in changes(replay.history, replay.run, replay.spans, replay.moment.as_of)
    ]


def assert_same_shown(replay: ReputationReplay, folded: Folded, subject: int) -> None:
    """What is shown of a subject, and what publications have made effective, is what its run gives."""
    as_of = replay.moment.as_of
    standing, effective = shown_of_all(folded, replay.spans, as_of)
    assert _row_of(standing, subject, folded) == shown(replay.run.account, replay.spans, as_of)[:3]
    state, level, since = _row_of(effective, subject, folded)
    expected = effective_of(replay.run, replay.spans, as_of)
    assert (state, level, None if since == NEVER else since) == expected


def _row_of(standings: Standings, subject: int, folded: Folded) -> tuple[Any, ...]:
    state, level, number = (column[subject].item() for column in standings)
    return STATES[state], folded.codes[level], number


def _count(replay: ReputationReplay, findings: range, verdict: Verdict) -> int:
    return sum(replay.findings[index].verdict == verdict for index in findings)


def _as_folded(change: Change) -> FoldedChange:
    verdict, tenths = (None, 0) if change.finding is None else (change.finding.verdict, change.finding.tenths)
    before, after = change.before, change.after
    assert after.points_tenths - tenths == before.points_tenths, "points before a change need no column"
    return FoldedChange(change.at, change.position, verdict, tenths, after.points_tenths, *before[:2], *after[:2])


def merged(told: Sequence[World]) -> list[Event]:
    """One ledger of several worlds' merchants, each under a name of its own, up to each world's position."""
    ledger: list[Event] = []
    for number, world in enumerate(told):
        first = len(ledger) and ledger[-1].position
        for event in world.ledger[: world.position]:
            ledger.append(
                event._replace(originator_id=f"{event.originator_id}-{number}", position=first + event.position)
            )
    return ledger


@pytest.mark.slow
@settings(max_examples=150 * SOAK)
@given(told=st.lists(worlds(), min_size=1, max_size=3), versions=VERSION_LISTS)
def test_the_compiled_loop_gives_what_replays_give(told: list[World], versions: list[Policy]) -> None:
    ledger, as_of = merged(told), told[0].as_of
    columns = as_columns(ledger)
    folded = fold_reputation(columns, spans_at(versions, as_of), as_of)
    assert folded.subjects == columns.subjects
    for number, subject in enumerate(columns.subjects):
        known = [event for event in ledger if event.originator_id == subject]
        replay = replay_of(versions, known, as_of)
        assert_same(replay, folded, number)
        assert_same_shown(replay, folded, number)


@pytest.mark.slow
@settings(max_examples=120 * SOAK)
@given(told=st.lists(worlds(), min_size=1, max_size=3), versions=VERSION_LISTS, places=st.lists(st.integers(-1, 5)))
def test_from_an_opening_the_loop_gives_what_it_gives_from_nothing(
    told: list[World], versions: list[Policy], places: list[int]
) -> None:
    """It need know no more than what happened since, a review window before it, and other events of these orders."""
    columns, as_of = as_columns(merged(told)), told[0].as_of
    spans = spans_at(versions, as_of)
    whole = fold_reputation(columns, spans, as_of)
    openings = new_accounts(len(columns.subjects))
    chosen = {}
    for number, place in zip(range(len(columns.subjects)), places, strict=False):
        months = whole.months.starts[number + 1] - whole.months.starts[number]
        if 0 <= place < months:
            chosen[number] = place + 1
            openings[number] = whole.months.closing[whole.months.starts[number] + place]
    ends = openings[:, Account._fields.index("month_end")]
    found = fold_reputation(needed_from(columns, ends, spans), spans, as_of, openings)
    for number in range(len(columns.subjects)):
        end = ends[number]
        assert account_of(found, number) == account_of(whole, number)
        assert months_of(found, number) == months_of(whole, number)[chosen.get(number, 0) :]
        assert changes_of(found, number) == [change for change in changes_of(whole, number) if change.at >= end]
        assert findings_of(found, number) == [item for item in findings_of(whole, number) if item[0] >= end]


def needed_from(columns: Columns, ends: Any, spans: Sequence[Span]) -> Columns:
    """Of each subject the rows since a review window before an instant, those of the same orders, and retractions."""
    window = max(span.rules.window_micros for span in spans)
    since = columns.at >= ends[columns.subject] - window
    orders = {*zip(columns.subject[since].tolist(), columns.key[since].tolist(), strict=True)}
    named = [pair in orders for pair in zip(columns.subject.tolist(), columns.key.tolist(), strict=True)]
    kept = since | (np.array(named, np.bool_) & (columns.key >= 0)) | (columns.what == WHATS["event.retracted"])
    return columns._replace(**{name: getattr(columns, name)[kept] for name in TYPES})


def spans_at(versions: Sequence[Policy], as_of: int) -> list[Span]:
    return replay_of(versions, [], as_of).spans


@pytest.mark.slow
def test_the_lists_of_versions_reach_what_the_loops_do_apart_from_the_rule() -> None:
    """Shrinking windows put credits out of order; rules change levels by themselves; shops open again."""
    a_month = 30 * DAY_MICROS
    told = [opened(NOV - a_month)]
    for number in range(40):
        order, at = f"o-{number}", NOV + (number - 30) * DAY_MICROS + 5 * HOUR_MICROS
        told += [paid(order, at, f"b-{number}"), received(order, at + number % 3)]
    ledger = recorded(enumerate(told))
    versions = VERSIONS["a window that shrinks"]
    replay = replay_of(versions, ledger, LONG_AFTER)
    due = [fact.due for fact in replay.history.facts if fact.due]
    assert due != sorted(due)
    assert any(not change.position for change in changes(replay.history, replay.run, replay.spans, LONG_AFTER))
    assert_same(replay, fold_reputation(as_columns(ledger), replay.spans, LONG_AFTER), 0)


@pytest.mark.slow
def test_a_credit_counts_at_its_very_instant() -> None:
    ledger = recorded(enumerate([opened(OCT), paid("o", NOV), received("o", NOV)]))
    spans = spans_at([SHIPPED], LONG_AFTER)
    due = NOV + spans[0].rules.window_micros
    for as_of, points in ((due - 1, 0), (due, 7)):
        folded = fold_reputation(as_columns(ledger), spans, as_of)
        assert account_of(folded, 0).points == points
        assert_same(replay_of([SHIPPED], ledger, as_of), folded, 0)


def test_subjects_without_rows_and_rows_of_other_schemes_stand_at_a_new_account() -> None:
    sale = (1, NOV, 7, WHATS["sale.settled"], 0, NO_NUMBER, 500, 0)
    columns = made_of([sale], ["merchant/none", "creator/c", "merchant/none-either"])
    folded = fold_reputation(columns._replace(extra=np.array([GOOD_GOODS], np.int8)), spans_at([SHIPPED], NOV), NOV)
    for number in range(3):
        assert_same(replay_of([SHIPPED], [], NOV), folded, number)
    empty = fold_reputation(made_of([], []), spans_at([SHIPPED], NOV), NOV)
    assert len(empty.accounts) == len(empty.findings.at) == len(empty.months.month) == len(empty.changes.at) == 0


PAYMENT = (0, NOV, 5, ORDER_PAID, 0, 0, 500, 0)
REVIEW = (0, NOV, 6, WHATS["review.posted"], 0, NO_NUMBER, 0, 5)


@pytest.mark.parametrize(
    "rows",
    [
        [PAYMENT, (0, NOV - 1, 6, *REVIEW[3:])],
        [PAYMENT, (0, NOV, 4, *REVIEW[3:])],
        [PAYMENT, (0, NOV, 5, *REVIEW[3:])],
        [(1, *PAYMENT[1:]), REVIEW],
        [(-1, *PAYMENT[1:])],
        [PAYMENT, (2, *REVIEW[1:])],
    ],
    ids=["instants", "positions", "the same position", "subjects", "before the first", "after the last"],
)
def test_rows_out_of_order_are_refused(rows: list[tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match=f"not sorted .* at row {len(rows) - 1}"):
        fold_reputation(made_of(rows, ["a", "b"]), spans_at([SHIPPED], LONG_AFTER), LONG_AFTER)


@pytest.mark.parametrize(
    "row",
    [
        (*PAYMENT[:4], -1, *PAYMENT[5:]),
        (*PAYMENT[:5], -1, *PAYMENT[6:]),
        (*PAYMENT[:7], len(KINDS)),
        (*PAYMENT[:7], -1),
        (*REVIEW[:7], 0),
        (*REVIEW[:7], 6),
    ],
    ids=["no order", "no buyer", "kind", "negative kind", "no stars", "six stars"],
)
def test_rows_that_no_record_can_be_are_refused(row: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="no record does at row 1"):
        fold_reputation(
            made_of([(0, OCT, 1, 1, NO_NUMBER, NO_NUMBER, 0, 0), row], ["a"]), spans_at([SHIPPED], NOV), NOV
        )
