"""What the commands about views print: rebuilds, steps of following, units set aside, lists out of them, exports."""

from typing import TYPE_CHECKING, Any, Final

import click

from domain.calendar import shanghai_text
from projections.terminal.tables import LEFT, RIGHT, print_table
from projections.text.output import print_json
from projections.text.words import Words
from projections.views.candidates import candidate_json

if TYPE_CHECKING:
    from projections.exporting.export import ExportReport
    from projections.projector.advance import Retried, StepReport
    from projections.projector.compare import LevelDifference
    from projections.projector.prove import Proof
    from projections.projector.rebuild import Report
    from projections.spreading.into import IntoReport
    from projections.views.candidates import CandidateBuild, Counted
    from projections.views.database import Build

HASH_DIGITS: Final = 12
SHOWN_MAX: Final = 50
"""Differences shown to people; JSON has all."""


def print_rebuilt(report: "Report", language: str, *, as_json: bool) -> None:
    """A rebuild: the proof, which levels differ and why, and whether the new views are live."""
    if as_json:
        print_json(report_json(report))
        return
    words = Words(language, {})
    proof = report.proof
    resumed = words.views("built_resumed") if report.resumed else ""
    click.echo(words.views("built", resumed=resumed, **_build_told(report.build)))
    proved = {"compared": proof.compared, "rows": proof.rows, "invariants": proof.invariants, "seed": report.seed}
    click.echo(words.views("proved", **proved))
    _print_differences(report.compared_with, report.differences, words)
    for reason in report.not_compared:
        click.echo(words.views("not_compared", reason=reason))
    click.echo(words.views("live_now" if report.switched else "not_switched"))


def _build_told(build: "Build") -> dict[str, Any]:
    """Where a build stands."""
    return {"build": build.build, "position": build.position, "as_of": shanghai_text(build.as_of)}


def _print_differences(live: "Build | None", found: "list[LevelDifference]", words: Words) -> None:
    if live is None:
        return
    key = "differences" if found else "no_difference"
    click.echo(words.views(key, count=len(found), build=live.build))
    for item in found[:SHOWN_MAX]:
        told = {
            "subject": item.subject,
            "scheme": words.code_beside("scheme", item.scheme),
            "before": _row_text(item.before, words),
            "after": _row_text(item.after, words),
            "reason": words.views(f"differs_{item.reason}", told=item.told),
        }
        click.echo(words.views("difference", **told))
    if len(found) > SHOWN_MAX:
        click.echo(words.views("differences_left", count=len(found) - SHOWN_MAX))


def _row_text(row: dict[str, Any] | None, words: Words) -> str:
    if row is None:
        return words.views("row_nothing")
    score = "" if row["score"] is None else words.views("row_score", score=row["score"])
    effective = _row_standing(row["effective_level"], row["effective_state"], words)
    return words.views(
        "row", standing=_row_standing(row["level"], row["state"], words), score=score, effective=effective
    )


def _row_standing(level: str | None, state: str, words: Words) -> str:
    """The level, or the state where there is none: in English by their codes."""
    if words.language == "en":
        return level or state
    return words.level(level) if level else words.state(state)


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


def print_switched_back(build: "Build", language: str, *, as_json: bool) -> None:
    if as_json:
        print_json(_build_told(build))
        return
    click.echo(Words(language, {}).views("back", **_build_told(build)))


def print_aborted(build: "Build | None", language: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"removed": None if build is None else build.build})
        return
    words = Words(language, {})
    click.echo(words.views("no_rebuild") if build is None else words.views("removed", build=build.build))


def print_step(moved: "StepReport", language: str, *, as_json: bool) -> None:
    """One step of following, where anything was done."""
    if as_json:
        print_json(step_json(moved))
        return
    words = Words(language, {})
    for failed in moved.recovered:
        scheme = words.code_beside("scheme", failed.scheme)
        click.echo(words.views("recovered", subject=failed.subject, scheme=scheme))
        click.echo(failed.trace, err=True)
    aside = words.views("moved_aside", set_aside=moved.set_aside) if moved.set_aside else ""
    told = _build_told(moved.build) | {"events": moved.events, "levels": moved.units, "aside": aside}
    click.echo(words.views("moved", **told))


