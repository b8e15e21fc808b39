"""What a shell completes beside commands and options: names that the program or the ledger knows.

A shell asks while somebody types: whatever fails, nothing is completed and no error shown.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import click

SUBJECTS_MAX: Final = 50
"""Of each kind."""
MONTHS: Final = 24
Completer = Callable[[click.Context, click.Parameter, str], list[Any]]


def _quiet(find: Callable[[click.Context, str], Iterable[str]]) -> Completer:
    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[Any]:
        try:
            return [value for value in find(context, incomplete) if value.startswith(incomplete)]
        except Exception:
            return []

    return complete


@_quiet
def complete_scheme(_: click.Context, __: str) -> Iterable[str]:
    from replay.policies.catalog import shipped_schemes

    return shipped_schemes()


@_quiet
def complete_decided(_: click.Context, __: str) -> Iterable[str]:
    from replay.schemes.registry import SCHEMES

    return [*SCHEMES, *(scheme.boards for scheme in SCHEMES.values() if scheme.boards is not None)]


@_quiet
def complete_subject(context: click.Context, incomplete: str) -> Iterator[str]:
    """The subjects of the ledger that the command line, the environment or a file names."""
    from domain.fields import SUBJECT_KINDS
    from projections.configuration.defaults import Configured
    from replay.history.browse import subjects_that_begin
    from replay.store.opening import open_store

    configured = context.default_map
    assert isinstance(configured, Configured)
    kind, slash, _ = incomplete.partition("/")
    beginnings = [incomplete] if slash else [f"{known}/" for known in SUBJECT_KINDS if known.startswith(kind)]
    with open_store(configured.store()) as store:
        for beginning in beginnings:
            yield from subjects_that_begin(store, beginning, SUBJECTS_MAX)


@_quiet
def complete_policy(context: click.Context, _: str) -> Iterable[str]:
    """The ids of the policies in the files, of the scheme that was named."""
    from replay.policies.catalog import all_given, shipped_schemes

    named = [word for word in context.args if word in shipped_schemes()]  # an argument, not read before its options are
    scheme = context.params.get("scheme") or next(iter(named), None)
    given = [policy for policy in all_given(context.params.get("policies")) if scheme in (None, policy.scheme)]
    return sorted({policy.id for policy in given}, reverse=True)


@_quiet
def complete_month(_: click.Context, __: str) -> Iterable[str]:
    """The last months, the present one first."""
    from datetime import UTC, datetime, timedelta

    now = datetime.now(UTC) + timedelta(hours=8)  # months are Shanghai's
    present = now.year * 12 + now.month - 1
    return [f"{month // 12}-{month % 12 + 1:02d}" for month in range(present, present - MONTHS, -1)]


@_quiet
def complete_type(_: click.Context, __: str) -> Iterable[str]:
    from domain.events import CATALOGUE

    return sorted(CATALOGUE)


@_quiet
def complete_view(_: click.Context, __: str) -> Iterable[str]:
    from projections.exporting.columns import exported_views

    return exported_views()


@_quiet
def complete_kind(_: click.Context, __: str) -> Iterable[str]:
    from domain.fields import SUBJECT_KINDS

    return SUBJECT_KINDS


@_quiet
def complete_board(_: click.Context, __: str) -> Iterable[str]:
    from replay.policies.catalog import all_given

    boards = [policy.parameters["boards"] for policy in all_given(None) if "boards" in policy.parameters]
    return sorted({item["code"] for board in boards for item in board.value})
