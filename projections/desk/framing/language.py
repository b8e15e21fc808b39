"""The desk's words in a language, beside those that the text answers share with it."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from domain.languages import LANGUAGES
from projections.text.words import Words

if TYPE_CHECKING:
    from starlette.requests import Request

COOKIE: Final = "levelbook_lang"


class DeskWords:
    """The words of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.tag = LANGUAGES[language].tag
        self.shared = Words(language, {})
        self._words: dict[str, str] = tomllib.loads(
            (files("projections.desk") / "words" / f"{language}.toml").read_text("utf-8")
        )

    def __call__(self, key: str, **values: Any) -> str:
        return self._words[key].format_map(values)


@cache
def words_of(language: str) -> DeskWords:
    return DeskWords(language)


def language_of(request: "Request") -> str:
    """The language asked for, else the one chosen before, else what the browser prefers, else English."""
    for chosen in (request.query_params.get("lang"), request.cookies.get(COOKIE)):
        if chosen in LANGUAGES:
            return chosen
    return preferred(request.headers.get("accept-language", ""))


def preferred(accepted: str) -> str:
    """The language of ours that an Accept-Language header weighs most."""
    weights: dict[str, int] = {}
    for item in accepted[:1_000].split(","):
        tag, _, weight = item.partition(";")
        language = tag.strip().lower().partition("-")[0]
        if language in LANGUAGES:
            weights.setdefault(language, _weight(weight))
    best = max(weights.values(), default=0)
    return next((language for language, weight in weights.items() if weight == best and weight > 0), "en")


def _weight(text: str) -> int:
    """A weight in thousandths: "q=0.8" is 800; one that cannot be read counts for nothing."""
    name, _, value = text.strip().partition("=")
    if not name:
        return 1_000
    whole, _, decimals = value.partition(".")
    if name != "q" or whole not in ("0", "1") or not (value.isascii() and (decimals.isdigit() or not decimals)):
        return 0
    return min(int(whole) * 1_000 + int(decimals[:3].ljust(3, "0")), 1_000)
