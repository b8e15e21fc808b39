"""The page of costs says what the report does that lies beside it."""

import json
from typing import Any

from docs.costs import PAGE, PLANNED, REPORT, bytes_at_rest, page, units


def test_the_page_is_of_the_report() -> None:
    assert PAGE.read_text() == page(json.loads(REPORT.read_text()))


def test_units_are_all_chunks_by_all_events() -> None:
    steps: list[dict[str, Any]] = [
        {"step": name, "upto": upto, "wall_s": wall, "processor_s": 1.5, "peak_bytes": peak}
        for name in ("ingest", "checkpoint", "seal", "archive", "compact")
        for upto, wall, peak in ((500, 2.0, 7), (1000, 4.0, 5))
    ]
    steps += [{"step": name, "wall_s": 1.0, "processor_s": 1.0, "peak_bytes": 1} for name in ("rebuild", "verify")]
    before = {"": 1, ".records": 1, ".segments": 1}
    after = {"": 400_000, ".records": 30_000, ".segments": 15_000}
    steps += [{"step": "archived", "upto": 500, "bytes": before}, {"step": "archived", "upto": 1000, "bytes": after}]
    report = {
        "events": 1000,
        "ledgers": 2,
        "cores": 2,
        "python": "3.11",
        "date": "2026-11-30",
        "steps": steps,
    }
    recording = units(report)[0]
    assert (recording.wall_ns, recording.processor_ns, recording.peak_bytes) == (6_000_000, 3_000_000, 7)
    assert sum(bytes_at_rest(report).values()) == 445_000
    said = page(report)
    assert "| all told | 445.0 |" in said
    assert PLANNED[0] == 100_000_000
    assert "| at rest | 44.5 GB | 445.0 GB | 4.5 TB |" in said  # 445 bytes an event, rounded
    assert "| days in which one writer records them | 6.9 |" in said  # 6 ms an event
