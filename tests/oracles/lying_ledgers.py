"""Evidence that a ledger signed though it lies: what signatures cannot tell, and the other checks must."""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from hashlib import sha256
from typing import Any

from tests.oracles.evidence_files import (
    WITNESSES,
    File,
    Ledger,
    Section,
    be64,
    bits_of,
    canonical,
    ledger_signers,
)
from tests.worlds.evidence import Case

Made = tuple[str, str | None, File]


def of_lying_ledgers(case: Case) -> Iterator[Made]:
    yield from of_records(case)
    yield from of_seals(case)
    yield from of_keys_left_out(case)
    yield from of_notes(case)
    yield from of_heads(case)


def sealed_again(case: Case, records: list[bytes], **seal: Any) -> File:
    """The evidence of other records, sealed and signed as if all were right."""
    ledger = Ledger(case.ledger.ledger, records)
    place = ledger.seal(**seal)
    return case.again(ledger=ledger, seal=place)


def of_records(case: Case) -> Iterator[Made]:
    """A record of what is shown, the last one and another, that is not what it should be."""
    shown = [at for at, record in enumerate(case.ledger.records[: case.seal - 1]) if is_shown(case, record)]
    for at in {shown[0], shown[-1]}:
        for name, check, changed in (
            ("of another ledger", "records", {"ledger": "00" * 16}),
            ("of no ledger", "records", {"ledger": None}),
            ("of a version too high", "records", {"version": 77}),
            ("of version true", "records", {"version": True}),
            ("of version null", "records", {"version": None}),
            ("of another position", "keys", {"position": at + 2}),
            ("of no position", "keys", {"position": None}),
        ):
            records = list(case.ledger.records[: case.seal - 1])
            records[at] = canonical(json.loads(records[at]) | changed)
            yield f"record {at + 1} {name}", check, sealed_again(case, records)
        records = list(case.ledger.records[: case.seal - 1])
        records[at] = records[at].replace(b":", b": ", 1)
        yield f"record {at + 1} not canonical", "form", sealed_again(case, records)
    if case.name == "merchant":
        for name, value in (
            ("as_of", "2022-12-16T05:00:00.000000Z"),
            ("as_of", "never"),
            ("position", True),
            ("scheme", "merchant-tier"),
        ):
            records = list(case.ledger.records[: case.seal - 1])
            told = json.loads(records[case.header["claim"] - 1])
            told["event"]["data"][name] = value
            records[case.header["claim"] - 1] = canonical(told)
            yield f"a decision whose {name} is {value}", "claim", sealed_again(case, records)
        records = list(case.ledger.records[: case.seal - 1])
        told = json.loads(records[case.header["claim"] - 1])
        told["event"]["data"]["policy_hash"] = "00" * 32
        records[case.header["claim"] - 1] = canonical(told)
        yield "a decision by a policy that is not there", "policies", sealed_again(case, records)


def is_shown(case: Case, record: bytes) -> bool:
    return any(record in section.entries for section in case.file.keys)


def of_seals(case: Case) -> Iterator[Made]:
    size = case.seal - 1
    lies: list[tuple[str, dict[str, Any]]] = [
        ("in another stream", {"stream": "ledger/decisions"}),
        ("of another type", {"kind": "heads.told"}),
        *((f"of map {value!r}", {"map": value}) for value in (2, True, "1", None)),
        *((f"of size {value!r}", {"size": value}) for value in (size + 1, size + 2, 0, -1, None, "1", True, 1 << 62)),
        *((f"of heads {value!r:.12}", {"heads": value}) for value in (None, 0, "", "00" * 31, "AB" * 32, "zz" * 32)),
    ]
    for name, changed in lies:
        yield f"a seal {name}", "seal", sealed_again(case, case.ledger.records[:size], **changed)
    yield "a seal of no heads", "keys", sealed_again(case, case.ledger.records[:size], heads="00" * 32)
    for name, value in (("ledger", "00" * 16), ("position", 1), ("position", None), ("event", [1]), ("event", None)):
        ledger = Ledger(case.ledger.ledger, case.ledger.records[:size])
        place = ledger.seal()
        told = json.loads(ledger.records[-1])
        ledger.records[-1] = canonical(told | {name: value})
        yield f"a seal whose {name} is {value}", "seal", case.again(ledger=ledger, seal=place)
    last = case.ledger.records[size - 1]
    if is_shown(case, last) and case.header["position"] < size:
        yield "a record above the seal's size", "records", sealed_again(case, case.ledger.records[:size], size=size - 1)


