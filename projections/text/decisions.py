"""What is printed of decisions, boards, audits and appeals."""

from typing import TYPE_CHECKING, Any

import click

from domain.policy import HASH_SHOWN

if TYPE_CHECKING:
    from projections.text.words import Words
    from replay.decisions.decide import RunOutcome
from projections.terminal.tables import LEFT, Column, print_table
from projections.text.output import print_json


def print_board(found: dict[str, Any], language: str, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    from projections.text.words import Words

    words = Words(language, {})
    names = {"board": words.code("board", found["board"]), "ranks_by": words.code("figure", found["ranks_by"])}
    click.echo(words.decision("board", **found | names))
    policy = words("policy", policy=f"{found['policy']}@{found['policy_hash'][:HASH_SHOWN]}")
    click.echo(f"  {policy}" + ("" if found["in_force"] else words("because", named=words("reconstruction"))))
    click.echo(f"  {words('clocks', **found)}")
    if found["asked_known_at"] is not None:
        click.echo(f"  {words('known_at_open', **found)}")
    click.echo(f"  {words('assumed', names=words.parameters(found['assumed']))}")
    columns = (Column(is_right=True, least=4), Column(is_right=True, least=5), Column(least=3), LEFT, LEFT)
    print_table(columns, [_board_cells(row, words) for row in found["rows"]], indent=2)
    if not found["rows"]:
        click.echo(f"  {words.decision('nobody_rated')}")
    decided = found["decided"]
    if decided is not None:
        outcome = words.decision("restated" if decided["restated"] else "same")
        click.echo(f"  {words.decision('board_decided', **decided, outcome=outcome)}")


def _board_cells(row: dict[str, Any], words: "Words") -> tuple[str, ...]:
    settled = words.decision("settled", settled=words.figure("settled", row["settled"]))
    return str(row["rank"]), str(row["score"]), words.level(row["level"]), row["subject"], settled


def print_run(found: "RunOutcome", language: str, *, as_json: bool) -> None:
    run = found.run
    told = {
        "scheme": run.scheme,
        "period": run.period,
        "run": run.run,
        "as_of": run.as_of,
        "known_at": run.known_at,
        "position": run.position,
        "decided": found.decided,
        "resumed": found.resumed,
        "already_finished": found.already_finished,
    }
    if as_json:
        print_json(told)
        return
    from projections.text.words import Words

    words = Words(language, {})
    how = "run_resumed" if found.resumed else "run_made"
    told |= {"scheme": words.code_beside("scheme", run.scheme)}
    click.echo(words.decision("run_finished" if found.already_finished else how, **told))


def print_decisions(found: list[dict[str, Any]], language: str, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    from projections.text.schemes.registry import decided_text
    from projections.text.words import Words

    words = Words(language, {})
    for item in found:
        since = "" if item["as_decided"] else words.decision("decided_again")
        policy = f"{item['policy']}@{item['policy_hash'][:HASH_SHOWN]}"
        scheme = words.code_beside("scheme", item["scheme"])
        standing = decided_text(item["scheme"], item, words)
        told = item | {"scheme": scheme, "policy": policy, "standing": standing, "since": since}
        click.echo(words.decision("decided", **told))
        for line in ("moment", "facts", "findings"):
            click.echo(f"  {words.decision(line, **item)}")
    if not found:
        click.echo(words.decision("nothing_decided"))


def print_audit(found: dict[str, Any], language: str, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    from projections.text.schemes.registry import decided_text
    from projections.text.words import Words

    words = Words(language, {})
    for item in found["decisions"]:
        if item["outcome"] == "reproduced" and not item["restated"]:
            continue
        scheme, named = item["scheme"], _named(item, words)
        click.echo(words.decision("audited", **named, standing=decided_text(scheme, item["decided"], words)))
        if item["restated"]:
            click.echo("  " + words.decision("now", standing=decided_text(scheme, item["now"], words)))
            for step in item["since"]:
                if step["events"]:
                    told = step | {"points": step["points"] or "", "step": words.step(step["step"])}
                    click.echo("    " + words.decision("step", **told))
    for item in found["announced"]:
        click.echo(_announced_line(item, words))
    click.echo(words.decision("reproduced", **found))
    if found["announced"]:
        click.echo(words.decision("announced_otherwise", count=len(found["announced"])))


def _announced_line(item: dict[str, Any], words: "Words") -> str:
    known = item["as_known_then"]
    told = {
        "announced": words.level(item["announced"]),
        "then": words.decision("not_replayed") if known is None else words.standing(known),
        "decided": _state_and_level(item["decided_state"], item["decided"], words, "nothing"),
        "replayed": _state_and_level(item["replayed_state"], item["replayed"], words, "not_replayed"),
    }
    return words.decision("announced", **_named(item, words) | told)


def _state_and_level(state: str | None, level: str | None, words: "Words", without: str) -> str:
    """A level with its state, for no level is not nothing."""
    return words.decision(without) if state is None else words.standing({"state": state, "level": level})


def _named(item: dict[str, Any], words: "Words") -> dict[str, Any]:
    """An audited decision or announcement with its scheme and outcome by name."""
    names = {"scheme": words.code_beside("scheme", item["scheme"])}
    return item | names | ({"outcome": words.code("outcome", item["outcome"])} if "outcome" in item else {})


def print_appeal(found: dict[str, Any], language: str, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    from projections.text.appeal import appeal_lines
    from projections.text.words import Words

    click.echo("\n".join(appeal_lines(found, Words(language, found["level_names"]))))
