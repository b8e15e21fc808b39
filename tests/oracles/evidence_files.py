"""Evidence files made from docs/reference/evidence.md alone, as slowly as can be: for tests of whatever reads them.

`cryptography` signs; nothing of the product is used. What ML-DSA signs is another each time, all else is the same.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from tests.oracles.key_chains import oracle_keys

NOTE_KEY, COSIGNATURE, ML_DSA = 1, 4, 6
DASH = "—"
DECISIONS = "stream ledger/decisions"


def canonical(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def base64_text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def be64(number: int) -> bytes:
    return number.to_bytes(8, "big")


# --- signers -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Signer:
    """A private key by which notes are signed, made from a seed."""

    name: str
    kind: int
    seed: bytes

    @property
    def public(self) -> bytes:
        return private_key(self).public_key().public_bytes_raw()

    @property
    def key_id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    @property
    def written(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64_text(bytes([self.kind]) + self.public)}"

    def line(self, text: str, moment: int = 1_700_000_000) -> str:
        """The signature line under a checkpoint's text."""
        return f"{DASH} {self.name} {base64_text(self.key_id + signed(self, text, moment))}"


@cache
def private_key(signer: Signer) -> Ed25519PrivateKey | MLDSA44PrivateKey:
    if signer.kind == ML_DSA:
        return MLDSA44PrivateKey.from_seed_bytes(signer.seed)
    return Ed25519PrivateKey.from_private_bytes(signer.seed)


@cache
def signed(signer: Signer, text: str, moment: int) -> bytes:
    """The signature that stands behind the key's id; kept, so that a file that is made again is the same."""
    private, name = private_key(signer), signer.name.encode()
    if signer.kind == NOTE_KEY:
        return private.sign(text.encode())
    if signer.kind == COSIGNATURE:
        return be64(moment) + private.sign(f"cosignature/v1\ntime {moment}\n{text}".encode())
    origin, size, root = text.split("\n")[:3]
    names = bytes([len(name)]) + name + be64(moment) + bytes([len(origin.encode())]) + origin.encode()
    message = b"subtree/v1\n\x00" + names + be64(0) + be64(int(size)) + base64.b64decode(root)
    return be64(moment) + private.sign(message)


def ledger_signers(ledger: str) -> list[Signer]:
    name = f"levelbook/{ledger}"
    return [Signer(name, kind, sha256(f"{name} {kind}".encode()).digest()) for kind in (NOTE_KEY, ML_DSA)]


def witness(name: str, kind: int) -> Signer:
    return Signer(name, kind, sha256(f"{name} {kind}".encode()).digest())


WITNESSES = {"w1": witness("witness.example/一", COSIGNATURE), "w2": witness("witness.example/two", ML_DSA)}


def trust_text(ledgers: Iterable[str], witnesses: Mapping[str, Signer], *more: str) -> str:
    """A trust file: both keys of each ledger, the witnesses, and further lines (groups, the quorum)."""
    logs = [f"log {signer.written}" for ledger in ledgers for signer in ledger_signers(ledger)]
    seen = [f"witness {name} {signer.written}" for name, signer in witnesses.items()]
    return "\n".join(["# whom we trust", *logs, "", *seen, *more, ""])


# --- trees -------------------------------------------------------------------------------------------------------


def leaf_of(record: bytes) -> bytes:
    return sha256(b"\x00" + record).digest()


def tree_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else sha256(b"").digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + tree_root(leaves[:half]) + tree_root(leaves[half:])).digest()


def tree_path(leaves: list[bytes], index: int) -> list[bytes]:
    """RFC 6962, 2.1.1."""
    if len(leaves) <= 1:
        return []
    half = 1 << (len(leaves) - 1).bit_length() - 1
    if index < half:
        return [*tree_path(leaves[:half], index), tree_root(leaves[half:])]
    return [*tree_path(leaves[half:], index - half), tree_root(leaves[:half])]


def bits_of(key_hash: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in key_hash)


class HeadsNode(NamedTuple):
    """The root of a heads trie, and how a key's bits lead to a leaf."""

    root: bytes
    path: list[list[Any]]
    leaf: bytes
    """SHA-256 of the key of that leaf."""


