"""Commands that replay one subject: where it stands, why, its history, what differs, what if, and ways on."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from projections.commands.asking.completing import complete_month, complete_policy, complete_subject
from projections.commands.asking.options import (
    command,
    drawing_options,
    exact_option,
    listed_replay_options,
    replay_options,
    supposing_options,
)
from projections.configuration.settings import SHEETS
from projections.terminal.streams import is_watched
from projections.text import answers as answers_text

if TYPE_CHECKING:
    from replay.replaying.base import Replay
    from replay.store.base.store import Store
from projections.commands.asking.asked import day_asked, month_asked, on_evidence, open_for, replay_asked
from replay.objects.naming import FilesPlace


@command("replay", "levelbook replay merchant/tea-house --as-of 2022-11-30 --known-at 2022-12-17")
@click.argument("subject", shell_complete=complete_subject)
@drawing_options
@exact_option
@replay_options
@on_evidence(moment=True)
def replay(
    subject: str,
    exact: bool,
    store: str,
    segments: FilesPlace | None,
    format_: str,
    lang: str,
    chart: bool | None,
    plot: Path | None,
    **asked: Any,
) -> None:
    """Replay the level of SUBJECT: state, level, what is effective, points, months, last publication."""
    from replay.answers.replay import replay_json

    with open_for(store, subject, segments) as opened:
        found = replay_asked(opened, subject, **asked)
        answer = replay_json(found, lang)
        lines = _drawn(opened, found, lang, format_, chart, plot)
    answers_text.print_answer("replay", answer, found, lang, as_json=format_ == "json", exact=exact)
    for line in lines:
        click.echo(line)


def _drawn(
    store: "Store", found: "Replay", lang: str, format_: str, chart: bool | None, plot: Path | None
) -> list[str]:
    """The lines of a chart, where a person watches or asks for it; the file of --plot is written."""
    from replay.errors import UsageError

    if chart and format_ != "text":
        raise UsageError(f"--chart draws below the text; leave out --format {format_}, or draw to a file by --plot")
    is_charted = chart if chart is not None else format_ == "text" and is_watched(sys.stdout)
    if not is_charted and plot is None:
        return []
    from projections.desk.plots.asked import drawn
    from projections.desk.plots.files import check_form

    if plot is not None:
        check_form(plot)
    lines = drawn(store, found, lang, is_charted=is_charted, plot=plot)
    return ["", *lines] if lines else []


@command("explain", "levelbook explain merchant/tea-house --month 2022-11")
@click.argument("subject", shell_complete=complete_subject)
@click.option("--month", metavar="YYYY-MM", shell_complete=complete_month, help="Only what was judged in this month.")
@click.option("--day", metavar="YYYY-MM-DD", help="Of a tier: that day's indicators, and why nothing changed, or what.")
@click.option("--event", "event_id", metavar="ID", help="Only this event; of a payment or flag, its whole order.")
@exact_option
@listed_replay_options
@on_evidence(moment=True)
def explain(
    subject: str,
    month: str | None,
    day: str | None,
    event_id: str | None,
    exact: bool,
    store: str,
    segments: FilesPlace | None,
    format_: str,
    lang: str,
    **asked: Any,
) -> None:
    """Explain the level of SUBJECT: a verdict or note for every event that bears on it, with its clause.

    Verdicts add up to the points, and the answer says so.
    """
    from projections.text.sheets import service
    from replay.answers.explain import explain_json
    from replay.processes import rare_cycle_search
    from replay.replaying.base import Part

    part = Part(None if month is None else month_asked(month), event_id, None if day is None else day_asked(day))
    with open_for(store, subject, segments) as opened, rare_cycle_search():
        found = replay_asked(opened, subject, **asked)
        answer = explain_json(found, part, lang)
    if format_ in SHEETS:
        service.print_sheet(format_, "readExplanation", answer)
        return
    answers_text.print_answer("explain", answer, found, lang, as_json=format_ == "json", exact=exact)


@command("history", "levelbook history merchant/tea-house")
@click.argument("subject", shell_complete=complete_subject)
@drawing_options
@listed_replay_options
@on_evidence(moment=True)
def history(
    subject: str,
    store: str,
    segments: FilesPlace | None,
    format_: str,
    lang: str,
    chart: bool | None,
    plot: Path | None,
    **asked: Any,
) -> None:
    """Show each change of the level of SUBJECT with its cause."""
    from projections.text.sheets import service
    from replay.answers.history import history_json

    with open_for(store, subject, segments) as opened:
        found = replay_asked(opened, subject, **asked)
        answer = history_json(found)
        lines = _drawn(opened, found, lang, format_, chart, plot)
    if format_ in SHEETS:
        service.print_sheet(format_, "readHistory", answer)
        return
    answers_text.print_answer("history", answer, found, lang, as_json=format_ == "json")
    for line in lines:
        click.echo(line)


@command("diff", "levelbook diff merchant/tea-house --as-of 2022-11-30 --known-at 2022-12-17")
@click.argument("subject", shell_complete=complete_subject)
@click.option("--to-as-of", metavar="WHEN", help="The other replay's --as-of. Default: that of the first if given.")
@click.option("--to-known-at", metavar="WHEN", help="The other replay's --known-at. Default: everything known.")
@click.option("--to-position", type=int, metavar="N", help="In place of --to-known-at.")
@click.option(
    "--to-policy",
    metavar="ID[@HASH]",
    shell_complete=complete_policy,
    help="The other replay's --policy. Default: that of the first.",
)
@listed_replay_options
@on_evidence(moment=True)
def diff(
    subject: str,
    to_as_of: str | None,
    to_known_at: str | None,
    to_position: int | None,
    to_policy: str | None,
    store: str,
    segments: FilesPlace | None,
    format_: str,
    lang: str,
    **asked: Any,
) -> None:
    """Split the difference of two replays of SUBJECT by cause: what was learned, time, policy.

    The first replay is named as for 'replay', the other by the options that begin with --to-. Each step is a run of
    the scheme, and they add up exactly.
    """
    from projections.text.sheets import service
    from replay.answers.diff import diff_json
    from replay.history.timeline import Asked, present_of, resolve
    from replay.processes import rare_cycle_search

    other = asked | {"known_at": to_known_at, "position": to_position}
    other |= {} if to_as_of is None else {"as_of": to_as_of}
    other |= {} if to_policy is None else {"policy": to_policy}
    with open_for(store, subject, segments) as opened, rare_cycle_search():
        present = present_of(opened)
        resolve(opened, Asked(asked["as_of"], asked["known_at"], asked["position"]), present)  # its faults come first
        names_other = any(given is not None for given in (to_as_of, to_known_at, to_position))
        end = replay_asked(opened, subject, present=present, option="--to-" if names_other else "--", **other)
        start = replay_asked(opened, subject, present=present, beside=end, **asked)
        answer = diff_json(start, end)
    if format_ in SHEETS:
        service.print_sheet(format_, "readDiff", answer)
        return
    answers_text.print_answer("diff", answer, end, lang, as_json=format_ == "json")


@command("what-if", "levelbook what-if merchant/tea-house --events supposed.jsonl --to 2022-12-31")
@click.argument("subject", shell_complete=complete_subject)
@click.option("--events", metavar="FILE", help="Events that did not happen, as for 'ingest'; - is standard input.")
@click.option(
    "--to", metavar="WHEN", help="Move time on to then. Default: the moment of the replay, or of the last event."
)
@click.option(
    "--policy",
    metavar="FILE|ID[@HASH]",
    shell_complete=complete_policy,
    help="Judge what would be by this policy alone: a .toml file that nobody need have adopted, or one by its id.",
)
@exact_option
@supposing_options
def what_if(
    subject: str,
    events: str | None,
    to: str | None,
    policy: str | None,
    exact: bool,
    store: str,
    segments: FilesPlace | None,
    format_: str,
    lang: str,
    **asked: Any,
) -> None:
    """Show where SUBJECT stands, and where it would: with events that did not happen, later, by other rules.

    Nothing of it is recorded, and all of it is marked hypothetical. Credits fall due, months close and publications
    come up to --to; events later than that take no part. Buyers whom the ledger knows are recognised where the key for
    buyers is at hand, and are new ones elsewhere.
    """
    from projections.text.lab.hypothetical import print_what_if
    from replay.answers.what_if import what_if_json
    from replay.hypothetical.asking import candidate, key_at_hand, moved_to, read_events
    from replay.hypothetical.overlay import overlaid
    from replay.policies.catalog import Choice

    supposed = [] if events is None else read_events(events)
    with open_for(store, subject, segments) as opened:
        now = replay_asked(opened, subject, policy=None, **asked)
        until = moved_to("--to", to, now.moment.as_of, supposed, opened.now())
        is_file = policy is not None and policy.endswith(".toml")
        judged_by = candidate(Path(policy or ""), now.scheme) if is_file else Choice(policy, asked["policies"])
        found = overlaid(now, supposed, until, key_at_hand(opened), judged_by)
        later = sum(item.event.occurred_at > until for item in supposed)
        answer = what_if_json(now, found, len(supposed) - later, later, lang)
    print_what_if(answer, found, lang, as_json=format_ == "json", exact=exact)


@command("ways", "levelbook ways merchant/tea-house")
@click.argument("subject", shell_complete=complete_subject)
@click.option(
    "--events-of",
    type=click.IntRange(min=1),
    metavar="N",
    help="Print the events of the Nth way, a line each, as 'what-if' takes them.",
)
@exact_option
@replay_options
def ways(
    subject: str,
    events_of: int | None,
    exact: bool,
    store: str,
    segments: FilesPlace | None,
    format_: str,
    lang: str,
    **asked: Any,
) -> None:
    """Show the ways of SUBJECT to the next level: what each asks at least, and by when it reaches the level.

    Each is proved by laying its events over the replay: it reaches the level, and one unit less does not. Nothing of
    it is recorded, and all of it is marked hypothetical.
    """
    from projections.text.lab.hypothetical import print_events, print_ways
    from replay.answers.ways import way_at, ways_json
    from replay.hypothetical.proving import proved_ways

    with open_for(store, subject, segments) as opened:
        now = replay_asked(opened, subject, **asked)
        found = proved_ways(now)
        answer = ways_json(now, found, lang)
    if events_of is not None:
        print_events(way_at(found, events_of))
        return
    print_ways(answer, now, lang, as_json=format_ == "json", exact=exact)
