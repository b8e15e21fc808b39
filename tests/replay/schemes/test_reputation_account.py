"""A merchant's account under one policy or several versions: equal to the independent oracle's, and by hand."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings

from domain.calendar import LEDGER_START, parse_instant
from domain.events import Event
from domain.policy import Policy, policy_of
from replay.answers.diff import diff_json
from replay.answers.explain import explain_json
from replay.answers.replay import replay_json
from replay.history.same_instant import BEFORE_OPENING
from replay.replaying.base import NAMED_IN_VAIN, Part, Replay
from tests.conftest import SOAK
from tests.support.replays import VERSIONS, by_the_oracle_of_versions, dated, replay_of
from tests.worlds.merchant_reputation import (
    SHIPPED,
    Told,
    World,
    closed,
    opened,
    paid,
    received,
    recorded,
    reviewed,
    with_values,
    worlds,
)


def tenths(text: str | None) -> int | None:
    return None if text is None else round(float(text) * 10)


def account_of(replay: Replay) -> dict[str, Any]:
    """What a replay's answer says, in the words of the oracle."""
    found = explain_json(replay, Part(), "en")
    published, effective = found["published"], found["effective"]
    return {
        "policy": found["policy"],
        "state": found["state"],
        "level": found["level"],
        "points_tenths": tenths(found["points"]),
        "to_next_tenths": tenths(found["to_next"]),
        "verdicts": [(v["position"], v["verdict"], tenths(v["points"])) for v in found["verdicts"]],
        "notes": {
            f"{note['source']} {note['event']}": note["note"]
            for note in found["notes"]
            if note["note"] not in (BEFORE_OPENING, NAMED_IN_VAIN)  # the rulebook knows no such notes
        },
        "months": [
            {
                "month": month["month"],
                "opening_tenths": tenths(month["opening"]),
                "growth_tenths": tenths(month["growth"]),
                "cap_tenths": tenths(month["cap"]),
                "closing_tenths": tenths(month["closing"]),
                "level": month["level"],
            }
            for month in found["months"]
        ],
        "published": published
        and {
            "month": published["month"],
            "points_tenths": tenths(published["points"]),
            "level": published["level"],
            "at": parse_instant(published["at"]),
            "in_force": published["in_force"],
        },
        "effective": {**effective, "since": effective["since"] and parse_instant(effective["since"])},
        "in_months": sum(sum(month["verdicts"].values()) for month in found["months"]),
    }


def assert_the_oracle_agrees(versions: list[Policy], ledger: list[Event], as_of: int, position: int) -> None:
    found = account_of(replay_of(versions, ledger, as_of, position))
    expected = by_the_oracle_of_versions(versions, ledger, as_of, position)
    verdicts = [(v["position"], v["verdict"], v["tenths"]) for v in expected["verdicts"]]
    assert found["verdicts"] == verdicts
    # The oracle lists the months in which points moved; an answer also those in which something was judged in vain.
    moved = {month["month"] for month in expected["months"]}
    assert [month for month in found["months"] if month["month"] in moved] == expected["months"]
    for name in ("policy", "state", "level", "points_tenths", "to_next_tenths", "notes", "published", "effective"):
        assert found[name] == expected[name], name
    assert found["in_months"] == len(verdicts), "no verdict is left out of the months"


@pytest.mark.slow
@pytest.mark.parametrize("versions", VERSIONS.values(), ids=list(VERSIONS))
@settings(max_examples=80 * SOAK)
@given(world=worlds())
def test_the_oracle_keeps_the_same_account(versions: list[Policy], world: World) -> None:
    assert_the_oracle_agrees(versions, world.ledger, world.as_of, world.position)
    assert_the_oracle_agrees(versions, world.ledger, world.earlier, len(world.ledger))


@pytest.mark.slow
def test_the_versions_are_told_apart() -> None:
    """Each list of several versions leads some worlds elsewhere than its latest version alone would."""
    apart: Counter[str] = Counter()

    @settings(max_examples=300, derandomize=True, database=None)
    @given(world=worlds())
    def collect(world: World) -> None:
        for name, versions in VERSIONS.items():
            whole = replay_of(versions, world.ledger, world.as_of, world.position)
            alone = replay_of(versions[-1:], world.ledger, world.as_of, world.position)
            apart[name] += whole.findings != alone.findings

    collect()
    assert {name for name, count in apart.items() if count > 5} == {
        name for name in VERSIONS if len(VERSIONS[name]) > 1
    }


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


def replayed(told: list[Told], as_of: str) -> dict[str, Any]:
    return replay_json(replay_of(VERSIONS["shipped"], recorded(enumerate(told)), at(as_of), len(told)), "en")


@pytest.mark.parametrize(
    ("as_of", "published", "effective"),
    [
        ("2022-11-16T11:59:59.999999", None, ("unrated", None, None)),
        ("2022-11-16T12:00:00", ("2022-10", "1.0", "bronze-1"), ("rated", "bronze-1", "2022-11-16")),
        ("2022-12-16T11:59:59", ("2022-10", "1.0", "bronze-1"), ("rated", "bronze-1", "2022-11-16")),
        ("2022-12-16T12:00:00", ("2022-11", "0.0", None), ("closed", None, "2022-12-16")),
        ("2023-03-01T00:00:00", ("2023-01", "0.0", None), ("unrated", None, "2023-01-16")),
    ],
)
def test_publications_by_hand(as_of: str, published: Any, effective: Any) -> None:
    """What happens between the close and the 16th does not matter; a shop closed at the close shows nothing."""
    found = replayed(STORY, as_of)
    shown = found["published"]
    assert (shown and (shown["month"], shown["points"], shown["level"])) == published
    since = found["effective"]["since"]
    assert (found["effective"]["state"], found["effective"]["level"], since and since[:10]) == effective


