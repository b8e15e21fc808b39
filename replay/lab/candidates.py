"""Candidate policies: which files make them, and how they take the place of versions in a trial."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from domain.policy import Policy, terms_of
from replay.errors import UsageError
from replay.policies.reading import read_policy
from replay.replaying.base import Policies
from replay.schemes.registry import SCHEMES, Scheme, scheme_of

Candidates = Mapping[str, Policy]
"""By scheme, the policy that is tried."""


def read_candidates(files: Sequence[Path]) -> dict[str, Policy]:
    """By scheme, the policies in some files.

    Raises FaultyPolicy with every fault of a file, and UsageError for one that cannot be read, and for two of a scheme.
    """
    found: dict[str, Policy] = {}
    for file in files:
        policy = read_policy(file)
        if policy.scheme in found:
            raise UsageError(f"{file} is a second policy of {policy.scheme}; try one of a scheme at a time")
        found[policy.scheme] = policy
    return found


def tried_scheme(candidates: Candidates, asked: str | None) -> Scheme:
    """The scheme whose levels a trial is about: the one asked for, or that of the candidates which rests on the others.

    Raises UsageError for candidates that do not bear on it, and where several schemes are meant and none was named.
    """
    if asked is not None:
        scheme = scheme_of(asked)
    else:
        above = [code for code in candidates if all(rests_on(SCHEMES[code], other) for other in candidates)]
        if not above:
            raise UsageError(f"the files are policies of {' and of '.join(candidates)}; name one with --scheme")
        scheme = SCHEMES[above[0]]
    for code, policy in candidates.items():
        if not rests_on(scheme, code):
            raise UsageError(f"{policy.revision} is a policy of {code}, on which no level of {scheme.code} rests")
    return scheme


def rests_on(scheme: Scheme, code: str) -> bool:
    """Whether the levels of a scheme rest on the policies of one of a code."""
    return code == scheme.code or code in scheme.rests_on


def with_candidates(policies: Policies, scheme: Scheme, candidates: Candidates, begins: int | None) -> Policies:
    """The policies that judge a period with the candidates in the place of versions.

    A candidate judges every period from the earliest of: the one that begins at `begins`, that of its own
    `in_force_from`, and that of its `recalculates_from`. What is before that is judged as ever. With None for `begins`
    it judges alone, as `replay --policy` has it.
    """
    beside = [
        policy
        for code in scheme.rests_on
        for policy in _replaced(
            [item for item in policies.beside if item.scheme == code], candidates.get(code), SCHEMES[code], begins
        )
    ]
    return Policies(_replaced(policies.own, candidates.get(scheme.code), scheme, begins), beside)


def _replaced(
    versions: Sequence[Policy], candidate: Policy | None, scheme: Scheme, begins: int | None
) -> Sequence[Policy]:
    """The versions of one scheme with the candidate in the place of those that judge from its first period on."""
    if candidate is None:
        return versions
    if begins is None:
        return [candidate]
    since = judges_since(candidate, scheme, begins)
    before = [term for term in terms_of(versions, scheme.replay.period_start) if term.begins < since]
    return [*(_judging_from(term.policy, term.begins) for term in before), _judging_from(candidate, since)]


def judges_since(candidate: Policy, scheme: Scheme, begins: int) -> int:
    """From which instant on a candidate of a scheme judges, in a trial whose first period begins at another."""
    return min(begins, *(scheme.replay.period_start(instant) for instant in _dates(candidate)))


def _dates(candidate: Policy) -> list[int]:
    found = (candidate.in_force_from, candidate.recalculates_from)
    return [instant for instant in found if instant is not None]


def _judging_from(policy: Policy, begins: int) -> Policy:
    """The same revision, dated so that its periods are those from the one that begins at an instant on."""
    # An instant within the period: what is in force at its very beginning may judge the one before.
    return replace(policy, in_force_from=begins + 1, recalculates_from=None)


def revision_json(policy: Policy) -> dict[str, str]:
    """Which revision of a policy was tried, or stood beside one that was."""
    return {"scheme": policy.scheme, "id": policy.id, "hash": policy.hash}
