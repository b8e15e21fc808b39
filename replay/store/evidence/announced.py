"""The keys that a ledger announced, by which its checkpoints are signed: records of the stream `ledger/keys`."""

from typing import Final, NamedTuple

from domain.events import KeysAnnounced
from replay.store.decode import read_record
from replay.store.reading.asked import Asked
from replay.store.reading.readable import Readable

KEYS_STREAM: Final = "ledger/keys"
ANNOUNCED: Final = "keys.announced"


class Announcement(NamedTuple):
    """Keys, and the position from which on they sign."""

    position: int
    said: KeysAnnounced

    @property
    def vkeys(self) -> list[str]:
        """As a C2SP signed note has them."""
        return self.said.vkeys


def announcements(readable: Readable) -> list[Announcement]:
    """All of them, the earliest first."""
    rows = readable._records("position, record", Asked(KEYS_STREAM, types=(ANNOUNCED,)))
    return [Announcement(position, read_record(ANNOUNCED, bytes(record)).data) for position, record in list(rows)]


def in_force(made: list[Announcement], size: int) -> Announcement | None:
    """The keys that sign checkpoints over the first `size` records; None before any were announced."""
    return next((found for found in reversed(made) if found.position <= size), None)