def step_json(moved: "StepReport") -> dict[str, Any]:
    return {
        "position": moved.build.position,
        "as_of": shanghai_text(moved.build.as_of),
        "events": moved.events,
        "levels": moved.units,
        "set_aside": moved.set_aside,
        "recovered": [failed._asdict() for failed in moved.recovered],
    }


def print_retried(found: "Retried", language: str, *, as_json: bool) -> None:
    if as_json:
        names = ("subject", "scheme")
        print_json(
            {
                "taken_up": [dict(zip(names, unit, strict=True)) for unit in found.taken_up],
                "still_aside": [dict(zip(names, unit, strict=True)) for unit in found.still_aside],
            }
        )
        return
    words = Words(language, {})
    if not found.taken_up and not found.still_aside:
        click.echo(words.views("nothing_aside"))
    for key, units in (("taken_up", found.taken_up), ("still_aside", found.still_aside)):
        for subject, scheme in units:
            click.echo(words.views(key, subject=subject, scheme=words.code_beside("scheme", scheme)))


def print_views(found: dict[str, Any], words: Words) -> None:
    """The state of the views, for people, below that of the ledger."""
    live, rebuild = found["live"], found["rebuild"]
    for problem in found["problems"]:
        click.echo(words.views("unfit", problem=problem))
    if live is None and not found["problems"]:
        click.echo(words.views("none_live"))
    if live is not None:
        ahead = words.views("live_ahead", **live) if live["ahead_seconds"] else ""
        click.echo(words.views("live", **live, ahead=ahead))
    for view in found["views"]:
        stale = words.views("of_scheme_stale", **view) if view["stale"] else ""
        told = view | {"scheme": words.code_beside("scheme", view["scheme"]), "stale": stale}
        click.echo(words.views("of_scheme", **told))
    _print_aside(found, words)
    if rebuild is not None:
        left = "" if rebuild["seconds_left"] is None else words.views("rebuild_left", **rebuild)
        phase = words.code("phase", rebuild["phase"])
        click.echo(words.views("rebuild", **rebuild | {"phase": phase, "left": left}))
    if found["former"] is not None:
        click.echo(words.views("former", **found["former"]))
    for item in found["candidates"]:
        print_candidate(item, words)


def print_candidate(found: dict[str, Any], words: Words) -> None:
    """A build by candidate policies: by which, where it stands, how many levels differed when last noted."""
    told = found | {"hash": found["hash"][:HASH_DIGITS], "policies": _revisions(found["policies"], words)}
    told["phase"] = words.code("phase", found["phase"])
    click.echo(words.views("shadow" if found["kept"] else "beside", **told))
    if found["problem"] is not None:
        click.echo(words.views("shadow_stopped", problem=found["problem"]))
    if found["set_aside"]:
        click.echo(words.views("candidate_aside", set_aside=found["set_aside"]))
    for row in found["drift"]:
        click.echo(words.views("drift", **row | {"scheme": words.code_beside("scheme", row["scheme"])}))


def _revisions(policies: list[dict[str, Any]], words: Words) -> str:
    named = [
        f"{words.code_beside('scheme', item['scheme'])} {item['id']}@{item['hash'][:HASH_DIGITS]}" for item in policies
    ]
    return words("between").join(named)


def print_shadow(found: dict[str, Any] | None, language: str, *, as_json: bool) -> None:
    """The shadow with all of its drift, None where there is none."""
    if as_json:
        print_json({"shadow": found})
        return
    words = Words(language, {})
    if found is None:
        click.echo(words.views("no_shadow"))
    else:
        print_candidate(found, words)


def print_beside(
    found: "CandidateBuild", counts: "list[Counted]", proof: "Proof | None", language: str, *, as_json: bool
) -> None:
    """A build by candidate policies that was made: its proof, and how many of its levels differ from the live ones."""
    build = {**_build_told(found.build), **candidate_json(found), "differing": [item._asdict() for item in counts]}
    if as_json:
        print_json(build | {"levels_compared": None if proof is None else proof.compared})
        return
    words = Words(language, {})
    told = build | {"policies": _revisions(build["policies"], words), "hash": found.hash[:HASH_DIGITS]}
    click.echo(words.views("shadow_kept" if build["kept"] else "beside_built", **told))
    if proof is not None:
        click.echo(words.views("beside_proved", compared=proof.compared, rows=proof.rows))
    for item in counts:
        row = item._asdict() | {"scheme": words.code_beside("scheme", item.scheme)}
        click.echo(words.views("differing", **row))


