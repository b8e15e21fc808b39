"""The words of a language, and what is said with them of any scheme."""

import tomllib
from collections.abc import Iterable
from copy import copy
from functools import cache
from importlib.resources import files
from typing import Any, Final, Self

from projections.text.words.codes import code_name
from projections.text.words.error_words import error_text
from projections.text.words.figures import amount_text, figure_text, fraction_text, held_text, money_text, value_text


@cache
def _texts(language: str) -> dict[str, Any]:
    return tomllib.loads((files("projections.text.words") / f"{language}.toml").read_text("utf-8"))


_NAMED_BY: Final = ("scheme", "board")
"""Fields of events whose values are codes of a kind of their own."""


class Words:
    """The words of one language."""

    def __init__(self, language: str, level_names: dict[str, str], *, exact: bool = False) -> None:
        self.language = language
        self.exact = exact
        """Whether the exact fraction stands behind each rounded figure."""
        self._words = _texts(language)
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

    def ledger(self, key: str, **values: Any) -> str:
        """The words of recorded events."""
        return str(self._words["ledger"][key]).format_map(values)

    def policies(self, key: str, **values: Any) -> str:
        """The words of policies."""
        return str(self._words["policies"][key]).format_map(values)

    def demo(self, key: str) -> str:
        """The headings of the demo's steps."""
        return str(self._words["demo"][key])

    def worklist(self, key: str, **values: Any) -> str:
        """The words of the lists over all subjects."""
        return str(self._words["worklist"][key]).format_map(values)

    def views(self, key: str, **values: Any) -> str:
        """The words of the views: how they stand, move and are built anew."""
        return str(self._words["views"][key]).format_map(values)

    def exports(self, key: str, **values: Any) -> str:
        """The words of exports."""
        return str(self._words["exports"][key]).format_map(values)

    def checks(self, key: str, **values: Any) -> str:
        """The words of what keeps a ledger sound."""
        return str(self._words["checks"][key]).format_map(values)

    def doctor(self, key: str, **values: Any) -> str:
        """The words of what is found of an installation."""
        return str(self._words["doctor"][key]).format_map(values)

    def erasures(self, key: str, **values: Any) -> str:
        """The words of erasures of buyers."""
        return str(self._words["erasures"][key]).format_map(values)

    def sets(self, key: str, **values: Any) -> str:
        """The words of sets of ledgers."""
        return str(self._words["sets"][key]).format_map(values)

    def intake(self, key: str, **values: Any) -> str:
        """The words of what was sent in."""
        return str(self._words["intake"][key]).format_map(values)

    def consuming(self, key: str, **values: Any) -> str:
        """What is said of topics that are consumed."""
        return str(self._words["consuming"][key]).format_map(values)

    def mapping(self, key: str, **values: Any) -> str:
        """What is said of rows that are read by a mapping."""
        return str(self._words["mapping"][key]).format_map(values)

    def tokens(self, key: str, **values: Any) -> str:
        """The words of the service's tokens, and of who asked by them."""
        return str(self._words["tokens"][key]).format_map(values)

    def deliveries(self, key: str, **values: Any) -> str:
        """The words of what is sent to others, and where."""
        return str(self._words["deliveries"][key]).format_map(values)

    def hypothetical(self, key: str, **values: Any) -> str:
        """The words of what could be."""
        return str(self._words["hypothetical"][key]).format_map(values)

    def ahead(self, key: str, **values: Any) -> str:
        """The words of what comes next."""
        return str(self._words["ahead"][key]).format_map(values)

    def ahead_row(self, key: str) -> list[str]:
        """The header of a table of what comes next."""
        return list(self._words["ahead"][key])

    def date(self, at: str) -> str:
        """An instant of an answer as people read it, to the minute, or a day."""
        return at.replace("T", " ")[: len("2022-12-16 12:00")]

    def naming(self, level_names: dict[str, str]) -> Self:
        """The same words, with what levels are called."""
        found = copy(self)
        found._level_names = level_names
        return found

    def rule(self, key: str, **values: Any) -> str:
        """The words of the rules at a glance."""
        return str(self._words["rules"][key]).format_map(values)

    def trial(self, key: str, **values: Any) -> str:
        """The words of trials of policies."""
        return str(self._words["trial"][key]).format_map(values)

    def trial_row(self, key: str) -> list[str]:
        """The header of a table of these."""
        return list(self._words["trial"][key])

    def state(self, state: str) -> str:
        return str(self._words["state"][state])

    def has_state(self, state: str) -> bool:
        return state in self._words["state"]

    def status(self, status: str) -> str:
        """What the value of a parameter rests on: the rule's own text, somebody's repost of it, or nobody's word."""
        return str(self._words["status"][status])

    def added_figure(self, name: str) -> str:
        """What a figure is called that events add to."""
        found = self.code("added", name)
        return found if found != name else self.code("figure", name)

    def need(self, name: str, amount: int, told: str) -> str:
        """So much of what a way to a level asks for, as what is done, or as a figure; `told` is the amount as text."""
        sentences: dict[str, str] = self._words["needs"]
        if name in sentences:
            return sentences[f"{name}_one" if amount == 1 and f"{name}_one" in sentences else name].format(amount=told)
        return self.hypothetical("need", figure=self.added_figure(name), amount=told)

    def sum_line(self, name: str) -> str:
        """Where a part of such a figure comes from, or which bound cuts it."""
        return str(self._words["sum_lines"][name])

    def contribution(self, item: dict[str, Any]) -> str:
        """What the event of a verdict adds to figures; periods are named where they are not its own alone."""
        told = []
        for part in item["contribution"]:
            added = f"{self.added_figure(part['figure'])} {amount_text(part['amount'], part['unit'], signed=True)}"
            periods = part["periods"]
            is_own = len(periods) == 1 and item["at"].startswith(periods[0])
            told.append(added if is_own else self("counts_for", added=added, periods=self.listed(periods)))
        return self("and_then").join(told)

    def summed(self, item: dict[str, Any]) -> str:
        """How a figure adds up."""
        unit, value = item["unit"], amount_text(item["value"], item["unit"])
        lines = [
            self("sum_line", amount=amount_text(line["amount"], unit, signed=True), line=self.sum_line(line["what"]))
            for line in item["lines"]
        ]
        return self("sum_of", figure=self.added_figure(item["figure"]), lines=self.listed(lines) or "0", value=value)

    def step(self, step: str) -> str:
        return str(self._words["step"][step])

    def compared(self, found: dict[str, Any] | None) -> str:
        """The figures or the event that decided a verdict; nothing where none did."""
        if found is None:
            return ""
        values = found | {"because": self._because(found)}
        if found["what"] == "amount_fen":
            values |= {name: money_text(found[name]) for name in ("found", "bound")}
        if found["what"] == "stars":
            values |= {"bound": self.code("stars", found["bound"])}
        return str(self._words["compared"][found["what"]]).format_map(values)

    def error(self, text: str) -> str | None:
        """What an error says; None where it has no words but the English ones."""
        return error_text(self.language, text)

    def code(self, kind: str, code: str) -> str:
        """What a code of a kind, such as `verdict`, is called."""
        return code_name(self.language, kind, code)

    def code_beside(self, kind: str, code: str) -> str:
        """Its name with the code behind it; the code alone, where that is its name."""
        name = self.code(kind, code)
        return code if name == code else self("level", name=name, code=code)

    def listed(self, names: Iterable[str]) -> str:
        """Names one after another."""
        return self("between").join(names)

    def parameters(self, names: Iterable[str]) -> str:
        """Parameters of policies by name; those of other schemes bear that before a colon."""
        return self.listed(self._parameter(name) for name in names)

    def _parameter(self, name: str) -> str:
        scheme, colon, own = name.rpartition(":")
        shown = self.code_beside("parameter", own)
        return f"{self.code('scheme', scheme)} {shown}" if colon else shown

    def held(self, item: dict[str, Any]) -> str:
        """The value of a comparison, in the unit in which people read it."""
        return self("no_value") if item["value"] is None else value_text(item)

    def bound(self, item: dict[str, Any]) -> str:
        """What it was held against, in the same unit."""
        return held_text(item, item["bound"])

    def fraction(self, item: dict[str, Any]) -> str:
        """The exact fraction behind it; nothing where the value hides none."""
        return fraction_text(item)

    def comparison(self, item: dict[str, Any]) -> str:
        """A figure, its value, what it was held against, and whether that is met."""
        return self("comparison", condition=self.condition(item), met=self("met" if item["met"] else "not_met"))

    def condition(self, item: dict[str, Any]) -> str:
        """A figure, its value and what it is held against."""
        fraction = self.fraction(item) if self.exact else ""
        return self(
            "condition_exact" if fraction else "condition",
            what=self.code("figure", item["what"]),
            value=self.held(item),
            fraction=fraction,
            relation=item["relation"],
            bound=self.bound(item),
        )

    def ratio(self, found: dict[str, Any]) -> str:
        """A share in percent; its exact fraction beside it where that is asked for."""
        value = self("no_value") if found["value"] is None else f"{found['value']} %"
        fraction = f"{found['numerator']:,} / {found['denominator']:,}"
        return self("ratio_exact", value=value, fraction=fraction) if self.exact else value

    def figure(self, path: str, value: Any) -> str:
        """A figure of an answer, named by its path, in the unit in which people read it."""
        return self("nothing") if value is None else figure_text(path.rpartition(".")[2], value)

    def datum(self, name: str, value: Any) -> str:
        """What an event says under one of its names."""
        if isinstance(value, bool):
            return self("true" if value else "false")
        if isinstance(value, str):
            if name == "level":
                return self.level_name(value)
            return self.state(value) if name == "state" else self.code(name if name in _NAMED_BY else "value", value)
        return self.figure(name, value)

    def figure_names(self, names: Iterable[str]) -> str:
        """Figures by name, one after another."""
        return self.listed(self.code("figure", name) for name in names)

    def figure_name(self, path: str) -> str:
        """What a figure is called, and those within which it stands."""
        first, *within = path.split(".")
        if first == "indicators" and within:
            within[0] += "_rate"
        return " ".join(self.code("figure", part) for part in (first, *within))

    def changed_figure(self, item: dict[str, Any]) -> str:
        """What a step made of a figure."""
        values = {end: self.figure(item["name"], item[end]) for end in ("before", "after")}
        return self("changed_figure", name=self.figure_name(item["name"]), **values)

    def basis(self, basis: dict[str, Any]) -> str:
        """What a clause rests on."""
        key = "rests_on" if basis["parameter"] is None else "rests_on_parameter"
        named = {} if basis["parameter"] is None else {"parameter": self.code_beside("parameter", basis["parameter"])}
        status, source = self.status(basis["status"]), self.code("source", basis["source"])
        return self(key, status=status, source=source, **named)

    def remarks(self, item: dict[str, Any]) -> list[str]:
        """What may surprise about an event beside its verdict or note."""
        found = [self("retracted_in_vain_by", **other) for other in item["retracted_in_vain_by"]]
        cause = item["same_instant"]
        if cause is None:
            return found
        return [self("same_instant", **cause | {"type": self.code("type", cause["type"])}), *found]

    def _because(self, found: dict[str, Any]) -> str:
        """The reason and the case that an event names, where it does."""
        case = found.get("case")
        named = [self.code("reason", found["reason"])] if found.get("reason") else []
        named += [self("case", case=case)] if case else []
        return self("because", named=self.listed(named)) if named else ""

    def level(self, code: str | None) -> str:
        if code is None:
            return self("no_level")
        name = self.level_name(code)
        return code if name == code else self("level", name=name, code=code)

    def level_name(self, code: str) -> str:
        """What a level is called under the policies that judged; else as the program calls it."""
        found = self._level_names.get(code)
        if found is None:
            from projections.text.words.levels import shipped_level_names

            found = shipped_level_names(self.language).get(code, code)
        return found

    def standing(self, found: dict[str, Any]) -> str:
        """State, level and points, where there are any, in one line."""
        state, level = self.state(found["state"]), self.level(found["level"])
        if "points" not in found:
            return self("standing_alone", state=state, level=level)
        return self("standing", state=state, level=level, points=self("points", points=found["points"]))
