"""Replays, explanations, histories and differences of a reputation as text, in English or Chinese."""

import tomllib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any
from unicodedata import east_asian_width


class Words:
    """The words of one language."""

    def __init__(self, language: str, level_names: dict[str, str]) -> None:
        self._words = tomllib.loads((files("projections") / "words" / f"{language}.toml").read_text("utf-8"))
        self._level_names = level_names

    def __call__(self, key: str, **values: Any) -> str:
        return str(self._words[key]).format_map(values)

    def row(self, key: str) -> list[str]:
        """A table's header."""
        return list(self._words[key])

    def state(self, state: str) -> str:
        return str(self._words["state"][state])

    def step(self, step: str) -> str:
        return str(self._words["step"][step])

    def compared(self, found: dict[str, Any] | None) -> str:
        """The figures or the event that decided a verdict; nothing where none did."""
        if found is None:
            return ""
        name = "flag_case" if found.get("case") else found["what"]
        return str(self._words["compared"][name]).format_map(found)

    def level(self, code: str | None) -> str:
        if code is None:
            return self("no_level")
        return self("level", name=self._level_names.get(code, code), code=code)

    def standing(self, found: dict[str, Any]) -> str:
        """State, level and points in one line."""
        points = self("points", points=found["points"])
        return self("standing", state=self.state(found["state"]), level=self.level(found["level"]), points=points)


def replay_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    """Where a merchant stands, and the months that led there."""
    yield f"{found['subject']}  {found['scheme']}: {words.standing(found)}"
    if found["to_next"] is not None:
        yield "  " + words("to_next", points=found["to_next"])
    effective = found["effective"]
    state = words.state(effective["state"])
    if effective["since"] is None:
        yield "  " + words("effective_never", state=state)
    else:
        yield "  " + words("effective", state=state, level=words.level(effective["level"]), since=effective["since"])
    yield from _asked_lines(found, words)
    yield from _published_lines(found["published"], words)
    if found["months"]:
        yield from _months_table(found["months"], words)


def explain_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    """A replay, then a line for every event that bears on it, how they add up, and the clauses."""
    yield from replay_lines(found, words)
    short = {clause["name"]: clause["short"] for clause in found["clauses"]}
    yield ""
    if found["verdicts"]:
        yield from _table(
            words.row("verdicts_header"),
            [
                [item["at"], item["points"], item["balance"], item["verdict"], f"{item['source']} {item['event']}"]
                for item in found["verdicts"]
            ],
            [_why(short[item["verdict"]], words.compared(item["compared"])) for item in found["verdicts"]],
        )
    else:
        yield "  " + words("no_verdicts")
    adds_up = "adds_up" if found["adds_up"]["opening"] is not None else "adds_up_event"
    yield "  " + words(adds_up, **found["adds_up"])
    if found["notes"]:
        yield "  " + words("notes")
        for item in found["notes"]:
            why = _why(short[item["note"]], words.compared(item["compared"]))
            yield f"  {item['at']:<32}  {item['note']:<11}  {item['source']} {item['event']}  {why}"
    if found["clauses"]:
        yield "  " + words("clauses")
    for clause in found["clauses"]:
        yield f"  {clause['name']:<17}  {clause['text']} ({words('clause_policy', policy=clause['policy'])})"
        for basis in clause["rests_on"]:
            key = "rests_on" if basis["parameter"] is None else "rests_on_parameter"
            yield f"  {'':<17}  {words(key, **basis)}"


def history_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    """Each change of level with its cause."""
    yield f"{found['subject']}  {found['scheme']}"
    yield from _asked_lines(found, words)
    if not found["changes"]:
        yield "  " + words("no_changes")
    for change in found["changes"]:
        cause = change["cause"]
        by = words("cause_policy", **cause) if "policy" in cause else words("cause", **cause)
        if "verdict" in cause:
            by += f"  {cause['verdict']} {cause['points']}"
        changed = words("changed", before=words.standing(change["before"]), after=words.standing(change["after"]))
        yield f"  {change['at']:<32}  {changed}"
        yield f"  {'':<32}  {by}"


