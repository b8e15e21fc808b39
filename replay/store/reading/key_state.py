"""How far the chain of a key has come."""

from typing import Final, NamedTuple

from replay.store.reading.row import CHAIN_START, key_linked


class KeyState(NamedTuple):
    """How far the chain of a key has come."""

    records: int
    """How many have the key."""
    chain: bytes
    position: int
    """Of the last record that has the key; 0 where none has."""

    def then(self, position: int, leaf: bytes) -> "KeyState":
        """The state with one more record, by its position and leaf hash."""
        return KeyState(self.records + 1, key_linked(self.chain, position, leaf), position)


NO_RECORD: Final = KeyState(0, CHAIN_START, 0)