def heads_of(states: Mapping[bytes, bytes], asked: bytes) -> HeadsNode:
    """The trie over states by SHA-256 of their keys."""
    if len(states) == 1:
        [(key_hash, state)] = states.items()
        return HeadsNode(sha256(b"\x04" + key_hash + state).digest(), [], key_hash)
    columns = zip(*(bits_of(key_hash) for key_hash in states), strict=True)
    bit = next(number for number, column in enumerate(columns) if len({*column}) == 2)
    sides = [{k: s for k, s in states.items() if bits_of(k)[bit] == side} for side in "01"]
    left, right = (heads_of(side, asked) for side in sides)
    taken, other = (right, left) if bits_of(asked)[bit] == "1" else (left, right)
    root = sha256(b"\x05" + bytes([bit]) + left.root + right.root).digest()
    return HeadsNode(root, [[bit, other.root.hex()], *taken.path], taken.leaf)


# --- ledgers -----------------------------------------------------------------------------------------------------


@dataclass
class Ledger:
    """Records as a ledger writes them, their positions from 1."""

    ledger: str
    records: list[bytes] = field(default_factory=list)
    sealed: dict[int, dict[str, bytes]] = field(default_factory=dict)
    """What is sealed, by the seal's position: states by key."""

    def add(self, stream: str, kind: str, data: Mapping[str, Any], *, event_id: str = "", **changed: Any) -> int:
        """Append an event; `changed` are keys of the record that are to lie. Gives its position."""
        position = len(self.records) + 1
        version = 1 + sum(json.loads(record)["stream"] == stream for record in self.records)
        event = {
            "data": dict(data),
            "datacontenttype": "application/json",
            "id": event_id or f"e-{position}",
            "source": "urn:test",
            "specversion": "1.0",
            "subject": stream,
            "time": "2022-11-01T02:00:00.000000Z",
            "type": kind,
        }
        whole = {"backfill": False, "event": event, "ledger": self.ledger, "position": position}
        whole |= {"recorded_at": f"2022-11-02T00:00:00.{position:06}Z", "stream": stream, "v": 1, "version": version}
        self.records.append(canonical(whole | changed))
        return position

    def states(self, size: int) -> dict[str, bytes]:
        """The state of every key that the first records have."""
        chains: dict[str, tuple[int, bytes]] = {}
        for position, record in enumerate(self.records[:size], 1):
            for key in oracle_keys(record):
                count, chain = chains.get(key, (0, bytes(32)))
                chains[key] = (count + 1, sha256(b"\x03" + chain + be64(position) + leaf_of(record)).digest())
        return {key: sha256(be64(count) + chain).digest() for key, (count, chain) in chains.items()}

    def seal(self, *, stream: str = "ledger/heads", kind: str = "heads.sealed", **changed: Any) -> int:
        """Seal all records; what is `changed` lies. Gives the seal's position."""
        size, states = len(self.records), self.states(len(self.records))
        root = heads_of({sha256(key.encode()).digest(): state for key, state in states.items()}, bytes(32)).root
        tree = tree_root([leaf_of(record) for record in self.records])
        data = {"heads": root.hex(), "keys": len(states), "map": 1, "size": size, "tree": tree.hex()}
        position = self.add(stream, kind, data | changed)
        self.sealed[position] = states
        return position

    def having(self, key: str, size: int) -> list[int]:
        """The positions of the records that have a key."""
        return [place for place, record in enumerate(self.records[:size], 1) if key in oracle_keys(record)]


# --- files -------------------------------------------------------------------------------------------------------


@dataclass
class Section:
    """A key and its entries."""

    head: dict[str, Any]
    entries: list[bytes]


@dataclass
class File:
    """The sections of an evidence file, to be changed before it is written."""

    header: dict[str, Any]
    proof: list[str]
    """Down to the empty line."""
    note: list[str]
    """The checkpoint's three lines."""
    signatures: list[str]
    seal: bytes
    keys: list[Section]
    policies: list[dict[str, Any]]

    def lines(self) -> list[bytes]:
        """All lines, with whatever counts the sections have now."""
        header = self.header | {"keys": len(self.keys), "policies": len(self.policies)}
        texts = [*self.proof, "", *self.note, "", *self.signatures]
        lines = [canonical(header), *(text.encode() for text in texts), self.seal]
        for section in self.keys:
            lines += [canonical(section.head), *section.entries]
        lines += [canonical(policy) for policy in self.policies]
        return [*lines, canonical({"end": len(lines)})]

    def written(self) -> bytes:
        return joined(self.lines())

    def key(self, name: str) -> Section:
        return next(section for section in self.keys if section.head["key"] == name)


