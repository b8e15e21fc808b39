"""A table of orders, the mapping of its rows, and what they mean, told plainly."""

import csv
import io
import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from replay.mapping.language.document import Mapping, mapping_of

COLUMNS = ["order", "shop", "buyer", "yuan", "kind", "paid at", "received at", "note"]
KINDS = {"ordinary": "normal", "福袋": "lucky_bag"}
DOCUMENT: dict[str, Any] = {
    "format": "csv",
    "source": "urn:test:shop",
    "zone": "Asia/Shanghai",
    "columns": ["note"],
    "values": {"kind": KINDS},
    "event": [
        {
            "type": "order.paid",
            "subject": "merchant/{shop}",
            "id": "paid.{order}",
            "time": "{paid at}",
            "data": {"order": "{order}", "buyer": "{buyer}", "amount": "{yuan|x100}", "kind": "{kind|kind}"},
        },
        {
            "type": "order.received",
            "when": "received at != ''",
            "subject": "merchant/{shop}",
            "id": "received.{order}",
            "time": "{received at}",
            "data": {"order": "{order}"},
        },
    ],
}
Cells = list[str]


def mapping(**changed: Any) -> Mapping:
    """The mapping of the orders, with other keys in the place of some."""
    return mapping_of(DOCUMENT | changed, "orders.toml")


def rows_of(count: int) -> list[Cells]:
    """Well-formed rows; every second order was received, and notes hold what separates."""
    return [
        [
            f"o-{n}",
            f"m-{n % 3}",
            f"b-{n % 7}",
            f"{n}.{n % 10}" if n % 2 else str(n),
            ("ordinary", "福袋", "")[n % 3],
            f"2022-11-{n % 28 + 1:02} 10:00:{n % 60:02}",
            f"2022/12/{n % 28 + 1} 9:05" if n % 2 else "",
            'a, "b";\nc\t' if n % 5 == 0 else "",
        ]
        for n in range(count)
    ]


def plain_events(rows: Iterable[Cells]) -> list[dict[str, Any]]:
    """What well-formed rows mean, by hand: no word of the mapping's code."""
    found: list[dict[str, Any]] = []
    for order, shop, buyer, yuan, kind, paid_at, received_at, _ in rows:
        common = {"specversion": "1.0", "source": "urn:test:shop", "subject": f"merchant/{shop}"}
        data = {"order": order, "buyer": buyer, "amount": int(Decimal(yuan) * 100)}
        if kind:
            data["kind"] = {"ordinary": "normal", "福袋": "lucky_bag"}[kind]
        paid = {"type": "order.paid", "id": f"paid.{order}", "time": _moment(paid_at), "data": data}
        found.append(common | paid)
        if received_at:
            received = {"type": "order.received", "id": f"received.{order}", "time": _moment(received_at)}
            found.append(common | received | {"data": {"order": order}})
    return found


def _moment(text: str) -> str:
    year, month, day, hour, minute, *second = map(int, re.findall("[0-9]+", text))
    return f"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{(second or [0])[0]:02}+08:00"


def separated(rows: Iterable[Cells], delimiter: str = ",", end: str = "\n") -> str:
    held = io.StringIO()
    writer = csv.writer(held, delimiter=delimiter, lineterminator=end)
    writer.writerows([COLUMNS, *rows])
    return held.getvalue()


def write_table(path: Path, rows: Iterable[Cells]) -> str:
    path.write_text(separated(rows), "utf-8", newline="")
    return str(path)


def write_arrow(table: pa.Table, path: str, form: str) -> None:
    """A Parquet or Arrow file of a table."""
    if form == "parquet":
        pq.write_table(table, path)
        return
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
