"""The one moment at which an answer from the views stands, their checkpoint, and what every such answer says of it."""

import json
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from domain.calendar import shanghai_text
from domain.limits import SECOND_MICROS
from domain.policy import Policy
from domain.version import PROGRAM_VERSION
from replay.policies.catalog import DEFAULT, adopted_policies, adoptions_of, previewed, shipped_revisions
from replay.replaying.base import Policies
from replay.schemes.registry import SCHEMES, scheme_of
from replay.store.base.store import Store
from replay.store.queries import link_at


class ViewsStanding(NamedTuple):
    """Where the live views stood in the transaction that an answer was read in."""

    build: int
    position: int
    as_of: int
    chain: str
    """The chain hash of the position: of which history it is."""
    policies: str
    """By scheme, the revisions that judged, as the build notes them."""
    number: int
    """Of the last change of any level."""
    head: int
    """Where the ledger stood."""

    @property
    def place(self) -> "Place":
        """All that an answer is made of but how fresh it is: while it stays the same, so does what the views show."""
        return self[:-1]

    def etag(self, *parts: str) -> str:
        """Names the bytes of an answer, all but how fresh it was: so it is a weak one."""
        own = "".join(f".{part}" for part in parts)
        return f'W/"{PROGRAM_VERSION}.{self.build}.{self.position}.{self.as_of}.{self.chain[:16]}.{self.number}{own}"'


class Seen(NamedTuple):
    """Where the views stood, and what the ledger's clock said, when it was looked."""

    standing: ViewsStanding
    now: int


Place = tuple[int, int, int, str, str, int]
"""Build, position, as_of, chain, policies and the number of the last change."""


def standing_json(standing: ViewsStanding, store: Store) -> dict[str, Any]:
    """The moment, and how far it lies behind the ledger and the present."""
    return {
        "program": PROGRAM_VERSION,
        "position": standing.position,
        "as_of": _instant(standing.as_of),
        "known_at": _known_at(store, standing),
        "freshness": freshness(standing, store.now()),
    }


def freshness_json(standing: ViewsStanding, now: int) -> bytes:
    """The same as it is put into an answer that is remembered."""
    lag = freshness(standing, now)
    return _lag_json(lag["lag_events"], lag["lag_seconds"])


@lru_cache(64)
def _lag_json(lag_events: int, lag_seconds: int) -> bytes:
    return msgspec.json.encode({"lag_events": lag_events, "lag_seconds": lag_seconds})


def freshness(standing: ViewsStanding, now: int) -> dict[str, int]:
    """How far the views lie behind: in events, and in seconds."""
    return {
        "lag_events": max(standing.head - standing.position, 0),
        "lag_seconds": max(now - standing.as_of, 0) // SECOND_MICROS,
    }


_instant = lru_cache(64)(shanghai_text)


def _known_at(store: Store, standing: ViewsStanding) -> str | None:
    """When the ledger recorded the position of a standing; None before the first."""
    if standing.chain not in _KNOWN:
        link = link_at(store, standing.position)
        if link is None:
            return None
        if len(_KNOWN) > 1_000:
            _KNOWN.clear()
        _KNOWN[standing.chain] = shanghai_text(link.recorded_at)
    return _KNOWN[standing.chain]


_KNOWN: Final[dict[str, str]] = {}
"""By chain hash, when its record was recorded: that never changes."""


class Judges:
    """The policies that judged at a standing, as every answer names them."""

    def __init__(self, store: Store, policies: str) -> None:
        self._noted: dict[str, list[list[str]]] = json.loads(policies)
        self.by_hash = _policies_by_hash(store)
        """Every revision at hand."""
        self.told: dict[tuple[Any, ...], Any] = {}
        """What was made of them for answers: a cache, filled by who made it."""

    def in_force(self, policy_hash: str, as_of: int) -> bool:
        found = self.by_hash.get(policy_hash)
        return found is not None and as_of >= found.in_force_from

    def policies(self, scheme: str) -> list[dict[str, str]]:
        """Every version that took part, the earliest first."""
        return [
            {"scheme": self.by_hash[digest].scheme, "id": name, "hash": digest}
            for name, digest in self._noted.get(scheme, ())
            if digest in self.by_hash
        ]

    def assumed(self, scheme: str) -> list[str]:
        """The parameters used that no rule text gives."""
        return scheme_of(scheme).replay.assumed_of(self._taking_part(scheme))

    def level_names(self, scheme: str, language: str) -> dict[str, str]:
        return scheme_of(scheme).replay.level_names_of(self._taking_part(scheme), language)

    def taking_part(self, scheme: str, store: Store, standing: ViewsStanding) -> Policies:
        """The versions that judged, and those that could be previewed where the views stand."""
        found = self._taking_part(scheme)
        if not scheme_of(scheme).previews:
            return found
        return found._replace(
            previewed=previewed(adoptions_of(store), scheme, DEFAULT, standing.as_of, standing.position)
        )

    def _taking_part(self, scheme: str) -> Policies:
        found = [self.by_hash[digest] for _, digest in self._noted.get(scheme, ()) if digest in self.by_hash]
        own = [policy for policy in found if policy.scheme == scheme]
        beside = [policy for policy in found if policy.scheme != scheme]
        return Policies(own, beside)


def _policies_by_hash(store: Store) -> dict[str, Policy]:
    found = {policy.hash: policy for scheme in SCHEMES for policy in shipped_revisions(scheme)}
    return found | {item.policy.hash: item.policy for scheme in SCHEMES for item in adopted_policies(store, scheme)}
