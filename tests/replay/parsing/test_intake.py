"""The intake: two readers that agree, every fault named, no traceback for any input, nothing lost."""

import json
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.events import CATALOGUE, Envelope
from domain.limits import LINE_BYTES_MAX
from replay.intake.parallel import decode_block
from replay.parsing.fast import read_fast
from replay.parsing.lines import Block
from replay.parsing.parse import read_careful, read_line
from replay.parsing.refusals import RefusalError
from replay.store.reading.row import BUYER_MARK, encode_json
from replay.store.record import RecordedEnvelope, filled, record_template
from tests.conftest import SOAK
from tests.support.examples import AS_OTHERS, EXTERNAL, JUNK, example
from tests.support.making import line, paid


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("event_type", EXTERNAL)
def test_each_type_of_the_catalogue_is_read_alike_by_both_readers(event_type: str, full: bool) -> None:
    raw = line(example(event_type, full=full))
    fast, careful = read_fast(raw), read_careful(raw)
    assert fast == careful
    assert fast is not None, "the common case takes the fast reader"


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("event_type", EXTERNAL)
def test_blanks_between_tokens_are_no_reason_to_read_carefully(event_type: str, full: bool) -> None:
    """A line with `" : "`, as some writers have it, takes the fast reader, or it takes seven times as long."""
    made = example(event_type, full=full)
    expected = read_careful(line(made))
    for colon in (": ", " : ", "\t:\r\n"):
        assert read_fast(json.dumps(made, separators=(" , ", colon)).encode()) == expected


