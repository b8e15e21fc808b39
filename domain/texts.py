"""Characters that no text of the ledger may hold, because who reads it does not see them."""

import re
from typing import Final

_DEFAULT_IGNORABLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_OTHER_FORMAT: Final = (
    "\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
)
_LINE_ENDS: Final = "\u2028\u2029"
_NONCHARACTERS: Final = "\ufdd0-\ufdef" + "".join(
    f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17)
)
_SURROGATES: Final = "\ud800-\udfff"
_INVISIBLE: Final = re.compile(f"[{_DEFAULT_IGNORABLE}{_OTHER_FORMAT}{_LINE_ENDS}{_NONCHARACTERS}{_SURROGATES}]")
"""Written out, so that the same text is refused whatever version of Unicode the interpreter knows."""


def invisible_character(text: str) -> str | None:
    """The first character of a text that shows nothing, as "U+200B", or None.

    Such are format characters (Cf), those that Unicode lets programs ignore, separators of lines and paragraphs,
    noncharacters and halves of surrogate pairs.
    """
    found = _INVISIBLE.search(text)
    return None if found is None else f"U+{ord(found.group()):04X}"
