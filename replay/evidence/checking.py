"""Checking a file of evidence: every check of docs/reference/evidence.md, and what the program itself recomputes.

Nothing of a file counts before all checks have passed; then it answers as the ledger would.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from sqlite3 import IntegrityError
from typing import Any, Final, NamedTuple

from domain.calendar import parse_instant
from domain.events import LevelAnnounced, LevelDecided
from replay.errors import LevelbookError, NotExaminedError, UsageError
from replay.evidence.contents import agreed, keys_read
from replay.evidence.form import EvidenceHeader
from replay.evidence.walk import CHECKS, CheckFailed, CheckFailures, Shown, Walked, walk
from replay.passing_folders import passing_folder
from replay.policies.catalog import adopted_policies, all_given
from replay.proving.checkpoint import origin_of
from replay.proving.notes import VerifierKey
from replay.proving.strict_text import MalformedError
from replay.proving.trust import Judgement, TrustPolicy, judge
from replay.store.base.holding import Holding
from replay.store.base.store import Store
from replay.store.decode import read_record
from replay.store.location import PARTIAL_SUFFIX
from replay.store.partial import PartialStore, PartialWriter
from replay.store.queries import row_at

NEED_TRUST: Final = frozenset({"signatures", "quorum"})
"""The checks that need a trust file."""
STORE_NAME: Final = f"evidence{PARTIAL_SUFFIX}"


class EvidenceRefused(LevelbookError):
    """A file is no evidence, or not of what it points at."""

    exit_status = 9

    def __init__(self, check: str, found: str, path: Path) -> None:
        super().__init__(
            f"{path} is not accepted: the check {check!r} failed: {found}; ask whoever gave the file for another one"
        )
        self.check = check
        self.found = found


class CheckedEvidence(NamedTuple):
    """Evidence that was accepted, as long as it is open."""

    walked: Walked
    location: str
    """Of the partial store: as long as the evidence is open."""
    checks: tuple[str, ...]
    """Those that were made."""
    judgement: Judgement | None
    """Who signed the checkpoint; None where no trust file was given."""

    @property
    def header(self) -> EvidenceHeader:
        return self.walked.header


@contextmanager
def checked_evidence(
    path: Path,
    trust: TrustPolicy | None,
    progress: Callable[[int], None] = lambda _: None,
    shown: Shown = lambda _key, _position, _leaf: None,
) -> Iterator[CheckedEvidence]:
    """A file of evidence that passes every check, but those of signatures where nobody is trusted.

    Its records are in a partial store in a passing folder, until the block ends. `progress` is called with how many
    entries were read, `shown` with each of them, before anything of the file counts: it is read once. Raises
    EvidenceRefused, which names the first check that failed, UsageError for a pipe or device, NotExaminedError where
    the passing folder has no room, and OSError.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UsageError(f"{path} is no regular file, and evidence is read from one alone: copy it into a file")
    with passing_folder() as folder:
        try:
            found = _checked(path, folder / STORE_NAME, trust, progress, shown)
        except CheckFailed as failed:
            raise EvidenceRefused(failed.check, str(failed), path) from None
        yield found


def failing_check(path: Path, trust: TrustPolicy | None) -> str | None:
    """The name of the first check that a file fails; None where it is accepted."""
    try:
        with checked_evidence(path, trust):
            return None
    except EvidenceRefused as refused:
        return refused.check


def _checked(
    path: Path, store_path: Path, trust: TrustPolicy | None, progress: Callable[[int], None], shown: Shown
) -> CheckedEvidence:
    failures = CheckFailures()
    with closing(PartialWriter(store_path)) as writer:
        with path.open("rb") as file:
            walked = walk(file, writer, failures, progress, shown)
        judgement = None if trust is None else _judged(walked, trust, failures)
        failures.check()
        _finish(writer, walked)
    with PartialStore(store_path) as store:
        _check_contents(store, walked, failures)
    failures.check()
    made = CHECKS if trust is not None else tuple(name for name in CHECKS if name not in NEED_TRUST)
    return CheckedEvidence(walked, str(store_path), made, judgement)


