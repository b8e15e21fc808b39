"""What comes next of a creator's level: scores, gates, what it would take, benefits, the version to come."""

from collections.abc import Iterator

from domain.creator_level.rule import SCHEME
from domain.policy import HASH_SHOWN
from projections.text.schemes.ahead.parts import (
    Found,
    Remark,
    Section,
    benefit_lines,
    benefits_section,
    conditions,
    dates_section,
)
from projections.text.words import Words
from projections.text.words.figures import money_text


def ahead(found: Found, words: Words) -> Iterator[Section]:
    if found["diagnosis"] is not None:
        yield Section(words.ahead("scores"), [Remark(words.ahead("creator_scores", **found))])
        yield from _diagnosed(found["gates"], found["diagnosis"], words)
    yield benefits_section(found["benefits"], words)
    if found["preview"] is not None:
        yield from _preview(found["preview"], words)
    if any(found["next_dates"].values()):
        yield dates_section(found["next_dates"], words)
    yield Section(words.ahead("appeal"), [Remark(words.ahead(f"appeal_{found['appeal']}"))])


def _diagnosed(gates: Found, diagnosis: Found, words: Words) -> Iterator[Section]:
    """The gates with their figures, and the moves that reach the next level."""
    lines = conditions(gates.values(), words) or [Remark(words.ahead("no_gates"))]
    yield Section(words.ahead("gates"), lines)
    yield _next(diagnosis, words)


def _next(diagnosis: Found, words: Words) -> Section:
    lines = []
    if diagnosis["gates_not_met"]:
        lines.append(Remark(words.ahead("gated", level=words.level(diagnosis["level_without_gates"])), is_urgent=True))
    if diagnosis["next_level"] is None:
        return Section(words.ahead("next"), [*lines, Remark(words.ahead("at_the_top"))])
    moves = []
    if isinstance(diagnosis["settled_missing"], int):
        moves.append(words("move_settled", amount=money_text(diagnosis["settled_missing"])))
    if isinstance(diagnosis["share_needed"], int):
        moves.append(words("move_share", percent=diagnosis["share_needed"]))
    told = words.ahead("or").join(moves) or words("move_none")
    key = "to_level_beyond" if diagnosis["gates_not_met"] else "to_level"
    lines.append(Remark(words.ahead(key, level=words.level(diagnosis["next_level"]), moves=told)))
    return Section(words.ahead("next"), lines)


def _preview(preview: Found, words: Words) -> Iterator[Section]:
    """The version to come: when, the level beside the present one, gates and moves under it, the benefits of both."""
    policy, present = preview["policy"], preview["present"]
    levels = words.ahead("preview_levels", present=words.standing(present), expected=words.standing(preview))
    starts = words.ahead("preview_starts", policy=policy, at=words.date(preview["takes_effect"]))
    versions = f"{policy}@{preview['policy_hash'][:HASH_SHOWN]}", present["policy"]
    told = words.ahead("preview_rules", scheme=SCHEME, policy=policy, against=present["policy"])
    rules = Remark(told, rules=versions)
    yield Section(words.ahead("preview"), [Remark(starts), Remark(levels), rules])
    beside = preview["benefits_beside"]
    benefits = benefit_lines({"lost_then" if name == "lost" else name: found for name, found in beside.items()}, words)
    compared = Section(words.ahead("benefits"), list(benefits))
    for section in (*_diagnosed(preview["gates"], preview["diagnosis"], words), compared):
        yield section._replace(title=words.ahead("preview_of", title=section.title))
