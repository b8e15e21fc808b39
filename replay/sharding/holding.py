"""Proving that a shard stands under a root of its set, and holding evidence of it against that."""

from io import BytesIO
from pathlib import Path
from typing import Final

from domain.buckets import BUCKETS
from domain.events import ShardMade
from replay.errors import LevelbookError, UsageError
from replay.evidence.checking import CheckedEvidence, EvidenceRefused
from replay.integrity.columns_fit import row_of
from replay.integrity.key_chains import Misfit
from replay.proving.checkpoint import origin_of
from replay.proving.notes import parse_note
from replay.proving.strict_text import MalformedError
from replay.proving.tlog_proof import TlogProof, parse_tlog_proof
from replay.proving.trust import TrustPolicy, judge
from replay.recording.placing import shard_of
from replay.schemes.registry import scheme_of
from replay.sealing.proofs import inclusion
from replay.sharding.document import SIZES
from replay.sharding.opened import LedgerSet
from replay.sharding.roots import leaf_of, proof_of_shard, read_roots
from replay.sharding.signing import fit_problem
from replay.store.decode import read_record
from replay.store.evidence.checkpoints import stored_checkpoint
from replay.store.queries import row_at
from replay.witnessing.receipts import Receipt, read_receipts

ROOT: Final = "root"
"""The check's name, behind those of all evidence."""


def prove_shard(opened: LedgerSet, number: int) -> TlogProof:
    """That the last root covers the last checkpoint of a shard that is under it; with what the ledger says of itself.

    That is extra data: a receipt of the ledger's first record under this checkpoint. Raises UsageError where no root is
    over such a shard, LevelbookError where ledger and roots do not fit.
    """
    roots = read_roots(opened.path, opened.document)
    if number < opened.of and (problem := fit_problem(opened, roots, number)) is not None:
        raise LevelbookError(f"nothing was proved: {problem}")
    if not roots.rounds or number >= opened.of:
        raise UsageError(
            f"{opened.path} has {len(roots.rounds)} roots over {opened.of} ledgers, numbered from 0: there is none over"
            f" shard {number}; 'levelbook shard checkpoint' signs one"
        )
    store, size = opened.stores[number], roots.rounds[-1].sizes[number]
    checkpoint, first = stored_checkpoint(store, size), row_at(store, 1)
    if checkpoint is None or first is None:
        raise LevelbookError(
            f"nothing was proved: {store.name} lacks its checkpoint over {size} records; bring the ledger back from a"
            " later backup"
        )
    receipt = Receipt(TlogProof(0, tuple(inclusion(store, 1, size)), parse_note(checkpoint.note)), first.record)
    return proof_of_shard(roots, number)._replace(extra=receipt.line)


def held_against(found: CheckedEvidence, path: Path, proof: Path, trust: TrustPolicy) -> CheckedEvidence:
    """Evidence in a file that stands under a root, as a proof of 'shard prove' says, with that check.

    Raises EvidenceRefused where the root is one of the ledger's own log, is not signed by whom is trusted for its set,
    does not cover the checkpoint that the evidence stands under, or is of another set than that to which the ledger
    belongs by its first record, and where other shards hold what the level rests on; UsageError where the file is no
    proof.
    """
    try:
        said = parse_tlog_proof(proof.read_bytes())
        judgement = judge(said.note, trust, said.checkpoint.origin)
    except MalformedError as error:
        raise UsageError(f"{proof} is no proof of 'levelbook shard prove': {error}") from None
    if said.checkpoint.origin == origin_of(found.header.ledger):
        raise EvidenceRefused(
            ROOT, f"the root is signed as one of {said.checkpoint.origin} itself, not of its set", path
        )
    if not judgement.is_trusted:
        raise EvidenceRefused(ROOT, f"the root of {said.checkpoint.origin} is not signed as the trust file asks", path)
    if not said.proves(leaf_of(found.walked.proof.note.text)):
        raise EvidenceRefused(ROOT, "the root does not cover the checkpoint that the evidence stands under", path)
    if (problem := _set_problem(found, said)) is not None:
        raise EvidenceRefused(ROOT, problem, path)
    return found._replace(checks=(*found.checks, ROOT))


def _set_problem(found: CheckedEvidence, said: TlogProof) -> str | None:
    """Why the root is not that of the ledger's set, or the ledger not the one that holds what the level rests on."""
    made = _shown_shard(found, said.extra)
    if made is None:
        return (
            "the proof does not show the ledger's first record, in which a shard says of which set it is: ask for a"
            " proof that 'levelbook shard prove' makes now"
        )
    belongs = f"the ledger says in its first record that it is shard {made.number} of {made.of} of the set"
    if said.checkpoint.origin != origin_of(made.set_id):
        return f"the root is one of {said.checkpoint.origin}, and {belongs} {made.set_id}"
    if shard_of(found.header.subject, made.of) != made.number:
        return f"{belongs} {made.set_id}, of which another one takes {found.header.subject} with all its records"
    if scheme_of(found.header.scheme).reads_others:
        return f"{belongs} {made.set_id}, and {found.header.scheme} judges by subjects of all shards"
    return None


def _shown_shard(found: CheckedEvidence, extra: bytes | None) -> ShardMade | None:
    """What the ledger says of itself as a shard, by a receipt under the checkpoint of the evidence; None without."""
    try:
        ((_, receipt),) = read_receipts(BytesIO(extra or b""), ROOT)
        row = row_of(receipt.record, found.header.ledger)
        made = read_record(row.type, receipt.record).data
    except (LevelbookError, Misfit, ValueError):
        return None
    is_first = receipt.proof.leaf_index == 0 and receipt.proof.note.text == found.walked.proof.note.text
    if not is_first or not isinstance(made, ShardMade):
        return None
    return made if made.of in SIZES and made.buckets == BUCKETS else None
