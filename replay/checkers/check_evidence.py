#!/usr/bin/env python3
"""Check a Levelbook evidence file with Python 3.8 or later and nothing else, offline.

    python3 -I check_evidence.py FILE --trust KEYS [--lang zh]

FILE is the evidence, plain or gzip; KEYS says whose signatures you trust (C2SP tlog-policy), and comes from
somebody whom you believe, not from whoever gave you FILE. A line is printed for each check, and what the file does not
show. Exit status: 0 accepted, 1 refused, 2 the files cannot be read or the trust file is wrong.

The form is Levelbook's "Evidence: what is hashed, and the file", version 1; the notes are C2SP signed-note,
tlog-checkpoint, tlog-cosignature, tlog-policy and tlog-proof. Everything is computed here: RFC 6962 trees, Ed25519
(RFC 8032) and ML-DSA-44 (FIPS 204). What it does not do is to compute the level again: `levelbook
verify-evidence` does.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
import zlib
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from hashlib import sha256, sha512, shake_128, shake_256
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

SHIPPED: frozenset[str] = frozenset()
"""Hashes of the policies that come with the program; filled in when this file is written."""

FORM = "levelbook-evidence/1"
CHECKS = ("form", "signatures", "quorum", "seal", "keys", "records", "contents", "claim", "policies")
SCHEMES = {
    "merchant-reputation": "merchant",
    "merchant-tier": "merchant",
    "creator-level": "creator",
    "creator-firefly": "creator",
    "mcn-level": "mcn",
}
BOUND = ("creator.bound", "creator.unbound")
LINE_BYTES_MAX = 1 << 22
NOTE_BYTES_MAX = TRUST_BYTES_MAX = 1 << 20
SIGNATURES_MAX = 100
NAME_BYTES_MAX = 255
TRUSTED_MAX = 256
"""Logs, witnesses and groups of a trust file, each."""
NUMBER_MAX = 1 << 62
"""The largest position or count that a line may say."""
INTEGERS = 1 << 63
"""The first natural number that is too large; -INTEGERS is the least integer."""


class Refused(Exception):
    """The file is not accepted: the check that fails, and why."""

    def __init__(self, check: str, why: str) -> None:
        super().__init__(f"{check}: {why}")
        self.check, self.why = check, why


class Untrusted(Exception):
    """The trust file cannot be used."""


# --- lines, JSON, base64 ---------------------------------------------------------------------------------------------


def pieces_of(file: BinaryIO) -> Iterator[bytes]:
    """The bytes of a file; those inside, where it is one gzip member."""
    piece = file.read(1 << 16)
    if not piece.startswith(b"\x1f\x8b"):
        while piece:
            yield piece
            piece = file.read(1 << 16)
        return
    member = zlib.decompressobj(wbits=31)
    while piece:
        if member.eof:
            raise Refused("form", "something stands behind the gzip member")
        while piece and not member.eof:
            try:
                yield member.decompress(piece, 1 << 16)
            except zlib.error as error:
                raise Refused("form", f"the gzip member is damaged ({error})") from None
            piece = member.unconsumed_tail
        if member.unused_data:
            raise Refused("form", "something stands behind the gzip member")
        piece = file.read(1 << 16)
    if not member.eof:
        raise Refused("form", "the gzip member is cut off")


class Lines:
    """The lines of a file, without the LF that ends each of them."""

    def __init__(self, file: BinaryIO) -> None:
        self._lines = self._cut(pieces_of(file))
        self.number = 0
        """How many were read."""

    @staticmethod
    def _cut(pieces: Iterator[bytes]) -> Iterator[bytes]:
        rest = b""
        for piece in pieces:
            lines = (rest + piece).split(b"\n")
            if max(map(len, lines)) > LINE_BYTES_MAX:
                raise Refused("form", f"a line is longer than {LINE_BYTES_MAX} bytes")
            rest = lines.pop()
            yield from lines
        if rest:
            raise Refused("form", "the last line is not ended by LF")

    def next(self) -> bytes:
        line = next(self._lines, None)
        if line is None:
            raise self.wrong("the file ends behind it")
        self.number += 1
        return line

    def end(self) -> None:
        if next(self._lines, None) is not None:
            raise self.wrong("lines stand behind the end")

    def wrong(self, why: str) -> Refused:
        return Refused("form", f"line {self.number}: {why}")

    def next_object(self) -> dict[str, Any]:
        return self.as_object(self.next())

    def as_object(self, line: bytes) -> dict[str, Any]:
        """A line that must be one object in canonical JSON."""
        try:
            text = line.decode("utf-8")
            value = DECODER.decode(text)
            canonical = ENCODER.encode(value) == text
        except (ValueError, RecursionError) as error:
            raise self.wrong(f"not JSON as it must be written ({error})") from None
        if type(value) is not dict or not canonical:
            raise self.wrong("not an object in canonical JSON")
        return value

    def text(self, line: bytes) -> str:
        """A line of a note: UTF-8 without control characters."""
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            raise self.wrong("not UTF-8") from None
        if any(sign < " " for sign in text):
            raise self.wrong("a control character")
        return text

    def base64(self, text: bytes) -> bytes:
        raw = from_base64(text)
        if raw is None:
            raise self.wrong("not base64 as it must be written")
        return raw

    def hash(self, text: bytes) -> bytes:
        raw = self.base64(text)
        if len(raw) != 32:
            raise self.wrong(f"a hash of {len(raw)} bytes in place of 32")
        return raw

    def number_in(self, text: bytes) -> int:
        if not re.fullmatch(rb"0|[1-9][0-9]{0,18}", text) or int(text) >= INTEGERS:
            raise self.wrong("not a number as it must be written")
        return int(text)


def integer_of(digits: str) -> int:
    if len(digits) > 20 or not -INTEGERS <= int(digits) < INTEGERS:
        raise ValueError("an integer of more than 64 bits")
    return int(digits)


def no_number(text: str) -> int:
    raise ValueError(f"{text[:20]} is no integer")


DECODER = json.JSONDecoder(parse_int=integer_of, parse_float=no_number, parse_constant=no_number)
ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def from_base64(text: bytes) -> bytes | None:
    """The bytes, or None where this is not how base64 (RFC 4648, section 4) writes them."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return raw if base64.b64encode(raw) == text else None


