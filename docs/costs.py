"""The page of costs, made from a report of `tests.benchmarks.at_scale`: what was measured, and what that makes of more.

python -m docs.costs < report.json
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

REPORT: Final = Path(__file__).parent / "reference" / "costs.json"
PAGE: Final = REPORT.with_suffix(".md")
PLANNED: Final = (10**8, 10**9, 10**10)
DAY_HOURS: Final = 24
_ONCE_AN_EVENT: Final = {
    "ingest": "recording, by one writer",
    "checkpoint": "sealing the heads of keys, and signing",
    "seal": "sealing into columns",
    "archive": "letting records leave the store",
    "compact": "writing the store anew",
}
_OVER_ALL: Final = {
    "rebuild": "judging all subjects in all schemes (`rebuild --sample 0`)",
    "verify": "verifying every byte",
}
_AT_REST: Final = {
    "": "store: notes of where records stand, aliases, chains of keys, seals",
    ".records": "records in segments",
    ".segments": "columns in segments",
}
_SINGLE: Final = (
    "replay of the largest",
    "replay of 10,000 events",
    "evidence of the largest",
    "evidence of the largest checked",
)
Report = dict[str, Any]


class Unit(NamedTuple):
    """What a step takes by event, in nanoseconds."""

    what: str
    wall_ns: int
    processor_ns: int
    peak_bytes: int


def main() -> None:
    """Take a report over, and write its page."""
    report = json.load(sys.stdin)
    REPORT.write_text(json.dumps(report, indent=1) + "\n")
    PAGE.write_text(page(report))


def page(report: Report) -> str:
    """The page in Markdown."""
    return "\n".join((*_measured(report), *_reckoned(report))) + "\n"


def units(report: Report) -> list[Unit]:
    """By step, what an event takes."""
    return [
        *(_unit(report, step, what) for step, what in _ONCE_AN_EVENT.items()),
        *(_unit(report, step, what) for step, what in _OVER_ALL.items()),
    ]


def bytes_at_rest(report: Report) -> dict[str, int]:
    """By what lies there, its bytes when everything that is sealed was archived."""
    last = [step for step in report["steps"] if step["step"] == "archived"][-1]["bytes"]
    return {what: last[kind] for kind, what in _AT_REST.items()}


def _unit(report: Report, name: str, what: str) -> Unit:
    """Of a step that is taken a chunk at a time, all chunks together."""
    taken = [step for step in report["steps"] if step["step"] == name]
    wall, processor = sum(step["wall_s"] for step in taken), sum(step["processor_s"] for step in taken)
    each = 10**9 / report["events"]
    return Unit(what, round(wall * each), round(processor * each), max(step["peak_bytes"] for step in taken))


def _measured(report: Report) -> Iterator[str]:
    yield from ("# What it costs", "")
    yield (
        f"Made by `python -m docs.costs` from a run of `tests.benchmarks.at_scale` ([its report](costs.json)):"
        f" {report['events']:,} events of a whole platform in {_ledgers(report)} on {report['cores']} cores,"
        f" Python {report['python']}, {report['date']}, SQLite. Merchants have 85 of 100 events, their sizes fall like"
        " 1 / rank^0.8; creators have the rest, and agencies hold them."
    )
    yield from ("", "## Measured, by event", "")
    yield from ("| step | wall | processor | most memory of a process |", "|---|---|---|---|")
    for unit in units(report):
        yield f"| {unit.what} | {_micros(unit.wall_ns)} | {_micros(unit.processor_ns)} | {_bytes(unit.peak_bytes)} |"
    yield from ("", "| at rest, when all is archived | bytes an event |", "|---|---|")
    rest = bytes_at_rest(report)
    for what, size in rest.items():
        yield f"| {what} | {size / report['events']:.1f} |"
    yield f"| all told | {sum(rest.values()) / report['events']:.1f} |"
    yield from ("", "## Measured, once", "", "| what | wall | processor | most memory |", "|---|---|---|---|")
    for step in report["steps"]:
        if step["step"] in _SINGLE or "said" in step:
            said = "".join(f"; {kind}: {_replays(of)}" for kind, of in step.get("said", {}).items())
            times = f"{step['wall_s']:.1f} s | {step['processor_s']:.1f} s | {_bytes(step['peak_bytes'])}"
            yield f"| {step['step']}{said} | {times} |"


def _ledgers(report: Report) -> str:
    return "one ledger" if report["ledgers"] == 1 else f"a set of {report['ledgers']} ledgers"


def _replays(of: dict[str, Any]) -> str:
    return f"{of['replays']}, middle {of['median_s'] * 1000:.0f} ms, longest {of['longest_s'] * 1000:.0f} ms"


def _reckoned(report: Report) -> Iterator[str]:
    yield from ("", "## Reckoned from it", "")
    yield (
        "Nothing here was run: the figures above, times the number of events. They hold where costs by event stay what"
        " they were, which a larger ledger has to show; agencies and the largest subjects are a part of each."
    )
    yield from ("", f"| | {' | '.join(f'{events:,} events' for events in PLANNED)} |")
    yield "|---|" + "---|" * len(PLANNED)
    for unit in units(report):
        hours = [unit.processor_ns * events / 3600e9 for events in PLANNED]
        yield f"| {unit.what}, core-hours | {' | '.join(f'{each:,.1f}' for each in hours)} |"
    all_told = sum(bytes_at_rest(report).values())
    rest = [all_told * events // report["events"] for events in PLANNED]
    yield f"| at rest | {' | '.join(map(_bytes, rest))} |"
    writer = units(report)[0].wall_ns
    days = [writer * events / 3600e9 / DAY_HOURS for events in PLANNED]
    yield f"| days in which one writer records them | {' | '.join(f'{each:,.1f}' for each in days)} |"
    every = sum(unit.processor_ns for unit in units(report))
    machines = [-(-every * events // int(3600e9 * DAY_HOURS * report["cores"])) for events in PLANNED]
    yield (
        f"| machines of {report['cores']} cores that do all of it within a day, the ledger in as many shards |"
        f" {' | '.join(f'{each:,}' for each in machines)} |"
    )


def _micros(nanoseconds: int) -> str:
    return f"{nanoseconds / 1000:,.2f} µs"


def _bytes(size: int) -> str:
    for name, unit in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size / 1000:,.1f} kB"


if __name__ == "__main__":
    main()
