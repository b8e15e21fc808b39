"""What the commands print: for people as text, for programs as JSON."""

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from projections.erasures_text import print_waiting, tell_due

if TYPE_CHECKING:
    from projections.verifying import Outcome
    from replay.backup import BackedUp
    from replay.checks import Check
    from replay.decide import Decided
    from replay.erasing import Due
    from replay.outcomes import Counts
    from replay.refusals import Listing, Refusal
    from replay.replays import Replay
    from replay.seal import Sealed
    from replay.store import Head
    from replay.verify import Verified


VALUE_CHARS_SHOWN = 60


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_json_list(items: Iterable[Any]) -> None:
    """A JSON array, an item a line, printed as it is read."""
    before = "["
    for item in items:
        click.echo(f"{before}\n{json.dumps(item, ensure_ascii=False)}", nl=False)
        before = ","
    click.echo("[]" if before == "[" else "\n]")


def head_text(head: "Head") -> str:
    """A head without the ledger that it is of: N:HASH."""
    return f"{head.position}:{head.chain.hex()}"


def print_head(head: "Head", ledger: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"position": head.position, "chain": head.chain.hex(), "ledger": ledger})
    else:
        click.echo(head.text(ledger))


class Ended(NamedTuple):
    """How an ingest ended."""

    counts: "Counts"
    rejects: Path | None
    """Where refused lines went, if there were any."""
    left_out: int
    """How many of them are named there and not copied."""
    head: "Head | None"
    """Where the ledger stood at the last acknowledgement."""
    made: str | None
    """Where a new ledger was made, or in a dry run would be."""
    dry_run: bool
    due: "Due"
    """What became of the erasures of buyers that were due."""


def print_ended(ended: Ended, *, as_json: bool) -> None:
    counts, dry_run = ended.counts, ended.dry_run
    for problem in counts.broken_files:
        click.echo(f"Error: {problem}", err=True)
    if as_json:
        head = ended.head
        print_json(
            {
                "lines": counts.lines,
                "recorded": counts.recorded,
                "known": counts.known,
                "refused": counts.refused,
                "passed_over": counts.passed_over,
                "times_cut": counts.cut,
                "retract_nothing": counts.odd.retract_nothing,
                "effects_first": counts.odd.effects_first,
                "held_back": counts.held_back,
                "refused_whole": counts.refused_whole,
                "buyers_erased": len(ended.due.erased),
                "erasures_left": ended.due.left,
                "erased_scrubbed": ended.due.scrubbed,
                "rejects": str(ended.rejects) if ended.rejects else None,
                "new_ledger": ended.made,
                "head": head_text(head) if head and head.position and not dry_run else None,
                "dry_run": dry_run,
            }
        )
        return
    if dry_run and ended.made is not None:
        click.echo(f"a new ledger would be made at {ended.made}")
    verb = "would be recorded" if dry_run else "recorded"
    passed = f", {counts.passed_over} blank or reason lines passed over" if counts.passed_over else ""
    held = f", {counts.held_back} held back" if counts.held_back else ""
    click.echo(f"{counts.recorded} {verb}, {counts.known} already known, {counts.refused} refused{passed}{held}")
    if counts.cut:
        click.echo(
            f"{counts.cut} events had times with more than six decimals: what is beyond microseconds was cut off"
        )
    if counts.odd.retract_nothing:
        click.echo(
            f"{counts.odd.retract_nothing} retractions name no event of their subject that is recorded before them, and"
            " do nothing: record them again, under another id, once it is there"
        )
    if counts.odd.effects_first:
        click.echo(
            f"{counts.odd.effects_first} times an effect stands before its cause at the same instant, because it was"
            " recorded first (a review before the payment): give finer times, or send causes first"
        )
    if counts.refused_whole:
        click.echo(
            "nothing of this backfill was recorded: what it leaves out could never be recorded as learned then. Mend"
            " the lines named above where they stand and give all files again, or leave them out for good by"
            " --skip-refused"
        )
    tell_due(ended.due)
    if ended.rejects is not None:
        if counts.refused > ended.left_out:
            click.echo(f"refused lines are in {ended.rejects}: mend them there and ingest that file")
        if ended.left_out:
            click.echo(
                f"lines that are too long: {ended.left_out}, named in {ended.rejects} and not copied: mend them where"
                " they are"
            )


