"""Random ledgers of a creator's points, for tests of `creator-firefly`: as CloudEvents, and as the oracle reads them.

Tasks and redemptions are few, so that they repeat; amounts lie about what is left; times collide, and lie about the
ends of months; most is learned late or out of order; corrections come before, with and after what they correct.
"""

from random import Random
from typing import Any, Final, NamedTuple

import msgspec
from hypothesis import strategies as st

from domain.calendar import instant_text, parse_instant
from domain.events import CATALOGUE
from domain.events import Event as Recorded
from domain.limits import DAY_MICROS, HOUR_MICROS
from domain.policy import Policy
from replay.policies.catalog import shipped
from tests.support.making import Event, event
from tests.worlds.merchant_reputation import with_values

SUBJECT: Final = "creator/c-1"
OTHER: Final = "creator/c-2"
"""Another creator of the same ledger, with tasks and redemptions of the same names."""

BEGIN: Final = parse_instant("2022-03-20T00:00:00+08:00")
ANCHORS: Final = [
    parse_instant(f"{day}T00:00:00+08:00")
    for day in ("2022-03-31", "2022-04-01", "2022-05-01", "2022-05-15", "2022-06-01")
]
"""Where times collide: about the ends of months, and about the versions below."""
DAYS: Final = 85
SECOND_MICROS: Final = 1_000_000


def levels(*bounds: int) -> list[dict[str, Any]]:
    """Firefly levels from bounds in points."""
    return [{"code": f"firefly-{n}", "from_points": bound} for n, bound in enumerate(bounds, 1)]


SHIPPED_LEVELS: Final = levels(0, 100, 500, 2_000, 10_000)
SMALL_LEVELS: Final = levels(0, 3, 8, 15, 30)
"""Bounds within reach of a few tasks."""
OTHER_LEVELS: Final = levels(0, 5, 6, 20)
"""Other bounds and fewer levels: under them some rise, some fall, some stay."""


def version(
    version_id: str,
    in_force_from: str,
    bounds: list[dict[str, Any]],
    *,
    recalculates_from: str | None = None,
    invitation_from_rank: int = 3,
) -> dict[str, Any]:
    """A dated version as the oracle reads it."""
    return {
        "id": version_id,
        "in_force_from": parse_instant(f"{in_force_from}T00:00:00+08:00"),
        "recalculates_from": recalculates_from and parse_instant(f"{recalculates_from}T00:00:00+08:00"),
        "parameters": {
            "levels": bounds,
            "benefit_coupons": {"from_rank": 0},
            "benefit_invitation": {"from_rank": invitation_from_rank},
        },
    }


VERSIONS: Final = {
    "shipped": [version("2022-01", "2022-01-01", SHIPPED_LEVELS)],
    "small": [version("small", "2022-01-01", SMALL_LEVELS)],
    "at a month's start": [
        version("v1", "2022-01-01", SMALL_LEVELS),
        version("v2", "2022-05-01", OTHER_LEVELS, invitation_from_rank=1),
    ],
    "within a month": [version("v1", "2022-05-15", SMALL_LEVELS), version("v2", "2022-05-20", OTHER_LEVELS)],
    "recalculating": [
        version("v1", "2022-01-01", OTHER_LEVELS, invitation_from_rank=2),
        version("v2", "2022-05-15", SMALL_LEVELS, recalculates_from="2022-04-01"),
    ],
}


class World(NamedTuple):
    """A ledger in the order of its recording, and what a replay of it is asked at."""

    lines: list[Event]
    as_of: int
    earlier: int
    position: int

    @property
    def known_at(self) -> int:
        """The instant that names the prefix up to `position`; before the first record, for none."""
        return recorded_at(self.lines[self.position - 1]) if self.position else recorded_at(self.lines[0]) - 1


def recorded_at(line: Event) -> int:
    return parse_instant(line["recordedtime"])


def as_the_oracle_reads(lines: list[Event]) -> list[dict[str, Any]]:
    """The same events with the positions that they are recorded at, from 1."""
    return [
        {
            "position": position,
            "occurred_at": parse_instant(line["time"]),
            **{name: line[name] for name in ("source", "id", "type", "subject", "data")},
        }
        for position, line in enumerate(lines, 1)
    ]


