"""A first mapping for a file, from its header and a sample: to be read, completed and checked by whoever knows it."""

import csv
import io
import json
import re
from contextlib import ExitStack
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from replay.extras import need
from replay.parsing.unpacking import BrokenInput, opened, printable

SAMPLE_BYTES: Final = 1 << 18
SAMPLE_ROWS: Final = 200
_DELIMITERS: Final = (",", "\t", ";", "|")
_ENCODINGS: Final = (("utf-16", (b"\xff\xfe", b"\xfe\xff")), ("utf-8", ()), ("gb18030", ()))
_ROLES: Final = {
    "received": r"deliver(?!.*carrier)|receiv|收货|签收",
    "paid": r"paid|pay_?time|purchase|支付时间|付款时间|下单时间|成交时间",
    "answered": r"answer|reviewed|评价时间",
    "review": r"review.*id|comment.*id|评价(编号|id|号)",
    "quality": r"score|stars|rating|评分|星级|描述相符",
    "subject": r"seller|shop|merchant|store|商家|店铺",
    "buyer": r"buyer|customer|user|买家|用户|会员",
    "amount": r"amount|price|total|yuan|金额|实付|价格",
    "order": r"order|订单",
    "at": r"time|date|created|时间|日期",
}
"""What a column may be, by its name; the first that fits, and the first column for each."""
_UNKNOWN: Final = "?"
"""Stands for a column that has to be named."""
_TIME: Final = re.compile(r"[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}[T ]?.*")


class SampledTable(NamedTuple):
    """The form of a file, and its first rows."""

    keys: dict[str, str]
    """The keys of the mapping that say how to read it."""
    columns: list[str]
    rows: list[list[str]]


def proposal(name: str) -> str:
    """A mapping for a file, as TOML. Raises BrokenInput where its form is not known."""
    sample = _sample(name)
    roles = _roles(sample)
    events = [*_paid(sample, roles), *_received(roles), *_reviewed(roles)] or _paid(
        sample, roles | {"amount": _UNKNOWN}
    )
    used = set(re.findall(r"\{([^{}|]+)[|}]", "\n".join(events)))
    aside = [column for column in sample.columns if column not in used]
    head = [f"{key} = {_quoted(value)}" for key, value in sample.keys.items()]
    head += [
        'source = "urn:example:orders"  # where the events come from: id and source name an event for ever',
        '# zone = "Asia/Shanghai"  # say in which zone times without an offset are',
        f"columns = [{', '.join(map(_quoted, aside))}]  # left aside",
    ]
    return "\n".join([*head, *events]) + "\n"