def test_types_that_are_not_in_the_catalogue_push_none_out_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads a type is made once, which takes as long as a hundred lines."""
    made = line(paid("o-1"))
    expected = read_fast(made)
    monkeypatch.delattr(msgspec, "defstruct")
    for number in range(300):
        assert read_fast(line(paid("o-1") | {"type": f"order.{'x' * number}"})) is None
    assert expected is not None and read_fast(made) == expected


@pytest.mark.parametrize("event_type", [name for name, row in CATALOGUE.items() if row.internal])
def test_what_the_ledger_records_itself_is_refused_from_outside(event_type: str) -> None:
    with pytest.raises(RefusalError, match="only the ledger itself"):
        read_line(line({**paid("o-1"), "type": event_type}))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A line that was well formed, then changed in structure, in bytes, or not at all."""
    made = example(draw(st.sampled_from(sorted(EXTERNAL))), full=draw(st.booleans()))
    if draw(st.booleans()):
        made |= draw(AS_OTHERS)
    for _ in range(draw(st.integers(0, 2))):
        target = made["data"] if draw(st.booleans()) and type(made.get("data")) is dict else made
        name = draw(st.sampled_from(sorted([*target, "unknown"])))
        if draw(st.booleans()):
            target[name] = draw(JUNK)
        else:
            target.pop(name, None)
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" , ", "\t:\t")]))
    raw = bytearray(
        json.dumps(made, ensure_ascii=draw(st.booleans()), separators=separators).encode("utf-8", "replace")
    )
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, max(0, len(raw) - 1)))
        kind = draw(st.sampled_from(["flip", "insert", "cut", "repeat"]))
        if kind == "flip" and raw:
            raw[at] = draw(st.integers(0, 255))
        elif kind == "insert":
            raw[at:at] = draw(st.sampled_from([b'"', b"\\", b"{", b"}", b",", b"\xff", b"\x7f", b'"id":"e-1",', b"e5"]))
        elif kind == "cut":
            del raw[at:]
        else:
            raw[at:at] = raw[at // 2 : at]
    return bytes(raw)


@pytest.mark.slow
@settings(max_examples=600 * SOAK)
@given(raw=mutated())
def test_what_the_fast_reader_accepts_the_careful_one_accepts_alike(raw: bytes) -> None:
    fast = read_fast(raw)
    try:
        careful = read_careful(raw)
    except RefusalError as error:
        assert error.refusal.message
        assert fast is None
        return
    assert fast is None or fast == careful


@pytest.mark.slow
@settings(max_examples=200 * SOAK)
@given(raws=st.lists(mutated() | st.binary(max_size=60), max_size=6))
def test_every_line_is_recorded_refused_or_passed_over(raws: list[bytes]) -> None:
    block = Block("f", 1, b"\n".join(raws).split(b"\n"), 0)
    done = decode_block(block)
    assert len(done.candidates) + len(done.refused) + done.passed_over == len(block.lines)
    for where, refusal, _ in done.refused:
        assert where.startswith("f:") and refusal.message.isprintable()


def alike(raw: bytes) -> bool:
    """Whether the fast reader takes a line, which the careful one then takes with the same outcome."""
    fast = read_fast(raw)
    assert fast is None or fast == read_careful(raw)
    return fast is not None


def is_taken(raw: bytes) -> bool:
    try:
        read_careful(raw)
    except RefusalError:
        return False
    return True


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("event_type", EXTERNAL)
def test_a_text_at_its_limits_and_beyond_is_read_alike(event_type: str, full: bool) -> None:
    made = example(event_type, full=full)
    for place in (made, made["data"]):
        for name in [name for name, value in place.items() if isinstance(value, str)]:
            value = place[name]
            lengths = [f"{value[0]}{'a' * more}" for more in (0, 30, 31, 32, 63, 64, 127, 128)]
            odd = [f"{value}{one}{value[-1]}" for one in ("", " ", "/", ",", ":", "}", "é", "\x7f", "\n", '"', "\\")]
            for other in ("", value.upper(), f" {value}", f"{value} ", *lengths, *odd):
                place[name] = other
                raw = line(made)
                assert alike(raw) == (is_taken(raw) and b"\\" not in raw and b"\x7f" not in raw), raw
            place[name] = value


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("event_type", EXTERNAL)
def test_a_key_that_stands_twice_is_never_taken_by_the_fast_reader(event_type: str, full: bool) -> None:
    """Least of all where as many quotes are missing, of what a line left out and the ledger writes of itself."""
    made = example(event_type, full=full)
    for separators in ((",", ":"), (", ", ": "), (" , ", " : ")):
        plain = json.dumps(made, separators=separators)
        for place in (made, made["data"]):
            for name, value in place.items():
                pair = f'"{name}"{separators[1]}{json.dumps(value, separators=separators)}'
                assert pair in plain and read_fast(plain.encode()) in (None, read_careful(plain.encode()))
                for again in (pair, pair.replace(":", " :", 1)):
                    assert read_fast(plain.replace(pair, f"{pair}{separators[0]}{again}").encode()) is None


def test_what_is_left_out_and_a_value_that_is_called_like_it() -> None:
    """An order and a buyer may be called "kind", which only the type's own field makes a key."""
    data = '"amount":1,"buyer":"%s","order":"%s"'
    for buyer, order in (("b", "o"), ("kind", "payment"), ("kind", "kind")):
        for more in ("", ',"kind":"gift"', ',"kind":"normal","payment":"online"', ',"payment":"cod"'):
            fields = data % (buyer, order) + more
            raw = json.dumps(paid("o-1") | {"data": {}}).replace("{}", f"{{{fields}}}").encode()
            assert alike(raw), "it takes the fast reader"
            for twice in ('"amount":1,', '"buyer":"kind",', f'"order":"{order}",', '"kind":"gift",'):
                assert alike(raw.replace(b'"amount"', twice.encode() + b'"amount"')) == (
                    twice == '"kind":"gift",' and '"kind":' not in more
                )


@pytest.mark.parametrize("event_type", EXTERNAL)
def test_data_that_is_left_out_or_null_is_read_alike(event_type: str) -> None:
    made = example(event_type, full=False)
    needs_none = not made.pop("data")
    assert alike(line(made)) == alike(line(made | {"data": None})) == alike(line(made | {"data": {}})) == needs_none
    assert not alike(line(made | {"data": []}))


def test_duplicate_keys_are_seen_however_they_are_hidden() -> None:
    plain = line(paid("o-1")).decode()
    for old, new in (
        ('"amount": 12900', '"amount": 12900, "amount": 12900'),
        ('"amount": 12900', '"amount": 1, "amount": 12900, "kind": "normal"'),
        ('"id": "pay-o-1"', '"id": "pay-o-1", "id": "pay-o-1"'),
        ('"data": {', '"data": {}, "data": {'),
        ('"amount": 12900', '"amount": 1, "\\u0061mount": 12900'),
        ('"specversion": "1.0"', '"specversion": "1.0", "actor": "a", "actor": "a"'),
    ):
        assert old in plain
        with pytest.raises(RefusalError, match="twice in one object"):
            read_line(plain.replace(old, new).encode())


def test_the_limits_of_a_line() -> None:
    made = line(paid("o-1"))
    assert read_line(made + b" " * (LINE_BYTES_MAX - len(made))) == read_line(made)
    with pytest.raises(RefusalError, match="more than 65536 bytes"):
        read_line(made + b" " * (LINE_BYTES_MAX - len(made) + 1))


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("id", ["a", "!" * 128, 'a"b\\c'], ["", "a" * 129, "a b", "é"]),
        (
            "subject",
            ["merchant/a", "merchant/" + "a" * 64],
            ["merchant/", "merchant/" + "a" * 65, "merchant/-a", "m/a"],
        ),
        ("actor", ["x", "名" * 128], ["", "x" * 129]),
        ("time", ["2022-11-01T10:00:00.123456-00:00", "0001-01-01T00:00:00Z"], ["0001-01-01T00:00:00+08:00"]),
    ],
)
def test_the_limits_of_an_attribute(name: str, good: list[str], bad: list[str]) -> None:
    for value in good:
        read_line(line({**paid("o-1"), name: value}))
    for value in bad:
        with pytest.raises(RefusalError, match=name):
            read_line(line({**paid("o-1"), name: value}))


