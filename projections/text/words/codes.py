"""What codes are called: English is their language, and every other names them in `names/<language>.toml`."""

import tomllib
from functools import cache
from importlib.resources import files


@cache
def _names(language: str) -> dict[str, dict[str, str]]:
    found = files("projections.text.words") / "names" / f"{language}.toml"
    return tomllib.loads(found.read_text("utf-8")) if found.is_file() else {}


def code_name(language: str, kind: str, code: str) -> str:
    """The name of a code of a kind, such as `verdict`; the code itself where the language has no other, or none yet."""
    return _names(language).get(kind, {}).get(code, code)
