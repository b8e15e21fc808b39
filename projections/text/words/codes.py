"""What codes are called, in `names/<language>.toml`; in English many codes are plain words."""

import tomllib
from functools import cache
from importlib.resources import files


@cache
def _names(language: str) -> dict[str, dict[str, str]]:
    found = files("projections.text.words") / "names" / f"{language}.toml"
    return tomllib.loads(found.read_text("utf-8")) if found.is_file() else {}


def code_name(language: str, kind: str, code: str) -> str:
    """The name of a code of a kind, such as `verdict`; the code itself where the language has no other."""
    return _names(language).get(kind, {}).get(code, code)
