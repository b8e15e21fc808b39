"""Altered evidence files, each of which must be refused: the same ones each time, but for what ML-DSA signs anew.

`check` is the check that must fail where the page determines it. What is left out here is no alteration of what a file
shows: another order of signature lines; where nothing binds the header's moment, another moment; another container.
"""

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from tests.conftest import SOAK
from tests.oracles.alterations_of_sections import NEVER, of_sections
from tests.oracles.bounds import beyond_bounds
from tests.oracles.evidence_files import DASH, canonical, joined
from tests.oracles.lying_ledgers import of_lying_ledgers
from tests.worlds.evidence import Case


class Altered(NamedTuple):
    """A file that must be refused, and by which check, where that is determined."""

    name: str
    content: bytes
    check: str | None


def altered_files(case: Case, bits: int = 900) -> Iterator[Altered]:
    """All alterations of a file; `bits` is how many bits and bytes are drawn."""
    good, seen = case.file.written(), set[bytes]()
    parts = [
        *of_bits(case, bits),
        *of_bytes(case, bits // 2),
        *of_lines(case),
        *of_lengths(good, Random(case.name)),
        *of_encodings(case),
        *of_json(case),
        *of_containers(good, Random(case.name)),
        *(Altered(name, file.written(), check) for name, check, file in of_sections(case)),
        *(Altered(name, file.written(), check) for name, check, file in of_lying_ledgers(case)),
        *(Altered(name, content, check) for name, check, content in beyond_bounds(case)),
    ]
    for item in parts:
        if item.content not in seen and item.content != good and not is_as_good(case, item.content):
            seen.add(item.content)
            yield item._replace(name=f"{case.name}: {item.name}")


def tried(case: Case, bits: int = 900) -> list[Altered]:
    """All of them in `make soak`; else of those that one check must refuse the first and every fourth."""
    seen, step = Counter[str | None](), 1 if SOAK > 1 else 4
    found = []
    for item in altered_files(case, bits):
        if seen[item.check] % step == 0:
            found.append(item)
        seen[item.check] += 1
    return found


def is_as_good(case: Case, content: bytes) -> bool:
    """Whether only the header's moment differs, where nothing in the ledger binds it."""
    good, lines = case.file.written().split(b"\n"), content.split(b"\n")
    if lines[1:] != good[1:]:
        return False
    try:
        header = json.loads(lines[0])
        written = canonical(header)
    except (ValueError, RecursionError):
        return False
    if type(header) is not dict or written != lines[0]:
        return False
    bound, claim = json.loads(good[0]), case.header["claim"]
    free = {"merchant": (), "other": (), "creator": ("as_of", "position")}.get(case.name, ("as_of", "position"))
    if {name: value for name, value in header.items() if name not in free} != {
        name: value for name, value in bound.items() if name not in free
    }:
        return False
    position = header.get("position")
    as_of = header.get("as_of")
    if type(as_of) is not int or not NEVER[0] < as_of < NEVER[1]:
        return False
    return type(position) is int and (claim or 0) <= position < case.seal


def of_bits(case: Case, many: int) -> Iterator[Altered]:
    """Bits drawn by chance, and all those of the signature lines' beginnings and of the empty lines."""
    good, random = case.file.written(), Random(case.name)
    places = [random.randrange(len(good) * 8) for _ in range(many)]
    for line in ["", *case.file.signatures]:
        begin = good.index(f"\n{line}\n".encode()) + 1
        places += range(begin * 8, (begin + min(len(line.encode()) + 1, 6)) * 8)
    for place in places:
        at, bit = divmod(place, 8)
        yield Altered(f"bit {bit} of byte {at}", good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :], None)


