"""What evidence of a subject in a scheme consists of: which keys, and what their records say of other positions."""

from collections.abc import Iterable
from typing import Final

from domain.calendar import parse_instant
from domain.events import DecisionsRun, LevelDecided
from domain.keys import stream_key
from replay.errors import UsageError
from replay.schemes.registry import scheme_of
from replay.store.base.store import Store

RUNS_STREAM: Final = "ledger/decisions"
MAY_BE_WITHHELD: Final = stream_key(RUNS_STREAM)
"""The key whose records no replay reads: a file may show their places alone."""
_SAYING: Final = ("level.decided", "decisions.run", "board.decided")
"""The types of the records that name a position with its time and its chain."""
Link = tuple[int, int, str]
"""A position, when it was recorded, and the ledger's chain there in hex."""


def keys_read(store: Store, subject: str, scheme: str, size: int) -> list[str]:
    """The keys of the records that replays of a subject in a scheme read when all is known up to a position; rising.

    Raises UsageError where the scheme does not judge the subject.
    """
    judging = scheme_of(scheme)
    if not subject.startswith(f"{judging.kind}/"):
        raise UsageError(f"{scheme} does not judge {subject}; it judges {judging.kind}/<id>")
    policies = (stream_key(f"policy/{code}") for code in (scheme, *judging.rests_on))
    found = {*judging.replay.keys(store, subject, size), *policies, MAY_BE_WITHHELD}
    return sorted(found, key=str.encode)


def link_of(data: object) -> Link | None:
    """What a run or a decision says of the position that it knew the ledger at. Raises ValueError for a wrong time."""
    if not isinstance(data, DecisionsRun | LevelDecided):
        return None
    parse_instant(data.as_of)  # must be readable, too
    return data.position, parse_instant(data.known_at), data.chain


def agreed(links: Iterable[Link]) -> list[Link]:
    """Links by rising position, one of each; where records name different ones of a position, the chain is empty, so
    that no decision fits it.
    """
    found: dict[int, Link] = {}
    for link in links:
        before = found.setdefault(link[0], link)
        if before != link:
            found[link[0]] = (link[0], min(before[1], link[1]), "")
    return [found[position] for position in sorted(found)]
