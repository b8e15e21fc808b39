"""How often a token may ask, and what it is told of that with each answer."""

from time import monotonic
from typing import Final, NamedTuple

MINUTE_SECONDS: Final = 60
Header = tuple[bytes, bytes]


class Rate(NamedTuple):
    """What a token may still ask of a process."""

    per_minute: int
    left: float

    @property
    def full_in_seconds(self) -> int:
        """When it may ask as often again as ever."""
        return 0 if self.left >= self.per_minute else _seconds_for(self.per_minute - self.left, self.per_minute)

    def headers(self) -> tuple[Header, Header]:
        """As the IETF's draft on RateLimit header fields has them."""
        policy = f'"token";q={self.per_minute};w={MINUTE_SECONDS}'
        now = f'"token";r={int(self.left)};t={self.full_in_seconds}'
        return (b"ratelimit-policy", policy.encode()), (b"ratelimit", now.encode())


class Rates:
    """Of every token of a process, which fills again by its limit a minute."""

    def __init__(self) -> None:
        self._buckets: dict[int, tuple[float, float]] = {}
        """By token, how many requests it may make now, and since when."""

    def count(self, token: int, per_minute: int) -> tuple[Rate, int]:
        """Count a request: what is left, and in how many seconds the token may ask again, 0 where it may now."""
        at = monotonic()
        left, since = self._buckets.get(token, (float(per_minute), at))
        left = min(left + (at - since) * per_minute / MINUTE_SECONDS, float(per_minute))
        if left < 1:
            return Rate(per_minute, left), _seconds_for(1 - left, per_minute)
        self._buckets[token] = (left - 1, at)
        return Rate(per_minute, left - 1), 0


def _seconds_for(requests: float, per_minute: int) -> int:
    return int(requests * MINUTE_SECONDS / per_minute) + 1
