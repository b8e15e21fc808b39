"""What could be, as text or JSON: a replay beside the one with what did not happen, and ways to the next level."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from domain.policy import HASH_SHOWN
from projections.text.output import print_json
from projections.text.schemes.ahead.parts import Remark, Section
from projections.text.words import Words
from projections.text.words.figures import amount_text

if TYPE_CHECKING:
    from replay.replaying.base import Replay
    from replay.replaying.hypothetical import Way


def print_what_if(found: dict[str, Any], replay: "Replay", language: str, *, as_json: bool, exact: bool) -> None:
    """What is beside what would be."""
    _print(found, what_if_lines, replay, language, as_json=as_json, exact=exact)


def print_ways(found: dict[str, Any], replay: "Replay", language: str, *, as_json: bool, exact: bool) -> None:
    """The ways to the next level, and why others do not lead there."""
    _print(found, ways_lines, replay, language, as_json=as_json, exact=exact)


def print_events(way: "Way") -> None:
    """The events of a way, a line each, as they are read back."""
    from replay.hypothetical.laid import line_of

    for number, event in enumerate(way.events, 1):
        click.echo(line_of(event, number))


def _print(found: dict[str, Any], lines: Any, replay: "Replay", language: str, *, as_json: bool, exact: bool) -> None:
    if as_json:
        print_json(found)
        return
    words = Words(language, replay.level_names(language), exact=exact)
    click.echo("\n".join(lines(found, words)))


def what_if_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    """A replay, and the same with what did not happen."""
    yield _headline(found, words.hypothetical("what_if"), words)
    yield "  " + words.hypothetical("events", count=found["events"])
    if found["events_later"]:
        yield "  " + words.hypothetical("events_later", count=found["events_later"])
    for end in ("now", "then"):
        yield f"  {words.hypothetical(end)}{words('colon')}{words.standing(found[end])}"
        yield from (f"    {line}" for line in _end_lines(found[end], words))
    yield from (f"  {line}" for line in _changes_lines(found["changes"], words))
    if found["benefits"] is not None:
        yield from (f"  {line}" for line in _benefits_lines(found["benefits"], words))


def _headline(found: dict[str, Any], what: str, words: Words) -> str:
    scheme = words.code_beside("scheme", found["scheme"])
    return words.hypothetical("headline", subject=found["subject"], scheme=scheme, what=what)


def _end_lines(end: dict[str, Any], words: Words) -> Iterator[str]:
    yield words.hypothetical("as_of", as_of=end["as_of"], policy=f"{end['policy']}@{end['policy_hash'][:HASH_SHOWN]}")
    effective = end["effective"]
    key = "effective" if effective["since"] is not None else "effective_never"
    yield words.hypothetical(key, standing=words.standing(effective), since=effective["since"])
    nothing = words("nothing")
    dates = {name: nothing if at is None else words.date(at) for name, at in end["next_dates"].items()}
    yield words.hypothetical("next_dates", evaluation=dates["evaluation"], publication=dates["publication"])


def _changes_lines(changes: list[dict[str, Any]], words: Words) -> Iterator[str]:
    if not changes:
        yield words.hypothetical("no_changes")
        return
    yield words.hypothetical("changes") + words("colon").rstrip()
    for change in changes:
        before, after = words.standing(change["before"]), words.standing(change["after"])
        yield f"  {change['at']:<32}  {words('changed', before=before, after=after)}"


def _benefits_lines(benefits: dict[str, Any], words: Words) -> Iterator[str]:
    yield words.hypothetical("benefits") + words("colon").rstrip()
    for key in ("kept", "gained", "lost"):
        names = words.listed(item[words.language] for item in benefits[key]) if benefits[key] else words("nothing")
        yield "  " + words.hypothetical(key, names=names)


def ways_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    """Where a subject stands, each way from there, and what leads nowhere."""
    level = found["next_level"]
    what = words.hypothetical("no_ways") if level is None else words.hypothetical("ways", level=words.level(level))
    yield _headline(found, what, words)
    yield f"  {words.hypothetical('now')}{words('colon')}{words.standing(found)}"
    for number, way in enumerate(found["ways"], 1):
        yield "  " + words.hypothetical("way", number=number, what=_what_text(way, words))
        yield from (f"    {line}" for line in _way_lines(way, words))
    for item in found["unreachable"]:
        yield "  " + _no_way_line(item, words)
    if found["unproved"]:
        yield "  " + _unproved_line(found["unproved"], words)


def ways_section(found: dict[str, Any], words: Words, previewed: str | None = None) -> Section:
    """The same for a page, a line a way; `previewed` is the version by which they are ways, where that is to come."""
    level = found["next_level"]
    what = words.hypothetical("no_ways") if level is None else words.hypothetical("ways", level=words.level(level))
    title = words.hypothetical("section", what=what)
    if previewed is not None:
        title = words.ahead("preview_of", title=title)
    lines = [Remark(_way_line(way, words)) for way in found["ways"]]
    lines += [Remark(_no_way_line(item, words)) for item in found["unreachable"]]
    if found["unproved"]:
        lines.append(Remark(_unproved_line(found["unproved"], words), is_urgent=True))
    return Section(title, lines)


def ways_not_now(words: Words) -> Section:
    """In the place of ways: that they are not worked out, for want of room."""
    return Section(words.hypothetical("section", what=words.hypothetical("ways_not_now")))


def _way_line(way: dict[str, Any], words: Words) -> str:
    """What is asked, when that reaches the level, and when it counts, in one line."""
    asks = _needs_text(way["asks"], words) or words.code("way", way["kind"])
    reached = words.hypothetical("reached", level=words.level(way["level"]), at=words.date(way["reached_at"]))
    told = [asks + words("colon") + reached]
    if way["effective_at"] is not None:
        told.append(words.hypothetical("counts", at=words.date(way["effective_at"])))
    return words("and_then").join(told)


def _no_way_line(item: dict[str, Any], words: Words) -> str:
    kind, why = words.code("way", item["kind"]), words.code("no_way", item["why"])
    if not item["asks"]:
        return words.hypothetical("unreachable", kind=kind, why=why)
    return words.hypothetical("unreachable_asks", kind=kind, why=why, needs=_needs_text(item["asks"], words))


def _unproved_line(kinds: list[str], words: Words) -> str:
    return words.hypothetical("unproved", kinds=words.listed(words.code("way", kind) for kind in kinds))


def _way_lines(way: dict[str, Any], words: Words) -> Iterator[str]:
    if _is_named(way):
        yield words.hypothetical("asks", needs=_needs_text(way["asks"], words))
    if len(way["each_alone"]) > 1:
        yield words.hypothetical("each_alone", needs=_needs_text(way["each_alone"], words))
    yield words.hypothetical("reached", level=words.level(way["level"]), at=words.date(way["reached_at"]))
    if way["effective_at"] is not None:
        yield words.hypothetical("counts", at=words.date(way["effective_at"]))


def _is_named(way: dict[str, Any]) -> bool:
    """Whether a way is called something beside what it asks for."""
    return [need["figure"] for need in way["asks"]] not in ([], [way["kind"]])


def _what_text(way: dict[str, Any], words: Words) -> str:
    """What a way is called: by the one thing that it asks for, or by its kind."""
    if way["asks"] and not _is_named(way):
        return _needs_text(way["asks"], words)
    return words.code("way", way["kind"])


def _needs_text(needs: list[dict[str, Any]], words: Words) -> str:
    return words.listed(need_text(need, words) for need in needs)


def need_text(need: dict[str, Any], words: Words) -> str:
    """What a way asks for, in people's units."""
    return words.need(need["figure"], need["amount"], amount_text(need["amount"], need["unit"]))
