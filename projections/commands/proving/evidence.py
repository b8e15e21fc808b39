"""Commands of evidence: make it, and check it without the ledger."""

import sys
from pathlib import Path

import click

from projections.commands.asking.asked import AskedPeriod, open_at, opened_evidence, period_option
from projections.commands.asking.completing import complete_subject
from projections.commands.asking.options import EXIT_NOT_ALL, command, format_option, scheme_option, store_options
from projections.configuration.settings import language_option
from projections.terminal.progress import progress as progress_of
from projections.text.output import phases_in


@command("evidence", "levelbook evidence merchant/tea-house --scheme merchant-reputation --period 2022-11 --gzip")
@click.argument("subject", shell_complete=complete_subject)
@scheme_option
@period_option("The month (YYYY-MM), of {by_month}. The day (YYYY-MM-DD), of {by_day}.")
@click.option("--decision", type=click.IntRange(1), metavar="N", help="The decision that stands at position N.")
@click.option("--as-of", metavar="WHEN", help="A replay that nothing claims: as things stood then.")
@click.option("--known-at", metavar="WHEN", help="Of such a replay: as it was known then. Default: up to the seal.")
@click.option("--position", type=int, metavar="N", help="In place of --known-at: known up to position N.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Default: named by what it is of.")
@click.option("--gzip", "compressed", is_flag=True, help="Pack the file.")
@click.option(
    "--checker",
    is_flag=True,
    help="Write beside it what checks it without Levelbook: check_evidence.py and check_evidence.html.",
)
@language_option
@store_options
def evidence(
    subject: str,
    scheme: str | None,
    period: AskedPeriod,
    decision: int | None,
    as_of: str | None,
    known_at: str | None,
    position: int | None,
    out: Path | None,
    compressed: bool,
    checker: bool,
    lang: str,
    store: str,
    format_: str,
) -> None:
    """Make a file by which a stranger can check a level of SUBJECT offline, and that nothing was left out.

    It stands under the last checkpoint, holds everything up to its seal that replays of SUBJECT read, and cannot be
    called back.
    """
    from projections.text import evidence as evidence_text
    from replay.evidence.making import write_evidence
    from replay.evidence.pointing import EvidenceAsked, file_name, pointed_at
    from replay.evidence.under import sealed_ledger
    from replay.history.timeline import Asked

    asked = EvidenceAsked(
        scheme,
        period.month,
        period.day,
        decision,
        Asked(as_of, known_at, position),
    )
    with open_at(store) as opened:
        sealed = sealed_ledger(opened)
        pointed = pointed_at(opened, subject, sealed.size, asked)
        path = out or Path(file_name(pointed))
        checkers = _checkers_beside(path) if checker else {}
        with progress_of("writing the evidence", 0, phases_in(lang)) as progress:
            made = write_evidence(opened, path, pointed, sealed, compressed=compressed, progress=progress)
    for beside, content in checkers.items():
        beside.write_bytes(content)
    evidence_text.print_made(path, made, list(checkers), lang, as_json=format_ == "json")


def _checkers_beside(path: Path) -> dict[Path, bytes]:
    """The checkers as they are to stand beside a file. Raises UsageError where another file has the name of one."""
    from replay.checkers.filled import filled_checkers
    from replay.errors import UsageError

    found = {path.with_name(name): content for name, content in filled_checkers().items()}
    for beside, content in found.items():
        if beside.exists() and beside.read_bytes() != content:
            raise UsageError(
                f"{beside} exists and is another file; evidence never overwrites: move it, or name another --out"
            )
    return found


@command("verify-evidence", "levelbook verify-evidence tea-house.evidence --trust keys.txt")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--trust", required=True, type=click.Path(path_type=Path), metavar="KEYS", help="Whose signatures must stand there."
)
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    metavar="PROOF",
    help="Of a shard: by the proof of 'shard prove' it must stand under a root of its set, whom KEYS names, too.",
)
@language_option
@format_option
def verify_evidence(file: Path, trust: Path, root: Path | None, lang: str, format_: str) -> None:
    """Check a FILE of evidence without any ledger, and work its claim out again.

    Exit status: 0 accepted, and the claim comes out; 1 accepted, and it comes out otherwise; 9 not accepted.
    """
    from projections.text import evidence as evidence_text
    from replay.evidence.checking import EvidenceRefused
    from replay.evidence.recomputing import recompute
    from replay.evidence.walk import CHECKS
    from replay.sealing.trusted import read_trust
    from replay.sharding.holding import ROOT, held_against

    as_json = format_ == "json"
    try:
        with opened_evidence(file, trust) as found, open_at(found.location) as held:
            accepted = found if root is None else held_against(found, file, root, read_trust(trust))
            told = evidence_text.accepted_json(accepted, recompute(held, found.header), lang)
    except EvidenceRefused as refused:
        evidence_text.print_checked(evidence_text.refused_json(refused, (*CHECKS, ROOT)), lang, as_json=as_json)
        sys.exit(refused.exit_status)
    evidence_text.print_checked(told, lang, as_json=as_json)
    if not told["comes_out"]:
        sys.exit(EXIT_NOT_ALL)
