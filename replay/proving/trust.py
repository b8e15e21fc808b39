"""Whom a verifier trusts (C2SP tlog-policy): the keys of logs and witnesses, and how many witnesses it takes.

    log VKEY [URL]
    witness NAME VKEY [URL]
    group NAME all|any|K MEMBER…
    quorum NAME|none

Stricter than C2SP in one point, for a ledger signs with two keys: *each* key that a `log` line names for an origin must
have signed a checkpoint of it, and so must none of the named keys have signed it wrongly.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from replay.proving.checkpoint import parse_checkpoint
from replay.proving.notes import (
    ED25519,
    ED25519_TIMED,
    ML_DSA_44,
    NoteSignature,
    SignedNote,
    VerifierKey,
    is_right,
    parse_verifier_key,
)
from replay.proving.strict_text import MalformedError

FILE_BYTES_MAX: Final = 1 << 20
EACH_MAX: Final = 256
"""Of logs, of witnesses and of groups."""
NOBODY: Final = "none"
LOG_KINDS: Final = (ED25519, ML_DSA_44)
WITNESS_KINDS: Final = (ED25519_TIMED, ML_DSA_44)


class WitnessGroup(NamedTuple):
    """Of whom so many must have cosigned."""

    threshold: int
    members: tuple[str, ...]


class TrustPolicy(NamedTuple):
    """What a trust file says. Names are its own; bytes above 127 in them are opaque."""

    logs: tuple[VerifierKey, ...]
    witnesses: Mapping[str, VerifierKey]
    groups: Mapping[str, WitnessGroup]
    """Each after its members."""
    quorum: str
    """The name of a witness or a group, or `none`."""
    urls: Mapping[VerifierKey, str]
    """Where one was given."""

    def logs_of(self, origin: str) -> tuple[VerifierKey, ...]:
        """The keys that must sign the checkpoints of an origin."""
        return tuple(key for key in self.logs if key.name == origin)

    def is_quorum(self, cosigned: frozenset[VerifierKey]) -> bool:
        """Whether the witnesses with these keys are enough."""
        met = {name for name, key in self.witnesses.items() if key in cosigned} | {NOBODY}
        for name, (threshold, members) in self.groups.items():
            if sum(member in met for member in members) >= threshold:
                met.add(name)
        return self.quorum in met


class Judgement(NamedTuple):
    """What a trust file makes of a signed checkpoint."""

    signed: tuple[VerifierKey, ...]
    """Keys of the trust file whose signatures are right, in the order of the note."""
    missing: tuple[VerifierKey, ...]
    """Keys of the origin's log that have no line."""
    wrong: tuple[VerifierKey, ...]
    """Keys of the trust file whose signatures are not right."""
    unknown: tuple[NoteSignature, ...]
    """Lines of other keys, which nobody looked at."""
    log_is_known: bool
    """Whether the trust file names a key of the origin at all."""
    has_quorum: bool

    @property
    def is_signed(self) -> bool:
        """Whether every key of the log signed, and no known signature is wrong."""
        return self.log_is_known and not self.missing and not self.wrong

    @property
    def is_trusted(self) -> bool:
        """Whether the checkpoint is to be believed."""
        return self.is_signed and self.has_quorum


def judge(note: SignedNote, trust: TrustPolicy, origin: str) -> Judgement:
    """Judge a signed checkpoint of a log. Raises MalformedError where the note is no checkpoint, or another log's."""
    found = parse_checkpoint(note.text).origin
    if found != origin:
        raise MalformedError(f"the checkpoint is of {found}, not of {origin}")
    logs = trust.logs_of(origin)
    known = {(key.name, key.key_id): key for key in (*trust.logs, *trust.witnesses.values())}
    signed, wrong, unknown = [], [], []
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            unknown.append(signature)
        elif is_right(note.text, key, signature):
            signed.append(key)
        else:
            wrong.append(key)
    missing = tuple(key for key in logs if key not in signed and key not in wrong)
    quorum = trust.is_quorum(frozenset(signed))
    return Judgement(tuple(signed), missing, tuple(wrong), tuple(unknown), bool(logs), quorum)


def parse_trust(found: bytes) -> TrustPolicy:
    """Read a trust file. Raises MalformedError, naming the line, what was found there and what must stand there."""
    if len(found) > FILE_BYTES_MAX:
        raise MalformedError(f"the trust file has {len(found)} bytes, and at most {FILE_BYTES_MAX} are read")
    if found and not found.endswith(b"\n"):
        raise MalformedError("the last line of the trust file is not ended: it may be cut off; add a newline if not")
    reader = _TrustLines()
    for number, line in enumerate(found.split(b"\n")[:-1], start=1):
        try:
            reader.read(line)
        except MalformedError as error:
            raise MalformedError(f"line {number}: {error}") from None
    if reader.quorum is None:
        raise MalformedError("there is no quorum line: add 'quorum none', or who must have cosigned")
    return TrustPolicy(tuple(reader.logs), reader.witnesses, reader.groups, reader.quorum, reader.urls)