def _finish(writer: PartialWriter, walked: Walked) -> None:
    header, seal = walked.header, walked.seal
    assert seal is not None, "else a check failed"
    holding = Holding(
        *(walked.keys, agreed(walked.links), seal.size, header.subject, header.scheme),
        *(header.as_of, header.position, header.claim),
    )
    try:
        writer.finish(header.ledger, holding)
    except IntegrityError as error:
        raise CheckFailed("records", f"two records cannot both be of one ledger: {error}") from None


def _judged(walked: Walked, trust: TrustPolicy, failures: CheckFailures) -> Judgement | None:
    """What the trust file makes of the checkpoint."""
    origin = origin_of(walked.header.ledger)
    try:
        found = judge(walked.proof.note, trust, origin)
    except MalformedError as error:
        failures.note("signatures", str(error))
        return None
    if not found.log_is_known:
        failures.note("signatures", f"the trust file names no key of the log {origin}")
    for key in found.missing:
        failures.note("signatures", f"{_shown(key)} has not signed the checkpoint")
    for key in found.wrong:
        failures.note("signatures", f"the signature of {_shown(key)} is wrong")
    if not found.has_quorum:
        failures.note("quorum", "fewer witnesses have cosigned the checkpoint than the trust file asks for")
    return found


def _shown(key: VerifierKey) -> str:
    return f"the key {key.name}+{key.key_id.hex()}"


def _check_contents(store: PartialStore, walked: Walked, failures: CheckFailures) -> None:
    header = walked.header
    try:
        expected = keys_read(store, header.subject, header.scheme, store.held.size)
    except NotExaminedError:  # that the passing store cannot be read says nothing of the file
        raise
    except LevelbookError as error:
        failures.note("contents", str(error))
        return
    if missing := sorted(set(expected) - set(walked.keys)):
        failures.note("contents", f"the key {missing[0]!r} is missing, which a replay reads")
    if more := sorted(set(walked.keys) - set(expected)):
        failures.note("contents", f"the key {more[0]!r} is none that a replay reads")
    failures.check()  # what follows reads these keys
    decision = _check_claim(store, header, failures)
    _check_policies(store, walked, decision, failures)


def _check_claim(store: Store, header: EvidenceHeader, failures: CheckFailures) -> LevelDecided | None:
    """The disputed decision, where the claim is one."""
    if header.claim is None:
        return None
    row = row_at(store, header.claim)
    data: Any = None if row is None or row.stream != header.subject else read_record(row.type, row.record).data
    if not isinstance(data, LevelDecided | LevelAnnounced):
        failures.note("claim", f"no decision or announcement of {header.subject} stands at position {header.claim}")
        return None
    if data.scheme != header.scheme:
        failures.note("claim", f"position {header.claim} is of {data.scheme}, and the file points at {header.scheme}")
    if isinstance(data, LevelAnnounced):
        if header.position < header.claim:
            failures.note("claim", f"the moment at position {header.position} is before the announcement")
        return None
    try:
        as_of = parse_instant(data.as_of)
    except ValueError:
        as_of = None
    if (as_of, data.position) != (header.as_of, header.position):
        failures.note("claim", f"the decision at position {header.claim} is of another moment than the file points at")
    return data


def _check_policies(store: Store, walked: Walked, decision: LevelDecided | None, failures: CheckFailures) -> None:
    hashes = walked.policies
    known = {policy.hash: policy.id for policy in all_given(None)}
    if decision is not None:
        adopted = {item.policy.hash for item in adopted_policies(store, walked.header.scheme)}
        if decision.policy_hash not in {*known, *adopted, *hashes}:
            failures.note("policies", f"the policy {decision.policy_hash} is missing, by which was decided")
        known.setdefault(decision.policy_hash, decision.policy)
    found = [known.get(hashed) for hashed in hashes]
    if None in found:
        failures.note("policies", f"this program does not know the policy {hashes[found.index(None)]}")
    if len(set(found)) != len(found):
        failures.note("policies", "two policies bear one id")
