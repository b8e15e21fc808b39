"""Which policies a replay uses: the files that come with the program or are given, and what was adopted.

Replays never write. Without `--policies` an adopted revision counts before the file of the same version;
a folder of policies is asked for, and so counts before what was adopted.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from domain.calendar import shanghai_text
from domain.policy import Policy, canonical_of, policy_of
from replay.errors import UsageError, damaged
from replay.policies.reading import by_number, read_folder, read_policy
from replay.store.base.store import Store
from replay.store.decode import read_record
from replay.store.queries import rows_of_types
from replay.store.reading.asked import EVERYTHING


class Choice(NamedTuple):
    """Which policy was asked for: None where left out."""

    policy: str | None = None
    """ID, or ID@HASH; the hash may be shortened."""
    folder: Path | None = None
    """The set that takes the place of the program's own files and of what was adopted."""
    given: tuple[Policy, ...] = ()
    """Such a set that is at hand, in place of a folder."""

    @property
    def is_own_set(self) -> bool:
        """Whether a set takes the place of the program's own files and of what was adopted."""
        return self.folder is not None or bool(self.given)

    def of(self, scheme: str) -> list[Policy]:
        """The policies of a scheme in the set, every revision; without one, in the program's own files."""
        if self.given:
            return [policy for policy in self.given if policy.scheme == scheme]
        return given_policies(scheme, self.folder)


DEFAULT: Final = Choice()
_REVISION: Final = re.compile(r"(-r[0-9]+)?\.toml\Z")


REPORT_PREFIX: Final = "report:"
"""Begins what an adoption says it was caused by: the hash of the report of a trial."""


class Adopted(NamedTuple):
    """A revision that the ledger adopted."""

    position: int
    policy: Policy
    report: str | None = None
    """The hash of the report of a trial on which it was adopted, where one was named."""


Adoptions = Callable[[str], list[Adopted]]
"""Gives what a ledger has adopted for a scheme, in order."""


def versions(adopted: Adoptions, scheme: str, choice: Choice, as_of: int, position: int) -> list[Policy]:
    """The versions of a scheme's policy that judge at an instant, the earliest first.

    Raises UsageError when the one that was asked for is not there.
    """
    if choice.policy is not None:
        known = [*choice.of(scheme), *(item.policy for item in adopted(scheme))]
        return [_named(choice.policy, _latest(adopted, scheme, choice, position), known)]
    current = _current(adopted, scheme, choice, position)
    if not current:
        raise UsageError(_none_in(choice, scheme))
    return [policy for policy in current if policy.in_force_from <= as_of] or current[:1]


def _none_in(choice: Choice, scheme: str) -> str:
    if choice.given:
        return f"the candidates hold no policy of {scheme}; ask for a scheme that they have one of"
    return f"{choice.folder} holds no policy of {scheme}; name a folder that does, or leave out --policies"


def previewed(adopted: Adoptions, scheme: str, choice: Choice, as_of: int, position: int) -> list[Policy]:
    """The versions that are open for preview at an instant and not in force yet, the earliest first."""
    if choice.policy is not None:
        return []
    current = _current(adopted, scheme, choice, position)
    return [p for p in current if p.preview_from is not None and p.preview_from <= as_of < p.in_force_from]


def beside(choice: Choice, scheme: str) -> Choice:
    """The choice for a scheme that is judged beside the one asked for: the same set, where it has such a policy."""
    return choice._replace(policy=None) if choice.is_own_set and choice.of(scheme) else DEFAULT


def check_adoptable(store: Store, policy: Policy) -> None:
    """Raises UsageError for a version in force from the same instant as another: replays could not choose."""
    latest = _latest(adoptions_of(store), policy.scheme, DEFAULT, store.head().position)
    for other in latest.values():
        if other.id != policy.id and other.in_force_from == policy.in_force_from:
            raise UsageError(
                f"{policy.revision} is in force from the same instant as {other.revision}; a revision keeps its id,"
                " a new version has a new in_force_from"
            )


