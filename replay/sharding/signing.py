"""Signing a root over the checkpoints of all ledgers of a set: refused while any id counts twice.

Once a root stands in the file, the set signs each checkpoint that it is over, and the ledger keeps that line as one of
a witness. So each ledger knows how far it was under a root, and a file that lost its last roots is not gone on with:
two roots of one size would be signed.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from replay.errors import LevelbookError, StoreError, UsageError
from replay.proving.checkpoint import origin_of, parse_checkpoint
from replay.proving.notes import ED25519, SignedNote, VerifierKey, is_right, parse_note, parse_signatures, sign
from replay.proving.strict_text import MalformedError
from replay.proving.trust import TrustPolicy, judge
from replay.sealing.checkpoint import MICROS_A_SECOND, make_checkpoint
from replay.sealing.keys import Secret, made_secret, secret_from_file
from replay.sealing.proofs import log_root
from replay.sealing.seal import Told
from replay.sharding.ids import standing_twice
from replay.sharding.opened import LedgerSet, open_set
from replay.sharding.roots import Roots, Round, add_round, leaf_of, read_roots, root_checkpoint, roots_path
from replay.store.base.store import Store
from replay.store.beside import beside, locked
from replay.store.evidence.checkpoints import add_cosignature, lines_of_name, stored_checkpoint

WAIT_SECONDS: Final = 60


class MadeRoot(NamedTuple):
    """A root over one checkpoint of each ledger."""

    note: str
    sizes: list[int]
    """Over how many records of each ledger it is."""
    is_new: bool


class _SetKeys(NamedTuple):
    """By what is told whether the set signed a line that a ledger keeps."""

    name: str
    public: list[VerifierKey]
    """Those of its keys that are here; none where its secret is not, or is another one."""
    signers: set[tuple[str, bytes]]
    """(name, key id) of those that signed its last root; none where it has no roots."""


def secret_path(path: Path) -> Path:
    """Where the secret lies by which roots of a set are signed."""
    return beside(path, ".signing")


def begin_set_keys(path: Path, set_id: str) -> list[str]:
    """Make the keys of a set, unless it has some: the public ones.

    Raises UsageError where it has roots, by its file of them or by what a ledger keeps, and the keys that signed these
    are gone; and where a ledger cannot be asked.
    """
    place = secret_path(path)
    if secret_from_file(place) is None:
        _check_signed_nothing(path, place)
    return made_secret(place, "").vkeys(set_id)


def _check_signed_nothing(path: Path, place: Path) -> None:
    bring = f"bring {place} back from its copy: others would not be those that are trusted"
    if roots_path(path).exists():
        raise UsageError(f"{path} has roots, and the keys that signed them are not there; {bring}")
    with open_set(str(path)) as opened:
        keys = _SetKeys(origin_of(opened.document.set_id), [], set())
        for number, store in enumerate(opened.stores):
            if size := _last_signed(store, keys):
                raise UsageError(
                    f"shard {number} ({store.name}) was under a root of {path} with {size} records, and neither the"
                    f" roots nor the keys that signed them are there; {bring}, and {roots_path(path)} with it"
                )


def trust_in(vkeys: list[str]) -> str:
    """A trust file of a set alone, as C2SP tlog-policy has it."""
    return "".join(f"log {vkey}\n" for vkey in vkeys) + "quorum none\n"


def make_root(opened: LedgerSet, told: Told = lambda *_: None, *, clock_behind: bool = False) -> MadeRoot:
    """Make a checkpoint of each ledger and sign a root over them; the last one where no ledger has a new one.

    Raises UsageError where a ledger has no keys, or the set none or others than before; LevelbookError while an id
    stands twice and both count, where a ledger does not hold what a root says, and where roots are missing that a
    ledger was under.
    """
    with _alone(opened):
        secret = _secret(opened)
        notes = [make_checkpoint(store, told, clock_behind=clock_behind).note for store in opened.stores]
        texts = [parse_note(note).text for note in notes]
        roots = read_roots(opened.path, opened.document)
        problems = fit_problems(opened, roots)
        if problems:
            raise LevelbookError(f"no root was signed: {problems[0]}")
        _check_signed_before(opened, secret, roots)
        if roots.rounds and roots.rounds[-1].checkpoints == texts:
            _sign_checkpoints(opened, secret, roots.rounds[-1])  # whoever made it may have been killed before
            return MadeRoot(roots.rounds[-1].note, roots.rounds[-1].sizes, is_new=False)
        sizes = [parse_checkpoint(text).size for text in texts]
        _check_ids(opened, roots.rounds[-1].sizes if roots.rounds else [0] * opened.of, sizes)
        text = root_checkpoint(opened.document, [*roots.leaves, *map(leaf_of, texts)]).text
        now = opened.agencies.now() // MICROS_A_SECOND
        signed = SignedNote(text, tuple(sign(text, key, now) for key in secret.keys(opened.document.set_id)))
        made = Round(texts, signed.whole)
        add_round(roots, made)
        _sign_checkpoints(opened, secret, made)
        return MadeRoot(signed.whole, sizes, is_new=True)


def _sign_checkpoints(opened: LedgerSet, secret: Secret, made: Round) -> None:
    """Have each ledger keep that its checkpoint is under a root, unless it does."""
    key = next(key for key in secret.keys(opened.document.set_id) if key.kind == ED25519)
    keys = _SetKeys(key.name, [key.verifier], set())
    signer = f"{key.name}+{key.verifier.key_id.hex()}"
    for store, text, size in zip(opened.stores, made.checkpoints, made.sizes, strict=True):
        if _last_signed(store, keys) < size:
            line = sign(text, key, store.now() // MICROS_A_SECOND).line
            with store.writing() as transaction:
                add_cosignature(transaction, size, signer, line)


def _check_signed_before(opened: LedgerSet, secret: Secret, roots: Roots) -> None:
    """Raises UsageError for other keys than those that signed the last root: nobody would trust what they sign."""
    signed = _signers(roots)
    keys = {(key.name, key.verifier.key_id) for key in secret.keys(opened.document.set_id)}
    if signed and not keys <= signed:
        raise UsageError(
            f"the keys in {secret.where} are not those that signed the last root of {opened.path}; bring that file back"
            " from its copy"
        )


def _signers(roots: Roots) -> set[tuple[str, bytes]]:
    """(name, key id) of the keys that signed the last root."""
    return {(line.name, line.key_id) for made in roots.rounds[-1:] for line in made.signed.signatures}


def _set_keys(opened: LedgerSet, roots: Roots) -> _SetKeys:
    set_id, signers = opened.document.set_id, _signers(roots)
    secret = None
    with suppress(LevelbookError):  # who only looks need not be able to read the secret
        secret = secret_from_file(secret_path(opened.path))
    public = [] if secret is None else [key.verifier for key in secret.keys(set_id)]
    right = [key for key in public if not signers or (key.name, key.key_id) in signers]
    return _SetKeys(origin_of(set_id), right, signers)


def _last_signed(store: Store, keys: _SetKeys) -> int:
    """The size of a ledger's last checkpoint that the set signed; 0 where there is none."""
    lines = lines_of_name(store, keys.name)
    return next((size for size, line in lines if _is_of_set(store, size, line, keys)), 0)


