"""What the commands about views print: rebuilds, steps of following, status, units set aside, and lists out of them."""

from typing import TYPE_CHECKING, Any, Final

import click

from domain.calendar import shanghai_text
from projections.terminal.tables import LEFT, RIGHT, print_table
from projections.text.output import print_json

if TYPE_CHECKING:
    from projections.projector.advance import Retried, StepReport
    from projections.projector.compare import LevelDifference
    from projections.projector.rebuild import Report
    from projections.text.words import Words
    from projections.views.database import Build

SHOWN_MAX: Final = 50
"""Differences shown to people; JSON has all."""


def print_rebuilt(report: "Report", *, as_json: bool) -> None:
    """A rebuild: the proof, which levels differ and why, and whether the new views are live."""
    if as_json:
        print_json(report_json(report))
        return
    build, proof = report.build, report.proof
    resumed = " (resumed)" if report.resumed else ""
    click.echo(f"Build {build.build}{resumed}: position {build.position:,}, as of {shanghai_text(build.as_of)}.")
    click.echo(
        f"Proved: {proof.compared} levels equal independent replays, {proof.rows:,} rows, sample {report.seed};"
        f" {proof.invariants} invariants hold over all rows."
    )
    _print_differences(report.compared_with, report.differences)
    for reason in report.not_compared:
        click.echo(f"Not compared with the views before: {reason}")
    if report.switched:
        click.echo("Live now; 'levelbook rebuild --back' switches back.")
    else:
        click.echo("Not switched: 'levelbook rebuild' goes on from here, 'levelbook rebuild --abort' removes it.")


def _print_differences(live: "Build | None", found: "list[LevelDifference]") -> None:
    if live is None:
        return
    if not found:
        click.echo(f"No level differs from the live build {live.build} at the same moment.")
        return
    click.echo(f"{len(found)} levels differ from the live build {live.build} at the same moment:")
    for item in found[:SHOWN_MAX]:
        click.echo(f"  {item.subject} {item.scheme}: {_told(item.before)} -> {_told(item.after)}: {item.told}")
    if len(found) > SHOWN_MAX:
        click.echo(f"  … and {len(found) - SHOWN_MAX} more (--format json shows all)")


def _told(row: dict[str, Any] | None) -> str:
    if row is None:
        return "nothing"
    score = "" if row["score"] is None else f" ({row['score']})"
    return f"{row['level'] or row['state']}{score}, effective {row['effective_level'] or row['effective_state']}"


def report_json(report: "Report") -> dict[str, Any]:
    return {
        "build": report.build.build,
        "position": report.build.position,
        "as_of": shanghai_text(report.build.as_of),
        "resumed": report.resumed,
        "switched": report.switched,
        "proof": {
            "levels_compared": report.proof.compared,
            "rows_compared": report.proof.rows,
            "invariants": report.proof.invariants,
            "sample_seed": report.seed,
            "problems": report.proof.problems,
        },
        "compared_with_build": None if report.compared_with is None else report.compared_with.build,
        "not_compared": report.not_compared,
        "differences": [item._asdict() for item in report.differences],
    }


def print_switched_back(build: "Build", *, as_json: bool) -> None:
    if as_json:
        print_json({"build": build.build, "position": build.position, "as_of": shanghai_text(build.as_of)})
        return
    click.echo(
        f"Build {build.build} is live again, at position {build.position:,}, as of {shanghai_text(build.as_of)};"
        " 'levelbook follow' brings it on."
    )


def print_aborted(build: "Build | None", *, as_json: bool) -> None:
    if as_json:
        print_json({"removed": None if build is None else build.build})
        return
    click.echo("There is no rebuild under way." if build is None else f"Build {build.build} is removed.")


def print_step(moved: "StepReport", *, as_json: bool) -> None:
    """One step of following, where anything was done."""
    if as_json:
        print_json(step_json(moved))
        return
    for failed in moved.recovered:
        click.echo(f"{failed.subject} {failed.scheme}: failed unexpectedly, and was worked out from nothing")
        click.echo(failed.trace, err=True)
    aside = f", {moved.set_aside} set aside" if moved.set_aside else ""
    click.echo(
        f"position {moved.build.position:,}, as of {shanghai_text(moved.build.as_of)}: {moved.events:,} events,"
        f" {moved.units:,} levels worked out{aside}"
    )


def step_json(moved: "StepReport") -> dict[str, Any]:
    return {
        "position": moved.build.position,
        "as_of": shanghai_text(moved.build.as_of),
        "events": moved.events,
        "levels": moved.units,
        "set_aside": moved.set_aside,
        "recovered": [failed._asdict() for failed in moved.recovered],
    }


def print_retried(found: "Retried", *, as_json: bool) -> None:
    if as_json:
        names = ("subject", "scheme")
        print_json(
            {
                "taken_up": [dict(zip(names, unit, strict=True)) for unit in found.taken_up],
                "still_aside": [dict(zip(names, unit, strict=True)) for unit in found.still_aside],
            }
        )
        return
    if not found.taken_up and not found.still_aside:
        click.echo("Nothing is set aside.")
    for subject, scheme in found.taken_up:
        click.echo(f"{subject} {scheme}: taken up again")
    for subject, scheme in found.still_aside:
        click.echo(f"{subject} {scheme}: still set aside; 'levelbook status' says why")


