"""Months, publications and notes of a merchant's account equal those of the independent oracle."""

from typing import Any

import pytest
from hypothesis import given, settings

from domain import reputation, reputation_account
from domain.calendar import LEDGER_START, month_text, parse_instant
from domain.events import Event
from domain.policy import Policy
from replay.timeline import retracted_positions, taking_part
from tests.conftest import SOAK
from tests.test_reputation import (
    POLICIES,
    Told,
    World,
    by_the_oracle,
    closed,
    known_of,
    opened,
    paid,
    received,
    recorded,
    reviewed,
    worlds,
)


class Account:
    """All that is drawn from one replay."""

    def __init__(self, policy: Policy, ledger: list[Event], as_of: int, position: int) -> None:
        known = known_of(ledger, position)
        part = taking_part(known, as_of)
        rules = reputation.rules_of(policy)
        codes = [None, *(level["code"] for level in policy.parameters["levels"].value)]
        timetable = reputation_account.Timetable(**policy.parameters["publication"].value)
        history = reputation.history_of(part)
        _, findings = reputation.run(history, rules, as_of)
        lives = reputation_account.lives_of(history)
        names = {event.position: f"{event.source} {event.id}" for event in known}
        notes = reputation_account.notes_of(part, history, findings)
        notes |= dict.fromkeys(retracted_positions(known), "retracted")
        self.notes = {names[at]: note for at, note in notes.items()}
        self.months = [
            {
                "month": month_text(month.month),
                "opening_tenths": month.opening_tenths,
                "growth_tenths": month.growth_tenths,
                "cap_tenths": month.cap_tenths,
                "closing_tenths": month.closing_tenths,
                "level": codes[month.level],
            }
            for month in reputation_account.months_of(findings, lives, rules)
            if any(finding.tenths for finding in findings if reputation_account.in_month(finding, month.month))
        ]
        self.verdicts = sum(
            sum(month.verdicts.values()) for month in reputation_account.months_of(findings, lives, rules)
        )
        self.findings = len(findings)
        last = reputation_account.publication_at(findings, lives, rules, timetable, as_of)
        self.published: dict[str, Any] | None = None
        if last is not None:
            self.published = {
                "month": month_text(last.month),
                "points_tenths": last.points_tenths,
                "level": codes[last.level],
                "at": last.at,
            }


@pytest.mark.parametrize("policy", POLICIES.values(), ids=list(POLICIES))
@settings(max_examples=600 * SOAK)
@given(world=worlds())
def test_the_oracle_keeps_the_same_account(policy: Policy, world: World) -> None:
    account = Account(policy, world.ledger, world.as_of, world.position)
    expected = by_the_oracle(policy, world.ledger, world.as_of, world.position)
    assert account.notes == expected["notes"]
    assert account.months == expected["months"]
    assert account.published == expected["published"]
    assert account.verdicts == account.findings, "no entry is left out of the months"


def at(text: str) -> int:
    return parse_instant(f"{text}+08:00")


STORY = [
    opened(at("2022-10-01T00:00:00")),
    paid("a", at("2022-10-02T00:00:00")),
    reviewed("a", at("2022-10-31T23:59:59.999999")),
    paid("b", at("2022-10-03T00:00:00")),
    reviewed("b", at("2022-11-01T00:00:00")),
    closed(at("2022-11-20T00:00:00")),
    opened(at("2022-12-02T00:00:00")),
]


@pytest.mark.parametrize(
    ("as_of", "published"),
    [
        ("2022-11-16T11:59:59.999999", None),
        ("2022-11-16T12:00:00", ("2022-10", 10, "bronze-1")),
        ("2022-12-16T11:59:59", ("2022-10", 10, "bronze-1")),
        ("2022-12-16T12:00:00", ("2022-11", 0, None)),
        ("2023-03-01T00:00:00", ("2023-01", 0, None)),
    ],
)
def test_publications_by_hand(as_of: str, published: tuple[str, int, str | None] | None) -> None:
    """What happens between the close and the 16th does not matter; a shop closed at the close shows nothing."""
    account = Account(POLICIES["shipped"], recorded_of(STORY), at(as_of), len(STORY))
    found = account.published
    assert (found and (found["month"], found["points_tenths"], found["level"])) == published


def test_months_by_hand() -> None:
    account = Account(POLICIES["shipped"], recorded_of(STORY), at("2022-12-31T00:00:00"), len(STORY))
    assert [(m["month"], m["opening_tenths"], m["growth_tenths"], m["closing_tenths"]) for m in account.months] == [
        ("2022-10", 0, 10, 10),
        ("2022-11", 10, 0, 0),
    ]


def test_notes_by_hand() -> None:
    told = [
        opened(LEDGER_START),
        paid("a", at("2022-10-02T00:00:00")),
        received("a", at("2022-10-03T00:00:00")),
        paid("b", at("2022-10-02T00:00:00")),
        received("b", at("2022-10-03T00:00:00")),
        reviewed("b", at("2022-10-04T00:00:00")),
    ]
    account = Account(POLICIES["shipped"], recorded_of(told), at("2022-10-05T00:00:00"), len(told))
    assert sorted(account.notes.values()) == ["pending", "reviewed"]


def recorded_of(told: list[Told]) -> list[Event]:
    return recorded(enumerate(told))
