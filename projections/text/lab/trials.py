"""What is printed of trials of policies: who moves, from where to where, by what."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import click

from domain.policy import HASH_SHOWN
from projections.terminal.tables import LEFT, RIGHT, Column, print_table
from projections.text.output import print_json
from projections.text.words import Words

ROWS_SHOWN: Final = 20
LIMIT_COLUMNS: Final = ("higher", "lower", "gained", "lost", "same")


def print_trial(report: dict[str, Any], language: str, *, as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    words = Words(language, level_names_in(report, language))
    for line in _head_lines(report, words):
        click.echo(line)
    _print_rows(words, "parameters", (LEFT, LEFT, LEFT), _parameter_rows(report, words))
    if report["hindsight"] is not None:
        click.echo(f"\n{words.trial('then')}")
    _print_result(report, report["result"], words)
    if report["hindsight"] is not None:
        click.echo(f"\n{words.trial('hindsight')}")
        _print_result(report, report["hindsight"], words)
        click.echo(f"\n{_difference_line(report['difference'], words)}")
    _print_sensitivity(report["sensitivity"], words)
    ledger = report["ledger"]
    click.echo(f"\n{words.trial('ledger', position=ledger['position'], chain=ledger['chain'])}")
    click.echo(words.trial("report", report=report["report"]))


def level_names_in(report: dict[str, Any], language: str) -> dict[str, str]:
    """What the report's levels are called, by their codes; reports that were kept before they had names say nothing."""
    return {item["level"]: item[language] for item in report.get("levels", ())}


def kept_text(place: str, language: str) -> str:
    """Where a report is kept."""
    return Words(language, {}).trial("kept_in", place=place)


def _head_lines(report: dict[str, Any], words: Words) -> Iterator[str]:
    asked, sample = report["asked"], report["sample"]
    yield words.trial(
        "heading",
        scheme=words.code_beside("scheme", report["scheme"]),
        candidates=words.listed(_candidate(item, words) for item in report["candidate"]),
        baseline=words.listed(map(_revision, report["baseline"])),
    )
    if asked["from"] is None:
        yield words.trial("moment", as_of=asked["as_of"], position=report["periods"][0]["position"])
    else:
        yield words.trial("months", first=asked["from"], last=asked["to"])
    if sample is not None:
        yield words.trial("sample", **sample)
    if not report["result"]["cells"]:
        yield words.trial("nothing_known" if report["hindsight"] is None else "nobody")


def _revision(policy: dict[str, Any]) -> str:
    return f"{policy['id']}@{policy['hash'][:HASH_SHOWN]}"


def _candidate(policy: dict[str, Any], words: Words) -> str:
    since = policy.get("judges_since")
    return _revision(policy) + (words.trial("judges_since", since=since) if since else "")


def _parameter_rows(report: dict[str, Any], words: Words) -> list[tuple[str, str, str]]:
    return [
        (_parameter(item, words), _value(item["old"], words), _value(item["new"], words))
        for item in report["parameters"]
    ]


def _print_sensitivity(found: dict[str, Any] | None, words: Words) -> None:
    """The thresholds on which something hangs."""
    if found is None or not found["thresholds"]:
        return
    click.echo(f"\n{words.trial('sensitivity', **found)}")
    rows = [row for item in found["thresholds"] if (row := _threshold_row(item, words)) is not None]
    if rows:
        print_table((LEFT, *(RIGHT,) * 6), [tuple(words.trial_row("sensitivity_header")), *rows], indent=2)
    else:
        click.echo(f"  {words.trial('nothing_hangs')}")


def _threshold_row(item: dict[str, Any], words: Words) -> tuple[str, ...] | None:
    within = item["within"]
    moving = [None if item[way] is None else sum(item[way].values()) for way in ("lower", "higher")]
    near = [None, None] if within is None else [within["below"], within["above"]]
    if not any((*moving, *near)):
        return None
    counts = ("-" if count is None else _count(count) for count in (*moving, *near))
    return _parameter(item, words), _count(item["value"]), _count(item["step"]), *counts


def _parameter(item: dict[str, Any], words: Words) -> str:
    name = words.code_beside("parameter", item["parameter"])
    return f"{name} {item['path']}" if item["path"] else name


def _value(value: Any, words: Words) -> str:
    return words.trial("no_parameter") if value is None else json.dumps(value, ensure_ascii=False)


def _difference_line(difference: dict[str, Any], words: Words) -> str:
    moves = [
        words.trial("move_changed", move=words.code("move", way), count=count)
        for way, count in difference["moves"].items()
    ]
    return words.trial("difference", cells=difference["cells"], moves=words.listed(moves))


# --- one result -------------------------------------------------------------------------------------------------------