@pytest.mark.parametrize("value", ["0", "5", "5.00", "4.9", "0.05"])
def test_scores_in_bounds(value: str) -> None:
    made = example("creator.scored", full=False)
    made["data"]["value"] = value
    assert read_fast(line(made)) == read_careful(line(made))


@pytest.mark.parametrize("value", ["5.01", "6", "4.", ".5", "4.123", "-1", "", "4,5", "４", 4])
def test_scores_out_of_bounds(value: object) -> None:
    made = example("creator.scored", full=False)
    made["data"]["value"] = value
    with pytest.raises(RefusalError, match=r"data\.value"):
        read_line(line(made))


@pytest.mark.parametrize("event_type", EXTERNAL)
def test_a_record_is_its_own_canonical_json(event_type: str) -> None:
    """Keys sorted, no blanks, and no other bytes than a plain JSON writer makes of the same content."""
    item = read_line(line(example(event_type, full=True)))
    template = record_template(ledger_id="0" * 32, recorded_text="2022-11-02T00:00:00.000000Z", backfill=True)
    record = filled(template, item.event, item.extensions, 7, item.stream, 3)
    plain = json.dumps(json.loads(record), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert record == plain.encode()
    assert encode_json(msgspec.json.decode(record, type=RecordedEnvelope)) == record


def test_fields_of_the_catalogue_stand_in_alphabetical_order() -> None:
    structs: list[type[msgspec.Struct]] = [Envelope, RecordedEnvelope, *(row.data for row in CATALOGUE.values())]
    for struct in structs:
        names = [field.encode_name for field in msgspec.structs.fields(struct)]
        assert names == sorted(names), struct


def test_a_buyer_never_reaches_the_event_bytes() -> None:
    item = read_line(line(paid("o-1", buyer="b-jane", actor='say "buyer":"@"')))
    assert b"jane" not in item.event
    assert item.event.count(BUYER_MARK) == 1


def test_messages_stay_short() -> None:
    many = line({**paid("o-1"), **{f"k{n}": n for n in range(5_000)}})
    long = line({**paid("o-1"), "k" * 60_000: 1})
    for raw in (many, long):
        with pytest.raises(RefusalError) as caught:
            read_line(raw)
        assert len(caught.value.refusal.message) < 2_500


def test_hostile_lines_take_no_long_time() -> None:
    """No regular expression and no message may be quadratic in a line of the full length."""
    full = LINE_BYTES_MAX - 1
    chance = random.Random(7)
    for raw in (
        b'"' * full,
        b"{" * full,
        b"[" * full,
        b'{"a":' * (full // 5),
        b"\\" * full,
        b'{"type":"order.paid","data":' + b"[" * (full - 60),
        line(paid("o-1")).replace(b"12900", b'{"a":' * 10_000),
        b'"\\' * (full // 2),
        b'{"type":"order.paid","id":"' + b"a" * (full - 40) + b'"}',
        b"9" * full,
        b'{"a":' + b"9" * (full - 10) + b"}",
        b"{" + b'"k":1,' * (full // 7) + b'"z":1}',
        bytes(chance.randrange(256) for _ in range(full)).replace(b"\n", b" "),
    ):
        with pytest.raises(RefusalError) as caught:
            read_line(raw)
        assert len(caught.value.refusal.message) < 1_000