def _sample(name: str) -> SampledTable:
    with ExitStack() as stack:
        source = opened(name, stack)
        head = source.stream.read(SAMPLE_BYTES)
        if head.startswith((b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")):
            whole = io.BytesIO(head + source.stream.read())
            return _sample_of_arrow(name, whole)
    if not head.strip():
        raise BrokenInput(f"{printable(name)} is empty; give a file with a header and some rows")
    encoding, text = _decoded(name, head)
    if not text.strip():
        raise BrokenInput(f"{printable(name)} has no whole line in its first {len(head)} bytes; give a header and rows")
    if text.lstrip().startswith("{"):
        return _sample_of_lines(name, text)
    return _sample_of_values(name, encoding, text)


def _decoded(name: str, head: bytes) -> tuple[str, str]:
    for encoding, marks in _ENCODINGS:
        if marks and not head.startswith(marks):
            continue
        whole = head if len(head) < SAMPLE_BYTES or encoding == "utf-16" else head[: head.rfind(b"\n") + 1]
        try:
            return encoding, whole.decode("utf-8-sig" if encoding == "utf-8" else encoding)
        except UnicodeError:
            continue
    raise BrokenInput(f"{printable(name)} is no text that is known; save it as UTF-8")


def _sample_of_values(name: str, encoding: str, text: str) -> SampledTable:
    first = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = list(islice(filter(None, reader), SAMPLE_ROWS + 1))
    except csv.Error as error:
        raise BrokenInput(f"{printable(name)}:line:{reader.line_num} cannot be read: {error}; mend the file") from None
    keys = {"format": "tsv"} if delimiter == "\t" else {"format": "csv"}
    keys |= {"encoding": encoding} if encoding != "utf-8" else {}
    keys |= {"delimiter": delimiter} if delimiter not in (",", "\t") else {}
    return SampledTable(keys, rows[0], [row for row in rows[1:] if len(row) == len(rows[0])])


def _sample_of_lines(name: str, text: str) -> SampledTable:
    lines = enumerate(text.split("\n")[:SAMPLE_ROWS], 1)
    found = [_object_of(name, number, line) for number, line in lines if line.strip()]
    columns = list(dict.fromkeys(key for row in found for key in row))
    return SampledTable(
        {"format": "jsonl"}, columns, [[str(row.get(column) or "") for column in columns] for row in found]
    )


def _object_of(name: str, number: int, line: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise BrokenInput(f"{printable(name)}:line:{number} is no JSON object: {error}; mend the file") from None


def _sample_of_arrow(name: str, whole: io.BytesIO) -> SampledTable:
    need(("pyarrow",), "a Parquet or Arrow file")
    import pyarrow as pa
    import pyarrow.parquet as pq

    from replay.mapping.arrow_tables import texts_of

    is_parquet = whole.getvalue().startswith(b"PAR1")
    try:
        table = pq.read_table(whole) if is_parquet else _arrow_table(whole)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeError, OSError) as error:
        raise BrokenInput(f"{printable(name)} cannot be read: {error}") from None
    table = table.slice(0, SAMPLE_ROWS)
    texts = [texts_of(name, *both) for both in zip(table.column_names, table.columns, strict=True)]
    return SampledTable(
        {"format": "parquet" if is_parquet else "arrow"},
        table.column_names,
        [list(row) for row in zip(*texts, strict=True)],
    )


def _arrow_table(whole: io.BytesIO) -> Any:
    import pyarrow as pa

    opens = pa.ipc.open_file if whole.getvalue().startswith(b"ARROW1") else pa.ipc.open_stream
    return opens(whole).read_all()


def _roles(sample: SampledTable) -> dict[str, str]:
    """The columns that look like something, by what they look like; `?` for what none looks like."""
    found: dict[str, str] = {}
    for column in sample.columns:
        fitting = (role for role, names in _ROLES.items() if re.search(names, column, re.IGNORECASE))
        role = next((role for role in fitting if _may_be(role, sample, column)), None)
        if role is not None:
            found.setdefault(role, column)
    return found


def _may_be(role: str, sample: SampledTable, column: str) -> bool:
    """Whether a column whose name says that it is a time holds times."""
    if role not in ("received", "paid", "answered", "at"):
        return True
    at = sample.columns.index(column)
    values = [row[at] for row in sample.rows if row[at]]
    return bool(values) and all(_TIME.fullmatch(value) for value in values)


def _paid(sample: SampledTable, roles: dict[str, str]) -> list[str]:
    if "amount" not in roles:
        return []
    values = dict(zip(sample.columns, zip(*sample.rows, strict=True), strict=False)).get(roles["amount"], ())
    is_decimal = any("." in value for value in values)
    amount = f"{{{roles['amount']}{'|x100' * is_decimal}}}"
    told = "yuan, made fen" if is_decimal else "whole fen; of whole yuan write |x100 behind the name"
    return [
        *_event("order.paid", "paid", roles, roles.get("paid") or roles.get("at")),
        f"data.buyer = {_column(roles, 'buyer')}",
        f"data.amount = {_quoted(amount)}  # {told}",
    ]


def _received(roles: dict[str, str]) -> list[str]:
    if "received" not in roles:
        return []
    when = _quoted(f"{roles['received']} != ''")
    return [*_event("order.received", "received", roles, roles["received"]), f"when = {when}"]


def _reviewed(roles: dict[str, str]) -> list[str]:
    if "quality" not in roles:
        return []
    return [
        *_event("review.posted", "review", roles, roles.get("answered") or roles.get("at")),
        f"data.quality = {_column(roles, 'quality')}  # 1 to 5",
    ]


def _event(kind: str, before: str, roles: dict[str, str], time: str | None) -> list[str]:
    order = roles.get("order", _UNKNOWN)
    named = roles.get("review", order) if before == "review" else order
    return [
        "",
        "[[event]]",
        f'type = "{kind}"',
        f"subject = {_column(roles, 'subject', 'merchant/')}",
        f"id = {_quoted(f'{before}.{{{named}}}')}",
        f"time = {_quoted(f'{{{time or _UNKNOWN}}}')}",
        f"data.order = {_column(roles, 'order')}",
    ]


def _column(roles: dict[str, str], role: str, before: str = "") -> str:
    return _quoted(f"{before}{{{roles.get(role, _UNKNOWN)}}}")


def _quoted(text: str) -> str:
    """A text as TOML has it, which is as JSON has it."""
    return json.dumps(text, ensure_ascii=False)
