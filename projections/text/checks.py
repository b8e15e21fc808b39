"""What is printed of the ledger's head, of what was verified, sealed and backed up."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from projections.projector.verify import Derived, Outcome
    from projections.upkeep.left_out import LeftOut
    from projections.upkeep.upgrade import ToUpgrade
    from replay.archiving.archive import ArchivedRecords
    from replay.archiving.limit import ArchiveLimit
    from replay.columnar.seal import Sealed
    from replay.integrity.backup import BackedUp
    from replay.integrity.backup_folder import InFolder
    from replay.integrity.kept import Check
    from replay.integrity.restore import Restored
    from replay.integrity.verify import Verified
    from replay.sealing.checkpoint import MadeCheckpoint
    from replay.sealing.keys import ShownKeys
    from replay.store.base.identity import Head
from projections.text.output import print_json, print_json_list, words_in
from replay.objects.naming import FilesPlace
from replay.store.location import masked


def head_text(head: "Head") -> str:
    """A head without the ledger that it is of: N:HASH."""
    return f"{head.position}:{head.chain.hex()}"


def print_head(head: "Head", ledger: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"position": head.position, "chain": head.chain.hex(), "ledger": ledger})
    else:
        click.echo(head.text(ledger))


def print_ledger_verdict(result: "Verified", language: str) -> None:
    """The first of the verdicts, printed before the others are looked for."""
    for problem in result.problems:
        click.echo(problem)
    key = "ledger_not_sound" if result.problems else "ledger_sound"
    click.echo(words_in(language).checks(key, records=result.records, head=head_text(result.head)))


def print_verified(outcome: "Outcome", language: str, *, as_json: bool) -> None:
    """The verdicts on what is derived; as JSON all of them."""
    if as_json:
        print_json(_verified_json(outcome))
        return
    words = words_in(language)
    for name, part in _derived(outcome).items():
        for problem in part.problems:
            click.echo(problem)
        where = "" if part.position is None else words.checks("derived_where", position=part.position)
        key = "unseen" if part.could_not_be_seen else _key(part.verdict)
        click.echo(words.checks("derived", part=words.checks(name), where=where, told=words.checks(f"derived_{key}")))
    if outcome.views.set_aside:
        click.echo(words.checks("views_aside", count=outcome.views.set_aside))
    if outcome.ledger.seals_unchecked is not None:
        click.echo(words.checks("seals_unchecked", why=outcome.ledger.seals_unchecked))
    for problem in outcome.service.problems:
        click.echo(problem)
    click.echo(words.checks(f"service_{_key(outcome.service.verdict)}"))
    if outcome.not_kept is not None:
        click.echo(words.checks("not_kept", why=outcome.not_kept))


def _derived(outcome: "Outcome") -> dict[str, "Derived"]:
    return {"segments": outcome.segments, "views": outcome.views}


def _key(verdict: str) -> str:
    """How the words of a verdict are called."""
    return verdict.replace(" ", "_")


def _verified_json(outcome: "Outcome") -> dict[str, Any]:
    ledger, derived = outcome.ledger, _derived(outcome)
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
    return {**found, **parts, "verdicts": verdicts, "kept": outcome.kept_in, "not_kept": outcome.not_kept}


def print_checks(checks: Iterable["Check"], language: str, *, as_json: bool) -> None:
    """The checks that were stored."""
    if as_json:
        print_json_list(check.to_json() for check in checks)
        return
    words = words_in(language)
    for check in checks:
        verdicts = {
            "ledger": check.ledger_verdict,
            "segments": check.segments_verdict,
            "views": check.views_verdict,
            "service": check.service_verdict,
        }
        named = {part: words.code("soundness", verdict) for part, verdict in verdicts.items()}
        click.echo(words.checks("made", at=check.at, head=check.head, program=check.program, **named))
        for problem in check.problems:
            click.echo(f"  {problem}")


def print_sealed(place: FilesPlace, result: "Sealed", language: str, *, as_json: bool) -> None:
    sealed = result.position - result.before
    if as_json:
        print_json({"folder": str(place), "sealed": sealed, **result._asdict()})
        return
    words = words_in(language)
    each = words.checks("sealed_each", bytes=result.bytes / result.rows) if result.rows else ""
    key = "sealed" if sealed else "nothing_to_seal"
    click.echo(words.checks(key, folder=place, sealed=sealed, each=each, **result._asdict()))
    if not result.keeps_apart:
        click.echo(words.checks("seals_not_kept_apart", folder=place))


def print_to_archive(
    folder: FilesPlace, limit: "ArchiveLimit", records: int, raw_bytes: int, language: str, *, as_json: bool
) -> None:
    """What would leave: how many records, and their bytes."""
    found = {"records": records, "position": limit.last, "sealed": limit.sealed, "raw_bytes": raw_bytes}
    if as_json:
        print_json({"folder": str(folder), "dry_run": True, **found})
        return
    words = words_in(language)
    click.echo(words.checks("to_archive" if records else "nothing_to_archive", folder=folder, **found))


def print_archived(
    folder: FilesPlace,
    limit: "ArchiveLimit",
    result: "ArchivedRecords",
    store_bytes: int,
    language: str,
    *,
    compact: bool,
    as_json: bool,
) -> None:
    """What has left, and what the store takes now."""
    records = result.position - result.before
    found = {"records": records, "sealed": limit.sealed, **result._asdict(), "store_bytes": store_bytes}
    if as_json:
        print_json({"folder": str(folder), "dry_run": False, "compact": compact, **found})
        return
    words = words_in(language)
    each = result.file_bytes / records if records else 0.0
    click.echo(words.checks("archived" if records else "nothing_to_archive", folder=folder, each=each, **found))
    if result.not_named:
        click.echo(words.checks("segments_not_named", folder=folder, count=result.not_named))
    click.echo(words.checks("compacted" if compact else "not_compacted", store_bytes=store_bytes))


def print_backup(file: Path, result: "BackedUp", language: str, *, as_json: bool) -> None:
    if as_json:
        found = {"file": str(file), "records": result.records, "head": head_text(result.head)}
        print_json({**found, "source_problems": result.source_problems})
        return
    words = words_in(language)
    click.echo(words.checks("copied", records=result.records, file=file, head=head_text(result.head)))
    for problem in result.source_problems:
        click.echo(words.checks("of_the_store", problem=problem))


def print_backup_in_folder(
    made: "InFolder", keep: int | None, left: "list[LeftOut]", language: str, *, as_json: bool
) -> None:
    """A backup of a folder, what was removed there, and what there is of the ledger that no backup holds."""
    path, found = made.file.path, made.found
    if as_json:
        told = {"file": str(path), "sha256": made.hash, "records": found.records, "head": head_text(found.head)}
        told |= {"kept": made.kept, "removed": [str(gone) for gone in made.removed]}
        told["beyond"] = [str(beyond) for beyond in made.beyond]
        left_json = [item._asdict() for item in left]
        print_json({**told, "left_out": left_json, "source_problems": found.source_problems})
        return
    print_backup(path, found, language, as_json=False)
    words = words_in(language)
    for gone in made.removed:
        click.echo(words.checks("backup_removed", file=gone))
    if keep is not None and found.source_problems:
        click.echo(words.checks("no_backup_removed"))
    for beyond in made.beyond:
        click.echo(words.checks("backup_beyond", file=beyond, position=found.head.position))
    click.echo(words.checks("backups_kept", folder=path.parent, kept=made.kept, hash=made.hash))
    for what, where in left:
        click.echo(words.checks("left_out", what=words.checks(f"left_{what}"), where=where))


def print_restored(into: str, result: "Restored", language: str, *, as_json: bool) -> None:
    where = masked(into)
    if as_json:
        found: dict[str, Any] = {"into": where, "backup": str(result.backup), "sha256": result.hash}
        found["ledger"] = result.ledger
        found |= {"records": result.records, "head": head_text(result.head), "stood_there": result.stood_there}
        print_json({**found, "seals_unchecked": result.seals_unchecked})
        return
    words = words_in(language)
    key = "stood_there" if result.stood_there else "restored"
    told = {"records": result.records, "head": head_text(result.head)}
    click.echo(words.checks(key, into=where, backup=result.backup, **told))
    if result.seals_unchecked is not None:
        click.echo(words.checks("seals_unchecked", why=result.seals_unchecked))
    click.echo(words.checks("not_restored"))


def print_needed(found: "ToUpgrade", language: str, *, done: bool, as_json: bool) -> None:
    """What an upgrade has done, or would do."""
    ledger = found.ledger
    if as_json:
        told: dict[str, Any] = {"done": done, **ledger._asdict(), "older_form": found.older_form}
        told |= {"candidates": found.candidates, "views": found.views, "stays_older": found.stays_older}
        print_json(told)
        return
    words = words_in(language)
    listed = {
        "lacked_tables": ledger.tables and {"names": words.listed(ledger.tables)},
        "lacked_indexes": ledger.indexes and {"names": words.listed(ledger.indexes)},
        "lacked_chains": ledger.unchained and {"count": ledger.unchained},
        "older_views": found.views and found.older_form is not None and {"form": found.older_form},
        "begun_views": found.views and found.older_form is None and {"form": 0},
        "older_candidates": found.views and found.candidates and {"count": found.candidates},
    }
    said = [words.checks(key, **values) for key, values in listed.items() if isinstance(values, dict)]
    for line in said:
        click.echo(words.checks("upgraded" if done else "to_upgrade", what=line))
    if found.stays_older:
        click.echo(words.checks("stays_older"))
    elif not said:
        click.echo(words.checks("up_to_date"))


def print_checkpoint(made: "MadeCheckpoint", language: str, *, as_json: bool) -> None:
    """The signed note alone; what else there is to say goes to standard error."""
    seal = made.seal
    if as_json:
        sealed: dict[str, Any] = {"position": seal.position, "size": seal.size, "keys": seal.keys}
        sealed |= {"heads": seal.heads.hex(), "tree": seal.tree.hex()}
        found = {"ledger": made.ledger, "size": seal.position, "root": made.root.hex(), "new": made.is_new}
        print_json({**found, "seal": sealed, "note": made.note.decode()})
        return
    if not made.is_new:
        click.echo(words_in(language).checks("same_checkpoint"), err=True)
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