def _is_of_set(store: Store, size: int, line: str, keys: _SetKeys) -> bool:
    """Whether the set signed a ledger's checkpoint by a line: whoever writes to the ledger can put others there.

    Without its keys nobody can tell. Then the line counts: rather is a root refused than another of one size signed.
    """
    checkpoint = stored_checkpoint(store, size)
    if checkpoint is None:
        return False
    try:
        (found,), text = parse_signatures(line), parse_note(checkpoint.note).text
    except (MalformedError, ValueError):
        return False
    if not keys.public:
        return not keys.signers or (found.name, found.key_id) in keys.signers
    return any(is_right(text, key, found) for key in keys.public)


def _check_ids(opened: LedgerSet, since: list[int], sizes: list[int]) -> None:
    for item in standing_twice(opened, since, sizes):
        if not item.is_settled:
            (one, other), (at, then), (subject, second) = item.shards, item.positions, item.subjects
            raise LevelbookError(
                f"no root was signed: the id {item.event_id} of {item.source} stands twice, in shard {one} at position"
                f" {at} ({subject}) and in shard {other} at position {then} ({second}); retract the one that is wrong"
            )


def fit_problems(opened: LedgerSet, roots: Roots) -> list[str]:
    """Where ledgers and roots do not fit, the first of each ledger."""
    found = [fit_problem(opened, roots, number) for number in range(opened.of)]
    return [problem for problem in found if problem is not None]


def fit_problem(opened: LedgerSet, roots: Roots, number: int) -> str | None:
    """Why a ledger and the roots do not fit: either was restored from an earlier backup, or the ledger was replaced."""
    store = opened.stores[number]
    known = _last_signed(store, _set_keys(opened, roots))
    last = roots.rounds[-1].sizes[number] if roots.rounds else 0
    if known > last:
        return (
            f"shard {number} ({store.name}) was under a root with {known} records, and the last root in {roots.path} is"
            f" over {last} of them: later roots are missing there; bring that file back from a later copy"
        )
    held = store.head().position
    for round_number, made in enumerate(roots.rounds, 1):
        _, size, root = parse_checkpoint(made.checkpoints[number])
        if size > held or log_root(store, size) != root:
            return (
                f"shard {number} ({store.name}) does not hold the {size} records that root {round_number} is over;"
                " bring the ledger back from a later backup"
            )
    return None


def strange_lines(opened: LedgerSet, roots: Roots) -> list[str]:
    """Which ledgers keep lines that bear the name of the set and that it did not sign: no root is stopped by them."""
    keys, found = _set_keys(opened, roots), []
    for number, store in enumerate(opened.stores):
        sizes = [size for size, line in lines_of_name(store, keys.name) if not _is_of_set(store, size, line, keys)]
        if sizes:
            found.append(
                f"shard {number} ({store.name}) keeps {len(sizes)} signature lines in the name of the set that its keys"
                f" did not sign, the last under its checkpoint over {sizes[0]} records: they say nothing of roots and"
                " stop none; see who else writes to that ledger"
            )
    return found


def signature_problems(opened: LedgerSet, roots: Roots, trust: TrustPolicy) -> list[str]:
    """Which roots are not signed by whom a trust file names for the set."""
    origin = origin_of(opened.document.set_id)
    return [
        f"root {number} is not signed as the trust file asks"
        for number, made in enumerate(roots.rounds, 1)
        if not judge(made.signed, trust, origin).is_trusted
    ]


@contextmanager
def _alone(opened: LedgerSet) -> Iterator[None]:
    busy = StoreError(f"another root of {opened.path} is still being made: nothing was signed by this one; try again")
    with locked(beside(opened.path, ".checkpointing"), busy, wait_seconds=WAIT_SECONDS):
        yield


def _secret(opened: LedgerSet) -> Secret:
    path = secret_path(opened.path)
    found = secret_from_file(path)
    if found is None:
        raise UsageError(
            f"the set has no keys to sign with: 'levelbook shard key {opened.path}' makes them, in {path}; where they"
            " were made before, bring that file back from its copy"
        )
    return found
