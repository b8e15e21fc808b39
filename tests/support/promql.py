"""A reader of PromQL, as far as our rules and dashboards use it: whether an expression parses, and what it names."""

import re
from typing import Final

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<range>\[(?:[0-9]+[smhdwy]|\$__rate_interval)\])|(?P<number>[0-9]+(?:\.[0-9]+)?)"
    r"|(?P<text>\"[^\"]*\")|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)|(?P<sign>==|!=|>=|<=|=~|!~|[-+*/%^<>(){},=]))"
)
AGGREGATIONS: Final = {"sum", "min", "max", "avg", "count", "topk"}
FUNCTIONS: Final = {"rate", "increase", "histogram_quantile", "time", "absent"}
TAKE_A_RANGE: Final = {"rate", "increase"}
OPERATORS: Final = {"+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless"}
MATCHERS: Final = {"=", "!=", "=~", "!~"}


class Selected:
    """What an expression names: metrics, each with the labels that it is chosen or grouped by."""

    def __init__(self) -> None:
        self.metrics: set[str] = set()
        self.labels: set[str] = set()


def parse(text: str) -> Selected:
    """Read a whole expression. Raises ValueError, which says where it is none."""
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        place, end = 0, len(text.rstrip())
        while place < end:
            found = _TOKEN.match(text, place)
            if found is None:
                raise ValueError(f"cannot be read at {text[place:]!r}")
            self._tokens.append((str(found.lastgroup), found[found.lastgroup or 0]))
            place = found.end()
        self._tokens.append(("end", ""))
        self._at = 0
        self.selected = Selected()

    def whole(self) -> Selected:
        self._expression()
        if self._kind() != "end":
            raise ValueError(f"goes on with {self._text()!r}")
        return self.selected

    def _kind(self) -> str:
        return self._tokens[self._at][0]

    def _text(self) -> str:
        return self._tokens[self._at][1]

    def _take(self, *wanted: str) -> str:
        text = self._text()
        if wanted and text not in wanted:
            raise ValueError(f"has {text!r} where {' or '.join(wanted)} belongs")
        self._at += 1
        return text

    def _name(self) -> str:
        if self._kind() != "name":
            raise ValueError(f"has {self._text()!r} where a name belongs")
        return self._take()

    def _expression(self) -> None:
        self._operand()
        while self._text() in OPERATORS:
            self._take()
            self._operand()

    def _operand(self) -> None:
        if self._kind() == "number":
            self._take()
        elif self._text() == "(":
            self._take()
            self._expression()
            self._take(")")
        else:
            name = self._name()
            if name in AGGREGATIONS:
                self._aggregation()
            elif name in FUNCTIONS:
                self._call(name in TAKE_A_RANGE)
            elif name in OPERATORS or self._text() == "(":
                raise ValueError(f"calls {name!r}, which is no function known here")
            else:
                self._selector(name)

    def _aggregation(self) -> None:
        if self._text() in ("by", "without"):
            self._take()
            self._take("(")
            self.selected.labels.add(self._name())
            while self._take(",", ")") == ",":
                self.selected.labels.add(self._name())
        self._arguments()

    def _call(self, takes_a_range: bool) -> None:
        before = self._at
        self._arguments()
        ranged = any(kind == "range" for kind, _ in self._tokens[before : self._at])
        if takes_a_range and not ranged:
            raise ValueError("asks for a rate of no range")

    def _arguments(self) -> None:
        self._take("(")
        if self._text() == ")":
            self._take()
            return
        self._expression()
        while self._take(",", ")") == ",":
            self._expression()

    def _selector(self, name: str) -> None:
        self.selected.metrics.add(name)
        if self._text() == "{":
            self._take()
            while self._text() != "}":
                self.selected.labels.add(self._name())
                self._take(*MATCHERS)
                if self._kind() != "text":
                    raise ValueError(f"has {self._text()!r} where a text belongs")
                self._take()
                if self._text() != "}":
                    self._take(",")
            self._take("}")
        if self._kind() == "range":
            self._take()
