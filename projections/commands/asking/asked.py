"""What was asked for, made into what the commands work with: a store, a moment, a replay, a month, a day."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from projections.commands.asking.completing import complete_month
from projections.commands.asking.naming import NamingSchemes
from replay.objects.naming import FilesPlace

if TYPE_CHECKING:
    from replay.evidence.checking import CheckedEvidence
    from replay.evidence.form import EvidenceHeader
    from replay.history.timeline import Moment, Present
    from replay.replaying.base import Replay
    from replay.store.base.store import Store


def open_at(store: str, segments: FilesPlace | None = None) -> "Store":
    from replay.store.opening import open_store

    return open_store(store, segments)


@contextmanager
def open_for(location: str, subject: str, segments: FilesPlace | None = None) -> "Iterator[Store]":
    """The ledger at a location, or of a set what holds all that a subject rests on: its shard; of an agency what is
    gathered of it.
    """
    from replay.store.location import names_set

    if not names_set(location):
        with open_at(location, segments) as opened:
            yield opened
        return
    from replay.errors import UsageError
    from replay.sharding.gathering import AGENCY, gathered
    from replay.sharding.opened import open_set

    if segments is not None:
        raise UsageError("--segments names those of one ledger, and a set has several; leave it out")
    with open_set(location) as found:
        if not subject.startswith(f"{AGENCY}/"):
            yield found.store_of(subject)
            return
        with gathered(found, subject) as store:
            yield store


def on_evidence(*, moment: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Lets a command answer out of a file of evidence in the place of the ledger, once its checks have passed.

    With `moment` it is asked at the moment that the file shows, where no other is given.
    """

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def answer(*, evidence: Path | None, trust: Path | None, store: str, **asked: Any) -> Any:
            from replay.errors import UsageError

            if evidence is None:
                if trust is not None:
                    raise UsageError("--trust says whose signatures count on evidence; give --evidence FILE, too")
                return command(store=store, **asked)
            with opened_evidence(evidence, trust) as found:
                return command(store=found.location, **_as_shown(found.header, asked, moment=moment))

        where = ". Default moment: the one that it shows" if moment else ""
        options = (
            click.option(
                "--evidence",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help=f"Answer out of this file of evidence, not the ledger{where}.",
            ),
            click.option(
                "--trust",
                type=click.Path(path_type=Path),
                metavar="KEYS",
                help="Whose signatures must stand under the evidence. Default: they are not looked at.",
            ),
        )
        for option in reversed(options):
            answer = option(answer)
        return answer

    return decorated


@contextmanager
def opened_evidence(path: Path, trust: Path | None) -> "Iterator[CheckedEvidence]":
    """Evidence that has passed every check, but those of signatures where no trust file is given."""
    from projections.terminal.progress import progress as progress_of
    from replay.evidence.checking import checked_evidence
    from replay.sealing.trusted import read_trust

    keys = None if trust is None else read_trust(trust)
    with progress_of("checking the evidence", 0) as progress, checked_evidence(path, keys, progress) as found:
        yield found


def _as_shown(header: "EvidenceHeader", asked: dict[str, Any], *, moment: bool) -> dict[str, Any]:
    """What was asked, and what was left out as the file has it: its scheme, where its own subject is asked for."""
    from domain.calendar import instant_text

    if asked.get("scheme", "") is None and asked.get("subject") == header.subject:
        asked = asked | {"scheme": header.scheme}
    if "segments" in asked:
        asked = asked | {"segments": None}  # they are the ledger's
    if moment and all(asked[name] is None for name in ("as_of", "known_at", "position")):
        asked = asked | {"as_of": instant_text(header.as_of), "position": header.position}
    return asked


def moment_asked(store: "Store", as_of: str | None, known_at: str | None, position: int | None) -> "Moment":
    from replay.history.timeline import Asked, resolve

    return resolve(store, Asked(as_of, known_at, position))


def replay_asked(
    store: "Store",
    subject: str,
    *,
    scheme: str | None,
    as_of: str | None,
    known_at: str | None,
    position: int | None,
    policy: str | None,
    policies: Path | None,
    present: "Present | None" = None,
    option: str = "--",
    beside: "Replay | None" = None,
) -> "Replay":
    from replay.history.timeline import Asked, resolve
    from replay.policies.catalog import Choice
    from replay.schemes.replaying import replay_subject

    moment = resolve(store, Asked(as_of, known_at, position), present, option)
    return replay_subject(store, subject, moment, scheme, Choice(policy, policies), beside)


def month_asked(text: str, option: str = "--month") -> int:
    from domain.calendar import parse_month
    from replay.errors import UsageError

    try:
        return parse_month(text)
    except ValueError as error:
        raise UsageError(f"{option} {text!r} {error}; give a month such as 2022-11") from None


def listed_period(text: str) -> None:
    """Raises UsageError for what is no month, nor a day."""
    if len(text) > len("2022-11"):
        day_asked(text, "--period")
    else:
        month_asked(text, "--period")


def day_asked(text: str, option: str = "--day") -> int:
    from domain.calendar import parse_day
    from replay.errors import UsageError

    try:
        return parse_day(text)
    except ValueError as error:
        raise UsageError(f"{option} {text!r} {error}; give a day such as 2022-11-05") from None


class AskedPeriod(NamedTuple):
    """The month or the day that was asked for; neither where none was."""

    text: str | None = None
    month: int | None = None
    day: int | None = None


def period_option(told: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The period that a command is about: a month or a day. --month and --day, by which it was asked for once, are
    still understood.
    """

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def answer(*, period: str | None, month: str | None, day: str | None, **asked: Any) -> Any:
            return command(period=_period_asked({"--period": period, "--month": month, "--day": day}), **asked)

        for name in ("--day", "--month"):
            answer = click.option(name, hidden=True, shell_complete=complete_month)(answer)
        return click.option("--period", cls=NamingSchemes, metavar="PERIOD", shell_complete=complete_month, help=told)(
            answer
        )

    return decorated


def _period_asked(given: dict[str, str | None]) -> AskedPeriod:
    from replay.errors import UsageError

    named = [(option, text) for option, text in given.items() if text is not None]
    if not named:
        return AskedPeriod()
    (option, text), *others = named
    if others:
        raise UsageError(f"{option} and {others[0][0]} both name a period; give one of them")
    if option == "--month" or (option == "--period" and len(text) <= len("2022-11")):
        return AskedPeriod(text, month_asked(text, option), None)
    return AskedPeriod(text, None, day_asked(text, option))