def _print_result(report: dict[str, Any], result: dict[str, Any], words: Words) -> None:
    share = words.trial("share", percent=percent_text(result["moving"], result["cells"])) if result["cells"] else ""
    click.echo(words.trial("counted", **result, share=share))
    moved = [item for item in result["matrix"] if item["move"] != "same"]
    moved.sort(key=lambda item: -item["cells"])
    _print_rows(words, "matrix", (LEFT, LEFT, LEFT, RIGHT), [_matrix_row(item, words) for item in moved])
    if result["cells"] and len(result["months"]) > 1:
        _print_months(result, words)
    benefits = [
        (item[words.language], *(_count(item[what]) for what in ("gained", "lost", "kept")))
        for item in result["benefits"]
        if item["gained"] or item["lost"]
    ]
    _print_rows(words, "benefits", (LEFT, RIGHT, RIGHT, RIGHT), benefits)
    limits = [
        (words.code("limit", item["limit"]), *(_count(item[way]) for way in LIMIT_COLUMNS))
        for item in result["limits"]
        if any(item[way] for way in LIMIT_COLUMNS[:-1])
    ]
    _print_rows(words, "limits", (LEFT, *(RIGHT,) * len(LIMIT_COLUMNS)), limits)
    verdicts = [
        (words.code("verdict", item["verdict"]), _count(item["baseline"]), _count(item["candidate"]))
        for item in result["verdicts"]
        if item["baseline"] != item["candidate"]
    ]
    _print_rows(words, "verdicts", (LEFT, RIGHT, RIGHT), verdicts)
    if result["moving"]:
        for grouping in result["groups"]:
            _print_groups(grouping, words)
    _print_rows(words, "movers", (LEFT,) * 5, [_mover_row(item, words) for item in result["movers"]])
    if result["movers"]:
        click.echo(f"  {words.trial('one_of_them', command=command_of(report, one=True))}")


def _matrix_row(item: dict[str, Any], words: Words) -> tuple[str, ...]:
    return (
        *(_stand(item[end], words) for end in ("from", "to")),
        words.code("move", item["move"]),
        _count(item["cells"]),
    )


def _print_months(result: dict[str, Any], words: Words) -> None:
    ways = [way for way in result["moves"] if any(month["moves"][way] for month in result["months"])]
    click.echo(f"\n{words.trial('by_month')}")
    rows = [("", *(words.code("move", way) for way in ways))]
    rows += [(month["period"], *(_count(month["moves"][way]) for way in ways)) for month in result["months"]]
    print_table((LEFT, *(RIGHT,) * len(ways)), rows, indent=2)


def _print_groups(grouping: dict[str, Any], words: Words) -> None:
    from replay.lab.trial import RANKED_FROM

    click.echo(f"\n{words.trial('groups', by=words.code('grouping', grouping['by']))}")
    columns = (LEFT, RIGHT, RIGHT, RIGHT, RIGHT)
    for is_ranked in (True, False):
        rows = [_group_row(item, grouping["by"], words) for item in grouping["groups"] if item["ranked"] == is_ranked]
        if rows and not is_ranked:
            click.echo(f"  {words.trial('unranked', least=RANKED_FROM)}")
        if rows:
            print_table(columns, [tuple(words.trial_row("groups_header")), *rows], indent=2)


def _group_row(item: dict[str, Any], by: str, words: Words) -> tuple[str, ...]:
    return (
        group_name(item["group"], by, words),
        *(_count(item[name]) for name in ("subjects", "cells", "moving")),
        percent_text(item["moving"], item["cells"]),
    )


def group_name(group: str, by: str, words: Words) -> str:
    """What a group is called: a level or a state by its name, numbers as they are."""
    if by != "level":
        return group
    return words.state(group) if words.has_state(group) else words.level(group)


def _mover_row(item: dict[str, Any], words: Words) -> tuple[str, ...]:
    move = words.trial("ranks", move=words.code("move", item["move"]), ranks=item["ranks"])
    return item["subject"], item["period"], *(_stand(item[end], words) for end in ("from", "to")), move


def _stand(found: dict[str, Any], words: Words) -> str:
    return words.state(found["state"]) if found["level"] is None else words.level(found["level"])


def _print_rows(words: Words, what: str, columns: Sequence[Column], rows: Sequence[tuple[str, ...]]) -> None:
    """A table below its heading, where it has rows; of many the first."""
    if not rows:
        return
    click.echo(f"\n{words.trial(what)}")
    print_table(columns, [tuple(words.trial_row(f"{what}_header")), *rows[:ROWS_SHOWN]], indent=2)
    if len(rows) > ROWS_SHOWN:
        click.echo(f"  {words.trial('rows_left', count=len(rows) - ROWS_SHOWN)}")


def _count(number: int) -> str:
    return f"{number:,}"


def command_of(report: dict[str, Any], *, one: bool = False) -> str:
    """The command that gives a report again, its candidates in files of their ids; with `one` what both sides make of
    one subject at one period.
    """
    from replay.lab.trial import GROUPINGS

    asked, sample = report["asked"], report["sample"]
    files = " ".join(f"{policy['id']}.toml" for policy in report["candidate"])
    moment = f"--as-of {asked['as_of']}"
    if asked["from"] is not None:
        moment = f"--from {asked['from']} --to {'PERIOD' if one else asked['to']}"
    command = f"levelbook policy try {files} --scheme {report['scheme']} {moment}"
    if one:
        return f"{command} --subject SUBJECT"
    if sample is not None:
        command += f" --sample {sample['asked']}"
    if asked["by"] != list(GROUPINGS):
        command += "".join(f" --by {grouping}" for grouping in asked["by"])
    hindsight = " --hindsight" if asked["hindsight"] else ""
    return f"{command}{hindsight}{' --no-sensitivity' if report['sensitivity'] is None else ''}"


def percent_text(some: int, of: int) -> str:
    """A share in percent, to two decimals, half up."""
    hundredths = (20_000 * some + of) // (2 * of)
    return f"{hundredths // 100}.{hundredths % 100:02d} %"
