"""What a message may be: structured, binary, batched, a row, an outbox, a tombstone, or nothing that can be read."""

import json
from pathlib import Path
from typing import Any

import pytest

from domain.limits import LINE_BYTES_MAX
from replay.consuming.cloudevents import events_in
from replay.consuming.messages import Reading, TopicMessage, reading_by
from replay.consuming.outbox import outbox_of
from replay.consuming.rows import rows_by
from replay.errors import UsageError
from replay.intake.parallel import decode_block
from replay.mapping.language.document import read_mapping
from replay.parsing.parse import read_line
from replay.parsing.refusals import Reason
from replay.store.record import Candidate
from tests.support.making import Event, event, line, paid

DEEP = b"[" * 30_000 + b"]" * 30_000
"""So deep that readers of JSON which call themselves give up."""
PAID = paid("o-1")
CLOSED = {name: value for name, value in event("merchant.closed", "c-1").items() if name != "data"}
Header = tuple[str, bytes | None]
JSON: Header = ("content-type", b"application/json")


def message(value: bytes | None, *headers: Header, key: bytes | None = None, topic: str = "t") -> TopicMessage:
    return TopicMessage(topic, 0, 7, key, value, headers)


def binary(made: Event, *more: Header) -> TopicMessage:
    """An event as the SDKs send it in binary mode."""
    attributes: list[Header] = [(f"ce_{name}", value.encode()) for name, value in made.items() if name != "data"]
    return message(line(made["data"]) if "data" in made else None, *attributes, *more)


def taken(found: TopicMessage, reading: Reading | None = None) -> tuple[list[Candidate], list[tuple[Reason, str]], int]:
    """The events of a message, what is refused of it, and whether it is passed over."""
    decoded = decode_block((reading or reading_by(events_in))([found]))
    return decoded.candidates, [(why.reason, why.message) for _, why, _ in decoded.refused], decoded.passed_over


STRUCTURED: Header = ("content-type", b"application/cloudevents+json; charset=UTF-8")
BATCHED: Header = ("Content-Type", b"Application/CloudEvents-Batch+JSON")


@pytest.mark.parametrize(
    "found",
    [
        message(line(PAID)),
        message(line(PAID), STRUCTURED),
        message(json.dumps(PAID, indent=2).encode(), STRUCTURED),
        message(line(PAID), STRUCTURED, ("ce_id", b"another")),  # the same headers may be there, too, and do not count
        binary(PAID, JSON),
        binary(PAID),
        message(b"[" + line(PAID) + b"]"),
        message(b" [" + line(PAID) + b"]\n", BATCHED),
    ],
)
def test_an_event_is_the_same_in_every_form(found: TopicMessage) -> None:
    assert taken(found) == ([read_line(line(PAID))], [], 0)


def test_extensions_of_a_binary_event_are_recorded_beside_it() -> None:
    (made,), refused, _ = taken(binary(PAID, ("ce_sampledrate", b"30"), ("ce_tracestate", None), JSON))
    assert (made.extensions, refused) == (b'{"sampledrate":"30"}', [])


def test_a_message_without_a_value_is_an_event_where_headers_make_one_and_else_a_tombstone() -> None:
    assert taken(binary(CLOSED)) == ([read_line(line(CLOSED))], [], 0)
    for none in (message(None), message(None, STRUCTURED), message(None, JSON, key=b"m-1")):
        assert taken(none) == ([], [], 1)
    _, refused, passed = taken(binary({name: value for name, value in PAID.items() if name != "data"}))
    assert passed == 0 and refused[0][1].startswith("data.amount: is missing")


def test_a_batch_gives_its_events_and_says_which_elements_are_none() -> None:
    made, refused, passed = taken(message(line([PAID, 7, paid("o-2"), {}]), BATCHED))  # type: ignore[arg-type]
    assert [item.event_id for item in made] == ["pay-o-1", "pay-o-2"]
    assert [reason for reason, _ in refused] == [Reason.NOT_AN_OBJECT, Reason.MISSING_FIELD] and passed == 0
    assert taken(message(b"[]", BATCHED)) == ([], [], 1)


