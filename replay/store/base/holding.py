"""What a store holds that has some of a ledger's records alone."""

from bisect import bisect_right

import msgspec

from replay.store.base.identity import Head


class Holding(msgspec.Struct, frozen=True):
    """What a partial store holds, and what it is evidence of."""

    keys: list[str]
    """The keys (`domain.keys`) whose records are there, all of them up to `size`."""
    links: list[tuple[int, int, str]]
    """(position, recorded_at, chain in hex) of positions that its records speak of, rising."""
    size: int
    subject: str
    scheme: str
    as_of: int
    position: int
    claim: int | None
    """The position of the disputed record."""

    def link_up_to(self, position: int) -> Head | None:
        """The last link at or before a position."""
        place = bisect_right(self.links, position, key=lambda link: link[0])
        if not place:
            return None
        at, recorded_at, chain = self.links[place - 1]
        return Head(at, recorded_at, bytes.fromhex(chain))
