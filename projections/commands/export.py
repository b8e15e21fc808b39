"""The command that exports the views."""

import click

from projections.commands.asking.asked import open_at
from projections.commands.asking.completing import complete_view
from projections.commands.asking.options import command, manifests_option, store_options
from projections.configuration.settings import language_option
from projections.terminal.progress import phases
from projections.text.output import phases_in


@command("export", "levelbook export --to exported")
@click.argument("views", nargs=-1, metavar="[VIEW]...", shell_complete=complete_view)
@click.option(
    "--to",
    required=True,
    metavar="DIR|URL",
    help="Where to: a folder, or s3://BUCKET/PREFIX, with keys from the environment.",
)
@click.option(
    "--files",
    type=click.Choice(["parquet", "csv"]),
    default="parquet",
    show_default=True,
    help="Form of the files.",
)
@click.option("--full", is_flag=True, help="Write every file, also where the export before could be gone on from.")
@manifests_option("How many manifests stay with their files after this run, for who still reads by them.")
@language_option
@store_options
def export(
    views: tuple[str, ...], to: str, files: str, full: bool, keep: int, store: str, format_: str, lang: str
) -> None:
    """Export the SQL views, or those named (v1_levels or levels), as files for others, all of one moment.

    The manifest names the files and is switched last: whoever opens it never sees a torn set. A later export to the
    same place writes what has changed, and what the feed of changes tells. It begins anew where it cannot go on, and
    says why.
    """
    from projections.exporting.columns import views_asked
    from projections.exporting.export import ExportAsked
    from projections.exporting.export import export as run
    from projections.exporting.naming import place_for
    from projections.text.views import print_export
    from projections.views.database import open_views

    asked = ExportAsked(views_asked(views), "csv" if files == "csv" else "parquet", full, keep)
    bars = phases("rows", phases_in(lang))
    with open_at(store) as opened, open_views(opened, only_read=True) as read, bars as progress:
        place = place_for(to, opened)
        report = run(read, place, asked, progress)
    print_export(report, place.shown, lang, as_json=format_ == "json")