def world_of(seed: int, size: int = 45) -> World:
    """The same seed makes the same world; `known_at` and `position` name the same prefix."""
    lines = _Writer(Random(seed)).lines(size)
    pick = Random(seed + 1)
    earlier, as_of = sorted((_instant(pick), _instant(pick)))
    ends = [n for n in range(len(lines)) if n == 0 or recorded_at(lines[n - 1]) < recorded_at(lines[n])]
    position = pick.choice((len(lines), len(lines), pick.choice(ends)))
    return World(lines, as_of, earlier, position)


WORLDS: Final = st.integers(0, 2**32).map(world_of)


def _instant(pick: Random) -> int:
    if pick.random() < 0.7:
        return pick.choice(ANCHORS) + pick.choice((0, 0, 0, -1, 1, HOUR_MICROS, -DAY_MICROS, 3 * DAY_MICROS))
    return BEGIN + pick.randrange(DAYS) * DAY_MICROS + pick.choice((0, 0, HOUR_MICROS))


class _Writer:
    """Tells what happened, then in which order and when the ledger learns of it."""

    def __init__(self, pick: Random) -> None:
        self.pick = pick
        self.tasks = pick.choice((3, 8, 20))
        self.redemptions = pick.choice((2, 6, 15))
        self.large = pick.random() < 0.4

    def lines(self, size: int) -> list[Event]:
        told = self._registrations() + [self._any(number) for number in range(self.pick.randrange(size // 3, size))]
        self.pick.shuffle(told)
        if self.pick.random() < 0.5:
            told.sort(key=lambda line: line["time"])
        self._choose_amounts(told)
        for number in range(self.pick.choice((0, 0, 1, 3, 6))):
            told.insert(self.pick.randrange(len(told) // 2, len(told) + 1), self._retraction(number, told))
        return self._recorded(told)

    def _made(self, kind: str, name: str, at: int, subject: str = SUBJECT, **data: Any) -> Event:
        return event(kind, name, instant_text(at), subject=subject, **data)

    def _registrations(self) -> list[Event]:
        early = (BEGIN - DAY_MICROS, BEGIN, BEGIN, ANCHORS[0], ANCHORS[1], ANCHORS[1] - 1)
        times = [
            self.pick.choice((*early, *early, _instant(self.pick)))
            for _ in range(self.pick.choice((0, *[1] * 9, *[2] * 5)))
        ]
        made = [self._made("creator.registered", f"reg-{n}", at) for n, at in enumerate(times)]
        return [*made, self._made("creator.registered", "reg-other", BEGIN, OTHER)]

    def _any(self, number: int) -> Event:
        draw, at = self.pick.random(), _instant(self.pick)
        subject = OTHER if self.pick.random() < 0.07 else SUBJECT
        if draw < 0.42:
            return self._earned(number, at, subject)
        if draw < 0.8:
            return self._redeemed(number, at, subject)
        if draw < 0.89:
            redemption = f"r-{self.pick.randrange(self.redemptions)}"
            return self._made("redemption.cancelled", f"can-{number}", at, subject, redemption=redemption)
        return self._unrelated(number, at, subject)

    def _earned(self, number: int, at: int, subject: str) -> Event:
        points = self.pick.choice((40, 60, 99, 100, 400, 1_500, 8_000) if self.large else (1, 1, 2, 3, 5, 7))
        task = f"t-{self.pick.randrange(self.tasks)}"
        return self._made("points.earned", f"earn-{number}", at, subject, task=task, points=points)

    def _redeemed(self, number: int, at: int, subject: str) -> Event:
        redemption = f"r-{self.pick.randrange(self.redemptions)}"
        return self._made("points.redeemed", f"red-{number}", at, subject, redemption=redemption, points=1)

    def _choose_amounts(self, told: list[Event]) -> None:
        """Redemptions of what is left or a little more or less, by a rough account: nothing is cancelled or used up."""
        ours = sorted((line for line in told if line["subject"] == SUBJECT), key=lambda line: line["time"])
        registered = [line["time"] for line in ours if line["type"] == "creator.registered"]
        left, tasks = 0, set()
        for line in ours:
            data = line["data"]
            if (
                line["type"] == "points.earned"
                and line["time"] >= min(registered, default="")
                and data["task"] not in tasks
            ):
                tasks.add(data["task"])
                left += data["points"]
            if line["type"] == "points.redeemed":
                data["points"] = max(1, self.pick.choice((1, 2, left // 2, left - 1, left, left, left + 1)))
                left -= data["points"] if data["points"] <= left else 0

    def _unrelated(self, number: int, at: int, subject: str) -> Event:
        """What a creator's other schemes read, with names that tasks and redemptions have too."""
        order = {"order": f"t-{self.pick.randrange(self.tasks)}", "amount": 5_000}
        kind, data = self.pick.choice(
            (
                ("creator.scored", {"score": "reputation", "value": "4.5"}),
                ("sale.settled", {**order, "good_goods": True, "channel": "live"}),
                ("sale.refunded", order),
                ("credit.deducted", {"violation": f"r-{self.pick.randrange(self.redemptions)}", "points": 3}),
                ("credit.restored", {"violation": f"r-{self.pick.randrange(self.redemptions)}"}),
                ("content.published", {"content": "t-0", "good": True}),
                ("live.held", {"minutes": 30}),
            )
        )
        return self._made(kind, f"else-{number}", at, subject, **data)

    def _retraction(self, number: int, told: list[Event]) -> Event:
        """Of a line before or after it, so perhaps in vain; of the other creator's too, which does nothing."""
        named = self.pick.choice(told)
        subject = SUBJECT if self.pick.random() < 0.9 else OTHER
        made = self._made(
            "event.retracted", f"ret-{number}", _instant(self.pick), subject, event=named["id"], reason="r"
        )
        made["data"]["source"] = named["source"]
        return made

    def _recorded(self, told: list[Event]) -> list[Event]:
        """Each learned after it happened, and not before what was learned before it; several at one instant."""
        clock, lines = 0, []
        for line in told:
            late = self.pick.choice((0, 0, 0, SECOND_MICROS, DAY_MICROS))
            clock = max(clock, parse_instant(line["time"])) + late
            lines.append({**line, "recordedtime": instant_text(clock)})
        return lines


# --- as replays read them -------------------------------------------------------------------------------------------

(SHIPPED,) = shipped("creator-firefly")


def policy_of_version(version: dict[str, Any]) -> Policy:
    """A version as the oracle reads it, as a policy."""
    parameters = version["parameters"]
    found = with_values(
        SHIPPED,
        id=version["id"],
        in_force_from=instant_text(version["in_force_from"]),
        levels=[{name: level[name] for name in ("code", "from_points")} for level in parameters["levels"]],
        benefit_coupons=parameters["benefit_coupons"],
        benefit_invitation=parameters["benefit_invitation"],
    )
    since = version["recalculates_from"]
    return found if since is None else with_values(found, recalculates_from=instant_text(since))


POLICIES: Final = {name: [policy_of_version(item) for item in versions] for name, versions in VERSIONS.items()}


def ledger_of(world: World, number: int = 0) -> list[Recorded]:
    """The events of a world as they are recorded; `number` tells subjects of several worlds apart."""
    return [
        Recorded(
            f"{line['subject']}-{number}" if number else line["subject"],
            position,
            position,
            parse_instant(line["time"]),
            parse_instant(line["recordedtime"]),
            line["source"],
            line["id"],
            line["type"],
            msgspec.convert(line.get("data", {}), CATALOGUE[line["type"]].data),
        )
        for position, line in enumerate(world.lines, 1)
    ]


def in_force(name: str, as_of: int) -> list[Policy]:
    """The versions that a replay at an instant is given: those in force by then, or the first."""
    return [policy for policy in POLICIES[name] if policy.in_force_from <= as_of] or POLICIES[name][:1]