def of_bytes(case: Case, many: int) -> Iterator[Altered]:
    good, random = case.file.written(), Random(case.name + "bytes")
    for _ in range(many):
        at = random.randrange(len(good) - 1)
        yield Altered(f"byte {at} dropped", good[:at] + good[at + 1 :], None)
        yield Altered(f"byte {at} doubled", good[:at] + good[at : at + 1] + good[at:], None)
        yield Altered(
            f"byte {at} swapped", good[:at] + good[at + 1 : at + 2] + good[at : at + 1] + good[at + 2 :], None
        )
        for put in (b"\n", b"\r", b" ", b"\x00", b"0", b"\xff"):
            if random.random() < 0.25:
                yield Altered(f"{put!r} put in at {at}", good[:at] + put + good[at:], None)


def of_lines(case: Case) -> Iterator[Altered]:
    """Lines dropped, doubled, emptied and swapped with any other; with and without the end put right."""
    lines = case.file.lines()
    for at in range(len(lines)):
        yield Altered(f"line {at + 1} dropped", joined(lines[:at] + lines[at + 1 :]), None)
        yield Altered(f"line {at + 1} doubled", joined(lines[: at + 1] + lines[at:]), None)
        yield Altered(f"line {at + 1} emptied", joined([*lines[:at], b"", *lines[at + 1 :]]), None)
        if at < len(lines) - 1:
            end = [canonical({"end": len(lines) - 2})]
            yield Altered(
                f"line {at + 1} dropped, the end put right", joined(lines[:at] + lines[at + 1 : -1] + end), None
            )
            end = [canonical({"end": len(lines)})]
            yield Altered(
                f"line {at + 1} doubled, the end put right", joined(lines[: at + 1] + lines[at:-1] + end), None
            )
        for other in (at + 1, at + 2, at + 7):
            if other < len(lines) and not lines[at].startswith(DASH.encode()) * lines[other].startswith(DASH.encode()):
                moved = list(lines)
                moved[at], moved[other] = moved[other], moved[at]
                yield Altered(f"lines {at + 1} and {other + 1} swapped", joined(moved), None)


def of_lengths(good: bytes, random: Random) -> Iterator[Altered]:
    ends = [at + 1 for at, byte in enumerate(good[:-1]) if byte == 10]
    for end in [0, 1, *ends, *(end - 1 for end in ends), len(good) - 1, *random.sample(range(len(good)), 40)]:
        yield Altered(f"cut off at {end}", good[:end], "form")
    for more in (b"\n", b" ", b"\x00", b"{}\n", b'{"end":1}\n', good, good[:1]):
        yield Altered(f"{more[:10]!r} behind it", good + more, "form")
    yield Altered("twice the end", good + good.split(b"\n")[-2] + b"\n", "form")


def of_encodings(case: Case) -> Iterator[Altered]:
    good = case.file.written()
    text = good.decode()
    yield Altered("a byte order mark", "\ufeff".encode() + good, "form")
    yield Altered("CRLF", good.replace(b"\n", b"\r\n"), "form")
    yield Altered("CR", good.replace(b"\n", b"\r"), "form")
    for name in ("utf-16", "utf-16-le", "utf-32", "utf-7", "gb18030"):
        yield Altered(name, text.encode(name), "form")
    yield Altered("an overlong slash", good.replace(b"/", b"\xc0\xaf", 1), "form")
    yield Altered("a surrogate in UTF-8", good.replace(b"levelbook", b"\xed\xa0\x80", 1), "form")
    for at, line in enumerate(case.file.lines()):
        lines = case.file.lines()
        lines[at] = line + b"\r"
        yield Altered(f"line {at + 1} with CR", joined(lines), "form")
        lines[at] = b" " + line
        yield Altered(
            f"line {at + 1} behind a blank", joined(lines), None if line.startswith(b"levelbook/") else "form"
        )