def _current(adopted: Adoptions, scheme: str, choice: Choice, position: int) -> list[Policy]:
    """The revision of each version that counts, the earliest version first."""
    current = _latest(adopted, scheme, choice, position)
    by_date = sorted(current.values(), key=lambda policy: (policy.in_force_from, policy.id))
    for one, other in pairwise(by_date):
        if one.in_force_from == other.in_force_from:
            raise UsageError(
                f"{one.revision} and {other.revision} are in force from the same instant, and neither is a revision of"
                " the other; leave one out, or name one with --policy"
            )
    return by_date


def _latest(adopted: Adoptions, scheme: str, choice: Choice, position: int) -> dict[str, Policy]:
    """By id, the revision that counts: the one adopted last, or the last file; of a set, its last one."""
    found = choice.of(scheme) if choice.is_own_set else shipped(scheme)
    latest = {policy.id: policy for policy in found}
    if not choice.is_own_set:
        latest |= {item.policy.id: item.policy for item in adopted(scheme) if item.position <= position}
    return latest


def given_policies(scheme: str, folder: Path | None) -> list[Policy]:
    """The policies of a scheme in the files, every revision: the program's own, or those of a folder."""
    if folder is None:
        return list(shipped_revisions(scheme))
    return [item for item in read_folder(folder) if item.scheme == scheme]


@cache
def shipped(scheme: str) -> tuple[Policy, ...]:
    """The versions of a scheme that come with the program, each by its last revision, in the order of their names.

    The tests check the form of the files, that a revision is named `<id>-r<number>.toml`, and that none was edited.
    """
    last = {_REVISION.sub("", file.name): file for file in _shipped_files(scheme)}
    return tuple(_read_shipped(file) for file in last.values())


@cache
def shipped_revisions(scheme: str) -> tuple[Policy, ...]:
    """Every policy file of a scheme that comes with the program, also those that later revisions replaced."""
    return tuple(_read_shipped(file) for file in _shipped_files(scheme))


def _shipped_files(scheme: str) -> list[Traversable]:
    folder = files("domain") / scheme.replace("-", "_") / "policies"
    texts = [file for file in folder.iterdir() if file.name.endswith(".toml")]
    return sorted(texts, key=lambda file: by_number(file.name))


def _read_shipped(file: Traversable) -> Policy:
    return policy_of(canonical_of(file.read_text("utf-8")))


def shipped_schemes() -> list[str]:
    """The schemes that have a policy, in alphabetical order."""
    return sorted(
        folder.name.replace("_", "-") for folder in files("domain").iterdir() if (folder / "policies").is_dir()
    )


def policy_to_adopt(name: str, folder: Path | None) -> Policy:
    """The policy that a .toml file holds, or that the files hold under an id.

    Raises FaultyPolicy with every fault of a file, and UsageError for an id that is not there.
    """
    if name.endswith(".toml"):
        return read_policy(Path(name))
    given = all_given(folder)
    return _named(name, {item.id: item for item in given}, given)


def all_given(folder: Path | None) -> list[Policy]:
    """The policies of every scheme in the files, every revision: the program's own, or those of a folder."""
    if folder is not None:
        return read_folder(folder)
    return [item for scheme in shipped_schemes() for item in shipped_revisions(scheme)]


def adoptions_of(store: Store) -> Adoptions:
    """What a ledger has adopted, of each scheme read when it is first asked for, and once."""
    return cache(partial(adopted_policies, store))


def adopted_policies(store: Store, scheme: str) -> list[Adopted]:
    """What the ledger has adopted for a scheme, in order. Raises UsageError where a partial store cannot tell."""
    store.check_holds(f"policy/{scheme}")
    adopted = []
    for row in rows_of_types(store, f"policy/{scheme}", ("policy.adopted",), EVERYTHING):
        event = read_record(row.type, row.record)
        data, caused = event.data, event.causation or ""
        if sha256(data.content.encode()).hexdigest() != data.hash:
            raise damaged(f"the policy adopted at position {row.position}")
        report = caused.removeprefix(REPORT_PREFIX) if caused.startswith(REPORT_PREFIX) else None
        adopted.append(Adopted(row.position, policy_of(data.content), report))
    return adopted


