"""Commands of policies: what the rules say at a glance; list, check, adopt, shadow."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING

import click

from projections.commands.asking.asked import open_at
from projections.commands.asking.completing import complete_month, complete_policy, complete_scheme, complete_subject
from projections.commands.asking.given import given
from projections.commands.asking.naming import NamingSchemes
from projections.commands.asking.options import (
    clock_option,
    command,
    example,
    format_option,
    group,
    listed_options,
    location_option,
    of_schemes_option,
    policies_option,
    store_options,
)
from projections.commands.policies.sweep import policy_sweep
from projections.configuration.settings import SHEETS, candidates_option, language_option, segments_option
from projections.terminal.progress import phases
from projections.text import answers as answers_text
from projections.text import policies as policies_text
from projections.text.lab import trials as trials_text
from projections.text.output import phases_in
from replay.objects.naming import FilesPlace

if TYPE_CHECKING:
    from replay.lab.trial import PolicyTrial
    from replay.store.base.store import Store


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
    """Check a policy file; adopt a revision, so that it can be used again for ever; keep a shadow by a candidate."""


@command("check", "levelbook policy check 2022-10-26.toml", of=policy)
@click.argument("file", type=click.Path(path_type=Path))
@language_option
@format_option
def policy_check(file: Path, format_: str, lang: str) -> None:
    """Say whether FILE holds a policy that can be used, with every fault at once."""
    from replay.policies.catalog import policy_json
    from replay.policies.reading import read_policy

    policies_text.print_checked(policy_json(read_policy(file)), lang, as_json=format_ == "json")


@policy.group("shadow", epilog=example("levelbook policy shadow status"))
def policy_shadow() -> None:
    """Keep a build by a candidate policy beside the live views, and see how far they drift apart."""


@command("start", "levelbook policy shadow start candidate.toml", of=policy_shadow)
@click.argument("file", type=click.Path(path_type=Path))
@language_option
@segments_option
@store_options
def policy_shadow_start(file: Path, segments: FilesPlace | None, store: str, format_: str, lang: str) -> None:
    """Build by the candidate in FILE beside the live views; 'follow' keeps it from then on.

    Nothing is adopted and nothing is switched. A killed start goes on from its last finished part; a shadow that was
    stopped by a fault is taken up again.
    """
    from projections.candidates.shadow import start
    from projections.text import views as views_text
    from projections.views.database import open_views
    from replay.policies.reading import read_policy

    found = read_policy(file)
    with open_at(store) as opened, open_views(opened) as views, phases("events", phases_in(lang)) as progress:
        made = start(views, found, segments, progress)
    views_text.print_beside(made.candidate, made.counted, None, lang, as_json=format_ == "json")


@command("status", "levelbook policy shadow status", of=policy_shadow)
@language_option
@store_options
def policy_shadow_status(store: str, format_: str, lang: str) -> None:
    """Show the shadow: by which candidate, where it stands, and by day how many levels differ."""
    from projections.projector.status import shadow_status
    from projections.text import views as views_text
    from projections.views.database import open_views

    with open_at(store) as opened, open_views(opened, only_read=True) as views:
        found = shadow_status(views)
    views_text.print_shadow(found, lang, as_json=format_ == "json")


@command("stop", "levelbook policy shadow stop", of=policy_shadow)
@language_option
@store_options
def policy_shadow_stop(store: str, format_: str, lang: str) -> None:
    """Remove the shadow with its drift."""
    from projections.candidates.shadow import stop
    from projections.text import views as views_text
    from projections.views.database import open_views

    with open_at(store) as opened, open_views(opened) as views:
        found = stop(views)
    views_text.print_dropped(found, lang, as_json=format_ == "json")


@command("adopt", "levelbook policy adopt 2022-10-26", of=policy)
@click.argument("policy_name", metavar="ID[@HASH]|FILE", shell_complete=complete_policy)
@click.option("--report", metavar="HASH", help="On which report of a trial ('policy try') it is adopted.")
@policies_option
@clock_option
@language_option
@store_options
def policy_adopt(
    policy_name: str,
    report: str | None,
    policies: Path | None,
    clock_behind: bool,
    store: str,
    format_: str,
    lang: str,
) -> None:
    """Record a policy revision with its whole content, so that replays use it from here on.

    It is named by its id in the files, or by a .toml file. A report is recorded as the adoption's cause.
    """
    from replay.decisions.application import Ledger
    from replay.policies.catalog import policy_json, policy_to_adopt

    found = policy_to_adopt(policy_name, policies)
    with open_at(store) as opened:
        position = Ledger(opened).adopt(found, report=report, clock_behind=clock_behind)
    policies_text.print_adopted(policy_json(found), position, report, lang, as_json=format_ == "json")


@command("try", "levelbook policy try candidate.toml --from 2022-01 --to 2022-12", of=policy)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option(
    "--scheme",
    cls=NamingSchemes,
    metavar="SCHEME",
    shell_complete=complete_scheme,
    help="Whose levels: {all}. Default: that of FILE; of several, the one that rests on the others.",
)
@click.option("--from", "first", metavar="YYYY-MM", shell_complete=complete_month, help="First month. Default: --to.")
@click.option(
    "--to",
    "last",
    metavar="YYYY-MM",
    shell_complete=complete_month,
    help="Last month. Default with --from: the last that is due. Without both: one moment.",
)
@click.option("--as-of", metavar="WHEN", help="One moment, by what was known then. Default: now.")
@click.option("--hindsight", is_flag=True, help="By all that is known now, too, and the difference of both.")
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(["category", "level", "size", "tenure"]),
    help="Group what moves by this; may be given again. Default: by each.",
)
@click.option(
    "--sensitivity/--no-sensitivity",
    default=True,
    show_default=True,
    help="How many move where a threshold is a step lower or higher; of many records by a sample of the subjects.",
)
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="Of so many subjects, the same ones each time. Default: of all.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="How many processes judge many records; agencies are judged by one.",
)
@click.option("--save", is_flag=True, help="Keep the report, for the API and the desk, in the folder of candidates.")
@click.option(
    "--subject",
    metavar="SUBJECT",
    shell_complete=complete_subject,
    help="In place of the report: what both sides make of SUBJECT at the last period, split by event.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "html"]),
    default="text",
    show_default=True,
    help="Form of the answer; html is a document to print.",
)
@language_option
@segments_option
@candidates_option
@location_option
def policy_try(
    files: tuple[Path, ...],
    scheme: str | None,
    first: str | None,
    last: str | None,
    as_of: str | None,
    hindsight: bool,
    by: tuple[str, ...],
    sensitivity: bool,
    sample: int | None,
    workers: int,
    save: bool,
    subject: str | None,
    lang: str,
    segments: FilesPlace | None,
    candidates: Path | None,
    format_: str,
    store: str,
) -> None:
    """Try candidate policies beside those in use, over the same history: who moves, from where to where.

    Each month is judged by what was known when it was decided or published. Nothing is recorded.
    A FILE that is not here is looked for in the folder of candidates.
    """
    from projections.reading.trial_reports import keep_report, lab_folder, named_candidates
    from replay.errors import UsageError
    from replay.extras import FAST, need

    need(FAST, "a trial of policies")
    from replay.lab.candidates import read_candidates
    from replay.lab.report import report_json
    from replay.lab.running import run_trial
    from replay.lab.trial import GROUPINGS, AskedTrial, trial_of

    of_report = _of_report(sensitivity=sensitivity, is_html=format_ == "html")
    if subject is not None and of_report:
        raise UsageError(f"--subject shows one subject in place of a report; leave out {' and '.join(of_report)}")
    asked = AskedTrial(scheme, first, last, as_of, hindsight, sample)
    groupings = tuple(dict.fromkeys(by)) or GROUPINGS  # each once: twice would be counted twice
    with open_at(store, segments) as opened:
        tried = read_candidates(named_candidates(files, lab_folder(opened, candidates)))
        trial = trial_of(opened, tried, asked)
        if subject is not None:
            _print_difference(opened, trial, subject, lang, format_)
            return
        with phases(named=phases_in(lang)) as told:
            progress = partial(told, "judging subjects")
            result = run_trial(opened, trial, groupings, segments, progress, sensitivity=sensitivity, workers=workers)
        report = report_json(trial, result, groupings)
        if save:
            place = keep_report(lab_folder(opened, candidates), report)
            click.echo(trials_text.kept_text(str(place), lang), err=True)
    if format_ == "html":
        from projections.desk.lab.document import trial_document
        from projections.terminal.streams import as_page

        click.echo(as_page(trial_document(report, lang)))
        return
    trials_text.print_trial(report, lang, as_json=format_ == "json")


def _of_report(*, sensitivity: bool, is_html: bool) -> list[str]:
    """What the command line gives that only a report has, as it is written there."""
    found = given("hindsight", "by", "sample", "workers", "save", *(["sensitivity"] if sensitivity else []))
    return [*found, "--format html"] if is_html else found


def _print_difference(opened: "Store", trial: "PolicyTrial", subject: str, lang: str, format_: str) -> None:
    """What both sides make of one subject at the last period."""
    from replay.answers.diff import diff_json
    from replay.lab.folding import both_replays

    start, end = both_replays(opened, trial, subject)
    answers_text.print_answer("diff", diff_json(start, end), end, lang, as_json=format_ == "json")


policy.add_command(policy_sweep)
