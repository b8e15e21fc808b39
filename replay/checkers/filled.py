"""The checkers as they are written beside an evidence file: with the hashes of this program's policies in them."""

from importlib.resources import files
from typing import Final

from replay.policies.catalog import all_given

SCRIPT: Final = "check_evidence.py"
_NO_POLICIES: Final = "SHIPPED: frozenset[str] = frozenset()"


def filled_checkers() -> dict[str, bytes]:
    """What each file is called, and its bytes."""
    hashes = sorted(policy.hash for policy in all_given(None))
    listed = "".join(f'    "{named}",\n' for named in hashes)
    return {SCRIPT: _replaced(_text(SCRIPT), _NO_POLICIES, f"SHIPPED = frozenset([\n{listed}])")}


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _replaced(text: str, place: str, by: str) -> bytes:
    assert text.count(place) == 1, place
    return text.replace(place, by).encode()
