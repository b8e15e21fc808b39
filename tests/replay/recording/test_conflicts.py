"""A conflict names the attributes that differ and what to do, and never a buyer: on both databases, in every mode."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli import main
from replay.errors import DamagedError
from replay.parsing.parse import read_line
from replay.recording.conflicts import DIFFERENCES_SHOWN_MAX, conflict_with_record
from replay.recording.erase import erase_now
from replay.store.base.store import Store
from replay.store.base.transaction import Known
from tests.support.making import Event, event, ingest_events, line, paid, records, write_lines

FIRST = paid("o-1", correlationid="a", buyer="Ann.Example")
MERCHANT_2 = {"subject": "merchant/m-2"}


def changed(**changes: Any) -> Event:
    """The first event with other attributes, None being none; what is none of the envelope's is of its data."""
    made = {**FIRST, "data": dict(FIRST["data"])}
    for name, value in changes.items():
        part = made if name in {"actor", "correlationid", "subject", "time", "recordedtime"} else made["data"]
        part.pop(name, None)
        if value is not None:
            part[name] = value
    return made


DIFFERING = {
    'correlationid: recorded "a", here "b"': changed(correlationid="b"),
    'correlationid: recorded "a", here none': changed(correlationid=None),
    'actor: recorded none, here "x"': changed(actor="x"),
    "data.amount: recorded 12900, here 129": changed(amount=129),
    "data.buyer: another buyer": changed(buyer="Bob.Example"),
    'data.kind: recorded "normal", here "gift"; data.buyer: another buyer': changed(kind="gift", buyer="Bob.Example"),
    'subject: recorded "merchant/m-1", here "merchant/m-2"': changed(**MERCHANT_2),
    'subject: recorded "merchant/m-1", here "merchant/m-2"; data.buyer: another buyer': changed(
        **MERCHANT_2, buyer="Bob.Example"
    ),
    'time: recorded "2022-11-01T02:00:00.000000Z", here "2022-11-01T02:00:01.000000Z"': changed(
        time="2022-11-01T02:00:01Z"
    ),
}


def message(where: str, differing: str) -> str:
    return f"source and id: found an event that is recorded {where} with other content ({differing}); records never"


def check(told: str, where: str, differing: str) -> None:
    assert told.startswith(message(where, differing)), told
    assert "Example" not in told
    assert ("nothing is lost when it is the same event" in told) == differing.startswith("correlationid")


@pytest.mark.slow
@pytest.mark.parametrize("differing", DIFFERING)
def test_a_conflict_names_what_differs_from_the_record_and_within_a_batch(
    store: Store, tmp_path: Path, differing: str
) -> None:
    other = DIFFERING[differing]
    _, watch = ingest_events(store, [paid("o-0"), FIRST, other], tmp_path)
    check(watch.refusals[0][1].message, "earlier in this run", differing)
    before = records(store)
    for later in (other, {**other, "recordedtime": "2022-11-02T00:00:00Z"}):
        _, watch = ingest_events(store, [later], tmp_path)
        check(watch.refusals[0][1].message, "at position 2", differing)
        assert alias_in(store) not in watch.refusals[0][1].message
    assert records(store) == before


def alias_in(store: Store) -> str:
    ((record,),) = store._query("SELECT record FROM records WHERE position = 2")
    return str(json.loads(record)["event"]["data"]["buyer"])


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--dry-run",), ("--backfill", "--skip-refused"), ("--backfill", "--dry-run")])
def test_conflicts_are_told_alike_in_every_mode(location: str, tmp_path: Path, options: tuple[str, ...]) -> None:
    def told(*events: Event) -> str:
        dated = [{**made, "recordedtime": "2022-11-05T00:00:00Z"} for made in events]
        names = [write_lines(tmp_path / f"{number}.jsonl", [made]) for number, made in enumerate(dated)]
        result = CliRunner().invoke(main, ["ingest", "--store", location, *options, *names])
        assert result.exit_code == 1
        (found,) = [text for text in result.stderr.splitlines() if ": source and id: " in text]
        return found.partition(": ")[2]

    other, differing = changed(amount=1), "data.amount: recorded 12900, here 1"
    first = told(FIRST, other)
    whole = "--backfill" in options and "--dry-run" not in options  # one batch
    check(first, "earlier in this run" if whole or "--dry-run" in options else "at position 1", differing)
    if "--dry-run" not in options:
        check(told(other), "at position 1", differing)


def test_many_and_long_differences_are_bounded_and_escaped(store: Store, tmp_path: Path) -> None:
    flag = event("order.flagged", FIRST["id"], "2022-11-02T00:00:00Z", **MERCHANT_2, order="o-2", reason="fake_trade")
    retracted, again = (
        event("event.retracted", "r-1", event="pay-0", reason=reason) for reason in ("x", "\u4e2d" * 80)
    )
    for made in (retracted, again):
        made["data"]["source"] = "urn:test"
    _, watch = ingest_events(store, [FIRST, flag, retracted, again], tmp_path)
    many, long = (refusal.message for _, refusal in watch.refusals)
    assert many.count(": recorded ") == DIFFERENCES_SHOWN_MAX and "; and 2 more); records never change" in many
    assert 'data.reason: recorded "x", here "\\u4e2d\\u4e2d' in long and "... (482 characters)" in long
    assert long.isascii() and max(len(many), len(long)) < 1_000


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"event":{}}', None], ids=["gone", "empty", "no data", "hash alone"])
def test_a_damaged_record_is_named_and_not_taken_for_other_content(
    store: Store, tmp_path: Path, damage: bytes | None
) -> None:
    ingest_events(store, [FIRST], tmp_path)
    known = Known(1, bytes(32), records(store)[0] if damage is None else damage)
    with pytest.raises(DamagedError, match=r"the record at position 1.* is damaged"):
        conflict_with_record(read_line(line(FIRST)), known, other_buyer=False)


def test_a_buyer_who_was_erased_differs_from_nobody(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [FIRST], tmp_path)
    erase_now(store, "Ann.Example", "asked", in_month=True)
    counts, _ = ingest_events(store, [FIRST], tmp_path)
    assert (counts.known, counts.refused) == (1, 0)
    _, watch = ingest_events(store, [changed(amount=1, buyer="Bob.Example")], tmp_path)
    check(watch.refusals[0][1].message, "at position 1", "data.amount: recorded 12900, here 1")
