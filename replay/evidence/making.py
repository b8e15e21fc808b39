"""Making a file of evidence: all that replays of a subject in a scheme read up to a seal, and what proves it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from domain.keys import stream_key
from replay.errors import UsageError, damaged
from replay.evidence.contents import keys_read
from replay.evidence.form import EvidenceEntry, EvidenceHeader, EvidenceWriter, KeySection
from replay.evidence.pointing import Pointed
from replay.history.timeline import Moment
from replay.policies.catalog import adopted_policies
from replay.proving.heads_trie import Turn, is_absent, is_present
from replay.schemes.registry import choose, scheme_of
from replay.store.base.store import Store
from replay.store.beside import draft_beside, open_private, sync
from replay.store.key_chains import key_states, records_of_key
from replay.store.queries import link_at
from replay.store.reading.key_state import KeyState
from replay.store.sqlite import check_folder


class KeyPath(NamedTuple):
    """Where the bits of a key lead to in the trie of a seal."""

    key_hash: bytes
    """Of the key whose leaf that is: the key's own where records have it."""
    state: bytes
    turns: list[Turn]


class SealedLedger(NamedTuple):
    """The seal that evidence stands under, and what leads from it to a signed checkpoint."""

    record: bytes
    size: int
    heads: bytes
    """The root of the trie."""
    proof: str
    """The tlog-proof of the seal's record, with the checkpoint and all signatures."""
    path: Callable[[str], KeyPath]


class MadeEvidence(NamedTuple):
    """What was written."""

    pointed: Pointed
    size: int
    """Of the seal."""
    keys: int
    records: int


def write_evidence(
    store: Store,
    path: Path,
    pointed: Pointed,
    sealed: SealedLedger,
    *,
    compressed: bool,
    progress: Callable[[int], None] = lambda _: None,
) -> MadeEvidence:
    """Make a file at a path, whole or not at all. Raises what `make_evidence` does, and UsageError where one stands."""
    if path.exists():
        raise UsageError(f"{path} exists; evidence never overwrites, name another file with --out")
    check_folder(path)
    draft = draft_beside(path)
    try:
        with os.fdopen(open_private(draft, os.O_EXCL | os.O_WRONLY), "wb") as file:
            made = make_evidence(store, file, pointed, sealed, compressed=compressed, progress=progress)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
        sync(path.parent)
    except FileExistsError:
        raise UsageError(f"{path} exists; evidence never overwrites, name another file with --out") from None
    finally:
        draft.unlink(missing_ok=True)
    return made


def make_evidence(
    store: Store,
    file: BinaryIO,
    pointed: Pointed,
    sealed: SealedLedger,
    *,
    compressed: bool,
    progress: Callable[[int], None] = lambda _: None,
) -> MadeEvidence:
    """Write evidence. `progress` is called with how many records were written.

    Raises UsageError for what was recorded behind the seal, DamagedError where the trie does not fit the records.
    """
    last = max(pointed.position, pointed.claim or 0)
    if last > sealed.size:
        raise UsageError(
            f"the last seal is over {sealed.size} records, and what is asked for stands at position {last}; run"
            " 'levelbook checkpoint', then make the evidence"
        )
    keys = keys_read(store, pointed.subject, pointed.scheme, sealed.size)
    states = key_states(store, keys, sealed.size)
    policies = _unadopted(store, pointed, sealed.size)
    header = EvidenceHeader(
        as_of=pointed.as_of,
        claim=pointed.claim,
        keys=len(keys),
        ledger=store.identity.id,
        policies=len(policies),
        position=pointed.position,
        scheme=pointed.scheme,
        subject=pointed.subject,
    )
    writer = EvidenceWriter(file, header, sealed.proof, sealed.record, compressed=compressed)
    written: set[int] = set()
    records = 0
    for key in keys:
        writer.key(_head_of(key, states[key], sealed))
        for position, record in records_of_key(store, key, sealed.size):
            is_above = position in written
            writer.entry(EvidenceEntry(None, position) if is_above else EvidenceEntry(record))
            records += not is_above
            if not key.startswith(stream_key("")):
                written.add(position)  # a record has one stream, so that no other key leads to it again
            if not records % 10_000:
                progress(records)
    for hashed in sorted(policies):
        writer.policy(policies[hashed], hashed)
    writer.end()
    progress(records)
    return MadeEvidence(pointed, sealed.size, len(keys), records)


def _head_of(key: str, state: KeyState, sealed: SealedLedger) -> KeySection:
    """The beginning of a key's section. Raises DamagedError where the seal says otherwise than the records."""
    path = sealed.path(key)
    if state.records:
        if not is_present(key, state.records, state.chain, path.turns, sealed.heads):
            raise damaged(f"what is kept of the heads of keys, where {key!r} does not fit the seal,")
        return KeySection(key, state.records, path.turns)
    if not is_absent(key, path.key_hash, path.state, path.turns, sealed.heads):
        raise damaged(f"what is kept of the heads of keys, where {key!r} is not shown to be absent,")
    return KeySection(key, 0, path.turns, (path.key_hash, path.state))


def _unadopted(store: Store, pointed: Pointed, size: int) -> dict[str, str]:
    """By hash, the policies that the replay uses and the ledger did not adopt."""
    judging = scheme_of(pointed.scheme)
    link = link_at(store, pointed.position)
    assert link is not None, "evidence points at a position that is known"
    moment = Moment(pointed.as_of, link.recorded_at, pointed.position)
    chosen = choose(store, judging.replay, moment)
    adopted = {
        item.policy.hash
        for scheme in (pointed.scheme, *judging.rests_on)
        for item in adopted_policies(store, scheme)
        if item.position <= size
    }
    used = (*chosen.own, *chosen.beside, *chosen.previewed)
    return {policy.hash: policy.content for policy in used if policy.hash not in adopted}
