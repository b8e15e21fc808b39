"""Random mappings, and random tables that mostly fit them: hostile values stand among others."""

import random
from datetime import datetime, timedelta
from typing import Any, Final

from domain.events import CATALOGUE
from replay.mapping.language.kinds import FLAG, NUMBER, fields_of

TYPES: Final = [name for name, row in CATALOGUE.items() if not row.internal]
_SAMPLES: Final[dict[str, list[str]]] = {
    "kind": ["normal", "gift", "lucky_bag"],
    "payment": ["online", "cod"],
    "reason": ["fake_trade", "abnormal_review"],
    "scheme": ["merchant-tier", "creator-level"],
    "level": ["LV3", "LV4"],
    "score": ["reputation", "fulfilment"],
    "value": ["4.85", "3", "5.00"],
    "channel": ["live", "video"],
    "period": ["2022-11", "2022-11-05"],
    "category": ["fresh", "toys-1"],
}
"""What fields take that take few texts."""
HOSTILE: Final = (
    *("", "", " ", '"', "\\", 'a"b', "\n", "\r", "\t", "\x00", "\x7f", "\u2028", "\u202e", "\u200b", "é", "店"),
    *("\U0001f600", "-1", "+1", "-0", "007", "1e3", "1E-2", ".5", "5.", "1.2.3", "0.001", "129.999", "0.10", "٣"),
    *("9" * 18, "9" * 19, "1" + "0" * 40, "TRUE", "False", "yes", "null", "b 1", "b,1", "-b", "_b", "b/1", "{b}"),
    *("merchant/a", "mcn/b", "urn:levelbook:x", "URN:LEVELBOOK:x", "2022-11-01", "2022/1/2 3:04", "2022-11-01  10:02"),
    *("2022-02-30 10:00", "2022-13-01 10:00:00", "2022-11-01 24:00:00", "2022-11-01 10:60", "2022-11-01 10:02:60"),
    *("2022-1-01  10:02", "2022-11-01T10:02:11z", "2022-11-01 10:02.5", "2022-11-01 10:02:11.120"),
    *("2022-11-01 10:02:11.1234567891", "2022-11-01 10:02:11+0800", "2022-11-01 10:02:11 +24:00"),
    *("0001-01-01 00:00:00", "1890-05-05 10:00:00", "9999-12-31 23:59:59", "1991-04-14 02:30:00"),
    *("2022-10-30 02:30:00", "2022-03-27 02:30:00"),
    *("x" * 64, "x" * 65, "x" * 128, "x" * 129, "店" * 128, "店" * 129, "x" * 70_000),
)
Chance = random.Random


def random_mapping(chance: Chance, form: str) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """A mapping document, and by column the sort of values that mostly stands in it."""
    columns: dict[str, list[str]] = {}
    values = {
        "T": {"ordinary": "normal", "福袋": "lucky_bag", "no": "false", "ja": "true", "a": "merchant", "odd": 'q"\\'}
    }
    events = [_event(chance, columns) for _ in range(chance.choice([1, 1, 2, 3]))]
    if not columns:
        columns["spare"] = ["x"]
        events[0]["when"] = "spare != 'y'"
    document = {
        "format": form,
        "source": chance.choice(["urn:test:shop"] * 15 + ["urn:{spare}"] * 4 + ["urn:levelbook:x"]),
        "zone": chance.choice(["Asia/Shanghai", "Europe/Berlin", "+08:00", "Z", "America/New_York"]),
        "values": values,
        "event": events,
    }
    if "{spare}" in document["source"]:
        columns["spare"] = ["x", "y"]
    return document, columns


def _event(chance: Chance, columns: dict[str, list[str]]) -> dict[str, Any]:
    name = chance.choice([*TYPES, "order.paid", "order.paid", "sale.settled"])
    kind = chance.choice(CATALOGUE[name].kinds)
    event: dict[str, Any] = {
        "type": name,
        "subject": chance.choice([f"{kind}/"] * 20 + [f"{kind}/m-"] * 5 + ["merchant/", ""])
        + _text(chance, columns, "id"),
        "id": chance.choice([""] * 9 + ["paid."] * 9 + ["a{{b}}", '"', "é"]) + _text(chance, columns, "id"),
        "time": _text(chance, columns, chance.choice(["time", "time", "day"])),
        "data": {},
    }
    for optional in ("recordedtime", "actor", "correlationid"):
        if chance.random() < 0.3:
            event[optional] = _text(chance, columns, "time" if optional == "recordedtime" else "text")
    fields = list(fields_of(name).items())
    chance.shuffle(fields)
    for field, about in fields:
        if not about.required and chance.random() < 0.5:
            continue
        event["data"][field] = _field(chance, columns, field, about.kind)
    if chance.random() < 0.5:
        column = _column(chance, columns, "number")
        operator = chance.choice(["==", "!=", "<", "<=", ">", ">="])
        event["when"] = f"{column} {operator} {chance.choice(['5', '12.5', '100'])}"
    elif chance.random() < 0.3:
        event["when"] = f"{_column(chance, columns, 'id')} {chance.choice(['==', '!='])} ''"
    return event