def diff_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    """Two replays, and the steps between them by cause and event."""
    yield f"{found['subject']}  {found['scheme']}"
    for key, end in (("diff_from", found["from"]), ("diff_to", found["to"])):
        yield f"  {words(key)}: {words.standing(end)}"
        yield from (f"  {line}" for line in _asked_lines(end, words))
    if found["assumed"]:
        yield "  " + words("assumed", names=", ".join(found["assumed"]))
    for step in found["steps"]:
        before, after = words.standing(step["before"]), words.standing(step["after"])
        yield words("diff_step", points=step["points"], step=words.step(step["step"]), before=before, after=after)
        for item in step["events"]:
            made = f"{_made_text(item['before'], words)} -> {_made_text(item['after'], words)}"
            by_time = f"  ({words('by_time')})" if item["by_time"] else ""
            yield f"    {item['points']:>9}  {item['type']:<16}  {item['source']} {item['event']}  {made}{by_time}"
    yield "  " + words("diff_total", points=found["points"])


def _asked_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    """What makes a replay the same for ever, and what in it nobody published."""
    policy = words("policy", policy=f"{found['policy']}@{found['policy_hash'][:12]}")
    yield f"  {policy}" + ("" if found["in_force"] else f" ({words('reconstruction')})")
    yield "  " + words("clocks", **found)
    if "assumed" in found:
        names = ", ".join(found["assumed"])
        yield "  " + (words("assumed", names=names) if names else words("nothing_assumed"))


def _published_lines(published: dict[str, Any] | None, words: Words) -> Iterator[str]:
    if published is None:
        return
    points = words("points", points=published["points"])
    level = words.level(published["level"])
    line = words("published", at=published["at"], month=published["month"], level=level, points=points)
    yield f"  {line}" + ("" if published["in_force"] else f" ({words('before_in_force')})")
    decided = published["decided"]
    if decided is None:
        yield f"    {words('not_decided')}"
        return
    points = words("points", points=decided["points"])
    line = words(
        "decided", run=decided["run"], level=words.level(decided["level"]), points=points, known_at=decided["known_at"]
    )
    yield f"    {line}" + (f"  {words('restated')}" if decided["restated"] else "")


def _months_table(months: Sequence[dict[str, Any]], words: Words) -> Iterator[str]:
    yield from _table(
        words.row("months_header")[:-1],
        [
            [
                month["month"],
                month["opening"],
                month["growth"],
                month["cap"] or words("no_cap"),
                month["closing"],
                month["level"] or words("nothing"),
            ]
            for month in months
        ],
        [", ".join(f"{count} {name}" for name, count in month["verdicts"].items()) for month in months],
        last=words.row("months_header")[-1],
    )


def _why(clause: str, compared: str) -> str:
    return f"{clause}: {compared}" if compared else clause


def _made_text(made: dict[str, Any] | None, words: Words) -> str:
    if made is None:
        return words("nothing")
    return f"{made['verdict']} {made['points']}" if "verdict" in made else str(made["note"])


def _table(header: list[str], rows: list[list[str]], tails: list[str], last: str = "") -> Iterator[str]:
    """Columns as wide as what stands in them; figures to the right, and a tail of any width."""
    columns = list(zip(header, *rows, strict=True))
    widths = [max(map(_width, column)) for column in columns]
    for cells, tail in zip([header, *rows], [last, *tails], strict=True):
        padded = [_pad(cell, width, index) for index, (cell, width) in enumerate(zip(cells, widths, strict=True))]
        yield f"  {'  '.join(padded)}  {tail}".rstrip()


def _pad(text: str, width: int, index: int) -> str:
    blanks = " " * (width - _width(text))
    is_figure = index > 0 and text[:1] in "+-0123456789" and text[1:2] not in ("", "L")
    return blanks + text if is_figure else text + blanks


def _width(text: str) -> int:
    """How many places a text takes on a terminal: Chinese characters take two."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)