def of_keys_left_out(case: Case) -> Iterator[Made]:
    """Each key left out altogether, records that stood under it given where they are asked for next."""
    keys = [section.head["key"] for section in case.file.keys]
    for key in keys:
        yield f"{key} never given", "contents", case.again(keys=[other for other in keys if other != key])


def of_notes(case: Case) -> Iterator[Made]:
    signers = [*ledger_signers(case.ledger.ledger), *WITNESSES.values()]
    for name, check, note in (
        ("with an extension line", "form", [*case.file.note, "more"]),
        ("of another log", "signatures", [f"{case.file.note[0]}x", *case.file.note[1:]]),
        ("of a root that is not that of the records", "seal", [*case.file.note[:2], "A" * 43 + "="]),
        ("of a log that is too short", "seal", [case.file.note[0], str(case.seal - 1), case.file.note[2]]),
        ("of no records", "seal", [case.file.note[0], "0", case.file.note[2]]),
    ):
        file = deepcopy(case.file)
        text = "".join(line + "\n" for line in note)
        file.note, file.signatures = note, [signer.line(text) for signer in signers]
        yield f"a checkpoint {name}", check, file


def of_heads(case: Case) -> Iterator[Made]:
    """Tries that are none: a key with two leaves, bits that fall, a leaf where its key does not lead."""
    if case.name != "lone":
        return
    key, absent = (section.head["key"] for section in case.file.keys[:2])
    own, state = sha256(key.encode()).digest(), case.ledger.sealed[case.seal][key]
    leaf, other = sha256(b"\x04" + own + state).digest(), bytes(32)
    fewer = sha256(b"\x04" + own + sha256(be64(7) + bytes(32)).digest()).digest()

    def node(bit: int, taken: bytes, aside: bytes, turn: str) -> bytes:
        pair = aside + taken if turn == "1" else taken + aside
        return sha256(b"\x05" + bytes([bit]) + pair).digest()

    turns = bits_of(own)
    wrong = "0" if turns[3] == "1" else "1"
    two = node(3, leaf, fewer, wrong)
    yield "two leaves for a key, the second shown", "keys", under(case, two, {key: [[3, fewer.hex()]]})
    falling = node(5, node(3, leaf, other, turns[3]), other, turns[5])
    yield "bits that fall", "keys", under(case, falling, {key: [[5, other.hex()], [3, other.hex()]]})
    same = node(3, node(3, leaf, other, turns[3]), other, turns[3])
    yield "a bit twice", "keys", under(case, same, {key: [[3, other.hex()]] * 2})
    asked = bits_of(sha256(absent.encode()).digest())
    bit = next(at for at in range(256) if asked[at] != turns[at])
    misplaced = node(bit, leaf, other, asked[bit])
    file = under(case, misplaced, {absent: [[bit, other.hex()]]})
    yield "an absence by a leaf where its key does not lead", "keys", file


def under(case: Case, root: bytes, paths: Mapping[str, list[list[Any]]]) -> File:
    """The file under a seal of this root, with these paths."""
    file = sealed_again(case, case.ledger.records[: case.seal - 1], heads=root.hex())
    file.keys = [
        Section(section.head | {"path": paths.get(section.head["key"], [])}, section.entries) for section in file.keys
    ]
    return file
