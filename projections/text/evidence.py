"""What is printed of evidence: that it was made, and what checking it has found."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from domain.calendar import shanghai_text
from projections.text.output import print_json
from projections.text.words import Words
from replay.parsing.unpacking import printable

if TYPE_CHECKING:
    from replay.evidence.checking import CheckedEvidence, EvidenceRefused
    from replay.evidence.making import MadeEvidence
    from replay.evidence.recomputing import ClaimOutcome

NOT_SHOWN = ("later", "not_recorded", "map", "facts")
"""What no evidence shows, by the names of its words."""


def print_made(path: Path, made: "MadeEvidence", checkers: Sequence[Path], lang: str, *, as_json: bool) -> None:
    """That a file was made, and what checks it beside it; on stderr, that it cannot be called back."""
    words = Words(lang, {})
    size_bytes = path.stat().st_size
    if as_json:
        found = {**made.pointed._asdict(), "size": made.size, "keys": made.keys, "records": made.records}
        print_json({"file": str(path), "bytes": size_bytes, **found, "checkers": [str(beside) for beside in checkers]})
    else:
        counts = {"keys": made.keys, "records": made.records, "size": made.size, "bytes": size_bytes}
        click.echo(words.evidence("made", file=path, **counts))
        for beside in checkers:
            click.echo(words.evidence("checker", file=beside))
    click.echo(words.evidence("given_away"), err=True)


def accepted_json(found: "CheckedEvidence", recomputed: "ClaimOutcome", lang: str) -> dict[str, Any]:
    """Evidence that was accepted, what the program made of its claim, and what it does not show."""
    header, seal, judgement = found.header, found.walked.seal, found.judgement
    assert seal is not None, "accepted evidence has a seal"
    words = Words(lang, {})
    return {
        "accepted": True,
        "checks": [{"check": name, "passed": True} for name in found.checks],
        "subject": header.subject,
        "scheme": header.scheme,
        "as_of": header.as_of,
        "position": header.position,
        "claim": header.claim,
        "ledger": header.ledger,
        "sealed": seal.size,
        "checkpoint": found.walked.proof.checkpoint.size,
        "signed_by": [] if judgement is None else [_key_text(key.name, key.key_id) for key in judgement.signed],
        "not_looked_at": [] if judgement is None else [_key_text(one.name, one.key_id) for one in judgement.unknown],
        "keys": len(found.walked.keys),
        "absent": found.walked.absent,
        "records": found.walked.records,
        "withheld": found.walked.withheld,
        "recomputed": recomputed._asdict(),
        "comes_out": recomputed.comes_out,
        "not_shown": [words.evidence(f"not_shown_{name}", position=seal.size) for name in NOT_SHOWN],
    }


def refused_json(refused: "EvidenceRefused", checks: tuple[str, ...]) -> dict[str, Any]:
    """Evidence that was not accepted: the checks up to the one that failed."""
    made = checks[: checks.index(refused.check) + 1]
    return {
        "accepted": False,
        "checks": [{"check": name, "passed": name != refused.check} for name in made],
        "failed": refused.check,
        "found": refused.found,
    }


def print_checked(found: dict[str, Any], lang: str, *, as_json: bool) -> None:
    """What checking has found, as `accepted_json` or `refused_json` says it."""
    if as_json:
        print_json(found)
        return
    for line in _lines(found, Words(lang, {})):
        click.echo(line)


def _lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    for item in found["checks"]:
        passed = "passed" if item["passed"] else "failed"
        yield words.evidence(
            passed, check=words.code("check", item["check"]), what=words.evidence(f"check_{item['check']}")
        )
    if not found["accepted"]:
        yield words.evidence("refused", found=printable(found["found"]))
        return
    yield words.evidence("holds", **found | {"scheme": words.code_beside("scheme", found["scheme"])})
    for name in found["signed_by"]:
        yield words.evidence("signed_by", signer=name)
    for name in found["not_looked_at"]:
        yield words.evidence("not_looked_at", signer=name)
    recomputed = found["recomputed"]
    yield words.evidence(
        "recomputed",
        outcome=words.evidence(f"outcome_{recomputed['outcome']}"),
        claimed=words.evidence("no_claim") if recomputed["claimed"] is None else _said(recomputed["claimed"]),
        replayed=words.standing(recomputed["replayed"]),
        as_of=shanghai_text(found["as_of"]),
        position=found["position"],
        now=words.standing(recomputed["now"]),
    )
    for later in ("decided_again", "retracted"):
        if recomputed[later] is not None:
            yield words.evidence(later, position=recomputed[later])
    if (recomputed["claimed"] or {}).get("record") != "decision":
        yield words.evidence("moment_chosen")
    yield words.evidence("not_shown")
    yield from (f"- {line}" for line in found["not_shown"])


def _said(claimed: dict[str, Any]) -> str:
    return json.dumps(claimed, ensure_ascii=False)


def _key_text(name: str, key_id: bytes) -> str:
    return f"{printable(name)}+{key_id.hex()}"