JSON_OTHERWISE: dict[str, Callable[[str], str]] = {
    "a blank": lambda text: text.replace(":", ": ", 1),
    "a blank at the end": lambda text: text + " ",
    "keys not sorted": lambda text: json.dumps(dict(reversed(json.loads(text).items())), separators=(",", ":")),
    "a key twice": lambda text: "{" + text[1 : text.index(",") + 1] + text[1:] if "," in text else text,
    "another key twice": lambda text: text[:-1] + ',"position":1,"position":1}',
    "an exponent": lambda text: text.replace("1}", "1e0}").replace("2}", "2E0}").replace("5}", "5.0}"),
    "a fraction": lambda text: text.replace("1,", "1.0,", 1).replace("0,", "0.0,", 1),
    "a zero before": lambda text: text.replace('":1', '":01', 1),
    "a sign": lambda text: text.replace('":1', '":+1', 1),
    "minus zero": lambda text: text.replace('":0', '":-0', 1),
    "an escape that is not needed": lambda text: text.replace("e", "\\u0065", 1),
    "an escaped slash": lambda text: text.replace("/", "\\/", 1),
    "an escape in capitals": lambda text: text.replace("\\n", "\\u000A", 1),
    "a long escape": lambda text: text.replace("\\n", "\\u000a", 1),
    "only ASCII": lambda text: json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")),
    "not a number": lambda text: text.replace(":1", ":NaN", 1),
    "a list of it": lambda text: f"[{text}]",
    "much nesting": lambda text: text[:-1] + ',"z":' + "[" * 50_000 + "]" * 50_000 + "}",
    "a huge number": lambda text: text[:-1] + ',"z":' + "9" * 10_000 + "}",
    "single quotes": lambda text: text.replace('"', "'"),
    "null": lambda text: "null",
    "text": lambda text: '"x"',
    "a comma at the end": lambda text: text[:-1] + ",}",
    "a further key": lambda text: text[:-1] + ',"zz":0}',
}


def of_json(case: Case) -> Iterator[Altered]:
    """Each line of JSON, written otherwise; some are canonical still, and say something else."""
    lines = case.file.lines()
    for at, line in enumerate(lines):
        if line.startswith(b"{"):
            for name, otherwise in JSON_OTHERWISE.items():
                written = otherwise(line.decode()).encode()
                if written != line:
                    check = None if is_canonical(written) else "form"
                    yield Altered(f"line {at + 1}, {name}", joined([*lines[:at], written, *lines[at + 1 :]]), check)


def is_canonical(written: bytes) -> bool:
    try:
        told = json.loads(written, parse_constant=no_constant)
        return type(told) is dict and canonical(told) == written
    except (ValueError, RecursionError):
        return False


def no_constant(name: str) -> None:
    raise ValueError(name)


def of_containers(good: bytes, random: Random) -> Iterator[Altered]:
    """What is not the whole of the file as one gzip member with nothing behind it."""
    packed, half = gzip.compress(good, mtime=0), len(good) // 2
    yield Altered("two members", gzip.compress(good[:half]) + gzip.compress(good[half:]), "form")
    yield Altered("an empty member behind", packed + gzip.compress(b""), "form")
    yield Altered("an empty member before", gzip.compress(b"") + packed, "form")
    yield Altered("something behind", packed + b"\x00", "form")
    yield Altered("much behind", packed + bytes(1 << 17), "form")
    yield Altered("zlib", zlib.compress(good), "form")
    yield Altered("twice packed", gzip.compress(packed), "form")
    yield Altered("another checksum", packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:], "form")
    yield Altered("another length", packed[:-1] + bytes([packed[-1] ^ 1]), "form")
    yield Altered("a line more", gzip.compress(good + b"\n"), "form")
    for end in (1, 2, 9, 10, 18, len(packed) // 2, len(packed) - 8, len(packed) - 1):
        yield Altered(f"packed, cut off at {end}", packed[:end], "form")
    for place in random.sample(range(len(packed) * 8), 150):
        at, bit = divmod(place, 8)
        flipped = packed[:at] + bytes([packed[at] ^ 1 << bit]) + packed[at + 1 :]
        if unpacked(flipped) != good:
            yield Altered(f"packed, bit {bit} of byte {at}", flipped, "form")


def unpacked(packed: bytes) -> bytes | None:
    member = zlib.decompressobj(wbits=31)
    try:
        return member.decompress(packed)
    except zlib.error:
        return None
