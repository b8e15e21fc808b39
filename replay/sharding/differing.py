"""Which policies the ledgers of a set have not adopted alike: each adopts by itself, and its last one counts."""

from typing import NamedTuple

from domain.policy import Policy
from replay.policies.catalog import adopted_policies, shipped
from replay.schemes.registry import SCHEMES
from replay.sharding.opened import LedgerSet


class DifferingPolicy(NamedTuple):
    """A version of a scheme's policy of which not all ledgers have adopted the same revision last."""

    scheme: str
    policy: str
    """Its id."""
    adopted: list[str | None]
    """By shard, the revision that was adopted last; None where none was."""
    counting: list[str | None]
    """By shard, the revision by which is judged: where none was adopted the program's; None where that has none."""

    @property
    def judges_otherwise(self) -> bool:
        """Whether one level is judged here otherwise than there."""
        return len({*self.counting}) > 1


def differing_policies(opened: LedgerSet) -> list[DifferingPolicy]:
    """Those versions, by scheme and id."""
    return [item for scheme in sorted(SCHEMES) for item in _of_scheme(opened, scheme)]


def _of_scheme(opened: LedgerSet, scheme: str) -> list[DifferingPolicy]:
    own = {policy.id: policy for policy in shipped(scheme)}
    last = [{item.policy.id: item.policy for item in adopted_policies(store, scheme)} for store in opened.stores]
    found = []
    for name in sorted({name for policies in last for name in policies}):
        adopted = [policies.get(name) for policies in last]
        if len({None if policy is None else policy.hash for policy in adopted}) > 1:
            counting = [policy or own.get(name) for policy in adopted]
            found.append(DifferingPolicy(scheme, name, _named(adopted), _named(counting)))
    return found


def _named(policies: list[Policy | None]) -> list[str | None]:
    return [None if policy is None else policy.revision for policy in policies]
