"""Looking whether a set is whole: each ledger the one that belongs there, each subject in its own, each id once, all
judging by the same policies.
"""

from typing import NamedTuple

from replay.history.browse import list_subjects
from replay.proving.trust import TrustPolicy
from replay.recording.placing import shard_of
from replay.sharding.differing import DifferingPolicy, differing_policies
from replay.sharding.ids import StandingTwice, standing_twice
from replay.sharding.opened import LedgerSet
from replay.sharding.roots import read_roots
from replay.sharding.signing import fit_problems, signature_problems, strange_lines
from replay.store.base.identity import Head


class CheckedShard(NamedTuple):
    """A ledger of a set, as it stands."""

    number: int
    store: str
    """What to call it: no password."""
    ledger: str
    head: Head
    subjects: int


class CheckedSet(NamedTuple):
    """What was found of a set."""

    set_id: str
    shards: list[CheckedShard]
    twice: list[StandingTwice]
    misplaced: list[tuple[int, str]]
    """Subjects that another ledger takes than the one that holds them, with its number."""
    policies: list[DifferingPolicy]

    roots: int
    """How many there are."""
    last_root: str | None
    """The text of the last one: of which log, over how many checkpoints, and the hash."""
    root_problems: list[str]
    strange_lines: list[str]
    """Where ledgers keep signatures in the name of the set that it did not make. They stay, and stop nothing."""

    @property
    def is_sound(self) -> bool:
        """Whether each subject is in its place, one record of each id counts, all judge alike, and all roots hold."""
        return (
            not self.misplaced
            and not self.root_problems
            and all(item.is_settled for item in self.twice)
            and not any(item.judges_otherwise for item in self.policies)
        )


def check_set(opened: LedgerSet, trust: TrustPolicy | None = None) -> CheckedSet:
    """Look at a set. Who signed its roots is looked at where a trust file is given."""
    heads = [store.head() for store in opened.stores]
    shards, misplaced = [], []
    for number, (store, head) in enumerate(zip(opened.stores, heads, strict=True)):
        subjects = 0
        for item in list_subjects(store, None):
            takes = shard_of(item["subject"], opened.of)
            subjects += takes is not None
            if takes not in (None, number):
                misplaced.append((number, item["subject"]))
        shards.append(CheckedShard(number, store.name, store.identity.id, head, subjects))
    twice = list(standing_twice(opened, [0] * opened.of, [head.position for head in heads]))
    roots = read_roots(opened.path, opened.document)
    problems = fit_problems(opened, roots)
    problems += [] if trust is None else signature_problems(opened, roots, trust)
    last_root = roots.rounds[-1].signed.text if roots.rounds else None
    policies = differing_policies(opened)
    strange = strange_lines(opened, roots)
    return CheckedSet(
        opened.document.set_id, shards, twice, misplaced, policies, len(roots.rounds), last_root, problems, strange
    )
