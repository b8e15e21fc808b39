"""The command that prints the rights on a PostgreSQL ledger."""

import click

from projections.commands.asking.options import command


@command("grants", "levelbook grants --follower lb_follow --service lb_serve | psql postgresql://owner@host/db")
@click.option("--writer", metavar="ROLE", help="Who records: ingest, decide, checkpoint.")
@click.option("--reader", metavar="ROLE", help="Who reads the ledger and the views, and writes nothing.")
@click.option("--auditor", metavar="ROLE", help="Who verifies, keeps checks and reads the log of accesses.")
@click.option("--follower", metavar="ROLE", help="Who makes and moves the views, and records the policies of these.")
@click.option("--service", metavar="ROLE", help="Who serves: reads, and writes down sessions and accesses.")
@click.option("--deliverer", metavar="ROLE", help="Who delivers: reads, and keeps the endpoints and their secrets.")
def grants(**roles: str | None) -> None:
    """Print the SQL that gives roles of PostgreSQL the rights on a ledger that their tasks need, and no more.

    The roles must be there. Run it as the role that made the ledger, after it made a token, and before there are views.
    """
    from projections.upkeep.grants import TASKS, archived_statements, later_statements, statements
    from replay.errors import UsageError

    named = {task: name for task in TASKS if (name := roles[task]) is not None}
    if not named:
        raise UsageError("no role is named; give one for each task, such as --follower NAME")
    for sql in statements(named):
        click.echo(f"{sql};")
    if archived := list(archived_statements(named)):
        click.echo("-- where 'levelbook archive' has run before, in place of what is said above of records:")
    for sql in archived:
        click.echo(f"-- {sql};")
    if later := list(later_statements(named)):
        click.echo("-- once 'levelbook deliver add' has made its tables:")
    for sql in later:
        click.echo(f"-- {sql};")
