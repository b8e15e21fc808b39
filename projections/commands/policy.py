"""Commands of policies: what the rules say at a glance; list, check, adopt."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING

import click

from projections.commands.asked import open_at
from projections.commands.completing import complete_policy, complete_scheme
from projections.commands.options import (
    clock_option,
    command,
    format_option,
    group,
    listed_options,
    of_schemes_option,
    policies_option,
    store_options,
)
from projections.configuration.settings import SHEETS, language_option
from projections.text import policies as policies_text

if TYPE_CHECKING:
    from replay.store.base import Store


@command("policies", "levelbook policies --scheme merchant-reputation --format json")
@of_schemes_option
@policies_option
@language_option
@listed_options
@click.pass_context
def policies(
    context: click.Context, scheme: str | None, policies: Path | None, store: str, format_: str, lang: str
) -> None:
    """List the policies that replays use: versions, revisions, each parameter with its value, status and source.

    'levelbook rules' shows the same as tables, and two versions side by side.
    """
    from projections.text.sheets import own
    from replay.policies.catalog import list_policies

    with _ledger_or_none(context, store) as opened:
        found = list_policies(opened, policies, scheme)
    if format_ in SHEETS:
        own.print_policies(format_, found)
        return
    policies_text.print_policies(found, lang, as_json=format_ == "json")


@command("rules", "levelbook rules creator-level --policy 2022-07-19 --against 2021")
@click.argument("scheme", required=False, shell_complete=complete_scheme)
@click.option("--as-of", metavar="WHEN", help="The version in force then, also in days to come. Default: now.")
@click.option(
    "--policy",
    metavar="ID[@HASH]",
    shell_complete=complete_policy,
    help="In place of --as-of: this version, or this revision of it.",
)
@click.option(
    "--against",
    metavar="ID[@HASH]|WHEN",
    shell_complete=complete_policy,
    help="Beside this version, or the one in force then, with what differs marked.",
)
@policies_option
@language_option
@listed_options
@click.pass_context
def rules(
    context: click.Context,
    scheme: str | None,
    as_of: str | None,
    policy: str | None,
    against: str | None,
    policies: Path | None,
    lang: str,
    store: str,
    format_: str,
) -> None:
    """Show the rules of SCHEME at a glance, or of all: levels, benefits, limits, caps, gates, bands, calendar.

    Each figure bears its status and source. Versions that were replaced, are to come, or were adopted by the ledger are
    shown, too, and two of them side by side.
    """
    from projections.text.sheets import own
    from replay.answers.rules import AtHand, RulesAsked, rules_json
    from replay.policies.catalog import revisions
    from replay.schemes.registry import SCHEMES, scheme_of

    asked = RulesAsked(as_of, policy, against)
    schemes = list(SCHEMES) if scheme is None else [scheme_of(scheme).code]
    with _ledger_or_none(context, store) as opened:
        now = time_ns() // 1_000 if opened is None else opened.now()
        position = None if opened is None else opened.head().position
        found = [rules_json(AtHand(revisions(opened, policies, code), now, position), asked, lang) for code in schemes]
    if format_ in SHEETS:
        own.print_rules(format_, found)
        return
    policies_text.print_rules(found, lang, is_one=scheme is not None, as_json=format_ == "json")


@contextmanager
def _ledger_or_none(context: click.Context, store: str) -> "Iterator[Store | None]":
    """The ledger, or nothing where none was named and there is none: the program's own policies are told without."""
    from replay.errors import NoStoreError

    try:
        opened = open_at(store)
    except NoStoreError:
        if context.get_parameter_source("store") is not click.core.ParameterSource.DEFAULT:
            raise
        yield None
        return
    with opened:
        yield opened


@group("policy", "levelbook policy check 2022-10-26.toml")
def policy() -> None:
    """Check a policy file; adopt a revision, so that it can be used again for ever."""


@command("check", "levelbook policy check 2022-10-26.toml", of=policy)
@click.argument("file", type=click.Path(path_type=Path))
@language_option
@format_option
def policy_check(file: Path, format_: str, lang: str) -> None:
    """Say whether FILE holds a policy that can be used, with every fault at once."""
    from replay.policies.catalog import policy_json
    from replay.policies.reading import read_policy

    policies_text.print_checked(policy_json(read_policy(file)), lang, as_json=format_ == "json")


@command("adopt", "levelbook policy adopt 2022-10-26", of=policy)
@click.argument("policy_name", metavar="ID[@HASH]|FILE", shell_complete=complete_policy)
@policies_option
@clock_option
@language_option
@store_options
def policy_adopt(
    policy_name: str, policies: Path | None, clock_behind: bool, store: str, format_: str, lang: str
) -> None:
    """Record a policy revision with its whole content, so that replays use it from here on.

    It is named by its id in the files, or by a .toml file.
    """
    from replay.decisions.application import Ledger
    from replay.policies.catalog import policy_json, policy_to_adopt

    found = policy_to_adopt(policy_name, policies)
    with open_at(store) as opened:
        position = Ledger(opened).adopt(found, clock_behind=clock_behind)
    policies_text.print_adopted(policy_json(found), position, lang, as_json=format_ == "json")
