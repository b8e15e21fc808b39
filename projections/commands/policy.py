"""Commands of policies: list, check, adopt."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from projections.commands.completing import complete_policy
from projections.commands.options import (
    clock_option,
    command,
    format_option,
    group,
    of_schemes_option,
    policies_option,
    store_options,
)
from projections.configuration.settings import language_option
from projections.text import policies as policies_text

if TYPE_CHECKING:
    pass
from projections.commands.asked import open_at


@command("policies", "levelbook policies --scheme merchant-reputation --format json")
@of_schemes_option
@policies_option
@language_option
@store_options
@click.pass_context
def policies(
    context: click.Context, scheme: str | None, policies: Path | None, store: str, format_: str, lang: str
) -> None:
    """List the policies that replays use: versions, revisions, each parameter with its value, status and source."""
    from replay.errors import NoStoreError
    from replay.policies.catalog import list_policies

    try:
        with open_at(store) as opened:
            found = list_policies(opened, policies, scheme)
    except NoStoreError:
        if context.get_parameter_source("store") is not click.core.ParameterSource.DEFAULT:
            raise
        found = list_policies(None, policies, scheme)
    policies_text.print_policies(found, lang, as_json=format_ == "json")


@group("policy", "levelbook policy check 2022-10-26.toml")
def policy() -> None:
    """Check a policy file; adopt a revision, so that it can be used again for ever."""


@command("check", "levelbook policy check 2022-10-26.toml", of=policy)
@click.argument("file", type=click.Path(path_type=Path))
@format_option
def policy_check(file: Path, format_: str) -> None:
    """Say whether FILE holds a policy that can be used, with every fault at once."""
    from replay.policies.catalog import policy_json
    from replay.policies.reading import read_policy

    policies_text.print_checked(policy_json(read_policy(file)), as_json=format_ == "json")


@command("adopt", "levelbook policy adopt 2022-10-26", of=policy)
@click.argument("policy_name", metavar="ID[@HASH]|FILE", shell_complete=complete_policy)
@policies_option
@clock_option
@store_options
def policy_adopt(policy_name: str, policies: Path | None, clock_behind: bool, store: str, format_: str) -> None:
    """Record a policy revision with its whole content, so that replays use it from here on.

    It is named by its id in the files, or by a .toml file.
    """
    from replay.decisions.application import Ledger
    from replay.policies.catalog import policy_json, policy_to_adopt

    found = policy_to_adopt(policy_name, policies)
    with open_at(store) as opened:
        position = Ledger(opened).adopt(found, clock_behind=clock_behind)
    policies_text.print_adopted(policy_json(found), position, as_json=format_ == "json")