def print_dropped(found: "CandidateBuild | None", language: str, *, as_json: bool) -> None:
    """A build by candidate policies that was removed, None where there was none."""
    if as_json:
        print_json({"removed": None if found is None else found.hash})
        return
    words = Words(language, {})
    told = None if found is None else found.hash[:HASH_DIGITS]
    click.echo(words.views("no_shadow") if told is None else words.views("candidate_removed", hash=told))


def print_shadow_stopped(found: "CandidateBuild | None", problem: str, language: str, *, as_json: bool) -> None:
    """That a shadow cannot be moved on, while following goes on."""
    if as_json:
        print_json({"shadow": None if found is None else found.hash, "problem": problem})
    else:
        click.echo(Words(language, {}).views("shadow_stopped", problem=problem))


def _print_aside(found: dict[str, Any], words: Words) -> None:
    for row in found["set_aside"]:
        click.echo(words.views("aside", **row | {"scheme": words.code_beside("scheme", row["scheme"])}))
        for told in (row["trace"] or "").splitlines():
            click.echo(f"                {told}")
    if found["unexpected"]:
        click.echo(words.views("unexpected", unexpected=found["unexpected"]))
    if found["set_aside"]:
        click.echo(words.views("take_up"))


# --- exports --------------------------------------------------------------------------------------------------------


def print_export(report: "ExportReport", place: str, language: str, *, as_json: bool) -> None:
    """Where it lies, of which moment it is, and what of it was written."""
    if as_json:
        print_json(export_json(report, place))
        return
    words, made = Words(language, {}), report.manifest
    told: dict[str, Any] = {"place": place, "number": made.number, "position": made.position, "as_of": made.as_of}
    if report.is_new:
        kind = words.exports("increment" if made.because is None else f"because_{made.because}")
        rows = sum(table.rows for table in made.tables)
        click.echo(words.exports("made", **told, rows=rows, views=len(made.tables), kind=kind))
    else:
        click.echo(words.exports("unchanged", **told))
    if report.is_new or report.removed:
        size = sum(file.bytes for file in report.written)
        stay = len(made.named_files()) - len(report.written)
        click.echo(words.exports("files", written=len(report.written), bytes=size, stay=stay, removed=report.removed))
    if report.is_new:
        click.echo(words.exports("goes_on", cursor=f"{made.feed.name}.{made.feed.number}"))
    if report.left is not None:
        click.echo(words.exports("left", problem=report.left), err=True)


def export_json(report: "ExportReport", place: str) -> dict[str, Any]:
    """The same for programs; the files stand in the manifest."""
    made = report.manifest
    return {
        "place": place,
        "is_new": report.is_new,
        "number": made.number,
        "kind": made.kind,
        "because": made.because,
        "position": made.position,
        "as_of": made.as_of,
        "feed": f"{made.feed.name}.{made.feed.number}",
        "rows": {table.view: table.rows for table in made.tables},
        "files_written": len(report.written),
        "bytes_written": sum(file.bytes for file in report.written),
        "files_removed": report.removed,
        "files_left": report.left,
    }


def print_rebuilt_into(report: "IntoReport", language: str, *, as_json: bool) -> None:
    """Where the files lie, of which moment they are, the proof, and the digest of all rows."""
    if as_json:
        print_json(rebuilt_into_json(report))
        return
    words, made, proof = Words(language, {}), report.manifest, report.proof
    told = {"place": report.place, "number": made.number, "position": made.position, "as_of": made.as_of}
    rows = sum(table.rows for table in made.tables)
    kind = words.exports(f"because_{made.because}")
    click.echo(words.exports("made", **told, rows=rows, views=len(made.tables), kind=kind))
    files = made.named_files()
    stay, size = len(files) - report.written, sum(file.bytes for file in files)
    click.echo(words.exports("files_in_all", written=report.written, bytes=size, stay=stay, removed=report.removed))
    click.echo(words.views("proved_sample", compared=proof.compared, rows=proof.rows, seed=report.seed))
    click.echo(words.exports("digest", digest=report.digest))
    if report.left is not None:
        click.echo(words.exports("left", problem=report.left), err=True)