def _field(chance: Chance, columns: dict[str, list[str]], field: str, kind: str) -> Any:
    if kind == NUMBER:
        whole = f"{{{_column(chance, columns, 'whole')}}}"
        if field in ("quality", "service"):
            return whole
        scaled = f"{{{_column(chance, columns, 'number')}|x{chance.choice([100] * 8 + [10, 1, 1000, 3])}}}"
        return chance.choice([whole] * 8 + [scaled] * 8 + [whole + whole, 3, "5", "9" * 12])
    if kind == FLAG:
        return chance.choice([f"{{{_column(chance, columns, 'flag')}}}", True, False, "true"])
    if field in _SAMPLES and chance.random() < 0.95:
        column = f"{field}_column"
        columns[column] = _SAMPLES[field]
        return f"{{{column}}}"
    return _text(chance, columns, "id")


def _text(chance: Chance, columns: dict[str, list[str]], sort: str) -> str:
    if sort == "day":
        return f"{{{_column(chance, columns, 'day')}}} 10:0{chance.randrange(10)}"
    plain = f"{{{_column(chance, columns, sort)}}}"
    if sort == "time" or chance.random() < 0.8:
        return plain
    number, word = _column(chance, columns, "number"), _column(chance, columns, "word")
    often = [f"{plain}.{{{_column(chance, columns, sort)}}}", f"x{plain}y", f"{{{number}|x100}}"]
    return chance.choice([*often * 3, f"{{{word}|T}}", "fixed", "{{" + plain + "}}"])


_SORTS: Final[dict[str, list[str]]] = {
    "id": ["<id>"],
    "text": ["<id>", "a b", "店", "", 'say "so"'],
    "whole": ["<whole>"],
    "number": ["<number>"],
    "flag": ["true", "false", "TRUE", "False"],
    "word": ["ordinary", "福袋", "no", "ja", "a"],
    "time": ["<time>"],
    "day": ["<day>"],
}


def _column(chance: Chance, columns: dict[str, list[str]], sort: str) -> str:
    name = f"{sort} {chance.randrange(2)}"
    if name not in columns:
        found = list(_SORTS[sort])
        if sort == "time":
            found = [chance.choice(["<time>", "<time>", "<minute>", "<fraction>", "<offset>", "<slashes>", "<berlin>"])]
        if chance.random() < 0.1:
            found.append("")
        columns[name] = found
    return name


def random_table(chance: Chance, columns: dict[str, list[str]], rows: int) -> list[list[str]]:
    """Rows in the order of the columns; in some tables one value in thirty is hostile, in others none."""
    hostile = chance.choice([0, 0, 0.001, 0.005])
    found = []
    for number in range(rows):
        row = []
        for sorts in columns.values():
            value = _value(chance, chance.choice(sorts), number)
            row.append(chance.choice(HOSTILE) if chance.random() < hostile else value)
        found.append(row)
    return found


def _value(chance: Chance, sort: str, number: int) -> str:
    if not sort.startswith("<"):
        return sort
    moment = datetime(2022, 10, 28) + timedelta(seconds=chance.randrange(400_000))
    forms = {
        "<id>": f"o-{chance.choice([number, 7])}",
        "<whole>": str(chance.randrange(1, 6)),
        "<number>": f"{chance.randrange(200)}.{chance.randrange(100):02}" if chance.random() < 0.8 else f"{number}",
        "<time>": moment.strftime("%Y-%m-%d %H:%M:%S"),
        "<minute>": moment.strftime("%Y-%m-%dT%H:%M"),
        "<fraction>": moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{chance.choice([0, 120_000, number]):06}",
        "<offset>": moment.strftime("%Y-%m-%d %H:%M:%S") + "+0800",
        "<slashes>": f"{moment.year}/{moment.month}/{moment.day} {moment.hour}:{moment.minute:02}",
        "<berlin>": (moment + timedelta(days=2)).strftime("%Y-%m-%d %H:%M:%S"),
        "<day>": moment.strftime("%Y-%m-%d"),
    }
    return forms[sort]
