"""The mapping file: strict, every fault told with its place and what is allowed there."""

from pathlib import Path
from typing import Any

import pytest

from domain.events import CATALOGUE
from replay.errors import FaultyMapping, UsageError
from replay.mapping.language.document import mapping_of, read_mapping
from replay.mapping.language.kinds import FLAG, NUMBER, fields_of
from tests.support.tables import COLUMNS, DOCUMENT, mapping

PAID = DOCUMENT["event"][0]


def faults(**changed: Any) -> list[str]:
    content = {key: value for key, value in (DOCUMENT | changed).items() if value is not None}
    with pytest.raises(FaultyMapping) as refused:
        mapping_of(content, "m.toml")
    return str(refused.value).removeprefix("m.toml: ").split("\nm.toml: ")


def test_a_mapping_knows_its_columns() -> None:
    found = mapping()
    assert sorted([*found.columns, *found.ignored]) == sorted(COLUMNS)
    assert found.delimiter == "," and mapping(format="tsv").delimiter == "\t"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"format": "xls"}, "format: found xls; formats are: csv, tsv, parquet, arrow, jsonl, query"),
        ({"encoding": "latin-1"}, "encoding: found latin-1; encodings are: utf-8, utf-8-sig, gbk, gb18030, utf-16"),
        ({"delimiter": ";;"}, 'delimiter: must be one ASCII character, such as ";" or "\\t"'),
        ({"zone": None}, "zone: is missing; say in which zone times without an offset are"),
        ({"zone": "Mars/Base"}, "zone: found Mars/Base, which is no zone known here"),
        ({"source": None}, "source: is missing"),
        ({"columns": "lenient"}, 'columns: must be "strict", or a list of the columns that are left aside'),
        ({"columns": ["shop"]}, "columns: shop is said to be left aside, but an event is made of it"),
        ({"values": {}}, "event 1 (order.paid): kind: there is no [values.kind]; tables of values are: none"),
        ({"code": "x"}, "code: is not known; keys here are: format, encoding, delimiter, source, zone, columns"),
        ({"event": []}, "event: must be 1 to 32 [[event]] tables"),
        ({"event": [PAID | {"type": "order.payed"}]}, "event 1.type: found order.payed; types are: merchant.onboarded"),
        ({"event": [PAID | {"type": "level.decided"}]}, "event 1.type: found level.decided; types are:"),
        ({"event": [PAID | {"id": 7}]}, "event 1.id: must be text"),
        ({"event": [PAID | {"when": "a ~ b"}]}, "event 1.when: 'a ~ b' is no comparison"),
        ({"event": [PAID | {"data": PAID["data"] | {"amout": 1}}]}, "event 1 (order.paid): data.amout: is not a field"),
        ({"event": [PAID | {"data": PAID["data"] | {"amount": True}}]}, "data.amount: found true; must be a whole"),
        ({"event": [PAID | {"data": PAID["data"] | {"amount": 1.5}}]}, "event 1.data.amount: must be text, a whole"),
        ({"event": [PAID | {"data": {}}]}, "event 1 (order.paid): data.amount: is missing; order.paid needs it"),
    ],
)
def test_a_fault_is_told_with_its_place(changed: dict[str, Any], told: str) -> None:
    assert any(told in line for line in faults(**changed)), faults(**changed)


def test_every_type_that_can_be_sent_can_be_mapped() -> None:
    """From its own fields, with literal values of their kinds."""
    for name in (name for name, row in CATALOGUE.items() if not row.internal):
        known = fields_of(name)
        data = {field: {NUMBER: 1, FLAG: True}.get(kind.kind, "{a}") for field, kind in known.items()}
        event = {"type": name, "subject": "{a}", "id": "{a}", "time": "{a}", "data": data}
        assert mapping(event=[event], columns=COLUMNS).events[0].type == name


def test_a_file_that_is_no_mapping_is_told(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text("format = ")
    for name, error, told in (
        ("m.toml", FaultyMapping, "cannot be read as TOML"),
        ("none.toml", UsageError, "there is no mapping"),
        (".", UsageError, "is a folder; name the file in it"),
    ):
        with pytest.raises(error, match=told):
            read_mapping(tmp_path / name)