def print_ledger_verdict(result: "Verified") -> None:
    """The first of the verdicts, told before the others are looked for."""
    for problem in result.problems:
        click.echo(problem)
    outcome = "the ledger is NOT sound" if result.problems else "the ledger is sound"
    click.echo(f"{result.records} records fit, head {head_text(result.head)}: {outcome}")


def print_verified(outcome: "Outcome", *, as_json: bool) -> None:
    """The verdicts on what is derived; as JSON all of them."""
    derived = {"segments": outcome.segments, "views": outcome.views}
    if as_json:
        ledger = outcome.ledger
        found = {
            "records": ledger.records,
            "head": head_text(ledger.head),
            "problems": ledger.problems,
            "seals_unchecked": ledger.seals_unchecked,
        }
        verdicts = {"ledger": "not sound" if ledger.problems else "sound"}
        verdicts |= {name: part.verdict for name, part in derived.items()}
        verdicts["service"] = outcome.service.verdict
        parts: dict[str, Any] = {
            name: None if part.was_not_looked_at else {"position": part.position, "problems": part.problems}
            for name, part in derived.items()
        }
        if parts["views"] is not None:
            parts["views"]["set_aside"] = outcome.views.set_aside
        parts["service"] = None if outcome.service.was_not_looked_at else {"problems": outcome.service.problems}
        print_json({**found, **parts, "verdicts": verdicts, "kept": outcome.kept_in, "not_kept": outcome.not_kept})
        return
    for name, part in derived.items():
        for problem in part.problems:
            click.echo(problem)
        where = "" if part.position is None else f" up to position {part.position}"
        told = "could not be compared" if part.could_not_be_seen else _DERIVED[part.verdict]
        click.echo(f"{name}{where} {told}")
    if outcome.views.set_aside:
        click.echo(f"  subjects set aside, which were not compared: {outcome.views.set_aside}")
    if outcome.ledger.seals_unchecked is not None:
        click.echo(f"not checked, whose each alias of a buyer is: {outcome.ledger.seals_unchecked}")
    for problem in outcome.service.problems:
        click.echo(problem)
    click.echo(f"the tables of the service {_SERVICE[outcome.service.verdict]}")
    if outcome.not_kept is not None:
        click.echo(f"this check was not kept: {outcome.not_kept}")


_DERIVED = {
    "sound": "fit the ledger",
    "not sound": "do NOT fit the ledger",
    "none": "are not there: nothing to compare",
    "not checked": "were not compared: that takes a sound ledger",
}
_SERVICE = {
    "sound": "are defined as levelbook makes them",
    "not sound": "are NOT defined as levelbook makes them",
    "none": "are not there: nothing was ever noted",
    "not checked": "could not be looked at",
}


def print_checks(checks: Iterable["Check"], *, as_json: bool) -> None:
    """The checks that were kept."""
    if as_json:
        print_json_list(check.to_json() for check in checks)
        return
    for check in checks:
        verdicts = f"ledger {check.ledger_verdict}, segments {check.segments_verdict}, views {check.views_verdict}"
        verdicts += f", service {check.service_verdict}"
        click.echo(f"{check.at}  head {check.head}  {verdicts}  levelbook {check.program}")
        for problem in check.problems:
            click.echo(f"  {problem}")


def print_sealed(folder: Path, result: "Sealed", *, as_json: bool) -> None:
    if as_json:
        print_json({"folder": str(folder), "sealed": result.position - result.before, **result._asdict()})
        return
    if result.position == result.before:
        click.echo(f"nothing new to seal: {folder} goes to position {result.position}, the end of the ledger")
        return
    each = f", {result.bytes / result.rows:.1f} bytes a row" if result.rows else ""
    click.echo(
        f"{result.position - result.before} records sealed, up to position {result.position}: {folder} holds"
        f" {result.rows} rows in {result.bytes} bytes{each}, in {result.generations} generations"
    )


def print_backup(file: Path, result: "BackedUp", *, as_json: bool) -> None:
    if as_json:
        found = {"file": str(file), "records": result.records, "head": head_text(result.head)}
        print_json({**found, "source_problems": result.source_problems})
        return
    click.echo(f"{result.records} records in {file}, verified, head {head_text(result.head)}")
    for problem in result.source_problems:
        click.echo(f"of the store itself: {problem}")


