"""The file in which somebody says whose keys they trust."""

from pathlib import Path

from replay.errors import UsageError
from replay.proving.strict_text import MalformedError
from replay.proving.trust import TrustPolicy, parse_trust


def read_trust(path: Path) -> TrustPolicy:
    """The trust file at a path. Raises UsageError naming the line that is wrong."""
    try:
        return parse_trust(path.read_bytes())
    except MalformedError as error:
        raise UsageError(f"the trust file {path} cannot be used: {error}") from None
