"""Replays, explanations, histories and differences as text, in English or Chinese."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from domain.policy import HASH_SHOWN
from projections.text.output import print_json
from projections.text.schemes.ahead.registry import ahead_lines
from projections.text.schemes.registry import evaluation_lines, own_lines
from projections.text.words import Words, padded, table

if TYPE_CHECKING:
    from replay.replaying.base import Replay
CLAUSE_WIDTH: Final = 17


def replay_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    """Where a subject stands, and what the scheme says of how it came there."""
    yield words("headline", subject=found["subject"], scheme=_scheme(found, words), standing=words.standing(found))
    yield from _replay_rest(found, words)


def _replay_rest(found: dict[str, Any], words: Words) -> Iterator[str]:
    effective = found["effective"]
    state = words.state(effective["state"])
    if effective["since"] is None:
        yield "  " + words("effective_never" if "published" in found else "effective_state", state=state)
    else:
        yield "  " + words("effective", state=state, level=words.level(effective["level"]), since=effective["since"])
    yield from _asked_lines(found, words)
    yield from (f"  {line}" for line in ahead_lines(found, words))
    yield from (f"  {line}" for line in own_lines(found, words))


def explain_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    """A replay, then a line for every event that bears on it, how they add up, and the clauses."""
    month = found["part"]["standing"]
    if month is None:
        yield from replay_lines(found, words)
    else:
        subject = f"{found['subject']}  {found['part']['month']}"
        yield words("headline", subject=subject, scheme=_scheme(found, words), standing=words.standing(month))
        yield "  " + words("at_as_of", standing=words.standing(found))
        yield from _replay_rest(found, words)
    short = {(clause["name"], clause["policy_hash"]): clause["short"] for clause in found["clauses"]}
    yield ""
    yield from (f"  {line}" for line in evaluation_lines(found, words))
    if found["verdicts"]:
        has_points = found["verdicts"][0]["points"] is not None
        header = words.row("verdicts_header" if has_points else "contributed_header")
        cells = [_cells(item, words, has_points=has_points) for item in found["verdicts"]]
        reasons = [_why(short[item["verdict"], item["policy_hash"]], item, words) for item in found["verdicts"]]
        yield from (f"  {line}" for line in table(header, cells, reasons))
    else:
        yield "  " + words("no_verdicts")
    if "adds_up" in found:
        adds_up = "adds_up" if found["adds_up"]["opening"] is not None else "adds_up_event"
        yield "  " + words(adds_up, **found["adds_up"])
    else:
        yield from _sums_lines(found["sums"], words)
    if found["notes"]:
        yield "  " + words("notes")
        for item in found["notes"]:
            why = _why(short[item["note"], item["policy_hash"]], item, words)
            note = padded(words.code("verdict", item["note"]), 15)
            yield f"  {item['at']:<32}  {note}  {item['source']} {item['event']}  {why}"
    if found["clauses"]:
        yield "  " + words("clauses")
    for clause in found["clauses"]:
        name = padded(_clause_name(clause["name"], words), CLAUSE_WIDTH)
        yield f"  {name}  {clause['text']}{words('because', named=words('clause_policy', policy=clause['policy']))}"
        yield from (f"  {'':<{CLAUSE_WIDTH}}  {words.basis(basis)}" for basis in clause["rests_on"])


def _scheme(found: dict[str, Any], words: Words) -> str:
    return words.code_beside("scheme", found["scheme"])


def _clause_name(name: str, words: Words) -> str:
    """What a clause is about, a verdict, note or rule, as the lines above name it, and its code."""
    kind = "verdict" if words.code("verdict", name) != name else "rule"
    return words.code_beside(kind, name)


def _sums_lines(sums: list[dict[str, Any]], words: Words) -> Iterator[str]:
    """How the figures of each period add up."""
    for item in sums:
        yield "  " + words("sums_of", period=item["period"])
        yield from (f"    {words.summed(figure)}" for figure in item["figures"])


def history_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    """Each change of level with its cause."""
    yield words("asked_of", subject=found["subject"], scheme=_scheme(found, words))
    yield from _asked_lines(found, words)
    if not found["changes"]:
        yield "  " + words("no_changes")
    for change in found["changes"]:
        cause = change["cause"]
        by = _cause_text(cause, words)
        changed = words("changed", before=words.standing(change["before"]), after=words.standing(change["after"]))
        yield f"  {change['at']:<32}  {changed}"
        yield f"  {'':<32}  {by}"


def diff_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    """Two replays, and the steps between them by cause and event."""
    yield words("asked_of", subject=found["subject"], scheme=_scheme(found, words))
    for key, end in (("diff_from", found["from"]), ("diff_to", found["to"])):
        yield f"  {words(key)}{words('colon')}{words.standing(end)}"
        yield from (f"  {line}" for line in _asked_lines(end, words))
    if found["assumed"]:
        yield "  " + words("assumed", names=words.parameters(found["assumed"]))
    for step in found["steps"]:
        before, after = words.standing(step["before"]), words.standing(step["after"])
        points = step["points"] or ""
        yield words("diff_step", points=points, step=words.step(step["step"]), before=before, after=after)
        if step["figures"] is not None:
            changed = [words.changed_figure(item) for item in changed_figures(step["figures"])]
            yield "             " + words("step_figures", changed=words("and_then").join(changed) or words("none"))
        for item in step["events"]:
            made = words("made", before=_made_text(item["before"], words), after=_made_text(item["after"], words))
            by_time = words("because", named=words("by_time")) if item["by_time"] else ""
            event = f"{padded(words.code('type', item['type']), 16)}  {item['source']} {item['event']}"
            yield f"    {item['points'] or '':>9}  {event}  {made}{by_time}"
    if found["points"] is not None:
        yield "  " + words("diff_total", points=found["points"])


def _asked_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    """What makes a replay the same for ever, and what in it nobody published."""
    policy = words("policy", policy=f"{found['policy']}@{found['policy_hash'][:HASH_SHOWN]}")
    yield f"  {policy}" + ("" if found["in_force"] else words("because", named=words("reconstruction")))
    if len(found["policies"]) > 1:
        names = words.listed(
            f"{words.code('scheme', item['scheme'])} {item['id']}@{item['hash'][:HASH_SHOWN]}"
            for item in found["policies"]
        )
        yield "  " + words("versions", names=names)
    yield "  " + words("clocks", **found)
    if found.get("asked_known_at") is not None:
        yield "  " + words("known_at_open", **found)
    if "assumed" in found:
        names = words.parameters(found["assumed"])
        yield "  " + (words("assumed", names=names) if names else words("nothing_assumed"))
    if "program" in found:
        yield "  " + words("program", program=found["program"])


def _why(clause: str, item: dict[str, Any], words: Words) -> str:
    compared = words.compared(item["compared"])
    why = words("why", clause=clause, compared=compared) if compared else clause
    return words("and_then").join([why, *words.remarks(item)])


def _made_text(made: dict[str, Any] | None, words: Words) -> str:
    if made is None:
        return words("nothing")
    if "verdict" not in made:
        return words.code("verdict", made["note"])
    return f"{words.code('verdict', made['verdict'])} {made['points'] or ''}".rstrip()


def _cells(item: dict[str, Any], words: Words, *, has_points: bool) -> list[str]:
    nothing = words("nothing")
    name = f"{item['source']} {item['event']}"
    moved = [item["points"], item["balance"]] if has_points else [words.contribution(item)]
    return [item["at"], *(cell or nothing for cell in moved), words.code("verdict", item["verdict"]), name]


def _cause_text(cause: dict[str, Any], words: Words) -> str:
    """The event and its verdict, the rule, or the policy that a change came with."""
    if "type" not in cause:
        if "rule" not in cause:
            return words("cause_policy", **cause)
        return words("cause_rule", **cause | {"rule": words.code("rule", cause["rule"])})
    verdict = f"  {_made_text(cause, words)}" if "verdict" in cause else ""
    return words("cause", **cause | {"type": words.code("type", cause["type"])}) + verdict


def changed_figures(figures: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The figures that a step changed, nested ones by their path."""
    before, after = (dict(_flat(figures[key], "")) for key in ("before", "after"))
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield {"name": name, "before": before.get(name), "after": after.get(name)}


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield path, value
        return
    for key, item in value.items():
        yield from _flat(item, f"{path}.{key}" if path else key)


_LINES: Final[dict[str, Callable[[dict[str, Any], Words], Iterator[str]]]] = {
    "replay": replay_lines,
    "explain": explain_lines,
    "history": history_lines,
    "diff": diff_lines,
}


def print_answer(
    kind: str, found: dict[str, Any], replay: "Replay", language: str, *, as_json: bool, exact: bool = False
) -> None:
    """An answer of replay, explain, history or diff; with `exact`, fractions stand behind rounded figures."""
    if as_json:
        print_json(found)
        return
    words = Words(language, replay.level_names(language), exact=exact)
    click.echo("\n".join(_LINES[kind](found, words)))


def print_described(found: dict[str, Any], *, as_json: bool) -> None:
    """The keys of answers, and what each means."""
    if as_json:
        print_json(found)
        return
    for name, answer in found.items():
        click.echo(f"{name} (version {answer['version']})")
        for key in answer["keys"]:
            click.echo(f"  {key['key']:<34}  {key['type']:<16}  {key['description']}")
