"""What is printed of the ledger's head, of what was verified, sealed and backed up."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from projections.projector.verify import Outcome
    from replay.columnar.seal import Sealed
    from replay.integrity.backup import BackedUp
    from replay.integrity.kept import Check
    from replay.integrity.verify import Verified
    from replay.sealing.checkpoint import MadeCheckpoint
    from replay.sealing.keys import ShownKeys
    from replay.store.base import Head
from projections.text.output import print_json, print_json_list


def head_text(head: "Head") -> str:
    """A head without the ledger that it is of: N:HASH."""
    return f"{head.position}:{head.chain.hex()}"


def print_head(head: "Head", ledger: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"position": head.position, "chain": head.chain.hex(), "ledger": ledger})
    else:
        click.echo(head.text(ledger))


def print_ledger_verdict(result: "Verified") -> None:
    """The first of the verdicts, printed before the others are looked for."""
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
    """The checks that were stored."""
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


def print_checkpoint(made: "MadeCheckpoint", *, as_json: bool) -> None:
    """The signed note alone; what else there is to say goes to standard error."""
    seal = made.seal
    if as_json:
        sealed: dict[str, Any] = {"position": seal.position, "size": seal.size, "keys": seal.keys}
        sealed |= {"heads": seal.heads.hex(), "tree": seal.tree.hex()}
        found = {"ledger": made.ledger, "size": seal.position, "root": made.root.hex(), "new": made.is_new}
        print_json({**found, "seal": sealed, "note": made.note.decode()})
        return
    if not made.is_new:
        click.echo("nothing was recorded since the last checkpoint, which this is", err=True)
    click.echo(made.note.decode(), nl=False)


def print_keys(shown: "ShownKeys", *, as_json: bool) -> None:
    """A trust file, with what was announced as remarks; the same as JSON."""
    if as_json:
        print_json(shown._asdict())
        return
    for item in shown.announced:
        lost = ", those before being lost" if item["lost"] else ""
        why = "" if item["reason"] is None else f": {item['reason']}"
        click.echo(f"# announced at position {item['position']}{lost}{why}")
    click.echo(shown.trust, nl=False)