def print_views(found: dict[str, Any]) -> None:
    """The state of the views, for people, below that of the ledger."""
    live, rebuild = found["live"], found["rebuild"]
    for problem in found["problems"]:
        click.echo(f"views unfit     {problem}")
    if live is None and not found["problems"]:
        click.echo("views           none live yet")
    if live is not None:
        click.echo(
            f"views           build {live['build']} at position {live['position']:,}, as of {live['as_of']}:"
            f" {live['lag_events']:,} events and {live['lag_seconds']:,} s behind"
            + (f", {live['ahead_seconds']:,} s ahead of the clock" if live["ahead_seconds"] else "")
        )
    for view in found["views"]:
        stale = f", {view['stale']} stale" if view["stale"] else ""
        click.echo(f"{view['subjects']:>14}  {view['scheme']}{stale}")
    for row in found["set_aside"]:
        click.echo(f"set aside       {row['subject']} {row['scheme']} at position {row['position']}: {row['reason']}")
        for told in (row["trace"] or "").splitlines():
            click.echo(f"                {told}")
    if found["unexpected"]:
        click.echo(f"unexpected      {found['unexpected']:,} of them: a fault of the program; report it with its trace")
    if found["set_aside"]:
        click.echo("                'levelbook retry' takes them up again")
    if rebuild is not None:
        left = "" if rebuild["seconds_left"] is None else f", {rebuild['seconds_left']:,} s left"
        click.echo(
            f"rebuild         build {rebuild['build']}, {rebuild['phase']}: {rebuild['done_events']:,} of"
            f" {rebuild['total_events']:,} events, {rebuild['events_per_second']:,} a second{left}"
        )
    if found["former"] is not None:
        click.echo(f"former          build {found['former']['build']} ('levelbook rebuild --back')")


# --- lists over all subjects ------------------------------------------------------------------------------------------


def print_worklist(found: dict[str, Any], language: str, *, as_json: bool) -> None:
    """A page of a list, and whether it goes on."""
    if as_json:
        print_json(found)
        return
    from projections.text.words import Words

    words = Words(language, {})
    name = found["list"]
    click.echo(words.worklist(name, period=found["period"] or words.worklist("all_periods")))
    click.echo(f"  {words.worklist('stands', **found)}")
    rows = [_CELLS[name](row, words) for row in found["rows"]]
    if rows:
        print_table((LEFT,) * len(rows[0]), rows, indent=2)
    elif found["next"] is None:
        click.echo(f"  {words.worklist('empty')}")
    if found["next"] is not None:
        click.echo(f"  {words.worklist('goes_on', next=found['next'])}")


def print_distribution(found: dict[str, Any], language: str, *, as_json: bool) -> None:
    """How many subjects stand where."""
    if as_json:
        print_json(found)
        return
    from projections.text.words import Words

    words = Words(language, {})
    click.echo(words.worklist("totals", total=f"{found['total']:,}"))
    click.echo(f"  {words.worklist('stands', **found)}")
    rows = [
        (f"{row['subjects']:,}", words.code("scheme", row["scheme"]), _standing(row["scheme"], row, words))
        for row in found["rows"]
    ]
    print_table((RIGHT, LEFT, LEFT), rows, indent=2)


def _standing(scheme: str, found: dict[str, Any] | None, words: "Words") -> str:
    from projections.text.schemes.registry import decided_text

    return words.decision("nothing") if found is None else decided_text(scheme, found, words)


def _differing(row: dict[str, Any], words: "Words") -> tuple[str, ...]:
    stale = f" ({words.worklist('stale')})" if row["stale"] else ""
    told = words.worklist(
        "decided",
        decided=_standing(row["scheme"], row["decided"], words),
        now=_standing(row["scheme"], row["now"], words),
    )
    return row["subject"], words.code("scheme", row["scheme"]), row["period"], told + stale


def _announced(row: dict[str, Any], words: "Words") -> tuple[str, ...]:
    announced = words.level(row["announced"])
    decided, now = _standing(row["scheme"], row["decided"], words), _standing(row["scheme"], row["now"], words)
    told = words.worklist("announced_as", announced=announced, decided=decided, now=now)
    odd = "" if row["is_period"] else f" ({words.worklist('no_such_period')})"
    return row["subject"], words.code("scheme", row["scheme"]), row["period"], told + odd


def _changed(row: dict[str, Any], words: "Words") -> tuple[str, ...]:
    told = words(
        "changed",
        before=_standing(row["scheme"], row["before"], words),
        after=_standing(row["scheme"], row["after"], words),
    )
    return row["at"], row["subject"], words.code("scheme", row["scheme"]), told


def _set_aside(row: dict[str, Any], words: "Words") -> tuple[str, ...]:
    told = words.worklist("at_position", position=row["position"], reason=row["reason"])
    return row["subject"], words.code("scheme", row["scheme"]), told


_CELLS = {"differing": _differing, "announced": _announced, "changed": _changed, "set-aside": _set_aside}
