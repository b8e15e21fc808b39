"""Commands that move the views and mend them."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from projections.commands.asking.completing import complete_scheme, complete_subject
from projections.commands.asking.given import given
from projections.commands.asking.options import (
    EXIT_NOT_ALL,
    command,
    manifests_option,
    stopping,
    store_options,
    traced,
)
from projections.configuration.settings import language_option, segments_option
from projections.terminal.progress import phases
from projections.text.output import phases_in

if TYPE_CHECKING:
    from projections.candidates.shadow import ShadowStopped
    from projections.projector.advance import StepReport
    from projections.spreading.processes import Helpers
    from projections.spreading.spark import OnSpark
from projections.commands.asking.asked import open_at
from replay.objects.naming import FilesPlace


@command("rebuild", "levelbook rebuild --dry-run")
@click.argument("schemes", nargs=-1, metavar="[SCHEME]...", shell_complete=complete_scheme)
@click.option("--dry-run", is_flag=True, help="Build, prove and compare, but do not switch.")
@click.option("--back", is_flag=True, help="Switch back to the build that was live before.")
@click.option("--abort", is_flag=True, help="Remove a rebuild that is under way.")
@click.option(
    "--policies",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Build by the candidate policies in DIR beside the live views: nothing is adopted, nothing switched.",
)
@click.option("--drop", metavar="HASH", help="Remove the build by candidate policies that HASH names.")
@click.option("--sample", type=click.IntRange(0), default=100, show_default=True, help="Subjects of a kind to replay.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="How many processes judge a ledger of many records: beside the one that writes, or with --into in all.",
)
@click.option("--seed", type=click.IntRange(0), help="Which sample. Default: a random one, which the report names.")
@click.option(
    "--into",
    metavar="DIR|URL",
    help="Write all views as Parquet, as 'export' does, and keep none: to a folder, or s3://BUCKET/PREFIX.",
)
@click.option(
    "--engine",
    type=click.Choice(["processes", "spark"]),
    default="processes",
    show_default=True,
    help="What works with --into: processes of this machine, or Apache Spark, by its own settings.",
)
@manifests_option("With --into: how many manifests stay with their files after this run, for who still reads by them.")
@language_option
@segments_option
@store_options
@traced
def rebuild(
    schemes: tuple[str, ...],
    dry_run: bool,
    back: bool,
    abort: bool,
    policies: Path | None,
    drop: str | None,
    sample: int,
    workers: int,
    seed: int | None,
    into: str | None,
    engine: str,
    keep: int,
    segments: FilesPlace | None,
    store: str,
    format_: str,
    lang: str,
) -> None:
    """Build the views of all SCHEMEs, or of those named, anew; prove them against replays; then switch.

    With --policies a build by candidates stands beside the live views, which are served meanwhile. A killed rebuild
    goes on from its last finished part. With --into no views are needed or touched: the --workers, this process among
    them, write the files themselves. Exit status 1 when the proof fails: the live views stay, and so does a manifest.
    """
    from projections.candidates.building import AskedBeside, build_beside, drop_beside
    from projections.projector import rebuild as building
    from projections.text import views as views_text
    from projections.views.database import open_views
    from replay.errors import UsageError
    from replay.policies.reading import read_folder
    from replay.store.location import names_set

    _check_asked()
    as_json = format_ == "json"
    if names_set(store):
        if back or abort or policies or drop or schemes or segments or into or workers > 1 or engine == "spark":
            raise UsageError("of a set all views are built, by this process; give --dry-run, --sample and --seed alone")
        _rebuild_set(store, dry_run, sample, seed, lang, as_json=as_json)
        return
    if engine == "spark" and (into is None or workers > 1):
        raise UsageError(
            "--engine spark works with --into, by workers of its own: name a place, and leave out --workers"
        )
    if into is not None:
        beside = _spark() if engine == "spark" else _processes(workers - 1)
        _rebuild_into(store, into, beside, (sample, seed, segments, keep), lang, as_json=as_json)
        return
    makes = not (back or abort or drop or policies)
    with open_at(store) as opened, open_views(opened, make=makes) as views:
        if back:
            views_text.print_switched_back(building.switch_back(views), lang, as_json=as_json)
        elif abort:
            views_text.print_aborted(building.abort(views), lang, as_json=as_json)
        elif drop is not None:
            views_text.print_dropped(drop_beside(views, drop), lang, as_json=as_json)
        elif policies is not None:
            candidates = AskedBeside(tuple(read_folder(policies)), sample, seed, segments, workers)
            with phases("events", phases_in(lang)) as progress:
                made = build_beside(views, candidates, progress)
            views_text.print_beside(made.candidate, made.counted, made.proof, lang, as_json=as_json)
        else:
            asked = building.Asked(building.check_schemes(schemes), dry_run, sample, seed, segments, workers)
            with phases("events", phases_in(lang)) as progress:
                report = building.rebuild(views, asked, progress)
            views_text.print_rebuilt(report, lang, as_json=as_json)


def _check_asked() -> None:
    """Raises UsageError for what does not go together, and what would not be done."""
    from replay.errors import UsageError

    tasks = given("dry_run", "back", "abort", "policies", "drop", "into")
    if len(tasks) > 1:
        raise UsageError(
            "--dry-run, --back, --abort, --policies, --drop and --into each say what to do; give one of them"
        )
    (task,) = tasks or [""]
    how = given("schemes", "sample", "workers", "seed", "engine", "segments")
    if task in ("--back", "--abort", "--drop") and how:
        raise UsageError(f"{task} builds nothing; leave out {' and '.join(how)}")
    if task == "--policies" and "SCHEME" in how:
        raise UsageError("--policies names the schemes by its files; leave out SCHEME")
    if task == "--into" and "SCHEME" in how:
        raise UsageError("--into writes the views of all schemes; leave out SCHEME")
    if task != "--into" and given("keep"):
        raise UsageError("--keep says how many manifests stay where files are written; name a place with --into")


def _rebuild_set(location: str, dry_run: bool, sample: int, seed: int | None, lang: str, *, as_json: bool) -> None:
    from projections.sharding.building import AskedOfSet, rebuild_set
    from projections.text.sharding.sets import print_rebuilt
    from replay.sharding.opened import open_set

    with open_set(location) as opened, phases("events", phases_in(lang)) as progress:
        report = rebuild_set(opened, AskedOfSet(dry_run, sample, seed), progress)
    print_rebuilt(report, lang, as_json=as_json)


@contextmanager
def _processes(count: int) -> "Iterator[Helpers]":
    from projections.spreading.processes import helpers
    from replay.extras import FAST, need

    need(FAST, "a rebuild into files")
    with helpers(count) as beside:
        yield beside


@contextmanager
def _spark() -> "Iterator[OnSpark]":
    from projections.spreading.session import spark_session

    with spark_session() as session:
        from projections.spreading.spark import OnSpark

        yield OnSpark(session)


def _rebuild_into(
    store: str,
    to: str,
    beside: "AbstractContextManager[Helpers | OnSpark]",
    how: tuple[int, int | None, FilesPlace | None, int],
    lang: str,
    *,
    as_json: bool,
) -> None:
    from projections.text.views import print_rebuilt_into

    with beside as begun, open_at(store) as opened, phases("events", phases_in(lang)) as progress:
        from projections.spreading.into import AskedInto, rebuild_into  # while the helpers import the same

        sample, seed, segments, keep = how
        report = rebuild_into(opened, AskedInto(to, sample, seed, segments, keep=keep), begun, progress)
    print_rebuilt_into(report, lang, as_json=as_json)


@command("follow", "levelbook follow --once")
@click.option("--once", is_flag=True, help="Stop at the ledger's head. Default: stay up until stopped.")
@language_option
@store_options
@traced
def follow(once: bool, store: str, format_: str, lang: str) -> None:
    """Move the views on by new events, and with the calendar. Makes them when there are none yet.

    A shadow (policy shadow) is moved on after each step. Stopped by SIGTERM or SIGINT at any moment, also by kill -9,
    it neither skips nor doubles. Exit status 1 with --once when a level is set aside.
    """
    from projections.candidates.shadow import Keeper
    from projections.projector.follow import follow as run
    from projections.projector.status import views_status
    from projections.text import views as views_text
    from projections.views.database import open_views

    def told(moved: "StepReport") -> None:
        if moved.events or moved.units:
            views_text.print_step(moved, lang, as_json=format_ == "json")

    def stopped_shadow(kept: "ShadowStopped") -> None:
        views_text.print_shadow_stopped(kept.candidate, kept.problem, lang, as_json=format_ == "json")

    with open_at(store) as opened, open_views(opened, make=True) as views, stopping() as stopped:
        run(views, stay=not once, told=told, stopped=stopped, beside=Keeper(views, stopped_shadow).keep)
        if once and views_status(views)["set_aside"]:
            sys.exit(EXIT_NOT_ALL)


@command("retry", "levelbook retry merchant/tea-house")
@click.argument("subjects", nargs=-1, metavar="[SUBJECT]...", shell_complete=complete_subject)
@language_option
@store_options
def retry(subjects: tuple[str, ...], store: str, format_: str, lang: str) -> None:
    """Take up again what is set aside, of SUBJECTs or all. Exit status 1 when something stays aside."""
    from projections.projector.advance import retry as take_up
    from projections.text import views as views_text
    from projections.views.database import open_views

    with open_at(store) as opened, open_views(opened) as views:
        found = take_up(views, subjects)
    views_text.print_retried(found, lang, as_json=format_ == "json")
    if found.still_aside:
        sys.exit(EXIT_NOT_ALL)
