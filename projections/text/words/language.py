"""The words of a language, and what is said with them of any scheme."""

import tomllib
from importlib.resources import files
from typing import Any

from projections.text.words.tables import yuan


class Words:
    """The words of one language."""

    def __init__(self, language: str, level_names: dict[str, str]) -> None:
        self.language = language
        self._words = tomllib.loads((files("projections.text.words") / f"{language}.toml").read_text("utf-8"))
        self._level_names = level_names

    def __call__(self, key: str, **values: Any) -> str:
        return str(self._words[key]).format_map(values)

    def row(self, key: str) -> list[str]:
        """A table's header."""
        return list(self._words[key])

    def appeal(self, key: str, **values: Any) -> str:
        """The words of an appeal file."""
        return str(self._words["appeal"][key]).format_map(values)

    def evidence(self, key: str, **values: Any) -> str:
        """The words of evidence and of what its checks find."""
        return str(self._words["evidence"][key]).format_map(values)

    def decision(self, key: str, **values: Any) -> str:
        """The words of decisions, boards and audits."""
        return str(self._words["decisions"][key]).format_map(values)

    def state(self, state: str) -> str:
        return str(self._words["state"][state])

    def step(self, step: str) -> str:
        return str(self._words["step"][step])

    def compared(self, found: dict[str, Any] | None) -> str:
        """The figures or the event that decided a verdict; nothing where none did."""
        if found is None:
            return ""
        values = found | {"because": self._because(found)}
        if found["what"] == "amount_fen":
            values |= {name: yuan(found[name]) for name in ("found", "bound")}
        return str(self._words["compared"][found["what"]]).format_map(values)

    def remarks(self, item: dict[str, Any]) -> list[str]:
        """What may surprise about an event beside its verdict or note."""
        found = [self("retracted_in_vain_by", **other) for other in item["retracted_in_vain_by"]]
        cause = item["same_instant"]
        return found if cause is None else [self("same_instant", **cause), *found]

    def _because(self, found: dict[str, Any]) -> str:
        """The reason and the case that an event names, where it does."""
        case = found.get("case")
        named = [found["reason"]] if found.get("reason") else []
        named += [self("case", case=case)] if case else []
        return self("because", named=", ".join(named)) if named else ""

    def level(self, code: str | None) -> str:
        if code is None:
            return self("no_level")
        name = self._level_names.get(code, code)
        return code if name == code else self("level", name=name, code=code)

    def standing(self, found: dict[str, Any]) -> str:
        """State, level and points, where there are any, in one line."""
        state, level = self.state(found["state"]), self.level(found["level"])
        if "points" not in found:
            return self("standing_alone", state=state, level=level)
        return self("standing", state=state, level=level, points=self("points", points=found["points"]))
