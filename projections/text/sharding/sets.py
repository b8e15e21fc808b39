"""What is printed of sets of ledgers: planned, made, looked at."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from domain.calendar import instant_text, shanghai_text
from projections.text.checks import head_text
from projections.text.output import print_json, words_in

if TYPE_CHECKING:
    from projections.sharding.building import SetReport
    from projections.text.words import Words
    from replay.sharding.checking import CheckedSet, CheckedShard
    from replay.sharding.differing import DifferingPolicy
    from replay.sharding.document import SetDocument
    from replay.sharding.ids import StandingTwice
    from replay.sharding.making import PlannedShard
    from replay.sharding.signing import MadeRoot


def print_plan(planned: "Sequence[PlannedShard]", language: str, *, as_json: bool) -> None:
    if as_json:
        print_json([item._asdict() for item in planned])
        return
    words, most = words_in(language), sum(item.records for item in planned) or 1
    for item in planned:
        share = 100 * item.records / most
        told = {"number": item.number, "subjects": item.subjects, "records": item.records, "share": share}
        click.echo(words.sets("planned", buckets=len(item.buckets), **told))


def print_made(path: Path, document: "SetDocument", language: str, *, as_json: bool) -> None:
    if as_json:
        shards = [{"ledger": place.ledger, "store": place.store} for place in document.shards]
        print_json({"file": str(path), "set_id": document.set_id, "shards": shards})
        return
    words = words_in(language)
    click.echo(words.sets("made", file=path, of=len(document.shards), set_id=document.set_id))
    for number, place in enumerate(document.shards):
        click.echo(words.sets("made_shard", number=number, store=place.store, ledger=place.ledger))


def print_checked(found: "CheckedSet", language: str, *, as_json: bool) -> None:
    if as_json:
        print_json(_checked_json(found))
        return
    words = words_in(language)
    for shard in found.shards:
        head = head_text(shard.head)
        told = {"number": shard.number, "store": shard.store, "ledger": shard.ledger, "subjects": shard.subjects}
        click.echo(words.sets("shard", head=head, **told))
    for number, subject in found.misplaced:
        click.echo(words.sets("misplaced", number=number, subject=subject))
    for item in found.twice:
        click.echo(words.sets("settled" if item.is_settled else "twice", **_twice_values(item)))
    for differing in found.policies:
        for line in _policy_lines(differing, found.shards, words):
            click.echo(line)
    for problem in (*found.root_problems, *found.strange_lines):
        click.echo(problem)
    if found.last_root is not None and not found.root_problems:
        _, size, root = found.last_root.splitlines()
        click.echo(words.sets("roots_hold", count=found.roots))
        click.echo(words.sets("last_root", size=size, root=root))
    click.echo(words.sets("sound" if found.is_sound else "not_sound", set_id=found.set_id))


def _policy_lines(item: "DifferingPolicy", shards: "Sequence[CheckedShard]", words: "Words") -> Iterator[str]:
    told = {"policy": item.policy, "scheme": words.code_beside("scheme", item.scheme)}
    yield words.sets("policies_differ" if item.judges_otherwise else "policies_lacking", **told)
    for shard, adopted, counting in zip(shards, item.adopted, item.counting, strict=True):
        key = "policy_adopted" if adopted else "policy_of_program" if counting else "policy_lacking"
        yield words.sets(key, number=shard.number, store=shard.store, revision=counting)


def _twice_values(item: "StandingTwice") -> dict[str, Any]:
    return {
        "source": item.source,
        "event_id": item.event_id,
        **{f"shard_{n}": number for n, number in enumerate(item.shards, 1)},
        **{f"position_{n}": position for n, position in enumerate(item.positions, 1)},
        **{f"subject_{n}": subject for n, subject in enumerate(item.subjects, 1)},
    }


def _checked_json(found: "CheckedSet") -> dict[str, Any]:
    return {
        "set_id": found.set_id,
        "is_sound": found.is_sound,
        "shards": [shard._asdict() | {"head": head_text(shard.head)} for shard in found.shards],
        "misplaced": [{"shard": number, "subject": subject} for number, subject in found.misplaced],
        "ids_twice": [item._asdict() for item in found.twice],
        "policies_differing": [item._asdict() | {"judges_otherwise": item.judges_otherwise} for item in found.policies],
        "roots": found.roots,
        "last_root": found.last_root,
        "root_problems": found.root_problems,
        "strange_lines": found.strange_lines,
    }


def print_rebuilt(report: "SetReport", language: str, *, as_json: bool) -> None:
    build, proof = report.build, report.proof
    if as_json:
        print_json(
            {
                "build": build.build,
                "records": build.position,
                "as_of": instant_text(build.as_of),
                "heads": [head_text(head) for head in report.heads],
                "resumed": report.resumed,
                "switched": report.switched,
                "proof": {"seed": report.seed, "compared": proof.compared, "rows": proof.rows},
            }
        )
        return
    words = words_in(language)
    told = {"records": build.position, "as_of": words.date(shanghai_text(build.as_of)), "of": len(report.heads)}
    click.echo(words.sets("rebuilt", build=build.build, **told))
    click.echo(words.sets("proved", seed=report.seed, compared=proof.compared, rows=proof.rows))
    click.echo(words.sets("switched" if report.switched else "not_switched"))


def print_set_keys(set_id: str, vkeys: list[str], *, as_json: bool) -> None:
    """A trust file of the set alone; the same as JSON."""
    from replay.sharding.signing import trust_in

    trust = trust_in(vkeys)
    if as_json:
        print_json({"set_id": set_id, "vkeys": vkeys, "trust": trust})
        return
    click.echo(trust, nl=False)


def print_root(made: "MadeRoot", language: str, *, as_json: bool) -> None:
    """The signed note alone; what else there is to say goes to standard error."""
    if as_json:
        print_json({"new": made.is_new, "sizes": made.sizes, "note": made.note})
        return
    if not made.is_new:
        click.echo(words_in(language).sets("same_root"), err=True)
    click.echo(made.note, nl=False)
