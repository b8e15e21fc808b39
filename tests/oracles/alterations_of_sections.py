"""Alterations of evidence that keep all counts right: what somebody would try who knows the form."""

import base64
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from hashlib import sha256
from typing import Any

from tests.oracles.evidence_files import (
    DASH,
    WITNESSES,
    File,
    Section,
    Signer,
    base64_text,
    bits_of,
    canonical,
    heads_of,
    leaf_of,
    ledger_signers,
    proved,
    section_of,
)
from tests.worlds.evidence import Case, other_case

Change = tuple[str, str | None, Callable[[File], object]]
Made = tuple[str, str | None, File]
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


def of_sections(case: Case) -> Iterator[Made]:
    for changes in (of_header, of_proof, of_note, of_signatures, of_seal, of_keys, of_entries, of_paths, of_policies):
        for name, check, change in changes(case):
            file = deepcopy(case.file)
            change(file)
            yield name, check, file


def put(what: str, **values: Any) -> Callable[[File], object]:
    """A change that puts values into a part of a file that is a mapping."""
    return lambda file: getattr(file, what).update(values)


def taken_out(what: str, which: int | str) -> Callable[[File], object]:
    return lambda file: getattr(file, what).pop(which)


def replace(what: str, at: int, by: object) -> Callable[[File], object]:
    return lambda file: getattr(file, what).__setitem__(at, by)


def replace_all(what: str, by: object) -> Callable[[File], object]:
    return lambda file: setattr(file, what, by)


def appended(what: str, item: object) -> Callable[[File], object]:
    return lambda file: getattr(file, what).append(item)


def doubled(what: str, at: int) -> Callable[[File], object]:
    return lambda file: getattr(file, what).insert(at, getattr(file, what)[at])


def moved_up(what: str, at: int) -> Callable[[File], object]:
    return lambda file: getattr(file, what).insert(at - 1, getattr(file, what).pop(at))


def put_seal(record: bytes) -> Callable[[File], object]:
    return lambda file: setattr(file, "seal", record)


def put_head(at: int, **values: Any) -> Callable[[File], object]:
    return lambda file: file.keys[at].head.update(values)


def without(at: int, name: str) -> Callable[[File], object]:
    return lambda file: file.keys[at].head.pop(name)


def put_entry(at: int, place: int, entry: bytes) -> Callable[[File], object]:
    return lambda file: file.keys[at].entries.__setitem__(place, entry)


def recounted(at: int, entries: list[bytes]) -> Callable[[File], object]:
    """Other entries of a key, with its count put right."""
    return lambda file: file.keys.__setitem__(at, Section(file.keys[at].head | {"count": len(entries)}, entries))


def put_in_policy(at: int, **values: Any) -> Callable[[File], object]:
    return lambda file: file.policies[at].update(values)


NEVER = (-62_135_596_800_000_000 - 1, 253_402_300_800_000_000 - 8 * 3_600_000_000)
"""The instants before the year 1 in UTC, and behind the year 9999 in Shanghai, in microseconds since 1970."""


def of_header(case: Case) -> Iterator[Change]:
    wrong: dict[str, list[Any]] = {
        "as_of": ["2022-12-16T04:00:00.000000Z", 1 << 63, (1 << 63) - 1, *NEVER, True, None],
        "claim": [-1, "1", True, [1]],
        "form": ["levelbook-evidence/2", "Levelbook-evidence/1", None],
        "ledger": [None, 1],
        "map": [2, 0, True, "1"],
        "position": [-1, 1 << 63, None, "1"],
        "scheme": [None, 1],
        "subject": [None, ["merchant/m-1"]],
    }
    for name, values in wrong.items():
        for value in values:
            yield f"header's {name} is {value!r}", "form", put("header", **{name: value})
        yield f"header without {name}", "form", taken_out("header", name)
    yield "header with more", "form", put("header", more=1)
    yield "header of another ledger", "signatures", put("header", ledger="00" * 16)
    yield "header of another ledger that is trusted", "signatures", put("header", ledger=other_ledger(case))
    yield "header of another subject", "contents", put("header", subject=case.header["subject"] + "0")
    yield "header of another kind", "contents", put("header", subject="board/b-1")
    for scheme in ("merchant-tier", "creator-firefly", "mcn-level", "none", "__proto__", "constructor"):
        if scheme != case.header["scheme"]:
            yield f"header of {scheme}", "contents", put("header", scheme=scheme)
    yield "header above the seal's size", "seal", put("header", position=case.seal)
    for claim in {1, 2, 3, case.seal, case.seal + 1, 0} - {case.header["claim"]}:
        yield f"claim is {claim}", "claim", put("header", claim=claim)
    if case.name in ("merchant", "other"):
        yield "another instant", "claim", put("header", as_of=case.header["as_of"] + 1)
        yield "a position before", "claim", put("header", position=case.header["position"] - 1)
        yield "a position behind", "claim", put("header", position=case.header["position"] + 1)
    if case.name == "creator":
        yield "known before it was announced", "claim", put("header", position=case.header["claim"] - 1)