def test_months_by_hand() -> None:
    found = replayed(STORY, "2022-12-31T00:00:00")
    assert [(m["month"], m["opening"], m["growth"], m["closing"], m["cap"]) for m in found["months"]] == [
        ("2022-10", "0.0", "+1.0", "1.0", "5001.0"),
        ("2022-11", "1.0", "+0.0", "0.0", "5001.0"),
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
    replay = replay_of(VERSIONS["shipped"], recorded(enumerate(told)), at("2022-10-05T00:00:00"), len(told))
    found = explain_json(replay, Part(), "en")
    assert [(note["position"], note["note"], note["compared"]["what"]) for note in found["notes"]] == [
        (3, "pending", "due_at"),
        (5, "reviewed", "review"),
    ]
    assert found["notes"][0]["compared"]["found"] == "2022-10-18T00:00:00+08:00"
    assert found["notes"][1]["compared"]["position"] == 6


# --- several versions, by hand ----------------------------------------------------------------------------------------

LONG_THEN_SHORT = [
    dated(
        with_values(SHIPPED, review_hours=720, star_classes={"good": [5], "neutral": [4], "bad": [1, 2, 3]}),
        "v1",
        "2020-01-01",
    ),
    dated(with_values(SHIPPED, review_hours=1, default_tenths=5), "v2", "2022-11-01"),
]


def explained(versions: list[Policy], told: list[Told], as_of: str) -> dict[str, Any]:
    return explain_json(replay_of(versions, recorded(enumerate(told)), at(as_of), len(told)), Part(), "en")


def test_a_short_window_overtakes_a_long_one() -> None:
    """Received on 30 October under 30 days, and on 2 November under an hour: the later receipt is credited first."""
    told = [
        opened(at("2022-10-01T00:00:00")),
        paid("slow", at("2022-10-29T00:00:00")),
        received("slow", at("2022-10-30T00:00:00")),
        paid("quick", at("2022-11-01T00:00:00")),
        received("quick", at("2022-11-02T00:00:00")),
    ]
    found = explained(LONG_THEN_SHORT, told, "2022-12-31T00:00:00")
    assert [(v["position"], v["at"], v["points"]) for v in found["verdicts"]] == [
        (5, "2022-11-02T01:00:00+08:00", "+0.5"),
        (3, "2022-11-29T00:00:00+08:00", "+0.5"),
    ]
    assert found["verdicts"][1]["compared"] == {
        "what": "default_credit",
        "found": "2022-10-30T00:00:00+08:00",
        "bound": "2022-11-29T00:00:00+08:00",
    }


def test_a_verdict_is_explained_by_the_version_that_gave_it() -> None:
    told = [
        opened(at("2022-10-01T00:00:00")),
        paid("a", at("2022-10-02T00:00:00")),
        reviewed("a", at("2022-10-03T00:00:00"), 4),
        paid("b", at("2022-11-02T00:00:00")),
        reviewed("b", at("2022-11-03T00:00:00"), 4),
        paid("c", at("2022-10-02T00:00:00")),
        received("c", at("2022-10-03T00:00:00")),
        reviewed("c", at("2022-11-20T00:00:00"), 1),
    ]
    found = explained(LONG_THEN_SHORT, told, "2022-12-31T00:00:00")
    by_position = {verdict["position"]: verdict for verdict in found["verdicts"]}
    assert (by_position[3]["verdict"], by_position[3]["policy"], by_position[3]["compared"]["bound"]) == (
        "neutral",
        "v1",
        "neutral",
    )
    assert (by_position[5]["verdict"], by_position[5]["policy"], by_position[5]["compared"]["bound"]) == (
        "counted",
        "v2",
        "good",
    )
    late = by_position[8]
    assert (late["verdict"], late["policy"]) == ("late_review", "v1"), "late by the window of its receipt"
    texts = {(clause["name"], clause["policy"]): clause["text"] for clause in found["clauses"]}
    assert "720 hours" in texts["late_review", "v1"] and ("late_review", "v2") not in texts


def test_what_is_compared_before_the_first_opening_and_before_statistics() -> None:
    told = [
        paid("a", at("2022-10-02T00:00:00")),
        reviewed("a", at("2022-10-03T00:00:00")),
        opened(at("2022-11-01T00:00:00")),
    ]
    (verdict,) = explained(VERSIONS["shipped"], told, "2022-12-31T00:00:00")["verdicts"]
    assert verdict["compared"] == {"what": "opened_at", "found": None, "bound": None}
    early = [
        opened(at("2020-01-01T00:00:00")),
        paid("a", at("2020-02-01T00:00:00")),
        reviewed("a", at("2020-02-02T00:00:00")),
    ]
    (verdict,) = explained(VERSIONS["shipped"], early, "2022-12-31T00:00:00")["verdicts"]
    assert verdict["compared"] == {
        "what": "entered_at",
        "found": "2020-02-02T00:00:00+08:00",
        "bound": "2020-06-01T00:00:00+08:00",
    }


def test_a_difference_tells_what_either_end_assumed() -> None:
    told = [opened(at("2022-10-01T00:00:00"))]
    as_assumed = dated(SHIPPED, "v1", "2020-01-01")
    content = as_assumed.content.replace('"status":"published","value":7', '"status":"assumed","value":7')
    start, end = (
        replay_of([p], recorded(enumerate(told)), at("2022-12-31T00:00:00"), 1)
        for p in (as_assumed, policy_of(content))
    )
    assert (
        diff_json(start, end)["assumed"]
        == diff_json(end, start)["assumed"]
        == ["default_tenths", "levels", "star_classes"]
    )
