"""The checkers as they are written beside an evidence file: with the hashes of this program's policies in them."""

import json
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Final

from replay.policies.catalog import all_given

SCRIPT: Final = "check_evidence.py"
PAGE: Final = "check_evidence.html"


def filled_checkers() -> dict[str, bytes]:
    """What each file is called, and its bytes."""
    hashes = sorted(policy.hash for policy in all_given(None))
    return {SCRIPT: _filled_script(hashes).encode(), PAGE: _filled_page(hashes).encode()}


def _filled_script(hashes: list[str]) -> str:
    listed = "".join(f'    "{named}",\n' for named in hashes)
    return _replaced(_text(SCRIPT), "SHIPPED: frozenset[str] = frozenset()", f"SHIPPED = frozenset([\n{listed}])")


def _filled_page(hashes: list[str]) -> str:
    """The page; its content policy lets run only what stands in it, by its hash."""
    page = _replaced(_text(PAGE), 'id="policies">[]<', f'id="policies">{json.dumps(hashes)}<')
    for place, begin, end in (("SCRIPT-HASH", "<script>", "</script>"), ("STYLE-HASH", "<style>", "</style>")):
        within = page.partition(begin)[2].partition(end)[0]
        hashed = b64encode(sha256(within.encode()).digest()).decode()
        page = _replaced(page, place, f"sha256-{hashed}")
    return page


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _replaced(text: str, place: str, by: str) -> str:
    assert text.count(place) == 1, place
    return text.replace(place, by)
