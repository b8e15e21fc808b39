"""What is told of decisions, boards, audits and appeals."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from replay.decisions.decide import Decided
from projections.terminal.tables import LEFT, Column, print_table
from projections.text.ledger import tell_open
from projections.text.output import print_json


def print_board(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    reconstruction = "" if found["in_force"] else " (not yet in force then: a reconstruction)"
    click.echo(f"{found['board']} board of {found['month']}, by {found['ranks_by']}")
    click.echo(f"  policy {found['policy']}@{found['policy_hash'][:12]}{reconstruction}")
    click.echo(f"  as of {found['as_of']}, known at {found['known_at']} (position {found['position']})")
    if found["asked_known_at"] is not None:
        tell_open(found["asked_known_at"], found["position"])
    click.echo(f"  assumed, not published: {', '.join(found['assumed'])}")
    columns = (Column(is_right=True, least=4), Column(is_right=True, least=5), Column(least=3), LEFT, LEFT)
    print_table(columns, [_board_cells(row) for row in found["rows"]], indent=2)
    if not found["rows"]:
        click.echo("  no agency was rated")
    decided = found["decided"]
    if decided is not None:
        outcome = "RESTATED: it comes out otherwise here" if decided["restated"] else "the same"
        click.echo(f"  decided in {decided['run']}, known at {decided['known_at']}: {outcome}")


def _board_cells(row: dict[str, Any]) -> tuple[str, ...]:
    level, settled = row["level"] or "-", f"settled {row['settled']} fen"
    return str(row["rank"]), str(row["score"]), level, row["subject"], settled


def print_run(found: "Decided", *, as_json: bool) -> None:
    run = found.run
    told = {
        "scheme": run.scheme,
        "period": run.period,
        "run": run.run,
        "as_of": run.as_of,
        "known_at": run.known_at,
        "position": run.position,
        "decided": found.decided,
        "resumed": found.resumed,
        "already_finished": found.already_finished,
    }
    if as_json:
        print_json(told)
        return
    how = ", resumed" if found.resumed else ""
    if found.already_finished:
        how = ": finished before, nothing was done (--again --reason asks for a further run)"
    click.echo(f"{run.scheme} {run.period}: {found.decided} decisions in {run.run}, known up to {run.position}{how}")


def print_decisions(found: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for item in found:
        latest = "" if item["as_decided"] else "  (decided again since)"
        click.echo(
            f"{item['scheme']} {item['period']}: {item['state']}, {item['level'] or 'no level'}, score {item['score']}"
            f"  {item['policy']}@{item['policy_hash'][:12]}{latest}"
        )
        click.echo(f"  {item['run']}, as of {item['as_of']}, known at {item['known_at']} (position {item['position']})")
        click.echo(f"  facts {item['facts']}\n  findings {item['findings']}")
    if not found:
        click.echo("nothing was decided")


def print_audit(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for item in found["decisions"]:
        decided = (
            f"{item['decided']['state']}, {item['decided']['level'] or 'no level'}, score {item['decided']['score']}"
        )
        if item["outcome"] == "reproduced" and not item["restated"]:
            continue
        click.echo(f"{item['subject']}  {item['scheme']} {item['period']}: {item['outcome']}, decided {decided}")
        if item["restated"]:
            now = f"{item['now']['state']}, {item['now']['level'] or 'no level'}, score {item['now']['score']}"
            click.echo(f"  as known now: {now}")
            for step in item["since"]:
                if step["events"]:
                    click.echo(f"    {step['points'] or '':>9}  {step['step']}: {step['events']} events")
    for item in found["announced"]:
        click.echo(
            f"{item['subject']}  {item['scheme']} {item['period']}: announced {item['announced'] or 'no level'},"
            f" decided {item['decided'] or 'nothing'}, replayed {item['replayed'] or 'no level'}"
        )
    click.echo(f"{found['reproduced']} of {found['audited']} decisions are reproduced")


def print_appeal(found: dict[str, Any], language: str, form: str) -> None:
    if form == "json":
        print_json(found)
        return
    from projections.terminal.streams import as_page
    from projections.text.appeal import appeal_lines, appeal_page
    from projections.text.words import Words

    words = Words(language, found["level_names"])
    click.echo(as_page(appeal_page(found, words)) if form == "html" else "\n".join(appeal_lines(found, words)))