def tell_open(asked_known_at: str, position: int) -> None:
    """Says that what belongs to a known_at may still grow."""
    click.echo(
        f"  known at {asked_known_at} was asked for, which may still come to hold more;"
        f" position {position} names this for ever"
    )


def print_events(found: Iterable[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json_list(found)
        return
    for item in found:
        event = item["event"]
        data = " ".join(f"{key}={value}" for key, value in event["data"].items()) + _extensions_text(item)
        click.echo(
            f"{item['position']:>9}  {item['occurred_at']:<25}  learned {item['recorded_at']:<32}"
            f"  {event['type']:<18}  {event['source']} {event['id']}  {data}{_bearing_text(item)}{_made_text(item)}"
        )


def _extensions_text(item: dict[str, Any]) -> str:
    """The extension attributes of an event, where it bears any."""
    shown = " ".join(f"{key}={value}" for key, value in item["extensions"].items())
    return f"  [{shown}]" if shown else ""


def _bearing_text(item: dict[str, Any]) -> str:
    """What corrects and retracts an event, by position."""
    corrected = "".join(f"  corrected by {position}" for position in item["corrected_by"])
    lifted = "" if item["retracted"] else " (retracted itself)"
    return corrected + "".join(f"  retracted by {position}{lifted}" for position in item["retracted_by"])


def _made_text(item: dict[str, Any]) -> str:
    """What a scheme made of an event, where one was asked."""
    made = item.get("made")
    if made is None:
        return ""
    return f"  => {made['verdict']} {made['points']}" if "verdict" in made else f"  => {made['note']}"


def print_event(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    event = found["event"]
    rows = {key: value for key, value in found.items() if not isinstance(value, (dict, list))}
    rows |= {key: value for key, value in event.items() if key not in ("data", "subject", "time")}
    rows |= {f"data.{key}": value for key, value in event["data"].items()}
    rows |= {f"extensions.{key}": value for key, value in found["extensions"].items()}
    rows |= {f"hash.{key}": value for key, value in found["hashes"].items()}
    for name in ("corrected_by", "retracted_by", "retracted_in_vain_by"):
        for other in found[name]:
            rows[f"{name} {other['position']}"] = (
                f"{other['type']} {other['source']} {other['id']}, learned {other['recorded_at']}"
            )
    for key, value in rows.items():
        click.echo(f"{key:<22}{value}")


def print_subjects(found: Iterable[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json_list(found)
        return
    for item in found:
        click.echo(f"{item['events']:>10}  {item['subject']}")


def print_status(found: dict[str, Any], views: dict[str, Any] | None, *, as_json: bool) -> None:
    """The state of a ledger and of its views, None where there are none."""
    if as_json:
        print_json(found | {"views": views})
        return
    for name, value in found.items():
        if name not in ("types", "retract_nothing", "erasures_due"):
            click.echo(f"{name:<16}{value}")
    if found["erasures_due"]["count"]:
        print_waiting(**found["erasures_due"])
    for name, count in found["types"].items():
        click.echo(f"{count:>14}  {name}")
    for line in _retract_nothing_lines(found["retract_nothing"]):
        click.echo(line)
    if views is not None:
        from projections.views_text import print_views

        print_views(views)


def _retract_nothing_lines(found: dict[str, Any] | None) -> Iterator[str]:
    if found is None:
        yield "retractions that retract nothing are listed once 'levelbook rebuild' or 'follow' has made their index"
        return
    if not found["count"]:
        return
    yield (
        f"{found['count']} of the last {found['looked_at']} retractions retract nothing: they name no event of their"
        " subject that was recorded before them"
    )
    for item in found["latest"]:
        named = item["names"]
        later = "" if named["position"] is None else f", recorded later at position {named['position']}"
        yield (
            f"  position {item['position']}  {item['subject']}  {item['source']} {item['event']}, learned"
            f" {item['learned_at']}, names {named['source']} {named['event']}{later}"
        )
    if found["count"] > len(found["latest"]):
        yield f"  and {found['count'] - len(found['latest'])} before these"


def print_policies(found: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for policy in found:
        adopted = "".join(f", adopted at position {position}" for position in policy["adopted"])
        unused = "" if policy["used"] else ", not used unless named"
        click.echo(
            f"{policy['scheme']} {policy['id']}@{policy['hash'][:12]}, in force from {policy['in_force_from']}"
            f"{adopted}{unused}"
        )
        for name, item in policy["parameters"].items():
            value = json.dumps(item["value"], ensure_ascii=False)
            shown = (
                value if len(value) <= VALUE_CHARS_SHOWN else f"{value[:VALUE_CHARS_SHOWN]}… (--format json shows all)"
            )
            click.echo(f"  {name:<17} {item['status']:<10} {shown}")
            click.echo(f"  {'':<17} {item['source']}")


def print_checked(policy: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(policy)
        return
    statuses = Counter(item["status"] for item in policy["parameters"].values())
    counts = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    click.echo(f"{policy['scheme']} {policy['id']}@{policy['hash']} can be used: {counts}")


def print_adopted(policy: dict[str, Any], position: int | None, *, as_json: bool) -> None:
    if as_json:
        print_json({name: policy[name] for name in ("scheme", "id", "hash")} | {"position": position})
        return
    outcome = "is the revision adopted last already" if position is None else f"adopted at position {position}"
    click.echo(f"{policy['scheme']} {policy['id']}@{policy['hash']}: {outcome}")


def print_answer(kind: str, found: dict[str, Any], replay: "Replay", language: str, *, as_json: bool) -> None:
    """An answer of replay, explain, history or diff."""
    if as_json:
        print_json(found)
        return
    from projections import answer_text
    from projections.words import Words

    words = Words(language, replay.level_names(language))
    lines = getattr(answer_text, f"{kind}_lines")
    click.echo("\n".join(lines(found, words)))


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
    for row in found["rows"]:
        click.echo(
            f"  {row['rank']:>4}  {row['score']:>5}  {row['level'] or '-':<3}  {row['subject']}"
            f"  settled {row['settled']} fen"
        )
    if not found["rows"]:
        click.echo("  no agency was rated")
    decided = found["decided"]
    if decided is not None:
        outcome = "RESTATED: it comes out otherwise here" if decided["restated"] else "the same"
        click.echo(f"  decided in {decided['run']}, known at {decided['known_at']}: {outcome}")


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
    from projections.appeal import appeal_lines, appeal_page
    from projections.terminal import as_page
    from projections.words import Words

    words = Words(language, found["level_names"])
    click.echo(as_page(appeal_page(found, words)) if form == "html" else "\n".join(appeal_lines(found, words)))


def print_described(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for name, answer in found.items():
        click.echo(f"{name} (version {answer['version']})")
        for key in answer["keys"]:
            click.echo(f"  {key['key']:<34}  {key['type']:<16}  {key['description']}")


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error when a person watches long work; else nothing.

    What is yielded is told how much of `total` is done.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total or None)
        yield lambda done: bar.update(task, completed=done)


class Watch:
    """Tells a watching person, and whoever asked for acknowledgements, how an ingest goes."""

    def __init__(self, files: tuple[str, ...], *, acknowledge: bool, answers_json: bool) -> None:
        sizes = {name: Path(name).stat().st_size for name in files if Path(name).is_file()}
        self._bar = progress("reading", sum(sizes.values()))
        self._acknowledge = acknowledge
        self._answers_json = answers_json
        self._done: dict[str, int] = {}
        self._told: set[Listing] = set()
        self.head: Head | None = None

    def __enter__(self) -> "Watch":
        self._advance = self._bar.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._bar.__exit__(*error)

    def made(self, where: str) -> None:
        with suppress(OSError):
            click.echo(f"a new ledger was made at {where}", err=True)

    def refused(self, where: str, refusal: "Refusal") -> None:
        with suppress(OSError):  # whoever read along has gone: the rejects file says the same
            click.echo(f"{where}: {refusal.told_after(self._told)}", err=True)

    def acknowledged(self, where: str, head: "Head", counts: "Counts") -> None:
        self.head = head
        if self._acknowledge:
            with suppress(OSError):
                click.echo(f"recorded up to {where}, position {head.position}", err=self._answers_json)

    def read(self, name: str, read_bytes: int) -> None:
        self._done[name] = max(read_bytes, self._done.get(name, 0))
        self._advance(sum(self._done.values()))