def _named(name: str, current: dict[str, Policy], known: list[Policy]) -> Policy:
    policy_id, at, prefix = name.partition("@")
    if not at and policy_id in current:
        return current[policy_id]
    revisions = {item.hash: item for item in known if item.id == policy_id}
    found = [item for item in revisions.values() if item.hash.startswith(prefix) and prefix]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{name} fits {len(found)} revisions of the policy; give more of the hash")
    if not at and any(item.id == policy_id for item in known):
        raise UsageError(
            f"{policy_id} was adopted only later than what is asked for; name a revision as {policy_id}@HASH"
        )
    names = ", ".join(sorted({item.revision for item in known}))
    raise UsageError(f"there is no policy {name!r}; known are {names or 'none'}")


def policy_json(policy: Policy) -> dict[str, Any]:
    """A policy with the source and status of each of its parameters."""
    recalculates = policy.recalculates_from
    return {
        "scheme": policy.scheme,
        "id": policy.id,
        "hash": policy.hash,
        "in_force_from": shanghai_text(policy.in_force_from),
        "recalculates_from": None if recalculates is None else shanghai_text(recalculates),
        "preview_from": None if policy.preview_from is None else shanghai_text(policy.preview_from),
        "parameters": {
            name: {"value": item.value, "source": item.source, "status": item.status}
            for name, item in policy.parameters.items()
        },
    }


def list_policies(store: Store | None, folder: Path | None, asked: str | None) -> list[dict[str, Any]]:
    """Every version and revision at hand, of one scheme or all: where adopted, and whether replays use it by default.

    Raises UsageError for a scheme that has none.
    """
    schemes = sorted({item.scheme for item in all_given(folder)}) if asked is None else [asked]
    return [
        policy_json(item.policy) | item.adopted_json() | {"used": item.used}
        for scheme in schemes
        for item in revisions(store, folder, scheme)
    ]


class Revision(NamedTuple):
    """A revision of a policy that is at hand."""

    policy: Policy
    adopted: list[int]
    """The positions at which the ledger adopted it."""
    used: bool
    """Whether replays use it where none is named."""
    reports: Mapping[int, str]
    """By position, the hash of the report of a trial on which it was adopted, where one was named."""

    def adopted_json(self) -> dict[str, Any]:
        """Where it was adopted, and on which reports."""
        reports = [{"position": position, "report": report} for position, report in self.reports.items()]
        return {"adopted": self.adopted, "reports": reports}


def revisions(store: Store | None, folder: Path | None, scheme: str) -> list[Revision]:
    """Every revision of a scheme's policy at hand, the earliest version first.

    Raises UsageError where there is none.
    """
    given = [item for item in all_given(folder) if item.scheme == scheme]
    if not given:
        raise UsageError(f"there is no policy of {scheme}; known schemes are {', '.join(shipped_schemes())}")
    adopted = [] if store is None else adopted_policies(store, scheme)
    current = {item.id: item.hash for item in given}
    if folder is None:
        current |= {item.policy.id: item.policy.hash for item in adopted}
    found = {item.hash: item for item in given} | {item.policy.hash: item.policy for item in adopted}
    return [
        Revision(
            policy,
            [item.position for item in adopted if item.policy.hash == policy.hash],
            current.get(policy.id) == policy.hash,
            {item.position: item.report for item in adopted if item.policy.hash == policy.hash and item.report},
        )
        for policy in sorted(found.values(), key=lambda item: (item.in_force_from, item.id, item.hash))
    ]


def named_revision(name: str, known: list[Revision]) -> Policy:
    """The policy that is named by ID or ID@HASH among those at hand. Raises UsageError where it is not there."""
    return _named(name, {item.policy.id: item.policy for item in known if item.used}, [item.policy for item in known])


def in_force_at(instant: int, known: list[Revision]) -> Policy:
    """The version that replays use at an instant; before the first, the first."""
    used = [item.policy for item in known if item.used]
    return next((policy for policy in reversed(used) if policy.in_force_from <= instant), used[0])
