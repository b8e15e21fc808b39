"""The appeal file as text."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from domain.policy import HASH_SHOWN
from projections.text.answers import diff_lines, explain_lines
from projections.text.words import Words


def appeal_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    """The file as text."""
    scheme = words.code_beside("scheme", found["scheme"])
    yield f"{words.appeal('title')}{words('colon')}{found['subject']}  {scheme}  {found['period']}"
    yield words.appeal("ledger", **found["ledger"] | {"chain": found["ledger"]["chain"] or words("nothing")})
    for heading, lines in _sections(found, words):
        yield f"\n== {heading}"
        yield from lines
    yield "\n" + words.appeal("printed_by", program=found["program"], position=found["now"]["position"])


def _sections(found: dict[str, Any], words: Words) -> Iterator[tuple[str, list[str]]]:
    yield words.appeal("announced"), list(_announced_lines(found["announced"], words))
    if found["announced"]:
        yield words.appeal("known_when_announced"), list(_known_lines(found["announced"], words))
    yield words.appeal("decided"), list(_decided_lines(found, words))
    yield words.appeal("now"), [words.standing(found["now"])]
    if found["announced_difference"] is not None and differs(found["announced_difference"]):
        yield words.appeal("announced_difference"), list(diff_lines(found["announced_difference"], words))
    if found.get("difference") is not None:
        yield words.appeal("difference"), list(diff_lines(found["difference"], words))
    yield words.appeal("explanation"), list(explain_lines(_of_the_period(found["now"]), words))
    yield words.appeal("events"), [_event_line(item, words) for item in found["events"]]


def _of_the_period(now: dict[str, Any]) -> dict[str, Any]:
    """Without what was published last before, which is another period's."""
    return {name: None if name.startswith("published") else value for name, value in now.items()}


def _announced_lines(announced: Sequence[dict[str, Any]], words: Words) -> Iterator[str]:
    for item in announced:
        yield f"{words.level(item['level'])}  {item['at']}  {item['source']} {item['event']}"
    if not announced:
        yield words.appeal("not_announced")


def differs(difference: dict[str, Any]) -> bool:
    """Whether anything moved between two tellings."""
    return any(step["events"] or step["before"] != step["after"] or _moved(step) for step in difference["steps"])


def _moved(step: dict[str, Any]) -> bool:
    figures = step.get("figures")
    return figures is not None and figures["before"] != figures["after"]


def _known_lines(announced: Sequence[dict[str, Any]], words: Words) -> Iterator[str]:
    """What the rules gave by what was known when it was announced, and whether that was announced."""
    for item in announced:
        yield words.standing(item["as_known_then"])
        yield "  " + words("clocks", **item["as_known_then"])
        yield "  " + words.appeal("agrees" if item["agrees"] else "disagrees", level=words.level(item["level"]))


def _decided_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    if "decided" not in found:
        yield words("decisions_hidden")
        return
    decided = found["decided"]
    if decided is None:
        yield words.appeal("not_decided")
        return
    yield words.standing(decided)
    yield words.appeal("run", **decided)
    yield words.appeal("decided_at", **decided)
    yield words("policy", policy=f"{decided['policy']}@{decided['policy_hash'][:HASH_SHOWN]}")
    reproduced = decided["outcome"] == "reproduced"
    yield (
        words.appeal("reproduced")
        if reproduced
        else words.appeal("not_reproduced", outcome=words.code("outcome", decided["outcome"]))
    )


def _event_line(item: dict[str, Any], words: Words) -> str:
    event = item["event"]
    data = json.dumps(event["data"], ensure_ascii=False, sort_keys=True)
    event_type = words.code_beside("type", event["type"])
    return f"{item['position']}  {item['occurred_at']}  {event_type}  {event['source']} {event['id']}  {data}"
