"""Errors as a person reads them in another language: found by what they say in English, in `errors/<language>.toml`.

The English sentence is the key, with a name in braces for each part that differs: where an error is made nothing is
known of languages, and one without words is still told, in English. Programs are always told in English.
"""

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

_PLACE: Final = re.compile(r"\{([a-z_]+)\}")
_OPTION: Final = re.compile(r"--(?=[a-z])")
_ANYTHING: Final = ".*?"
_ONE_WORD: Final = r"\S+"
VERB: Final = "verb"
"""The part of a sentence that English inflects: one word."""
TOLD_AGAIN: Final = "error"
"""The part of a sentence that is itself an error, such as why a text is no date."""


class _Sentence(NamedTuple):
    """An error's English as a pattern, and what it says in a language."""

    pattern: re.Pattern[str]
    words: str


def error_text(language: str, text: str) -> str | None:
    """What an error says in a language; None where it has no words for it, or is English itself."""
    for sentence in _sentences(language):
        found = sentence.pattern.fullmatch(text)
        if found is not None:
            parts = found.groupdict()
            if TOLD_AGAIN in parts:
                parts[TOLD_AGAIN] = error_text(language, parts[TOLD_AGAIN]) or parts[TOLD_AGAIN]
            return sentence.words.format_map(parts)
    return None


def error_words(language: str) -> dict[str, str]:
    """By the English sentence of an error, its words in a language."""
    file = files("projections.text.words") / "errors" / f"{language}.toml"
    return tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}


@cache
def _sentences(language: str) -> tuple[_Sentence, ...]:
    """Those with the most fixed words first: what others say of any error, these say of one."""
    told = sorted(error_words(language).items(), key=lambda item: -len(_PLACE.sub("", item[0])))
    return tuple(_Sentence(_pattern_of(english), words) for english, words in told)


def _pattern_of(english: str) -> re.Pattern[str]:
    """Commands name options where the service names parameters: with and without dashes, `as-of` and `as_of`."""
    pattern = "".join(
        f"(?P<{piece}>{_ONE_WORD if piece == VERB else _ANYTHING})" if number % 2 else _of_either(piece)
        for number, piece in enumerate(_PLACE.split(english))
    )
    return re.compile(pattern, re.DOTALL)


def _of_either(fixed: str) -> str:
    plain = re.escape(_OPTION.sub("\0", fixed)).replace("\0", "(?:--)?").replace(re.escape("\0"), "(?:--)?")
    return plain.replace(r"as\-of", "as[-_]of").replace(r"known\-at", "known[-_]at")
