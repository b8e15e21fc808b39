"""The appeal file as text, and as one printable page that needs nothing else: no script, no font, no network."""

import json
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from domain.languages import LANGUAGES
from projections.text.answers import diff_lines, explain_lines
from projections.text.schemes.registry import series_of
from projections.text.words import Words

_STYLE = """
body { font: 14px/1.5 system-ui, "Noto Sans CJK SC", sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.1em; border-bottom: 1px solid #999; margin-top: 2em; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 12px; background: #f6f6f6; padding: 1em; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .2em 1em .2em 0; vertical-align: top; }
svg { width: 100%; height: auto; } .bad { font-weight: bold; }
@media print { body { margin: 0; max-width: none; } pre { background: none; border: 1px solid #999; } }
"""
_WIDTH, _HEIGHT, _MARGIN = 720, 220, 40


def appeal_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    """The file as text."""
    yield f"{words.appeal('title')}: {found['subject']}  {found['scheme']}  {found['period']}"
    for heading, lines in _sections(found, words):
        yield f"\n== {heading}"
        yield from lines
    yield "\n" + words.appeal("printed_by", program=found["program"], position=found["now"]["position"])


def appeal_page(found: dict[str, Any], words: Words) -> str:
    """The file as one page of HTML with a chart."""
    title = f"{words.appeal('title')}: {found['subject']} {found['scheme']} {found['period']}"
    sections = [
        f"<section><h2>{escape(heading)}</h2><pre>{escape(chr(10).join(lines))}</pre></section>"
        for heading, lines in _sections(found, words)
    ]
    printed = words.appeal("printed_by", program=found["program"], position=found["now"]["position"])
    language = LANGUAGES[words.language].tag
    return (
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><h1>{escape(title)}</h1>{_chart(found['now'], words)}{''.join(sections)}"
        f"<footer><p>{escape(printed)}</p></footer></body></html>"
    )


def _sections(found: dict[str, Any], words: Words) -> Iterator[tuple[str, list[str]]]:
    yield words.appeal("announced"), list(_announced_lines(found["announced"], words))
    yield words.appeal("decided"), list(_decided_lines(found, words))
    yield words.appeal("now"), [words.standing(found["now"])]
    if found.get("difference") is not None:
        yield words.appeal("difference"), list(diff_lines(found["difference"], words))
    yield words.appeal("explanation"), list(explain_lines(found["now"], words))
    yield words.appeal("events"), [_event_line(item) for item in found["events"]]


def _announced_lines(announced: Sequence[dict[str, Any]], words: Words) -> Iterator[str]:
    for item in announced:
        yield f"{words.level(item['level'])}  {item['at']}  {item['source']} {item['event']}"
    if not announced:
        yield words.appeal("not_announced")


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
    yield words("policy", policy=f"{decided['policy']}@{decided['policy_hash'][:12]}")
    reproduced = decided["outcome"] == "reproduced"
    yield words.appeal("reproduced") if reproduced else words.appeal("not_reproduced", outcome=decided["outcome"])


def _event_line(item: dict[str, Any]) -> str:
    event = item["event"]
    data = json.dumps(event["data"], ensure_ascii=False, sort_keys=True)
    return f"{item['position']}  {item['occurred_at']}  {event['type']}  {event['source']} {event['id']}  {data}"


def _chart(now: dict[str, Any], words: Words) -> str:
    """Points, totals or amounts by month as a line; tiers by day. Nothing is drawn of fewer than two places."""
    what, points = series_of(now)
    if len(points) < 2:
        return ""
    low, high = min(0.0, *(value for _, value in points)), max(value for _, value in points)
    step = (_WIDTH - 2 * _MARGIN) / (len(points) - 1)
    scale = (_HEIGHT - 2 * _MARGIN) / ((high - low) or 1)
    places = [
        (_MARGIN + number * step, _HEIGHT - _MARGIN - (value - low) * scale) for number, (_, value) in enumerate(points)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{escape(label)}: {value:g}</title></circle>'
        for (x, y), (label, value) in zip(places, points, strict=True)
    )
    values = "".join(
        f'<text x="{x:.1f}" y="{y - 8:.1f}" text-anchor="middle" font-size="12">{value:g}</text>'
        for (x, y), (_, value) in zip(places, points, strict=True)
    )
    ends = "".join(
        f'<text x="{x:.1f}" y="{_HEIGHT - 12}" text-anchor="middle" font-size="12">{escape(label)}</text>'
        for (x, _), (label, _) in (next(zip(places, points, strict=True)), (places[-1], points[-1]))
    )
    caption = escape(words.appeal("chart", what=words.appeal(f"chart_{what}")))
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{caption}">'
        f'<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="2"/>{dots}{values}{ends}</svg>'
        f"<figcaption>{caption}</figcaption></figure>"
    )
