"""CloudEvents as the SDKs of others write them, and what is said of a field of another JSON type."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from msgspec import inspect

from cli import main
from domain.calendar import instant_text
from domain.events import Envelope
from domain.extensions import ASKED_ABOUT, DOCUMENTED_EXTENSIONS
from domain.limits import EXTENSIONS_MAX
from replay.history.browse import find_event
from replay.intake import parallel as decoding
from replay.integrity.verify import verify
from replay.parsing import lines
from replay.parsing.envelope import Undocumented
from replay.parsing.fast import read_fast
from replay.parsing.lines import blocks
from replay.parsing.parse import read_careful, read_line
from replay.parsing.refusals import RefusalError
from replay.store.base.store import Store
from tests.support.examples import EXTERNAL, example
from tests.support.making import event, ingest_events, line, paid, records, write_lines

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
GO = paid("o-1", "2022-11-01T10:02:11.123456789+08:00") | {"datacontenttype": "application/json", "traceparent": TRACE}
JAVA = paid("o-2", "2022-11-01T02:02:11.123456700Z") | {
    "datacontenttype": "application/json; charset=utf-8",
    "dataschema": None,
    "actor": None,
    "tracestate": "",
}
DOTNET = event("merchant.closed", "c-1", "2022-11-01t02:02:11.1234567z") | {
    "data": None,
    "datacontenttype": "application/vnd.shop.closed+json",
    "sequence": "0001",
    "sampledrate": 30,
}


@pytest.mark.parametrize("made", [GO, JAVA, DOTNET], ids=["go", "java", "dotnet"])
def test_events_of_the_sdks_are_taken_alike_by_both_readers(made: dict[str, Any]) -> None:
    careful = read_careful(line(made))
    assert instant_text(careful.occurred_at) == "2022-11-01T02:02:11.123456Z"
    assert careful.cut
    as_text = made | {name: str(made[name]) for name in ("sampledrate",) if name in made}
    assert read_fast(line(as_text)) == careful, "what the SDKs write takes the fast reader"


def test_extensions_are_recorded_beside_the_event_and_are_no_part_of_its_content(store: Store, tmp_path: Path) -> None:
    counts, _ = ingest_events(store, [GO, JAVA, DOTNET, paid("o-3")], tmp_path)
    assert (counts.recorded, counts.refused, counts.cut) == (4, 0, 3)
    again = [GO | {"traceparent": TRACE[::-1]}, {name: value for name, value in JAVA.items() if name != "tracestate"}]
    counts, _ = ingest_events(store, [*again, DOTNET | {"sequence": "0002"}, paid("o-3") | {"dataref": "x"}], tmp_path)
    assert (counts.recorded, counts.known, counts.refused) == (0, 4, 0)
    beside = [msgspec.json.decode(record) for record in records(store)]
    assert [(item.get("extensions"), item["v"]) for item in beside] == [
        ({"traceparent": TRACE}, 2),
        ({"tracestate": ""}, 2),
        ({"sampledrate": "30", "sequence": "0001"}, 2),
        (None, 1),
    ]
    assert all(item["event"]["datacontenttype"] == "application/json" for item in beside)
    assert verify(store).problems == []
    assert find_event(store, "urn:test", "c-1")["extensions"] == {"sampledrate": "30", "sequence": "0001"}
    assert find_event(store, "urn:test", "pay-o-3")["extensions"] == {}


def test_a_backfilled_record_with_extensions_is_its_own_canonical_form(store: Store, tmp_path: Path) -> None:
    made = GO | {"recordedtime": "2022-11-02T00:00:00.1234567Z", "id": "back"}
    ingest_events(store, [made], tmp_path, backfill=True)
    assert verify(store).problems == []
    assert find_event(store, "urn:test", "back")["recorded_at"] == "2022-11-02T08:00:00.123456+08:00"


def test_extension_attributes_that_are_not_documented(store: Store, tmp_path: Path) -> None:
    made = GO | {"tenant": "t-1", "hops": 3, "sampled": True}
    with pytest.raises(
        RefusalError, match="hops: is an extension attribute that CloudEvents does not document; leave it"
    ):
        read_line(line(made))
    with pytest.raises(RefusalError, match="Tenant: is not a known field"):
        read_line(line(GO | {"Tenant": "t-1"}), Undocumented.KEEP)
    with pytest.raises(RefusalError, match=r"tenant: found .*must be text"):
        read_line(line(GO | {"tenant": {}}), Undocumented.KEEP)
    with pytest.raises(RefusalError, match="extension attributes; an event may bear"):
        read_line(line(GO | {f"e{n}": "" for n in range(EXTENSIONS_MAX + 1)}), Undocumented.KEEP)
    dropped = read_line(line(made), Undocumented.DROP)
    assert dropped == read_line(line(GO))
    kept = read_line(line(made), Undocumented.KEEP)
    assert kept.extensions == b'{"hops":"3","sampled":"true","tenant":"t-1","traceparent":"%b"}' % TRACE.encode()
    assert kept.content_hash == dropped.content_hash
    ingest_events(store, [made], tmp_path, undocumented=Undocumented.KEEP)
    assert verify(store).problems == []


def test_data_that_lies_elsewhere_is_not_fetched_and_refused_by_name() -> None:
    made = paid("o-1") | {"dataref": "https://shop.example/o-1"}
    for elsewhere in (
        {name: made[name] for name in made if name != "data"},
        made | {"data": None},
        made | {"data": {}},
    ):
        with pytest.raises(
            RefusalError, match=r'data: is missing, and dataref says that it lies at "https://shop.example/o-1"; the'
        ):
            read_line(line(elsewhere))
    assert read_line(line(made)).extensions == b'{"dataref":"https://shop.example/o-1"}'
    closed = event("merchant.closed", "c-1") | {"dataref": "x", "data": None}
    assert read_line(line(closed)).extensions == b'{"dataref":"x"}', "its type has no data that could lie elsewhere"


@pytest.mark.parametrize("name", ASKED_ABOUT)
def test_extensions_that_should_not_be_kept_by_themselves_say_why(name: str) -> None:
    made = GO | {name: "app_user"}
    with pytest.raises(RefusalError, match=rf"{name}: is an extension attribute that says .*; leave it out, or ingest"):
        read_line(line(made))
    assert read_line(line(made), Undocumented.DROP) == read_line(line(GO))
    kept = read_line(line(made), Undocumented.KEEP).extensions
    assert kept is not None and b'"%b":"app_user"' % name.encode() in kept


def test_a_second_process_decodes_by_the_same_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", 1 << 14)
    made = (GO | {"id": f"e-{n}", "tenant": "t-1"} for n in range(500))
    name = write_lines(tmp_path / "long.jsonl", made)
    helped = list(decoding.decoded_with_help(blocks(name), Undocumented.KEEP))
    assert len(helped) > decoding.BLOCKS_BEFORE_HELP
    assert helped[-1] == list(decoding.decoded(blocks(name), Undocumented.KEEP))[-1]
    assert helped[-1].candidates


def test_the_commands_show_extensions_and_what_was_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "sdk.jsonl", [GO | {"tenant": "t-1"}])

    def run(*words: str) -> str:
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output
        return result.output

    told = run("ingest", "sdk.jsonl", "--extensions", "keep")
    assert "1 events had times with more than six decimals: what is beyond microseconds was cut off" in told
    assert json.loads(run("ingest", "sdk.jsonl", "--extensions", "drop", "--format", "json"))["times_cut"] == 1
    assert f"[tenant=t-1 traceparent={TRACE}]" in run("events", "merchant/m-1")
    assert json.loads(run("events", "merchant/m-1", "--format", "json"))[0]["extensions"]["traceparent"] == TRACE
    assert f"extensions.traceparent{TRACE}"[:22] in run("event", "urn:test", "pay-o-1")
    assert "the ledger is sound" in run("verify")


@pytest.mark.parametrize(
    ("time", "fits"),
    [
        ("2022-11-01T10:02:11.123456789Z", True),
        ("2022-11-01T10:02:11.1234567890Z", False),
        ("2022-11-01t10:02:11z", True),
        ("2022-11-01T10:02:11.Z", False),
        ("2022-11-01 10:02:11Z", False),
    ],
)
def test_times_of_up_to_nine_decimals_are_taken(time: str, fits: bool) -> None:
    if fits:
        assert read_fast(line(paid("o-1", time))) == read_careful(line(paid("o-1", time)))
        return
    with pytest.raises(RefusalError, match="time: found"):
        read_line(line(paid("o-1", time)))


WRONG: list[Any] = [12, -(10**30), 1.5, "12", "", "x y", True, False, None, [], ["a"], {}, {"a": 1}]
KINDS = {bool: "a truth value", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}


def fields_of(event_type: str) -> list[tuple[str, inspect.Field]]:
    """Every field of a type and of the envelope around it: ("data" or "", field)."""
    structs = [("data", EXTERNAL[event_type].data), ("", Envelope)]
    found = []
    for where, struct in structs:
        info = inspect.type_info(struct)
        assert isinstance(info, inspect.StructType)
        found += [(where, field) for field in info.fields if field.encode_name != "data"]
    return found


def json_types(kind: inspect.Type) -> set[type]:
    """The JSON types that a field takes."""
    if isinstance(kind, inspect.Metadata):
        return json_types(kind.type)
    if isinstance(kind, inspect.UnionType):
        return set().union(*map(json_types, kind.types))
    of = {inspect.StrType: str, inspect.LiteralType: str, inspect.IntType: int, inspect.BoolType: bool}
    return {of[type(kind)]} if type(kind) in of else {type(None)}


@pytest.mark.slow
@pytest.mark.parametrize("event_type", EXTERNAL)
def test_a_field_of_another_json_type_is_told_what_was_found_and_what_is_needed(event_type: str) -> None:
    for where, field in fields_of(event_type):
        takes = json_types(field.type)
        for wrong in WRONG:
            if type(wrong) in takes or (where == "" and wrong is None and not field.required):
                continue
            made = example(event_type, full=True)
            (made["data"] if where else made)[field.encode_name] = wrong
            name = f"{where}.{field.encode_name}".lstrip(".")
            with pytest.raises(RefusalError) as caught:
                read_line(line(made))
            check_message(caught.value.refusal.message, name, wrong, takes, missing=where == "" and wrong is None)


def check_message(message: str, name: str, wrong: Any, takes: set[type], *, missing: bool) -> None:
    if missing:  # a null attribute is as if it were not there
        assert message.startswith(f"{name}: is missing; must be "), message
        return
    assert message.startswith(f"{name}: found "), message
    assert wrong is None or f", which is {KINDS[type(wrong)]}; must be " in message, message
    assert ("; write " in message) or ("or write " in message), message
    if str in takes:
        assert "must be text, in quotes: " in message, message
    else:
        assert ", without quotes; " in message, message


def test_a_number_in_the_place_of_text_is_shown_as_it_should_be_written() -> None:
    for made, told in (
        (
            paid("o-1") | {"data": {"order": 88121, "buyer": "b", "amount": 1}},
            'data.order: found 88121.*; write "88121"$',
        ),
        (paid("o-1", amount="12900"), 'data.amount: found "12900", which is text.*; write 12900$'),
        (paid("o-1", amount=129.0), r"data.amount: found 129\.0, which is a number.*; write for example 12900$"),
        (paid("o-1") | {"id": 7}, 'id: found 7.*; write "7"$'),
        (example("content.published", full=True) | {"data": {"content": "c", "good": "TRUE"}}, "good: .*; write true$"),
    ):
        with pytest.raises(RefusalError, match=told):
            read_line(line(made))


def test_every_documented_extension_takes_text() -> None:
    made = paid("o-1") | dict.fromkeys(DOCUMENTED_EXTENSIONS, "x")
    fast = read_fast(line(made))
    assert fast is not None and fast == read_careful(line(made))
    assert fast.extensions is not None and fast.extensions.count(b":") == len(DOCUMENTED_EXTENSIONS)
