"""What is printed of witnesses: their lines for a trust file, and who cosigned."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from replay.proving.notes import VerifierKey
    from replay.witnessing.asking import Answered
    from replay.witnessing.kept import Witness
    from replay.witnessing.refute import Compared


def print_trust_lines(witness: "Witness") -> None:
    """The lines by which a trust file names a witness: a group, for it signs with two keys."""
    name = witness.keys[0].name
    members = [f"{name}-{number}" for number in range(1, len(witness.keys) + 1)]
    for member, key in zip(members, witness.keys, strict=True):
        click.echo(f"witness {member} {key.verifier.text}")
    click.echo(f"group {name} all {' '.join(members)}")


def print_answer(answered: "Answered") -> None:
    """Who cosigned, and whose lines nobody knows."""
    for what, keys in (("cosigned by", answered.kept), ("had been cosigned by", answered.known)):
        for key in keys:
            click.echo(f"{what} {_shown(key)}")
    for line in answered.strange:
        click.echo(f"not kept, for the trust file names no such witness: {line.name}+{line.key_id.hex()}")


def print_compared(found: Sequence["Compared"]) -> None:
    """What each receipt says of a file of evidence, and what follows."""
    for one in found:
        click.echo(f"{one.where} {one.refutation}: {one.why}")
    count = sum(one.refutation == "contradicts" for one in found)
    if count:
        click.echo(f"{count} of {len(found)} receipts contradict the file: the ledger signed both; keep them together")
    else:
        click.echo(f"none of {len(found)} receipts contradicts the file")


def _shown(key: "VerifierKey") -> str:
    return f"{key.name}+{key.key_id.hex()}"
