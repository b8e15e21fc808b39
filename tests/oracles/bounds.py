"""The bounds of docs/reference/evidence.md: files and trust files at each of them, and one beyond."""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Any

from tests.oracles.evidence_files import COSIGNATURE, DASH, NOTE_KEY, File, Signer, canonical, trust_text, witness
from tests.worlds.evidence import OWN, Case

SIGNATURES, NAME_BYTES, NOTE_BYTES, NUMBER, EACH = 100, 255, 1 << 20, 1 << 62, 256


def strange(name: str, length: int = 5) -> str:
    """A signature line of somebody unknown, of so many bytes of key id and signature."""
    return f"{DASH} {name} {b64encode(bytes(length)).decode()}"


def noted(case: Case, *lines: str) -> File:
    file = case.again()
    file.signatures.extend(lines)
    return file


def filling(case: Case, note_bytes: int) -> str:
    """A signature line with which the note has exactly so many bytes."""
    texts = [*case.file.note, "", *case.file.signatures]
    left = note_bytes - sum(len(text.encode()) + 1 for text in texts)
    name = "x" * (1 + (left - len(strange("x", 6).encode()) - 1) % 4)
    line = strange(name, (left - len(f"{DASH} {name} ".encode()) - 1) // 4 * 3)
    assert len(line.encode()) + 1 == left
    return line


def at_bounds(case: Case) -> Iterator[tuple[str, bytes]]:
    """Files that say the same as a good one, with as much as may stand there."""
    free = SIGNATURES - len(case.file.signatures)
    yield "100 signatures", noted(case, *(strange(f"s{number}") for number in range(free))).written()
    for name in ("n" * NAME_BYTES, "名" * (NAME_BYTES // 3)):
        yield f"a name of {NAME_BYTES} bytes", noted(case, strange(name)).written()
    yield "a note of 2^20 bytes", noted(case, filling(case, NOTE_BYTES)).written()


def beyond_bounds(case: Case) -> Iterator[tuple[str, str, bytes]]:
    """Files that must be refused: how, by which check, and what they are."""
    free = SIGNATURES - len(case.file.signatures)
    yield "101 signatures", "form", noted(case, *(strange(f"s{number}") for number in range(free + 1))).written()
    yield "a name of 256 bytes", "form", noted(case, strange("n" * (NAME_BYTES + 1))).written()
    yield "a name of 256 bytes, not 255 letters", "form", noted(case, strange("名" * 85 + "n")).written()
    yield "a note of 2^20 + 1 bytes", "form", noted(case, filling(case, NOTE_BYTES + 1)).written()
    file = case.again()
    file.note[0] = "o" * (NAME_BYTES + 1)
    yield "an origin of 256 bytes", "form", file.written()
    for number, check in ((NUMBER, "seal"), (NUMBER + 1, "form"), (2**63 - 1, "form")):
        yield f"position {number}", check, pointing(case, position=number)
    for number in (NUMBER + 1, 2**63 - 1):
        yield f"claim {number}", "form", pointing(case, claim=number)
        for entry in ({"position": number}, {"leaf": "0" * 64, "position": number}):
            file = case.again()
            section = next(section for section in file.keys if section.entries)
            section.entries[-1] = canonical(entry)
            yield f"entry {entry}", "form", file.written()


def pointing(case: Case, **changed: Any) -> bytes:
    file = case.again()
    file.header |= changed
    return file.written()


def trusting(*lines: str) -> bytes:
    return trust_text([OWN], {}, *lines).encode()


LOGS = [Signer(f"log.example/{number}", NOTE_KEY, number.to_bytes(32, "big")).written for number in range(EACH)]
SEEN = [witness(f"w.example/{number}", COSIGNATURE).written for number in range(EACH + 1)]


def witnesses(count: int) -> Iterable[str]:
    return (f"witness w{number} {key}" for number, key in enumerate(SEEN[:count]))


def groups(count: int) -> Iterable[str]:
    yield f"witness w {SEEN[0]}"
    yield "group g0 any w"
    yield from (f"group g{number} any g{number - 1}" for number in range(1, count))


def good_trust_files() -> Iterator[tuple[str, bytes]]:
    """Trust files by which a good file of the ledger OWN is accepted."""
    opaque = f"witness n\xe4 {SEEN[0]} https://x/\xff".encode("latin1")
    yield "bytes that are not UTF-8", b"# \xff\xfe\n" + trusting() + opaque + b"\ngroup \x80 any n\xe4\nquorum none\n"
    yield "256 logs", trusting(*(f"log {key}" for key in LOGS[: EACH - 2]), "quorum none")
    yield "256 witnesses", trusting(*witnesses(EACH), "quorum none")
    yield "256 groups", trusting(*groups(EACH), "quorum none")
    whole = trusting("quorum none")
    yield "2^20 bytes", whole + b"#" * ((1 << 20) - len(whole) - 1) + b"\n"


def bad_trust_files() -> Iterator[tuple[str, bytes]]:
    """Trust files that must not be used."""
    whole = trusting("quorum none")
    yield "not ended", whole[:-1]
    yield "2^20 + 1 bytes", whole + b"#" * ((1 << 20) - len(whole)) + b"\n"
    name, key_id, key = SEEN[0].split("+", 2)
    assert key_id != key_id.upper()
    yield "a key id in capitals", trusting(f"witness w {name}+{key_id.upper()}+{key}", "quorum none")
    timed = Signer("x", COSIGNATURE, bytes(32)).written
    yield "a log that signs with a time", trusting(f"log {timed}", "quorum none")
    yield "a key whose name is not UTF-8", trusting() + b"witness w \xff" + SEEN[0].encode() + b"\nquorum none\n"
    yield "a key that is not ASCII", trusting() + b"witness w " + SEEN[0].encode() + b"\xff\nquorum none\n"
    yield "a name of 256 bytes", trusting(f"witness w {witness('n' * 256, COSIGNATURE).written}", "quorum none")
    yield "257 logs", trusting(*(f"log {key}" for key in LOGS[: EACH - 1]), "quorum none")
    yield "257 witnesses", trusting(*witnesses(EACH + 1), "quorum none")
    yield "257 groups", trusting(*groups(EACH + 1), "quorum none")
