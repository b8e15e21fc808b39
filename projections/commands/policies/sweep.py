"""The command that tries a grid of candidates."""

import sys
from functools import partial
from pathlib import Path

import click

from projections.commands.asking.asked import open_at
from projections.commands.asking.completing import complete_scheme
from projections.commands.asking.naming import NamingSchemes
from projections.commands.asking.options import EXIT_INTERRUPTED, command, location_option
from projections.configuration.settings import language_option, segments_option
from projections.terminal.progress import phases
from projections.text.lab import sweeps as sweeps_text
from projections.text.output import phases_in
from replay.objects.naming import FilesPlace


@command("sweep", "levelbook policy sweep candidate.toml --set default_tenths=5..9:1")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--set",
    "settings",
    multiple=True,
    required=True,
    metavar="NAME=FROM..TO:STEP",
    help="A whole number of the policy, such as levels.bronze-2.from_tenths, and its values; may be given again.",
)
@click.option(
    "--scheme",
    cls=NamingSchemes,
    metavar="SCHEME",
    shell_complete=complete_scheme,
    help="Whose levels: {all}. Default: that of FILE.",
)
@click.option("--as-of", metavar="WHEN", help="At this moment, by what was known then. Default: now.")
@click.option(
    "--sample",
    type=click.IntRange(1),
    metavar="N",
    help="Of so many subjects, the same ones each time. Default: of all.",
)
@click.option("--yes", is_flag=True, help="Also where there are more than 100 cells.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "csv"]),
    default="text",
    show_default=True,
    help="Form of the answer.",
)
@language_option
@segments_option
@location_option
def policy_sweep(
    file: Path,
    settings: tuple[str, ...],
    scheme: str | None,
    as_of: str | None,
    sample: int | None,
    yes: bool,
    lang: str,
    segments: FilesPlace | None,
    format_: str,
    store: str,
) -> None:
    """Try each cell of a grid of candidates beside the policies in use: who moves, how many stand where.

    How many cells there are is said before any is judged. Interrupted, it prints what was judged by then. Nothing is
    recorded.
    """
    from replay.extras import FAST, need

    need(FAST, "a sweep of policies")
    from replay.lab.sweep import axes_of, cells_of, check_count, run_sweep, sweep_json
    from replay.lab.trial import AskedTrial, trial_of
    from replay.policies.reading import read_policy

    policy = read_policy(file)
    axes = axes_of(policy, settings)
    sweeps_text.print_cells(check_count(axes, wanted=yes), lang)
    cells = list(cells_of(policy, axes))
    with open_at(store, segments) as opened, phases(named=phases_in(lang)) as told:
        trial = trial_of(opened, {policy.scheme: policy}, AskedTrial(scheme, as_of=as_of, sample=sample))
        result = run_sweep(opened, trial, cells, segments, partial(told, "judging subjects"))
    sweeps_text.print_sweep(sweep_json(trial, axes, cells, result), lang, format_)
    if result.interrupted:
        sys.exit(EXIT_INTERRUPTED)
