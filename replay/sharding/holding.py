"""Holding evidence of a shard against a root of its set."""

from pathlib import Path
from typing import Final

from replay.errors import UsageError
from replay.evidence.checking import CheckedEvidence, EvidenceRefused
from replay.proving.checkpoint import origin_of
from replay.proving.strict_text import MalformedError
from replay.proving.tlog_proof import parse_tlog_proof
from replay.proving.trust import TrustPolicy, judge
from replay.sharding.roots import leaf_of

ROOT: Final = "root"
"""The check's name, behind those of all evidence."""


def held_against(found: CheckedEvidence, path: Path, proof: Path, trust: TrustPolicy) -> CheckedEvidence:
    """Evidence in a file that stands under a root, as a proof of 'shard prove' says, with that check.

    Raises EvidenceRefused where the root is one of the ledger's own log, is not signed by whom is trusted for its set,
    or does not cover the checkpoint that the evidence stands under; UsageError where the file is no proof.
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
    return found._replace(checks=(*found.checks, ROOT))