@pytest.mark.parametrize(
    ("found", "reason", "told"),
    [
        (message(b"poison"), Reason.NOT_JSON, "found no valid JSON"),
        (message(b""), Reason.NOT_JSON, 'found "", which is not JSON'),
        (message(b" \n", STRUCTURED), Reason.NOT_JSON, 'found " \\n", which is not JSON'),
        (message(b"# refused: x"), Reason.NOT_JSON, 'found "# refused: x", which is not JSON'),
        (message(b"\x00\x00\x00\x00\x07{}"), Reason.NOT_JSON, "found no valid JSON"),
        (message(b"x" * (LINE_BYTES_MAX + 1)), Reason.LINE_TOO_LONG, "found an event of 65537 bytes"),
        (message(b"[{}", BATCHED), Reason.NOT_JSON, "found a batch that ends before the end of its JSON array"),
        (message(b"[] {}", BATCHED), Reason.NOT_JSON, "found a batch that goes on behind the end"),
        (message(line(PAID), BATCHED), Reason.NOT_JSON, "found a batch that ends before"),
        (
            message(b"x", ("content-type", b"application/cloudevents+avro")),
            Reason.WRONG_FORM,
            'content-type: found "application/cloudevents+avro", a form that is not read here',
        ),
        (message(b"x", ("content-type", b"\xff")), Reason.NOT_UTF8, 'header "content-type": is not valid UTF-8'),
        (binary(PAID, ("ce_actor", b"\xff")), Reason.NOT_UTF8, 'header "actor": is not valid UTF-8'),
        (binary(PAID, ("ce_id", b"twice")), Reason.DUPLICATE_KEY, "found the key"),
        (binary(PAID, ("ce_data", b"{}")), Reason.DUPLICATE_KEY, "found the key"),
        (binary(PAID, ("content-type", b"text/plain")), Reason.WRONG_FORM, "datacontenttype: found"),
        (
            message(b'{},"actor":"smuggled"', *binary(PAID).headers),
            Reason.NOT_JSON,
            "data: the message's value is not JSON",
        ),
        (message(DEEP, *binary(PAID).headers), Reason.NESTED_TOO_DEEP, "found nesting deeper than 8 at column 9"),
        (message(b'{"order":"\xff"}', *binary(PAID).headers), Reason.NOT_UTF8, "found byte 0xff at column 11"),
        (message(b'{"data":' + DEEP + b"}", STRUCTURED), Reason.NESTED_TOO_DEEP, "found nesting deeper than 8"),
        (message(b'[{"id":"\xff"}]', BATCHED), Reason.NOT_UTF8, "found byte 0xff at column 8"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(found: TopicMessage, reason: Reason, told: str) -> None:
    made, refused, passed = taken(found)
    assert (made, passed) == ([], 0)
    assert [why for why, _ in refused] == [reason]
    assert refused[0][1].startswith(told), refused


ROW = {"id": "pay-o-1", "aggregatetype": "merchant", "aggregateid": "m-1", "type": "order.paid", "time": PAID["time"]}
PAYLOAD = PAID["data"]
OUTBOX = reading_by(outbox_of("urn:test"))


def routed(
    value: bytes, key: bytes | None = b"m-1", topic: str = "outbox.event.merchant", **more: bytes
) -> TopicMessage:
    headers = {"id": b"pay-o-1", "type": b"order.paid", "time": PAID["time"].encode()} | more
    return message(value, *headers.items(), key=key, topic=topic)


def quoted(value: Any) -> bytes:
    return json.dumps(value).encode()


def wrapped(value: Any) -> bytes:
    """As the converter of Kafka Connect leaves it that puts a schema beside everything."""
    return quoted({"schema": {"type": "string", "optional": True}, "payload": value})


@pytest.mark.parametrize(
    "found",
    [
        message(line(ROW | {"payload": PAYLOAD})),
        message(line(ROW | {"payload": json.dumps(PAYLOAD)})),
        message(line({"schema": {}, "payload": ROW | {"payload": PAYLOAD}})),
        message(line({"before": None, "after": ROW | {"payload": PAYLOAD}, "op": "c", "ts_ms": 1})),
        message(line({"schema": {}, "payload": {"after": ROW | {"payload": json.dumps(PAYLOAD)}, "op": "r"}})),
        routed(line(PAYLOAD)),
        routed(quoted(json.dumps(PAYLOAD))),
        routed(line({"schema": {}, "payload": PAYLOAD})),
        routed(line(PAYLOAD), key=quoted("m-1"), id=quoted("pay-o-1"), type=quoted("order.paid")),
        routed(line(PAYLOAD), topic="any", key=None, aggregatetype=b"merchant", aggregateid=b"m-1"),
        routed(line(PAYLOAD), type=b"", eventType=b"order.paid"),
        routed(line(PAYLOAD), key=wrapped("m-1"), id=wrapped("pay-o-1"), type=wrapped("order.paid")),
        routed(line(PAYLOAD), aggregateid=wrapped(None), time=wrapped(PAID["time"])),
        message(line(ROW | {"op": "d", "payload": PAYLOAD})),
    ],
)
def test_an_outbox_is_read_as_rows_and_as_its_router_leaves_it(found: TopicMessage) -> None:
    assert taken(found, OUTBOX) == ([read_line(line(PAID))], [], 0)


def test_an_id_of_an_outbox_that_is_a_number_is_the_text_of_it() -> None:
    long = 10**30 + 7
    for number in (7, long):
        for found in (
            message(line(ROW | {"id": number, "payload": PAYLOAD})),
            routed(line(PAYLOAD), id=wrapped(number)),
        ):
            (made,), _, _ = taken(found, OUTBOX)
            assert made.event_id == str(number)


def test_an_event_of_an_outbox_may_have_no_payload() -> None:
    row = ROW | {"id": "c-1", "type": "merchant.closed", "time": CLOSED["time"]}
    for found in (row, row | {"payload": None}, row | {"payload": ""}):
        assert taken(message(line(found)), OUTBOX) == ([read_line(line(CLOSED))], [], 0)


@pytest.mark.parametrize(
    "found",
    [
        message(None),
        message(line({"before": ROW, "after": None, "op": "d"})),
        message(line({"before": ROW, "op": "d"})),
        message(line({"schema": None, "payload": {"op": "t", "ts_ms": 1}})),
        message(line({"schema": None, "payload": None})),
    ],
)
def test_rows_taken_out_of_an_outbox_are_passed_over(found: TopicMessage) -> None:
    assert taken(found, OUTBOX) == ([], [], 1)


@pytest.mark.parametrize(
    ("found", "reason", "told"),
    [
        (message(b"x"), Reason.NOT_AN_OBJECT, "found what is no row of an outbox"),
        (message(b"[]"), Reason.NOT_AN_OBJECT, "found what is no row of an outbox"),
        (message(line({"op": "u", "after": ROW})), Reason.WRONG_FORM, 'op: found "u", but rows of an outbox'),
        (message(line({"op": "c", "after": None})), Reason.NOT_AN_OBJECT, "found what is no row of an outbox"),
        (
            message(line(ROW | {"time": 1667268131000000, "payload": PAYLOAD})),
            Reason.MALFORMED_TIME,
            "time: found '1667268131000000'",
        ),
        (message(line(ROW | {"time": None})), Reason.MISSING_FIELD, "time: is no text in this row of an outbox"),
        (message(line(ROW | {"id": True})), Reason.MISSING_FIELD, "id: is no text in this row of an outbox"),
        (message(line(ROW | {"payload": "x"})), Reason.NOT_JSON, "data: the message's value is not JSON"),
        (routed(b'{},"id":"b"'), Reason.NOT_JSON, "data: the message's value is not JSON"),
        (routed(line(PAYLOAD | {"amount": 1.5})), Reason.WRONG_TYPE, "data.amount: found 1.5"),
        (routed(line(PAYLOAD), aggregatetype=b"shop"), Reason.WRONG_FORM, "subject: found"),
        (message(b'{"op":' + DEEP + b"}"), Reason.NESTED_TOO_DEEP, "found nesting deeper than 32 at column 38"),
        (message(b'{"id":"\xff"}'), Reason.NOT_UTF8, "found byte 0xff at column 8"),
        (message(line(ROW | {"payload": DEEP.decode()})), Reason.NESTED_TOO_DEEP, "found nesting deeper than 8"),
        (message(line(ROW | {"payload": "[" * 9})), Reason.NESTED_TOO_DEEP, "found nesting deeper than 8"),
        (routed(line(PAYLOAD), id=b'{"schema":' + DEEP), Reason.NESTED_TOO_DEEP, "found nesting deeper than 32"),
        (routed(DEEP), Reason.NESTED_TOO_DEEP, "found nesting deeper than 32"),
        (routed(b'{"schema":"\xff"}'), Reason.NOT_UTF8, "found byte 0xff at column 12"),
        (routed(line(PAYLOAD), id=b'"' + DEEP), Reason.WRONG_FORM, "id: found"),
    ],
)
def test_what_is_no_row_of_an_outbox_is_refused_with_a_reason(found: TopicMessage, reason: Reason, told: str) -> None:
    made, refused, passed = taken(found, OUTBOX)
    assert (made, passed) == ([], 0)
    assert [why for why, _ in refused] == [reason] and refused[0][1].startswith(told), refused


MAPPING = """format = "{format}"
source = "urn:test"
zone = "Asia/Shanghai"
[[event]]
type = "order.paid"
subject = "merchant/{{shop}}"
id = "pay-{{order}}"
time = "{{paid}}"
data.order = "{{order}}"
data.buyer = "{{buyer}}"
data.amount = "{{yuan|x100}}"
[[event]]
type = "order.received"
when = "received != ''"
subject = "merchant/{{shop}}"
id = "got-{{order}}"
time = "{{received}}"
data.order = "{{order}}"
"""
TABLE_ROW = {"shop": "m-1", "order": "o-1", "paid": "2022-11-01 10:00:00", "buyer": "b-1", "yuan": 129}


def rows_of(folder: Path, form: str = "jsonl") -> Reading:
    (folder / "orders.toml").write_text(MAPPING.format(format=form))
    return rows_by(read_mapping(folder / "orders.toml"))


def test_rows_are_read_by_a_mapping(tmp_path: Path) -> None:
    reading = rows_of(tmp_path)
    assert taken(message(line(TABLE_ROW)), reading) == ([read_line(line(PAID))], [], 0)
    both, _, _ = taken(message(line(TABLE_ROW | {"received": "2022-11-04 18:30"})), reading)
    assert [item.event_id for item in both] == ["pay-o-1", "got-o-1"]
    assert taken(message(None), reading) == ([], [], 1)
    made, refused, _ = taken(message(line(TABLE_ROW | {"yuan": "8.999", "received": "2022-11-04 18:30"})), reading)
    assert [item.event_id for item in made] == ["got-o-1"] and refused[0][0] is Reason.NOT_EXACT
    for value, reason in ((b"x", Reason.NOT_JSON), (b"", Reason.NOT_JSON), (b"x" * 70_000, Reason.LINE_TOO_LONG)):
        assert [why for why, _ in taken(message(value), reading)[1]] == [reason]
    with pytest.raises(UsageError, match="takes rows in the format csv; messages hold rows of JSON: format"):
        rows_of(tmp_path, "csv")


def test_every_line_knows_the_message_that_it_comes_from() -> None:
    batch = [message(line([PAID, 7])), message(None), message(b"x"), message(line(paid("o-2")))]  # type: ignore[arg-type]
    block = reading_by(events_in)(batch)
    assert [block.number(index) for index in range(len(block.lines))] == [0, 0, 1, 2, 3]
    assert block.last_line == 3 and block.raw(3) == b"x"