def other_ledger(case: Case) -> str:
    return "".join(reversed(case.ledger.ledger[:16])) * 2


def of_proof(case: Case) -> Iterator[Change]:
    index = case.seal - 1
    yield "not a tlog-proof", "form", replace("proof", 0, "c2sp.org/tlog-proof@v2")
    yield "extra data", "form", lambda file: file.proof.insert(1, "extra AAAA")
    for written in (f"0{index}", f"+{index}", f"-{index}", f"{index} ", f"{index}.0", "", "1e1", str(1 << 63), "९"):
        yield f"index {written!r}", "form", replace("proof", 1, f"index {written}")
    for other in {0, index - 1, index + 1, index ^ 1, 1 << 40, (1 << 63) - 1} - {index, -1}:
        yield f"index {other}", "seal", replace("proof", 1, f"index {other}")
    if case.file.proof[2:]:
        first = case.file.proof[2]
        yield "a hash dropped", "seal", lambda file: file.proof.pop()
        yield "a hash changed", "seal", replace("proof", 2, base64_text(bytes(32)))
        yield "a hash without padding", "form", replace("proof", 2, first.rstrip("="))
        yield "a hash with other bits at its end", "form", replace("proof", 2, first[:-2] + loosened(first[-2]) + "=")
        yield "a hash in base64url", "form", replace("proof", 2, "-_" + first[2:])
        yield "a hash with a blank in it", "form", replace("proof", 2, first[:4] + " " + first[4:])
        if len(case.file.proof) > 3:
            yield "hashes turned round", "seal", replace_all("proof", [*case.file.proof[:2], *case.file.proof[:1:-1]])
    yield "a hash more", "seal", lambda file: file.proof.append(base64_text(bytes(32)))
    yield "a short hash", "form", lambda file: file.proof.append(base64_text(bytes(31)))
    yield "64 hashes", "form", lambda file: file.proof.extend([base64_text(bytes(32))] * 64)


