"""The languages in which people are answered."""

from typing import Final, NamedTuple


class Language(NamedTuple):
    """A language that answers and pages come in."""

    tag: str
    """In HTML."""
    name: str
    """In English."""


LANGUAGES: Final = {"en": Language("en", "English"), "zh": Language("zh-CN", "Chinese")}
"""By the code that answers are asked for with; names and words stand in files of that name."""