def joined(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def keys_read(ledger: Ledger, subject: str, scheme: str, size: int) -> list[str]:
    """The keys that a scheme's replay of a subject reads, by the table of the page."""
    found = {f"stream {subject}", f"stream policy/{scheme}", DECISIONS}
    if scheme != "mcn-level":
        return sorted(found, key=str.encode)
    found.add("stream policy/creator-level")
    for record in map(json.loads, ledger.records[:size]):
        if record["stream"] == subject and record["event"]["type"] in ("creator.bound", "creator.unbound"):
            creator = record["event"]["data"]["creator"]
            found |= {f"stream creator/{creator}", f"bindings {creator}"}
    waiting = [key for key in found if key.startswith("bindings ")]
    while waiting:
        for place in ledger.having(waiting.pop(), size):
            record = json.loads(ledger.records[place - 1])
            named = f"retracts {record['event']['source']} {record['event']['id']}"
            if record["stream"] != subject and named not in found:
                found.add(named)
                waiting.append(named)
    return sorted(found, key=str.encode)


def section_of(ledger: Ledger, seal: int, key: str, above: set[int], withheld: Iterable[int]) -> Section:
    """A key of a file; `above` are the positions of records that stand in it already, and more are put in."""
    states, size = ledger.sealed[seal], seal - 1
    hashed = {sha256(name.encode()).digest(): state for name, state in states.items()}
    node = heads_of(hashed, sha256(key.encode()).digest())
    head: dict[str, Any] = {"count": 0, "key": key, "path": node.path}
    if key not in states:
        return Section(head | {"other": [node.leaf.hex(), hashed[node.leaf].hex()]}, [])
    entries = []
    for place in ledger.having(key, size):
        record = ledger.records[place - 1]
        if place in withheld:
            entries.append(canonical({"leaf": leaf_of(record).hex(), "position": place}))
        elif place in above:
            entries.append(canonical({"position": place}))
        else:
            entries.append(record)
            above.add(place)
    return Section(head | {"count": len(entries)}, entries)


def proved(ledger: Ledger, seal: int, size: int, signers: Iterable[Signer]) -> tuple[list[str], list[str], list[str]]:
    """The lines of a seal's proof, of the checkpoint, and of its signatures."""
    leaves = [leaf_of(record) for record in ledger.records[:size]]
    path = [base64_text(part) for part in tree_path(leaves, seal - 1)]
    note = [f"levelbook/{ledger.ledger}", str(size), base64_text(tree_root(leaves))]
    text = "".join(line + "\n" for line in note)
    return ["c2sp.org/tlog-proof@v1", f"index {seal - 1}", *path], note, [signer.line(text) for signer in signers]


def evidence(
    ledger: Ledger,
    header: Mapping[str, Any],
    seal: int,
    *,
    witnesses: Iterable[Signer] = (),
    withheld: Iterable[int] = (),
    policies: Iterable[str] = (),
    keys: Iterable[str] | None = None,
) -> File:
    """The evidence of what a header names (subject, scheme, claim, position, as_of) under a seal."""
    proof, note, signatures = proved(ledger, seal, len(ledger.records), [*ledger_signers(ledger.ledger), *witnesses])
    whole = {"form": "levelbook-evidence/1", "ledger": ledger.ledger, "map": 1, **header}
    asked = keys_read(ledger, header["subject"], header["scheme"], seal - 1) if keys is None else keys
    above: set[int] = set()
    sections = [section_of(ledger, seal, key, above, {*withheld}) for key in asked]
    hashed = sorted((sha256(content.encode()).hexdigest(), content) for content in policies)
    given = [{"content": content, "hash": named} for named, content in hashed]
    return File(dict(whole), proof, note, signatures, ledger.records[seal - 1], sections, given)
