"""Buckets: subjects are divided by a hash of their names, the same everywhere, so that many work side by side."""

from hashlib import sha256
from typing import Final

BUCKETS: Final = 16
AGENCIES: Final = BUCKETS
"""The number of the bucket that holds every agency, which readers of each bucket read besides."""


def bucket_of(stream: str) -> int | None:
    """The bucket of a subject; None for what is no subject of a scheme."""
    kind = stream.partition("/")[0]
    if kind == "mcn":
        return AGENCIES
    if kind not in ("merchant", "creator"):
        return None
    return int.from_bytes(sha256(stream.encode()).digest()[:4], "big") % BUCKETS
