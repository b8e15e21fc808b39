"""Random ledgers that learn late, and versions of policies to try on them."""

from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any, Final

from domain.calendar import instant_text, parse_instant
from domain.limits import DAY_MICROS, HOUR_MICROS
from domain.policy import Policy
from replay.policies.catalog import shipped
from replay.store.base.store import Store
from tests.support.making import Event, ingest_events
from tests.support.policies import toml_of
from tests.worlds import creator_level, mcn_level, merchant_reputation, merchant_tier
from tests.worlds.ledgers import AGENCIES, World
from tests.worlds.merchant_reputation import with_values

EARLY: Final = "2020-01-01T00:00:00Z"
"""When versions came into force that are to judge everything."""
_DELAYS: Final = (0, 0, HOUR_MICROS, DAY_MICROS, 20 * DAY_MICROS, 50 * DAY_MICROS, 120 * DAY_MICROS)


def told_late(events: Iterable[Event], pick: Random) -> list[Event]:
    """The same events with the times at which they are learned, in the order of these; some are learned months late."""
    told = [
        event | {"recordedtime": instant_text(parse_instant(event["time"]) + pick.choice(_DELAYS))} for event in events
    ]
    return sorted(told, key=lambda event: str(event["recordedtime"]))


def learn(store: Store, events: Iterable[Event], folder: Path) -> None:
    """Record events that bear the times at which they are learned."""
    ingest_events(store, events, folder, backfill=True)


def late_ledger(store: Store, seed: int, folder: Path, count: int = 700) -> list[Event]:
    """A ledger of all kinds of subjects, in which much was learned late; what was recorded, in order."""
    pick = Random(seed)
    made = [event for event in World(seed).events(count) if pick.random() < 0.2 or not _ends_levels(event)]
    told = told_late(made, pick)
    learn(store, told, folder)
    return told


def _ends_levels(event: Event) -> bool:
    """What happens so often in such worlds that hardly anybody had a level."""
    return event["type"] == "merchant.closed" or (event["type"] == "credit.deducted" and event["subject"] in AGENCIES)


def version(scheme: str, pick: Random, policy_id: str, since: str = EARLY) -> Policy:
    """A random version of a scheme's policy with small numbers, of its own id and in force from an instant."""
    base, values = _CHOICES[scheme](pick)
    dates: dict[str, str | None] = {"in_force_from": since, "recalculates_from": None, "preview_from": None}
    return with_values(base, **values, id=policy_id, **dates)


def _reputation(pick: Random) -> tuple[Policy, dict[str, Any]]:
    bounds = sorted(pick.sample(range(1, 40), 5))
    caps = [
        {"from": "", "tenths": pick.choice((15, 25))},
        {"from": "b", "tenths": pick.choice((30, 45))},
        {"from": "d"},
    ]
    return pick.choice((merchant_reputation.SMALL, merchant_reputation.STRANGE)), {
        "levels": merchant_reputation.levels(*bounds),
        "growth_caps": caps,
        "default_tenths": pick.randrange(1, 12),
    }


def _tier(pick: Random) -> tuple[Policy, dict[str, Any]]:
    return pick.choice((merchant_tier.SMALL, merchant_tier.ODD)), {
        "window_days": pick.choice((4, 20, 60)),
        "clear_out_days": pick.choice((200, 400)),
        "wait_days": pick.randrange(2, 9),
    }


def _creator(pick: Random) -> tuple[Policy, dict[str, Any]]:
    sales, scale = pick.choice((50, 80)), pick.choice((1_000, 900_000))
    return creator_level.SMALL, {
        "sales_bands": [{"from_fen": n * n * n * scale, "score": n} for n in range(8)],
        "weights": {"sales_percent": sales, "behaviour_percent": 100 - sales},
        "gates": {"days": pick.choice((5, 60)), "deducted_max": pick.randrange(3)},
        "benefit_firefly_plan": {"from_rank": pick.randrange(4), "reputation_hundredths_min": pick.choice((400, 470))},
    }


def _mcn(pick: Random) -> tuple[Policy, dict[str, Any]]:
    shares, step = pick.sample(range(1, 99), 2), pick.randrange(60, 240)
    return mcn_level.SMALL, {
        "observation": {"service_min": pick.choice((0, 40)), "credit_min": pick.choice((0, 80))},
        "top_creators": {
            "level": f"L{pick.randrange(1, 5)}",
            "bands": mcn_level.bands((0, 0), (1, pick.randrange(1, 400))),
        },
        "good_share_bands": mcn_level.bands((0, 0), (min(shares), 50), (max(shares), 100)),
        "levels": [{"code": f"V{n + 1}", "from": n * step} for n in range(5)],
        "credit": {"start": pick.choice((90, 120)), "max": 150},
    }


def _firefly(pick: Random) -> tuple[Policy, dict[str, Any]]:
    bounds = (0, *sorted(pick.sample(range(1, 25), 4)))
    levels = [{"code": f"firefly-{rank}", "from_points": begins} for rank, begins in enumerate(bounds, 1)]
    return shipped("creator-firefly")[-1], {"levels": levels}


_CHOICES: Final = {
    "merchant-reputation": _reputation,
    "merchant-tier": _tier,
    "creator-level": _creator,
    "mcn-level": _mcn,
    "creator-firefly": _firefly,
}
"""By scheme, a policy and other values for its parameters."""


def folder_of(policies: Iterable[Policy], folder: Path) -> Path:
    """A folder that holds policies as files."""
    folder.mkdir(parents=True)
    for policy in policies:
        toml_of(policy, folder / f"{policy.scheme}-{policy.id}.toml")
    return folder