def rebuilt_into_json(report: "IntoReport") -> dict[str, Any]:
    """The same for programs; the files stand in the manifest."""
    made, proof = report.manifest, report.proof
    return {
        "place": report.place,
        "number": made.number,
        "because": made.because,
        "position": made.position,
        "as_of": made.as_of,
        "rows": {table.view: table.rows for table in made.tables},
        "digest": report.digest,
        "compared": proof.compared,
        "rows_compared": proof.rows,
        "seed": report.seed,
        "files": len(made.named_files()),
        "files_written": report.written,
        "files_removed": report.removed,
        "files_left": report.left,
    }


# --- lists over all subjects ------------------------------------------------------------------------------------------


def print_worklist(found: dict[str, Any], language: str, *, as_json: bool) -> None:
    """A page of a list, and whether it goes on."""
    if as_json:
        print_json(found)
        return
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


def print_totals(found: dict[str, Any], language: str, *, as_json: bool) -> None:
    """How many rows each list has, scheme by scheme, and how many subjects stand where."""
    if as_json:
        print_json(found)
        return
    words = Words(language, {})
    click.echo(words.worklist("counts", period=found["period"] or words.worklist("all_periods")))
    click.echo(f"  {words.worklist('stands', **found)}")
    print_table((LEFT,) * 5, [_count_cells(row, found["changed_in"], words) for row in found["counts"]], indent=2)
    _print_distribution(found, words)


def print_distribution(found: dict[str, Any], language: str, *, as_json: bool) -> None:
    """How many subjects stand where."""
    if as_json:
        print_json(found)
        return
    _print_distribution(found, Words(language, {}))


def _print_distribution(found: dict[str, Any], words: Words) -> None:
    at = words.worklist("at_close", period=found["period"]) if found["period"] else ""
    click.echo(words.worklist("totals", total=f"{found['total']:,}") + at)
    rows = [
        (f"{row['subjects']:,}", words.code("scheme", row["scheme"]), _standing(row["scheme"], row, words))
        for row in found["rows"]
    ]
    print_table((RIGHT, LEFT, LEFT), rows, indent=2)


def _count_cells(row: dict[str, Any], changed_in: str, words: Words) -> tuple[str, ...]:
    counted = [words.worklist(f"counted_{name}", count=f"{row[name]:,}", changed_in=changed_in) for name in _COUNTED]
    return words.code("scheme", row["scheme"]), *counted


def _standing(scheme: str, found: dict[str, Any] | None, words: Words) -> str:
    from projections.text.schemes.registry import decided_text

    return words.decision("nothing") if found is None else decided_text(scheme, found, words)


def _differing(row: dict[str, Any], words: Words) -> tuple[str, ...]:
    stale = f" ({words.worklist('stale')})" if row["stale"] else ""
    told = words.worklist(
        "decided",
        decided=_standing(row["scheme"], row["decided"], words),
        now=_standing(row["scheme"], row["now"], words),
    )
    return row["subject"], words.code("scheme", row["scheme"]), row["period"], told + stale


def _announced(row: dict[str, Any], words: Words) -> tuple[str, ...]:
    announced = words.level(row["announced"])
    decided, now = _standing(row["scheme"], row["decided"], words), _standing(row["scheme"], row["now"], words)
    told = words.worklist("announced_as", announced=announced, decided=decided, now=now)
    odd = "" if row["is_period"] else f" ({words.worklist('no_such_period')})"
    return row["subject"], words.code("scheme", row["scheme"]), row["period"], told + odd


def _changed(row: dict[str, Any], words: Words) -> tuple[str, ...]:
    told = words(
        "changed",
        before=_standing(row["scheme"], row["before"], words),
        after=_standing(row["scheme"], row["after"], words),
    )
    return row["at"], row["subject"], words.code("scheme", row["scheme"]), told


def _set_aside(row: dict[str, Any], words: Words) -> tuple[str, ...]:
    told = words.worklist("at_position", position=row["position"], reason=row["reason"])
    return row["subject"], words.code("scheme", row["scheme"]), told


_COUNTED = ("differing", "announced", "changed", "set_aside")
_CELLS = {"differing": _differing, "announced": _announced, "changed": _changed, "set-aside": _set_aside}