def is_natural(value: Any) -> bool:
    return type(value) is int and 0 <= value < INTEGERS


def is_number(value: Any) -> bool:
    """Whether a line may say it as a position or a count."""
    return is_natural(value) and value <= NUMBER_MAX


def is_instant(value: Any) -> bool:
    """Whether it is of the years 1 to 9999, in UTC and in Shanghai, eight hours ahead."""
    return type(value) is int and -62_135_596_800_000_000 <= value < 253_402_272_000_000_000


def is_hash(value: Any) -> bool:
    return type(value) is str and re.fullmatch("[0-9a-f]{64}", value) is not None


def field(value: Any, *names: str) -> Any:
    """What stands in an object in an object …; None where it does not."""
    for name in names:
        value = value.get(name) if type(value) is dict else None
    return value


# --- hashes ----------------------------------------------------------------------------------------------------------


def be64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def leaf_hash(record: bytes) -> bytes:
    return sha256(b"\x00" + record).digest()


def log_root(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """The root of a log of `size` records in which a leaf has this path (RFC 9162, 2.1.3.2); None where none can."""
    if index >= size:
        return None
    last, root = size - 1, leaf
    for other in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            root = sha256(b"\x01" + other + root).digest()
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            root = sha256(b"\x01" + root + other).digest()
        index, last = index >> 1, last >> 1
    return root if last == 0 else None


def bit_of(key_hash: bytes, bit: int) -> int:
    return key_hash[bit >> 3] >> (7 - (bit & 7)) & 1


def heads_root(key_hash: bytes, leaf_key: bytes, state: bytes, path: list[list[Any]]) -> bytes:
    """The root of the heads to which a key's path leads from the leaf at its end."""
    root = sha256(b"\x04" + leaf_key + state).digest()
    for bit, other in reversed(path):
        pair = bytes.fromhex(other) + root if bit_of(key_hash, bit) else root + bytes.fromhex(other)
        root = sha256(b"\x05" + bytes([bit]) + pair).digest()
    return root


# --- Ed25519 (RFC 8032): canonical points, S below the order, no cofactor --------------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
NEUTRAL = (0, 1, 1, 0)


def point_of(encoded: bytes) -> Any:
    """The point (X, Y, Z, T) that 32 bytes encode; None where they encode none."""
    y = int.from_bytes(encoded, "little") & ((1 << 255) - 1)
    sign = encoded[31] >> 7
    if y >= P:
        return None
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if (v * x * x - u) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (v * x * x - u) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def sum_of(p: Any, q: Any) -> Any:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(scalar: int, point: Any) -> Any:
    total = NEUTRAL
    while scalar:
        if scalar & 1:
            total = sum_of(total, point)
        point, scalar = sum_of(point, point), scalar >> 1
    return total


BASE = point_of(bytes([0x58]) + bytes([0x66]) * 31)


@lru_cache(maxsize=256)
def ed25519_is_right(public: bytes, message: bytes, signature: bytes) -> bool:
    if len(public) != 32 or len(signature) != 64:
        return False
    key, s = point_of(public), int.from_bytes(signature[32:], "little")
    if key is None or s >= ORDER:
        return False
    h = int.from_bytes(sha512(signature[:32] + public + message).digest(), "little") % ORDER
    minus_key = (P - key[0], key[1], 1, P - key[3])
    x, y, z, _ = sum_of(times(s, BASE), times(h, minus_key))
    inverse = pow(z, P - 2, P)
    x, y = x * inverse % P, y * inverse % P
    encoded: bytes = (y | (x & 1) << 255).to_bytes(32, "little")
    return encoded == signature[:32]


# --- ML-DSA-44 (FIPS 204) --------------------------------------------------------------------------------------------

Q = 8380417
GAMMA_1, GAMMA_2, BETA, TAU, OMEGA = 1 << 17, 95232, 78, 39, 80
ZETAS = [pow(1753, int(f"{i:08b}"[::-1], 2), Q) for i in range(256)]


def transformed(poly: list[int]) -> list[int]:
    """The number-theoretic transform of 256 coefficients (algorithm 41)."""
    w, m, length = list(poly), 0, 128
    while length:
        for start in range(0, 256, 2 * length):
            m += 1
            z = ZETAS[m]
            for j in range(start, start + length):
                t = z * w[j + length] % Q
                w[j + length], w[j] = (w[j] - t) % Q, (w[j] + t) % Q
        length >>= 1
    return w


def back(w: list[int]) -> list[int]:
    """Its inverse (algorithm 42)."""
    w, m, length = list(w), 256, 1
    while length < 256:
        for start in range(0, 256, 2 * length):
            m -= 1
            z = -ZETAS[m]
            for j in range(start, start + length):
                t = w[j]
                w[j], w[j + length] = (t + w[j + length]) % Q, z * (t - w[j + length]) % Q
        length <<= 1
    return [x * 8347681 % Q for x in w]


def unpacked(raw: bytes, bits: int) -> list[int]:
    """Little-endian numbers of so many bits each."""
    whole, mask = int.from_bytes(raw, "little"), (1 << bits) - 1
    return [whole >> at & mask for at in range(0, len(raw) * 8, bits)]


def uniform(seed: bytes) -> list[int]:
    """256 numbers below Q (algorithm 30)."""
    raw = shake_128(seed).digest(8192)  # eight times what is needed on the average
    drawn = (raw[i] | raw[i + 1] << 8 | (raw[i + 2] & 127) << 16 for i in range(0, 8190, 3))
    return [number for number in drawn if number < Q][:256]


def in_ball(seed: bytes) -> list[int]:
    """TAU coefficients of 1 or -1, the others 0 (algorithm 29)."""
    raw, c, at = shake_256(seed).digest(8192), [0] * 256, 8
    signs = int.from_bytes(raw[:8], "little")
    for i in range(256 - TAU, 256):
        while raw[at] > i:
            at += 1
        c[i], c[raw[at]] = c[raw[at]], 1 - 2 * (signs & 1)
        at, signs = at + 1, signs >> 1
    return c


def hints_of(raw: bytes) -> list[set[int]] | None:
    """Which coefficients of the four polynomials are corrected (algorithm 21); None where they are miswritten."""
    hints, begin = [], 0
    for end in raw[OMEGA:]:
        places = raw[begin:end]
        if not begin <= end <= OMEGA or any(a >= b for a, b in zip(places, places[1:])):
            return None
        hints.append(set(places))
        begin = end
    return None if any(raw[begin:OMEGA]) else hints


def high_bits(r: int, hinted: bool) -> int:
    """Algorithms 36 and 40."""
    low = r % (2 * GAMMA_2)
    if low > GAMMA_2:
        low -= 2 * GAMMA_2
    high, low = (0, low - 1) if r - low == Q - 1 else ((r - low) // (2 * GAMMA_2), low)
    if not hinted:
        return high
    return (high + (1 if low > 0 else -1)) % 44


@lru_cache(maxsize=16)
def expanded(public: bytes) -> Any:
    """The matrix of a public key and its vector, both transformed."""
    rows = [[uniform(public[:32] + bytes([column, row])) for column in range(4)] for row in range(4)]
    vector = [transformed([t << 13 for t in unpacked(public[32 + 320 * i : 352 + 320 * i], 10)]) for i in range(4)]
    return rows, vector


@lru_cache(maxsize=256)
def ml_dsa_44_is_right(public: bytes, message: bytes, signature: bytes, context: bytes = b"") -> bool:
    """Algorithms 3 and 8."""
    if len(public) != 1312 or len(signature) != 2420:
        return False
    z = [[GAMMA_1 - n for n in unpacked(signature[32 + 576 * i : 608 + 576 * i], 18)] for i in range(4)]
    hints = hints_of(signature[2336:])
    if hints is None or any(abs(n) >= GAMMA_1 - BETA for poly in z for n in poly):
        return False
    matrix, vector = expanded(public)
    framed = b"\x00" + bytes([len(context)]) + context + message
    mu = shake_256(shake_256(public).digest(64) + framed).digest(64)
    zs, c = [transformed(poly) for poly in z], transformed(in_ball(signature[:32]))
    packed = 0
    for i in range(4):
        columns = zip(c, vector[i], *matrix[i], *zs)
        w = back([(a * x + b * y + d * u + e * v - k * t) % Q for k, t, a, b, d, e, x, y, u, v in columns])
        for j in range(256):
            packed |= high_bits(w[j], j in hints[i]) << 6 * (256 * i + j)
    return shake_256(mu + packed.to_bytes(768, "little")).digest(32) == signature[:32]


# --- whom the trust file names (C2SP tlog-policy) --------------------------------------------------------------------

KINDS = {1: ("Ed25519", 32), 4: ("Ed25519 cosignature", 32), 6: ("ML-DSA-44", 1312)}


class Key(NamedTuple):
    """A public key as signed notes know it."""

    name: str
    key_id: bytes
    kind: int
    public: bytes


class Trust(NamedTuple):
    """What a trust file says."""

    logs: list[Key]
    witnesses: dict[str, Key]
    groups: dict[str, Any]
    """How many of which members, by the group's name."""
    quorum: str

    def is_met(self, name: str, cosigned: set[str]) -> bool:
        if name not in self.groups:
            return name == "none" or name in cosigned
        least, members = self.groups[name]
        return bool(sum(self.is_met(member, cosigned) for member in members) >= least)


def is_key_name(name: str) -> bool:
    """Also whether it is UTF-8: a surrogate stands for a byte that is not."""
    if name == "" or any(sign.isspace() or sign == "+" or "\ud800" <= sign <= "\udfff" for sign in name):
        return False
    return len(name.encode()) <= NAME_BYTES_MAX


def key_of(text: str, kinds: Any) -> Key:
    """A key written as NAME+ID+BASE64."""
    name, _, rest = text.partition("+")
    written, _, encoded = rest.partition("+")
    raw = from_base64(encoded.encode("utf-8", "surrogateescape"))
    if not is_key_name(name) or not re.fullmatch("[0-9a-f]{8}", written) or not raw:
        raise Untrusted("a key is not written as NAME+ID+BASE64")
    if raw[0] not in kinds or len(raw) != 1 + KINDS[raw[0]][1]:
        raise Untrusted(f"a key of type {raw[0]} and {len(raw) - 1} bytes cannot stand here")
    key_id = sha256(name.encode() + b"\n" + raw).digest()[:4]
    if key_id != bytes.fromhex(written):
        raise Untrusted(f"the key of {name} has the id {key_id.hex()}, not {written}")
    return Key(name, key_id, raw[0], raw[1:])


def trust_of(raw: bytes) -> Trust:
    """Read a trust file. Raises Untrusted, with the line, for one that is not written as C2SP has it."""
    if len(raw) > TRUST_BYTES_MAX:
        raise Untrusted(f"the trust file has more than {TRUST_BYTES_MAX} bytes")
    if raw and not raw.endswith(b"\n"):
        raise Untrusted("the last line of the trust file is not ended: it may be cut off")
    quorums: list[str] = []
    trust = Trust([], {}, {}, "")
    members: set[str] = set()
    for number, line in enumerate(raw.split(b"\n"), 1):
        try:
            if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", line):
                raise Untrusted("a control character")
            words = re.findall(r"[^ \t]+", line.decode("utf-8", "surrogateescape"))
            if words and not words[0].startswith("#"):
                take_line(trust, quorums, members, words)
        except Untrusted as error:
            raise Untrusted(f"line {number} of the trust file: {error}") from None
    if len(quorums) != 1:
        raise Untrusted(f"the trust file has {len(quorums)} lines that say the quorum; it must have one")
    return trust._replace(quorum=quorums[0])


def take_line(trust: Trust, quorums: list[str], members: set[str], words: list[str]) -> None:
    kind, given = words[0], words[1:]
    known = {*trust.witnesses, *trust.groups}
    if kind == "log" and len(given) in (1, 2):
        key = new_key(trust, given[0], (1, 6))
        if any(key.public == other.public for other in trust.logs):
            raise Untrusted("the key of a log stands twice")
        trust.logs.append(key)
    elif kind == "witness" and len(given) in (2, 3):
        key = new_key(trust, given[1], (4, 6))
        if given[0] in known or given[0] == "none" or key.public in {w.public for w in trust.witnesses.values()}:
            raise Untrusted("the name or the key of a witness stands twice")
        trust.witnesses[given[0]] = key
    elif kind == "group" and len(given) >= 3:
        name, least, listed = given[0], given[1], given[2:]
        if name in known or name == "none" or len(set(listed)) < len(listed) or not {*listed} <= known - members:
            raise Untrusted("a group needs a new name, and members that stand above and in no other group")
        named = {"any": 1, "all": len(listed)}
        many = named[least] if least in named else int(least) if re.fullmatch("[1-9][0-9]{0,3}", least) else 0
        if not 1 <= many <= len(listed):
            raise Untrusted(f"{least} of {len(listed)} members cannot be asked for")
        trust.groups[name] = (many, listed)
        members.update(listed)
    elif kind == "quorum" and len(given) == 1 and (given[0] == "none" or given[0] in known):
        quorums.append(given[0])
    else:
        raise Untrusted(f"{kind} with {len(given)} words is not understood, or names what does not stand above")
    if max(map(len, (trust.logs, trust.witnesses, trust.groups))) > TRUSTED_MAX:
        raise Untrusted(f"more than {TRUSTED_MAX} logs, witnesses or groups")


def new_key(trust: Trust, text: str, kinds: Any) -> Key:
    key = key_of(text, kinds)
    if any(other[:2] == key[:2] and other != key for other in (*trust.logs, *trust.witnesses.values())):
        raise Untrusted(f"another key of {key.name} has the id {key.key_id.hex()} too")
    return key


# --- the sections ----------------------------------------------------------------------------------------------------


class Header(NamedTuple):
    """What is claimed; it points, and proves nothing."""

    as_of: int
    claim: int | None
    form: str
    keys: int
    ledger: str
    map: int
    policies: int
    position: int
    scheme: str
    subject: str


class Signature(NamedTuple):
    """A signature line of a note."""

    name: str
    key_id: bytes
    raw: bytes


class Proof(NamedTuple):
    """A tlog-proof: a record's place, its path, and the signed checkpoint."""

    place: int
    path: list[bytes]
    origin: str
    size: int
    root: bytes
    text: bytes
    signatures: list[Signature]


class Record(NamedTuple):
    """What the checks ask of a record."""

    position: int
    leaf: bytes
    stream: Any
    version: Any
    ledger: Any
    source: Any
    event_id: Any
    type: Any
    data: Any
    keys: list[str]


def header_of(lines: Lines) -> Header:
    value = lines.next_object()
    if sorted(value) != sorted(Header._fields) or value["form"] != FORM or value["map"] != 1:
        raise lines.wrong(f"not the header of {FORM}")
    header = Header(**value)
    texts, numbers = (header.ledger, header.scheme, header.subject), (header.keys, header.policies, header.position)
    if (
        any(type(text) is not str for text in texts)
        or not all(map(is_number, numbers))
        or not is_instant(header.as_of)
        or type(header.map) is not int
        or not (header.claim is None or is_number(header.claim))
    ):
        raise lines.wrong("a value of the header is of another kind")
    return header


def proof_of(lines: Lines) -> tuple[Proof, bytes]:
    """The proof, and the line behind it."""
    if lines.next() != b"c2sp.org/tlog-proof@v1":
        raise lines.wrong("not the first line of a tlog-proof")
    line = lines.next()
    if not line.startswith(b"index "):
        raise lines.wrong("not the index of a tlog-proof")
    index, path = lines.number_in(line[6:]), []
    while line := lines.next():
        path.append(lines.hash(line))
        if len(path) > 63:
            raise lines.wrong("a path of more than 63 hashes")
    text = lines.next()
    origin = lines.text(text)
    text += b"\n" + (line := lines.next())
    size = lines.number_in(line)
    text += b"\n" + (line := lines.next())
    root = lines.hash(line)
    if not 0 < len(origin.encode()) <= NAME_BYTES_MAX or lines.next():
        raise lines.wrong("a checkpoint has an origin of at most 255 bytes, a size, a root and nothing else")
    signatures, line = signatures_of(lines, len(text) + 2)
    return Proof(index, path, origin, size, root, text + b"\n", signatures), line


def signatures_of(lines: Lines, note_bytes: int) -> tuple[list[Signature], bytes]:
    """The signature lines, and the line behind them; so many bytes of the note stand above."""
    signatures: dict[Any, Signature] = {}
    while (line := lines.next()).startswith("— ".encode()):
        signature = signature_of(lines, line)
        if signatures.setdefault(signature[:2], signature) is not signature:
            raise lines.wrong("a second signature of one key")
        note_bytes += len(line) + 1
        if len(signatures) > SIGNATURES_MAX or note_bytes > NOTE_BYTES_MAX:
            raise lines.wrong(f"a note of more than {SIGNATURES_MAX} signatures, or than {NOTE_BYTES_MAX} bytes")
    if not signatures:
        raise lines.wrong("not a signature line")
    return [*signatures.values()], line


def signature_of(lines: Lines, line: bytes) -> Signature:
    words = line.split(b" ")
    name = lines.text(words[1])
    if len(words) != 3 or not is_key_name(name):
        raise lines.wrong("not a signature line")
    raw = lines.base64(words[2])
    if len(raw) < 5:
        raise lines.wrong("a signature of no bytes")
    return Signature(name, raw[:4], raw[4:])


class HeadOfKey(NamedTuple):
    """The line above the entries of a key."""

    key: str
    many: int
    path: list[list[Any]]
    other: list[str] | None
    """Where no record has the key: the leaf to which its bits lead."""


def head_of_key(lines: Lines) -> HeadOfKey:
    value = lines.next_object()
    key, count, path, other = (field(value, name) for name in ("key", "count", "path", "other"))
    if (
        sorted(value) != (["count", "key", "path"] if count else ["count", "key", "other", "path"])
        or type(key) is not str
        or type(path) is not list
        or not is_number(count)
        or not all(type(p) is list and len(p) == 2 and is_natural(p[0]) and p[0] < 256 and is_hash(p[1]) for p in path)
        or not (count or (type(other) is list and len(other) == 2 and all(map(is_hash, other))))
    ):
        raise lines.wrong("not a key")
    return HeadOfKey(key, count, path, other)


def record_of(line: bytes, value: dict[str, Any]) -> Record:
    event = field(value, "event")
    stream, kind, data = field(value, "stream"), field(event, "type"), field(event, "data")
    keys = [f"stream {stream}"]
    if kind in BOUND:
        keys.append(f"bindings {field(data, 'creator')}")
    if kind == "event.retracted":
        keys.append(f"retracts {field(data, 'source')} {field(data, 'event')}")
    position = field(value, "position")
    return Record(
        position if is_natural(position) else 0,
        leaf_hash(line),
        stream,
        field(value, "version"),
        field(value, "ledger"),
        field(event, "source"),
        field(event, "id"),
        kind,
        data,
        keys,
    )


def instant_of(text: Any) -> int | None:
    """Microseconds since 1970 of an instant as records write it."""
    if type(text) is not str or not re.fullmatch(r"[0-9-]{10}T[0-9:]{8}\.[0-9]{6}Z", text):
        return None
    try:
        whole = datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    since = whole - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + int(text[20:26])


def instant_text(micros: int) -> str:
    since = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=micros)
    return since.isoformat(timespec="microseconds")


# --- the checks ------------------------------------------------------------------------------------------------------


class Checker:
    """Reads a file once, from the first line to the last, and keeps the first fault of each check."""

    def __init__(self, file: BinaryIO, trust: Trust) -> None:
        self.lines, self.trust = Lines(file), trust
        self.faults: dict[str, str] = {}
        self.said: dict[str, str] = {}
        """What was found, by check."""
        self.several: dict[int, Record] = {}
        """The records of several keys that stood above, by position."""
        self.there: dict[str, bool] = {}
        """The keys of the file: whether records have them."""
        self.creators: set[str] = set()
        self.under: dict[str, list[Record]] = {}
        """Of keys of bindings and retractions: their records."""
        self.adopted: set[str] = set()
        self.claimed: Record | None = None
        self.records = self.withheld = 0

    def fault(self, check: str, why: str) -> None:
        self.faults.setdefault(check, why)

    def run(self) -> None:
        """Raises Refused with the first check, in their order, that fails."""
        self.header = header_of(self.lines)
        self.proof, line = proof_of(self.lines)
        self.look_at_signatures()
        self.look_at_seal(line, self.lines.as_object(line))
        key = None
        for _ in range(self.header.keys):
            key = self.take_key(key)
        self.look_at_contents()
        self.look_at_claim()
        self.look_at_policies([self.take_policy() for _ in range(self.header.policies)])
        above = self.lines.number
        if self.lines.next_object() != {"end": above}:
            raise self.lines.wrong(f"not the end, which says that {above} lines stand above")
        self.lines.end()
        self.said["form"] = f"{above + 1} lines: {len(self.there)} keys, {self.records} records"
        for check in CHECKS:
            if check in self.faults:
                raise Refused(check, self.faults[check])

    def look_at_signatures(self) -> None:
        header, proof, trust = self.header, self.proof, self.trust
        if proof.origin != f"levelbook/{header.ledger}":
            self.fault("signatures", f"the checkpoint is of {proof.origin}, not of levelbook/{header.ledger}")
        known = {key[:2]: key for key in (*trust.logs, *trust.witnesses.values())}
        right, others = set(), []
        for signature in proof.signatures:
            key = known.get(signature[:2])
            if key is None:
                others.append(f"{signature.name} {signature.key_id.hex()}")
            elif is_right(key, signature.raw, proof):
                right.add(key[:2])
            else:
                self.fault("signatures", f"the signature of {key.name} ({KINDS[key.kind][0]}) is wrong")
        own = [key for key in trust.logs if key.name == proof.origin]
        if not own:
            self.fault("signatures", f"the trust file names no key of {proof.origin}")
        for key in own:
            if key[:2] not in right:
                self.fault("signatures", f"{key.name} has not signed with its key {key.key_id.hex()}")
        aside = f"; not looked at: {', '.join(others)}" if others else ""
        self.said["signatures"] = f"{proof.origin}, {' and '.join(KINDS[key.kind][0] for key in own)}{aside}"
        cosigned = {name for name, key in trust.witnesses.items() if key[:2] in right}
        told = f"{trust.quorum} is asked for; cosigned by {', '.join(sorted(cosigned)) or 'none'}"
        if not trust.is_met(trust.quorum, cosigned):
            self.fault("quorum", told)
        self.said["quorum"] = told

    def look_at_seal(self, line: bytes, value: dict[str, Any]) -> None:
        header, proof = self.header, self.proof
        seal, data = record_of(line, value), field(value, "event", "data")
        size, heads = field(data, "size"), field(data, "heads")
        self.size = size if is_natural(size) else 0
        self.heads = bytes.fromhex(heads) if is_hash(heads) else b""
        if log_root(seal.leaf, proof.place, proof.size, proof.path) != proof.root:
            self.fault("seal", f"the record is not number {proof.place + 1} of the log of the checkpoint")
        if seal.ledger != header.ledger or seal.position != proof.place + 1:
            self.fault("seal", "the record is of another ledger, or does not say its own position")
        if (seal.stream, seal.type, repr(field(data, "map"))) != ("ledger/heads", "heads.sealed", "1"):
            self.fault("seal", "the record is no seal of map 1")
        if not self.heads or not header.position <= self.size < seal.position or not is_natural(size):
            self.fault("seal", f"it seals {size} records: at least {header.position}, below {seal.position} were to be")
        self.said["seal"] = f"record {seal.position} of {proof.size} seals the first {size}"

    def take_key(self, above: str | None) -> str:
        """A key and its entries; it must stand behind the one above."""
        head = head_of_key(self.lines)
        if above is not None and head.key.encode() <= above.encode():
            raise self.lines.wrong("a key that is not behind the key above")
        self.there[head.key] = head.many > 0
        bits, key_hash = [bit for bit, _ in head.path], sha256(head.key.encode()).digest()
        if any(a >= b for a, b in zip(bits, bits[1:])):
            self.fault("keys", f"the bits of the path of {head.key} do not rise")
        if head.other is None:
            leaf_key = key_hash
            state = sha256(be64(head.many) + self.chain_of_entries(head.key, head.many)).digest()
        else:
            leaf_key, state = (bytes.fromhex(written) for written in head.other)
            if leaf_key == key_hash or any(bit_of(leaf_key, bit) != bit_of(key_hash, bit) for bit in bits):
                self.fault("keys", f"the absence of {head.key} is not shown by this leaf")
        if heads_root(key_hash, leaf_key, state, head.path) != self.heads:
            self.fault("keys", f"{head.key}: the records, or the path, are not those that are sealed")
        return head.key

    def chain_of_entries(self, key: str, count: int) -> bytes:
        chain, before = bytes(32), 0
        for number in range(1, count + 1):
            position, leaf = self.take_entry(key, number)
            if not before < position <= self.size:
                self.fault("records", f"{key}: position {position} behind {before}, or above the seal's {self.size}")
            before = position
            chain = sha256(b"\x03" + chain + be64(position) + leaf).digest()
        return chain

    def take_entry(self, key: str, number: int) -> tuple[int, bytes]:
        """The position and the leaf of a key's next entry."""
        line = self.lines.next()
        value = self.lines.as_object(line)
        if sorted(value) == ["leaf", "position"]:
            if not is_hash(value["leaf"]) or not is_number(value["position"]):
                raise self.lines.wrong("not an entry")
            self.withheld += 1
            if key != "stream ledger/decisions":
                self.fault("contents", f"{key}: record {value['position']} is withheld")
            return value["position"], bytes.fromhex(value["leaf"])
        record = self.record_at(line, value, key)
        if record is None:
            return 0, b""
        self.look_at_record(record, key, number)
        return record.position, record.leaf

    def record_at(self, line: bytes, value: dict[str, Any], key: str) -> Record | None:
        """The record of an entry; None where it should stand above and does not."""
        if sorted(value) != ["position"]:
            record = record_of(line, value)
            self.records += 1
            if len(record.keys) > 1 and self.several.setdefault(record.position, record) is not record:
                self.fault("records", f"record {record.position} stands twice")
            return record
        if not is_number(value["position"]):
            raise self.lines.wrong("not an entry")
        found = self.several.get(value["position"])
        if found is None:
            self.fault("keys", f"{key}: record {value['position']} does not stand above")
        return found

    def look_at_record(self, record: Record, key: str, number: int) -> None:
        if record.ledger != self.header.ledger or key not in record.keys or record.position == 0:
            self.fault("records", f"{key}: record {record.position} is of another ledger or key, or has no position")
        if key.startswith("stream ") and (type(record.version) is not int or record.version != number):
            self.fault("records", f"{key}: record {record.position} has version {record.version}, not {number}")
        if not key.startswith("stream "):
            self.under.setdefault(key, []).append(record)
        if key == f"stream {self.header.subject}":
            if record.type in BOUND:
                self.creators.add(str(field(record.data, "creator")))
            if record.position == self.header.claim:
                self.claimed = record
        if key.startswith("stream policy/") and record.type == "policy.adopted":
            self.adopted.add(str(field(record.data, "hash")))

    def look_at_contents(self) -> None:
        header = self.header
        if SCHEMES.get(header.scheme) != header.subject.partition("/")[0]:
            self.fault("contents", f"{header.scheme} is no scheme of {header.subject}")
        wanted = {f"stream {stream}" for stream in (header.subject, f"policy/{header.scheme}", "ledger/decisions")}
        if header.scheme == "mcn-level":
            wanted.add("stream policy/creator-level")
            for creator in self.creators:
                wanted |= {f"stream creator/{creator}", f"bindings {creator}"}
                asked = [r for r in self.under.get(f"bindings {creator}", ()) if r.stream != f"{header.subject}"]
                while asked:
                    key = "retracts {0.source} {0.event_id}".format(asked.pop())
                    if key not in wanted:
                        wanted.add(key)
                        asked += self.under.get(key, ())
        for key in sorted(wanted - {*self.there}):
            self.fault("contents", f"{key} is left out")
        for key in sorted({*self.there} - wanted):
            self.fault("contents", f"{key} is not read")
        aside = f"; {self.withheld} of other subjects are withheld" if self.withheld else ""
        self.said["contents"] = f"all that {header.scheme} reads of {header.subject}{aside}"
        present = sum(self.there.values())
        self.said["keys"] = f"{present} with all their records, {len(self.there) - present} that no record has"
        self.said["records"] = f"{self.records} of this ledger, each in its place"

    def look_at_claim(self) -> None:
        header, record = self.header, self.claimed
        self.said["claim"] = "none: a replay is shown that nothing in the ledger claims"
        if header.claim is None:
            return
        if record is None or record.type not in ("level.decided", "level.announced"):
            self.fault("claim", f"record {header.claim} is no decision or announcement of {header.subject}")
            return
        data, decided = record.data, record.type == "level.decided"
        if field(data, "scheme") != header.scheme:
            self.fault("claim", f"it is of {field(data, 'scheme')}, not of {header.scheme}")
        moment = (instant_of(field(data, "as_of")), field(data, "position"))
        if decided and (moment != (header.as_of, header.position) or type(moment[1]) is not int):
            self.fault("claim", "the header's moment is not that of the decision")
        if not decided and header.position < record.position:
            self.fault("claim", "it was not announced at the header's position")
        told = {name: field(data, name) for name in ("level", "period", "state") if field(data, name) is not None}
        self.said["claim"] = f"record {record.position}, {record.type}: {ENCODER.encode(told)}"

    def take_policy(self) -> tuple[str, str]:
        """The id and the hash of a policy."""
        value = self.lines.next_object()
        content, named = value.get("content"), value.get("hash")
        if sorted(value) != ["content", "hash"] or type(content) is not str or not is_hash(named):
            raise self.lines.wrong("not a policy")
        try:
            policy = DECODER.decode(content)
            canonical = ENCODER.encode(policy) == content
        except (ValueError, RecursionError):
            canonical, policy = False, None
        if not canonical or type(field(policy, "id")) is not str or sha256(content.encode()).hexdigest() != named:
            self.fault("policies", f"the content of {named} is another, or no policy")
        return str(field(policy, "id")), str(named)

    def look_at_policies(self, policies: list[tuple[str, str]]) -> None:
        hashes, ids = [item[1] for item in policies], [item[0] for item in policies]
        if any(a >= b for a, b in zip(hashes, hashes[1:])):
            raise self.lines.wrong("policies that are not in the order of their hashes")
        if len({*ids}) < len(ids):
            self.fault("policies", "two have one id")
        decided = self.claimed is not None and self.claimed.type == "level.decided"
        named = str(field(self.claimed and self.claimed.data, "policy_hash")) if decided else None
        for found in hashes:
            if found not in SHIPPED and found != named:
                self.fault("policies", f"{found} does not come with the program, and the decision does not name it")
        if named is not None and named not in {*hashes, *self.adopted, *SHIPPED}:
            self.fault("policies", f"{named}, by which was decided, is not there")
        self.said["policies"] = f"{len(policies)} with their contents, {len(self.adopted)} adopted by the ledger"


def is_right(key: Key, signature: bytes, proof: Proof) -> bool:
    """Whether a signature of a known key over the checkpoint is right, as the key's type has it."""
    if key.kind == 1:
        return ed25519_is_right(key.public, proof.text, signature)
    moment, signature = int.from_bytes(signature[:8], "big"), signature[8:]
    if moment >= INTEGERS:
        return False
    if key.kind == 4:
        return ed25519_is_right(key.public, b"cosignature/v1\ntime %d\n" % moment + proof.text, signature)
    name, origin = key.name.encode(), proof.origin.encode()
    if max(len(name), len(origin)) > 255:
        return False
    names = bytes([len(name)]) + name + be64(moment) + bytes([len(origin)]) + origin
    return ml_dsa_44_is_right(
        key.public, b"subtree/v1\n\0" + names + be64(0) + be64(proof.size) + proof.root, signature
    )


# --- what is printed -------------------------------------------------------------------------------------------------

WORDS: dict[str, dict[str, Any]] = {
    "en": {
        "form": "the file is written as it must be",
        "signatures": "the ledger has signed, with every key that you trust",
        "quorum": "the witnesses whom you ask for have cosigned",
        "seal": "the seal is in the signed log",
        "keys": "no record of what is shown was left out",
        "records": "each record stands in its place",
        "contents": "all that the level rests on is here, and nothing else",
        "claim": "the disputed level is the one that the file points to",
        "policies": "the rules are those of the program or of the decision",
        "moment": "Moment: as of {as_of}, known up to position {position}.",
        "chosen": "It was chosen by whoever made the file: nothing in the ledger binds it.",
        "accepted": "Accepted. What this does not show:",
        "refused": "Refused, and nothing in this file counts.",
        "limits": [
            "what was recorded after position {sealed} (the seal)",
            "that the level follows from the records: levelbook verify-evidence computes it again",
            "that what was never recorded did not happen",
            "that the facts recorded are true",
            "that the ledger worked out its seal honestly, unless a witness who recomputes it has cosigned",
            "that the keys in your trust file are whose they say: ask somebody else than who gave you this file",
        ],
    },
    "zh": {
        "form": "文件的写法合乎规定",
        "signatures": "账本已用您信任的每一把密钥签名",
        "quorum": "您要求的见证人已联署",
        "seal": "封存记录在已签名的日志之中",
        "keys": "所示内容没有漏掉任何记录",
        "records": "每条记录都在其应有的位置",
        "contents": "等级所依据的全部在此，且别无其他",
        "claim": "有争议的等级正是文件所指的那一个",
        "policies": "规则来自程序或该决定",
        "moment": "时刻：截至 {as_of}，所知至位置 {position}。",
        "chosen": "此时刻由制作文件者选定：账本中没有任何记录予以约束。",
        "accepted": "通过。以下各点本文件不能证明：",
        "refused": "不通过，文件中的任何内容都不作数。",
        "limits": [
            "位置 {sealed}（封存所及）之后所记录的内容",
            "等级确由这些记录得出：请用 levelbook verify-evidence 重新计算",
            "从未记录的事没有发生",
            "所记录的事实属实",
            "账本如实计算了封存，除非有会重新计算的见证人联署",
            "信任文件中的密钥确属其名：请向给您此文件者以外的人核实",
        ],
    },
}


def plain(text: str) -> str:
    """What a file says, without what could steer a terminal."""
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text)


