"""Signing a root over the checkpoints of all ledgers of a set: refused while any id counts twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from replay.errors import LevelbookError, StoreError, UsageError
from replay.proving.checkpoint import origin_of, parse_checkpoint
from replay.proving.notes import SignedNote, parse_note, sign
from replay.proving.trust import TrustPolicy, judge
from replay.sealing.checkpoint import MICROS_A_SECOND, make_checkpoint
from replay.sealing.keys import Secret, made_secret, secret_from_file
from replay.sealing.proofs import log_root
from replay.sealing.seal import Told
from replay.sharding.ids import standing_twice
from replay.sharding.opened import LedgerSet
from replay.sharding.roots import Roots, Round, add_round, leaf_of, read_roots, root_checkpoint, roots_path
from replay.store.beside import beside, locked

WAIT_SECONDS: Final = 60


class MadeRoot(NamedTuple):
    """A root over one checkpoint of each ledger."""

    note: str
    sizes: list[int]
    """Over how many records of each ledger it is."""
    is_new: bool


def secret_path(path: Path) -> Path:
    """Where the secret lies by which roots of a set are signed."""
    return beside(path, ".signing")


def begin_set_keys(path: Path, set_id: str) -> list[str]:
    """Make the keys of a set, unless it has some: the public ones.

    Raises UsageError where it has roots, which its keys signed, and these are gone.
    """
    place = secret_path(path)
    if roots_path(path).exists() and secret_from_file(place) is None:
        raise UsageError(
            f"{path} has roots, and the keys that signed them are not there; bring {place} back from its copy: others"
            " would not be those that are trusted"
        )
    return made_secret(place, "").vkeys(set_id)


def trust_in(vkeys: list[str]) -> str:
    """A trust file of a set alone, as C2SP tlog-policy has it."""
    return "".join(f"log {vkey}\n" for vkey in vkeys) + "quorum none\n"


def make_root(opened: LedgerSet, told: Told = lambda *_: None, *, clock_behind: bool = False) -> MadeRoot:
    """Make a checkpoint of each ledger and sign a root over them; the last one where no ledger has a new one.

    Raises UsageError where the set or a ledger has no keys, and LevelbookError while an id stands twice and both count.
    """
    with _alone(opened):
        secret = _secret(opened)
        notes = [make_checkpoint(store, told, clock_behind=clock_behind).note for store in opened.stores]
        texts = [parse_note(note).text for note in notes]
        roots = read_roots(opened.path, opened.document)
        problems = fit_problems(opened, roots)
        if problems:
            raise LevelbookError(f"no root was signed: {problems[0]}")
        if roots.rounds and roots.rounds[-1].checkpoints == texts:
            return MadeRoot(roots.rounds[-1].note, roots.rounds[-1].sizes, is_new=False)
        sizes = [parse_checkpoint(text).size for text in texts]
        _check_ids(opened, roots.rounds[-1].sizes if roots.rounds else [0] * opened.of, sizes)
        text = root_checkpoint(opened.document, [*roots.leaves, *map(leaf_of, texts)]).text
        now = opened.agencies.now() // MICROS_A_SECOND
        signed = SignedNote(text, tuple(sign(text, key, now) for key in secret.keys(opened.document.set_id)))
        add_round(roots, Round(texts, signed.whole))
        return MadeRoot(signed.whole, sizes, is_new=True)


def _check_ids(opened: LedgerSet, since: list[int], sizes: list[int]) -> None:
    for item in standing_twice(opened, since, sizes):
        if not item.is_settled:
            (one, other), (at, then), (subject, second) = item.shards, item.positions, item.subjects
            raise LevelbookError(
                f"no root was signed: the id {item.event_id} of {item.source} stands twice, in shard {one} at position"
                f" {at} ({subject}) and in shard {other} at position {then} ({second}); retract the one that is wrong"
            )


def fit_problems(opened: LedgerSet, roots: Roots) -> list[str]:
    """Where a ledger does not hold what a root says of it: it was replaced, or restored from an earlier backup."""
    problems = []
    for number, store in enumerate(opened.stores):
        sealed = store.head().position
        for round_number, made in enumerate(roots.rounds, 1):
            _, size, root = parse_checkpoint(made.checkpoints[number])
            if size > sealed or log_root(store, size) != root:
                problems.append(
                    f"shard {number} ({store.name}) does not hold the {size} records that root {round_number} is over;"
                    " bring the ledger back from a later backup"
                )
                break
    return problems


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