def loosened(letter: str) -> str:
    """A letter of base64 whose highest four bits are the same."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return alphabet[alphabet.index(letter) ^ 1]


def of_note(case: Case) -> Iterator[Change]:
    size = len(case.ledger.records)
    yield "another origin", "signatures", replace("note", 0, f"levelbook/{case.ledger.ledger}0")
    yield "no origin", "form", replace("note", 0, "")
    yield "a control character in the origin", "form", replace("note", 0, case.file.note[0] + "\t")
    yield "another size", "signatures", replace("note", 1, str(size + 1))
    for written in (f"0{size}", f"{size} ", "-1", str(1 << 63), ""):
        yield f"size {written!r}", "form", replace("note", 1, written)
    yield "another root", "signatures", replace("note", 2, base64_text(bytes(32)))
    yield "a short root", "form", replace("note", 2, base64_text(bytes(31)))
    yield "an extension line", "form", lambda file: file.note.append("more")
    yield "an empty line more", "form", lambda file: file.note.append("")
    yield "a line fewer", "form", lambda file: file.note.pop()


def of_signatures(case: Case) -> Iterator[Change]:
    own = ledger_signers(case.ledger.ledger)
    text = "".join(line + "\n" for line in case.file.note)
    for at, signer in enumerate([*own, *WITNESSES.values()]):
        check, line = "signatures" if at < len(own) else "quorum", case.file.signatures[at]
        name, raw = signer.name, base64.b64decode(line.split(" ")[2])
        yield f"signature {at} left out", check, taken_out("signatures", at)
        yield f"signature {at} twice", "form", appended("signatures", line)
        for bit in (0, 64 * 8, (len(raw) - 5) * 8 - 1):
            flipped = bytearray(raw)
            flipped[4 + bit // 8 % (len(raw) - 4)] ^= 1 << bit % 8
            yield (
                f"signature {at}, bit {bit}",
                "signatures",
                replace("signatures", at, signature_line(name, bytes(flipped))),
            )
        yield f"signature {at}, another id", check, replace("signatures", at, signature_line(name, bytes(4) + raw[4:]))
        yield f"signature {at}, another name", check, replace("signatures", at, signature_line(name + "x", raw))
        yield f"signature {at}, shorter", "signatures", replace("signatures", at, signature_line(name, raw[:-1]))
        yield f"signature {at}, longer", "signatures", replace("signatures", at, signature_line(name, raw + b"\x00"))
        yield f"signature {at}, empty", "form", replace("signatures", at, signature_line(name, raw[:4]))
        other = signer.line(text.replace(f"\n{len(case.ledger.records)}\n", "\n999\n"))
        yield f"signature {at} of another checkpoint", "signatures", replace("signatures", at, other)
        stranger = Signer(name, signer.kind, sha256(b"a stranger").digest())
        yield f"signature {at} of a stranger", check, replace("signatures", at, stranger.line(text))
        forged = signature_line(name, raw[:4] + base64.b64decode(stranger.line(text).split(" ")[2])[4:])
        yield f"signature {at} of a stranger under its id", "signatures", replace("signatures", at, forged)
        if signer.kind != 1:
            earlier = raw[:4] + bytes(8) + raw[12:]
            yield (
                f"signature {at}, another time",
                "signatures",
                replace("signatures", at, signature_line(name, earlier)),
            )
            late = raw[:4] + b"\xff" * 8 + raw[12:]
            yield f"signature {at}, no time", "signatures", replace("signatures", at, signature_line(name, late))
        if signer.kind != 6:
            s = int.from_bytes(raw[-32:], "little") + GROUP_ORDER
            large = signature_line(name, raw[:-32] + s.to_bytes(32, "little"))
            yield f"signature {at}, S not reduced", "signatures", replace("signatures", at, large)
        yield from of_signature_line(at, line)
    yield "no signatures", "form", lambda file: file.signatures.clear()
    exchanged = signature_line(own[0].name, own[0].key_id + base64.b64decode(case.file.signatures[1].split(" ")[2])[4:])
    yield "signatures exchanged", "signatures", replace("signatures", 0, exchanged)


def of_signature_line(at: int, line: str) -> Iterator[Change]:
    """What is no signature line in its form."""
    _, name, encoded = line.split(" ")
    for dash in ("–", "-", "--", "―", "─", "", "— —", "\u2014\u200b", "+"):
        yield f"signature {at}, {dash!r} for a dash", "form", replace("signatures", at, f"{dash} {name} {encoded}")
    for written in (
        *(f"{DASH}{name} {encoded}", f"{DASH}  {name} {encoded}", f"{DASH} {name}  {encoded}", f"{line} "),
        *(f"{DASH} {name}\t{encoded}", f"{DASH} {name}", f"{DASH} {name} ", f"{DASH}  {encoded}", f"{line} x"),
        *(f"{DASH} {name}+x {encoded}", f"{DASH} {name}\u00a0x {encoded}", f"{DASH} {name}\u3000 {encoded}"),
        *(f"{DASH} {name} {encoded}=", f"{DASH} {name} {encoded[:-4]}{encoded[-4:].lower()}!", f"{line}\x00"),
        f"{DASH} {name} {encoded[:8]}\u00a0{encoded[8:]}",
    ):
        yield f"signature {at} as {written[:12]!r}", "form", replace("signatures", at, written)
    bare = encoded.rstrip("=")
    if bare != encoded:
        yield f"signature {at} without padding", "form", replace("signatures", at, f"{DASH} {name} {bare}")
        looser = bare[:-1] + loosened(bare[-1]) + "=" * (len(encoded) - len(bare))
        yield f"signature {at} with other bits at its end", "form", replace("signatures", at, f"{DASH} {name} {looser}")


def signature_line(name: str, raw: bytes) -> str:
    return f"{DASH} {name} {base64_text(raw)}"


def of_seal(case: Case) -> Iterator[Change]:
    for place, record in enumerate(case.ledger.records, 1):
        if place != case.seal:
            yield f"record {place} as the seal", "seal", put_seal(record)
    told = json.loads(case.file.seal)
    for name, value in (("size", 1), ("size", told["event"]["data"]["size"] + 1), ("heads", "00" * 32), ("map", 2)):
        lie = deepcopy(told)
        lie["event"]["data"][name] = value
        yield f"the seal's {name} is {value}", "seal", put_seal(canonical(lie))
    for older in sorted(place for place in case.ledger.sealed if place < case.seal):

        def elder(file: File, older: int = older) -> None:
            signers = [*ledger_signers(case.ledger.ledger), *WITNESSES.values()]
            file.proof, file.note, file.signatures = proved(case.ledger, older, len(case.ledger.records), signers)
            file.seal = case.ledger.records[older - 1]

        yield "an older seal with newer records", "seal", elder

        def elder_known(file: File, older: int = older, elder: Callable[[File], None] = elder) -> None:
            elder(file)
            file.header["position"] = older - 1

        yield "an older seal with newer records, and an older moment", "keys", elder_known
    stranger = other_case()
    if stranger.name != case.name:
        yield "the seal of another ledger", "seal", put_seal(stranger.file.seal)

        def whole(file: File) -> None:
            file.proof, file.note, file.signatures = stranger.file.proof, stranger.file.note, stranger.file.signatures
            file.seal = stranger.file.seal

        yield "the proof and the seal of another ledger", "signatures", whole


def of_keys(case: Case) -> Iterator[Change]:
    for at, section in enumerate(case.file.keys):
        key = section.head["key"]
        left_out = None if case.name == "agency" else "contents"  # there, records are missed that stood above
        yield f"{key} left out", left_out, taken_out("keys", at)
        yield f"{key} twice", "form", doubled("keys", at)
        if at:
            yield f"{key} before the one above", "form", moved_up("keys", at)
        for other in other_case().file.keys:
            if other.head["key"] == key and case.name != "other" and other.head != section.head:
                yield (
                    f"{key} of another ledger",
                    "keys",
                    replace("keys", at, other),
                )
        yield f"{key} by another name", None, put_head(at, key="stream x/y")
        yield f"{key}, count as text", "form", put_head(at, count="1")
        yield f"{key}, count too large", "form", put_head(at, count=10**6)
        yield f"{key}, count true", "form", put_head(at, count=True)
        yield f"{key} with more", "form", put_head(at, more=1)
        for name in section.head:
            yield f"{key} without {name}", "form", without(at, name)
        if section.entries:
            yield from of_present(case, at, section)
        else:
            yield from of_absent(case, at, section)
    for key in ("stream merchant/m-2", "stream ledger/heads", "stream mcn/a-2", "bindings c-9"):
        if key not in [section.head["key"] for section in case.file.keys]:
            more = section_of(case.ledger, case.seal, key, set(), ())

            def added(file: File, more: Section = more) -> None:
                file.keys = sorted([*file.keys, more], key=lambda item: item.head["key"].encode())

            yield f"{key} put in", "contents" if case.name != "agency" else None, added


def neighbour(case: Case, key: str) -> dict[str, Any]:
    """What shows that a key is absent from a ledger whose heads lack it, under the paths of this one."""
    hashed = {sha256(name.encode()).digest(): state for name, state in case.ledger.sealed[case.seal].items()}
    own = sha256(key.encode()).digest()
    others = [other for other in hashed if other != own] or [own]
    near = max(others, key=lambda other: [a == b for a, b in zip(bits_of(own), bits_of(other), strict=True)])
    path = heads_of(hashed, near).path
    return {"count": 0, "key": key, "other": [near.hex(), hashed[near].hex()], "path": path}


def of_present(case: Case, at: int, section: Section) -> Iterator[Change]:
    """A key that records have, as if none had; or as if fewer had."""
    key, states = section.head["key"], case.ledger.sealed[case.seal]
    own = {"count": 0, "key": key, "path": section.head["path"]}
    leaf = [sha256(key.encode()).digest().hex(), states[key].hex()]
    # a record that stands only here and is asked for below leaves those without it: then what fails is the same check
    yield (
        f"{key} absent, by its own leaf",
        "keys",
        lambda file: file.keys.__setitem__(at, Section(own | {"other": leaf}, [])),
    )
    near = neighbour(case, key)
    if near["other"][0] != leaf[0]:
        yield f"{key} absent, by its neighbour", "keys", replace("keys", at, Section(near, []))
    yield f"{key} with another leaf", "form", put_head(at, other=leaf)
    yield f"{key} of no records, and present", "form", replace("keys", at, Section(own, []))


def of_absent(case: Case, at: int, section: Section) -> Iterator[Change]:
    key, other = section.head["key"], section.head["other"]
    for name, written in (
        ("swapped", other[::-1]),
        ("of another state", [other[0], "00" * 32]),
        ("of another key", ["00" * 32, other[1]]),
        ("of its own key", [sha256(key.encode()).digest().hex(), other[1]]),
    ):
        yield f"{key}, the leaf {name}", "keys", put_head(at, other=written)
    for name, odd in (
        ("short", other[:1]),
        ("long", [*other, other[0]]),
        ("in capitals", [other[0].upper(), other[1]]),
    ):
        if odd != other:
            yield f"{key}, the leaf {name}", "form", put_head(at, other=odd)
    record = case.ledger.records[0]
    head = {"count": 1, "key": key, "path": section.head["path"]}
    yield f"{key} present", "keys", replace("keys", at, Section(head, [record]))
    hidden = canonical({"leaf": leaf_of(record).hex(), "position": 1})
    yield f"{key} present and withheld", "keys", replace("keys", at, Section(head, [hidden]))


def of_entries(case: Case) -> Iterator[Change]:
    for at, section in enumerate(case.file.keys):
        key, entries = section.head["key"], section.entries
        for place, entry in enumerate(entries):
            named = f"{key}, entry {place + 1}"
            if len(section.entries) > 1:
                yield f"{named} left out", "keys", recounted(at, entries[:place] + entries[place + 1 :])
            yield (
                f"{named} twice",
                "keys",
                recounted(at, entries[: place + 1] + entries[place:]),
            )
            if place:
                yield (
                    f"{named} before the one above",
                    "keys",
                    recounted(at, [*entries[: place - 1], entry, entries[place - 1], *entries[place + 1 :]]),
                )
            for name, check, written in other_entries(case, key, entry):
                yield (
                    f"{named}, {name}",
                    check,
                    put_entry(at, place, written),
                )


def other_entries(case: Case, key: str, entry: bytes) -> Iterator[tuple[str, str | None, bytes]]:
    told = json.loads(entry)
    position = told["position"]
    record = case.ledger.records[position - 1]
    leaf = leaf_of(record).hex()
    hidden = canonical({"leaf": leaf, "position": position})
    if key != "stream ledger/decisions" and entry == record:
        alone = (
            len(
                [
                    1
                    for section in case.file.keys
                    if any(canonical({"position": position}) == e for e in section.entries)
                ]
            )
            == 0
        )
        yield "withheld", "contents" if alone else "keys", hidden
    elif "event" not in told and "leaf" not in told:
        yield "withheld", "contents", hidden
        yield "a second time", "records", record
    if entry == record:
        yield "as if it stood above", "keys", canonical({"position": position})
    yield "withheld, of another leaf", "keys", canonical({"leaf": "00" * 32, "position": position})
    yield "withheld, at another position", "keys", canonical({"leaf": leaf, "position": position + 1})
    yield (
        "withheld, in capitals",
        "form",
        canonical({"leaf": leaf.upper() + "", "position": position}) if leaf.upper() != leaf else b"{}",
    )
    yield "withheld, with more", None, canonical({"leaf": leaf, "more": 1, "position": position})
    yield "as if another stood above", "keys", canonical({"position": position + 1})
    yield "as if one stood above at no position", "form", canonical({"position": "1"})
    yield "empty", "keys", b"{}"
    yield "another record", "keys", case.ledger.records[position % len(case.ledger.records)]
    if entry == record:
        for path, value in ((("event", "data", "amount"), 1), (("position",), position + 1), (("version",), 99)):
            lie = json.loads(entry)
            within = lie
            for name in path[:-1]:
                within = within[name]
            within[path[-1]] = value
            yield f"{path[-1]} changed", "keys", canonical(lie)


def of_paths(case: Case) -> Iterator[Change]:
    for at, section in enumerate(case.file.keys):
        key, path = section.head["key"], section.head["path"]
        tricks: list[tuple[str, str | None, Any]] = [
            ("a node more below", "keys", [*path, [255, "00" * 32]]),
            ("no list", "form", {}),
            ("a triple", "form", [*path, [255, "00" * 32, 0]]),
            ("bit 256", "form", [*path, [256, "00" * 32]]),
            ("a bit below 0", "form", [[-1, "00" * 32], *path]),
            ("a bit that is true", "form", [[True, "00" * 32], *path]),
            ("a short hash", "form", [*path, [255, "00" * 31]]),
            ("a number for a hash", "form", [*path, [255, 0]]),
        ]
        if path:
            tricks += [
                ("the first node left out", "keys", path[1:]),
                ("the last node left out", "keys", path[:-1]),
                ("none", "keys", []),
                ("a node twice", "keys", [path[0], *path]),
                ("another hash", "keys", [[path[0][0], "00" * 32], *path[1:]]),
                ("another bit", "keys", [*path[:-1], [path[-1][0] + 1, path[-1][1]]]),
                ("in capitals", "form", [[path[0][0], path[0][1].upper()], *path[1:]]),
            ]
        if len(path) > 1:
            tricks.append(("turned round", "keys", path[::-1]))
            tricks.append(("bits swapped", "keys", [[path[1][0], path[0][1]], [path[0][0], path[1][1]], *path[2:]]))
            tricks.append(("hashes swapped", "keys", [[path[0][0], path[1][1]], [path[1][0], path[0][1]], *path[2:]]))
        for name, check, written in tricks:
            yield (
                f"{key}, path: {name}",
                check,
                put_head(at, path=written),
            )


def of_policies(case: Case) -> Iterator[Change]:
    for at, policy in enumerate(case.file.policies):
        content = json.loads(policy["content"])
        other = canonical(content | {"in_force_from": "1999-01-01T00:00:00.000000Z"}).decode()
        loose = json.dumps(content, ensure_ascii=False, sort_keys=True)
        for name, written in (("another under its id", other), ("written otherwise", loose), ("no policy", "[]")):
            yield f"policy {at}: {name}", "policies", put_policy(at, written)
            kept = {"content": written, "hash": policy["hash"]}
            yield (
                f"policy {at}: {name}, hash kept",
                "policies",
                replace("policies", at, kept),
            )
        yield f"policy {at}: twice", "form", doubled("policies", at)
        yield f"policy {at}: with more", "form", put_in_policy(at, more=1)
        yield f"policy {at}: not as text", "form", put_in_policy(at, content={})
        yield f"policy {at}: hash in capitals", "form", put_in_policy(at, hash="A" * 64)
    if len(case.file.policies) > 1:
        yield "policies turned round", "form", lambda file: file.policies.reverse()
    stranger = canonical({"id": "mine", "scheme": case.header["scheme"]}).decode()
    yield "a policy that nobody knows", "policies", put_policy(len(case.file.policies), stranger)


def put_policy(at: int, content: str) -> Callable[[File], None]:
    """A policy put at a place, with its own hash, and all of them in their order."""

    def changed(file: File) -> None:
        file.policies[at : at + 1] = [{"content": content, "hash": sha256(content.encode()).hexdigest()}]
        file.policies.sort(key=lambda policy: str(policy["hash"]))

    return changed