def report(checker: Checker, refusal: Refused | None, words: dict[str, Any]) -> None:
    for check in CHECKS:
        if refusal is not None and refusal.check == check:
            print(f"NO  {check:<10}  {words[check]}: {plain(refusal.why)}\n\n{words['refused']}")
            return
        print(f"ok  {check:<10}  {words[check]}: {plain(checker.said[check])}")
    header, is_decision = checker.header, checker.claimed is not None and checker.claimed.type == "level.decided"
    print(f"\n{words['moment'].format(as_of=instant_text(header.as_of), position=header.position)}")
    if not is_decision:
        print(words["chosen"])
    print(f"\n{words['accepted']}")
    for limit in words["limits"]:
        print(f"  - {limit.format(sealed=checker.size)}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Check a Levelbook evidence file, offline.")
    parser.add_argument("file", metavar="FILE", help="the evidence, plain or gzip")
    parser.add_argument("--trust", metavar="KEYS", required=True, help="whose signatures you trust (C2SP tlog-policy)")
    parser.add_argument("--lang", choices=sorted(WORDS), default="en", help="language of what is printed")
    asked = parser.parse_args(arguments)
    refusal = None
    try:
        with open(asked.trust, "rb") as keys:
            trust = trust_of(keys.read(TRUST_BYTES_MAX + 1))
        with open(asked.file, "rb") as file:
            checker = Checker(file, trust)
            try:
                checker.run()
            except Refused as error:
                refusal = error
    except (OSError, Untrusted) as error:
        print(f"check_evidence: {plain(str(error))}", file=sys.stderr)
        return 2
    report(checker, refusal, WORDS[asked.lang])
    return 0 if refusal is None else 1


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(main())