class _TrustLines:
    """What was read of a trust file."""

    def __init__(self) -> None:
        self.logs: list[VerifierKey] = []
        self.witnesses: dict[str, VerifierKey] = {}
        self.groups: dict[str, WitnessGroup] = {}
        self.members: set[str] = set()
        self.urls: dict[VerifierKey, str] = {}
        self.quorum: str | None = None
        self.lines: dict[str, Callable[[list[str]], None]] = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._quorum,
        }

    def read(self, line: bytes) -> None:
        """Take one line."""
        if wrong := re.search(rb"[^\t\x20-\x7e\x80-\xff]", line):
            raise MalformedError(f"the control character {wrong[0][0]:#04x} is not allowed; a newline ends a line")
        items = re.split(r"[ \t]+", line.decode("utf-8", "surrogateescape").strip(" \t"))
        if not items[0] or items[0].startswith("#"):
            return
        take = self.lines.get(items[0])
        if take is None:
            raise MalformedError(f"{items[0][:60]!r} begins no line: log, witness, group or quorum does")
        take(items[1:])

    def _log(self, items: list[str]) -> None:
        if len(items) not in (1, 2):
            raise MalformedError(f"a log line is 'log VKEY [URL]', and {len(items)} items follow")
        key = self._key(items[0], LOG_KINDS, "log")
        if any(key.public == other.public for other in self.logs):
            raise MalformedError(f"the key of log {key.name} stands in another log line; leave one out")
        self._bound(len(self.logs), "logs")
        self.logs.append(key)
        self._url(key, items[1:])

    def _witness(self, items: list[str]) -> None:
        if len(items) not in (2, 3):
            raise MalformedError(f"a witness line is 'witness NAME VKEY [URL]', and {len(items)} items follow")
        name = self._new_name(items[0])
        key = self._key(items[1], WITNESS_KINDS, "witness")
        if any(key.public == other.public for other in self.witnesses.values()):
            raise MalformedError(f"the key of witness {name} stands in another witness line; leave one out")
        self._bound(len(self.witnesses), "witnesses")
        self.witnesses[name] = key
        self._url(key, items[2:])

    def _group(self, items: list[str]) -> None:
        if len(items) < 3:
            raise MalformedError("a group line is 'group NAME all|any|K MEMBER…', with at least one member")
        name, (kind, *members) = self._new_name(items[0]), items[1:]
        for member in members:
            self._defined(member)
            if member in self.members:
                raise MalformedError(f"{member!r} is a member twice; it can count in one place only")
            self.members.add(member)
        self._bound(len(self.groups), "groups")
        self.groups[name] = WitnessGroup(_threshold(kind, len(members)), tuple(members))

    def _quorum(self, items: list[str]) -> None:
        if len(items) != 1:
            raise MalformedError(f"a quorum line is 'quorum NAME' or 'quorum none', and {len(items)} items follow")
        if self.quorum is not None:
            raise MalformedError("there is a second quorum line; leave one out")
        if items[0] != NOBODY:
            self._defined(items[0])
        self.quorum = items[0]

    def _key(self, text: str, kinds: tuple[int, ...], what: str) -> VerifierKey:
        key = parse_verifier_key(text)
        if key.kind not in kinds:
            known = ", ".join(f"{kind:#04x}" for kind in kinds)
            raise MalformedError(f"the key of {what} {key.name!r} is of type {key.kind:#04x}, where {known} sign")
        for other in (*self.logs, *self.witnesses.values()):
            if (other.name, other.key_id) == (key.name, key.key_id) and other != key:
                raise MalformedError(f"another key of name {key.name} has the id {key.key_id.hex()} too")
        return key

    def _url(self, key: VerifierKey, items: list[str]) -> None:
        if items:
            self.urls[key] = items[0]

    def _new_name(self, name: str) -> str:
        if name == NOBODY:
            raise MalformedError("'none' is nobody's name: it says that no witness is asked for")
        if name in self.witnesses or name in self.groups:
            raise MalformedError(f"{name!r} is defined above; each name is of one witness or group")
        return name

    def _defined(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise MalformedError(f"{name!r} is no witness or group of a line above")

    def _bound(self, count: int, what: str) -> None:
        if count >= EACH_MAX:
            raise MalformedError(f"there are more than {EACH_MAX} {what}")


def _threshold(kind: str, members: int) -> int:
    if kind in ("any", "all"):
        return 1 if kind == "any" else members
    if not re.fullmatch("[1-9][0-9]{0,3}", kind) or int(kind) > members:
        raise MalformedError(f"{kind[:60]!r} of {members} members: say all, any, or a number from 1 to {members}")
    return int(kind)
