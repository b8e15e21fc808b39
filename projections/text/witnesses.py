"""What is printed of witnesses: their lines for a trust file, and who cosigned."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from projections.text.words import Words

if TYPE_CHECKING:
    from replay.proving.notes import VerifierKey
    from replay.witnessing.asking import Answered
    from replay.witnessing.kept import Witness
    from replay.witnessing.receipts import Missing
    from replay.witnessing.refute import Compared


def print_trust_lines(witness: "Witness") -> None:
    """The lines by which a trust file names a witness: a group, for it signs with two keys."""
    name = witness.keys[0].name
    members = [f"{name}-{number}" for number in range(1, len(witness.keys) + 1)]
    for member, key in zip(members, witness.keys, strict=True):
        click.echo(f"witness {member} {key.verifier.text}")
    click.echo(f"group {name} all {' '.join(members)}")


def print_answer(answered: "Answered", language: str) -> None:
    """Who cosigned, and whose lines nobody knows."""
    words = Words(language, {})
    for what, keys in (("cosigned_by", answered.kept), ("had_been_cosigned_by", answered.known)):
        for key in keys:
            click.echo(words.evidence(what, signer=_shown(key)))
    for line in answered.strange:
        click.echo(words.evidence("no_such_witness", signer=f"{line.name}+{line.key_id.hex()}"))


def print_missing(missing: "Missing", language: str) -> None:
    """On standard error, of which event there is no receipt, and why."""
    key = "not_recorded" if missing.position is None else "behind_checkpoint"
    told = {"where": missing.where, "source": missing.source, "event": missing.event_id, "position": missing.position}
    click.echo(Words(language, {}).evidence(key, **told), err=True)


def print_compared(found: Sequence["Compared"], language: str) -> None:
    """What each receipt says of a file of evidence, and what follows."""
    words = Words(language, {})
    for one in found:
        refutation = words.code("refutation", one.refutation)
        click.echo(words.evidence("compared", where=one.where, refutation=refutation, why=one.why))
    count = sum(one.refutation == "contradicts" for one in found)
    click.echo(words.evidence("contradicted" if count else "not_contradicted", count=count, all=len(found)))


def _shown(key: "VerifierKey") -> str:
    return f"{key.name}+{key.key_id.hex()}"
