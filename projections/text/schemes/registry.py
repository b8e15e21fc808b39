"""Which schemes can be printed as text, and how each prints what only it says."""

from collections.abc import Iterator, Mapping
from typing import Final

from projections.contract.parts.facets import facet_of
from projections.text.schemes.creator_firefly import FIREFLY
from projections.text.schemes.creator_level import CREATOR
from projections.text.schemes.facet import Found, SchemeText
from projections.text.schemes.mcn_level import MCN
from projections.text.schemes.merchant_reputation import REPUTATION
from projections.text.schemes.merchant_tier import TIER
from projections.text.schemes.rules import rule_figures, rule_outcome
from projections.text.words import Words
from replay.rendering.clauses import points_text
from replay.schemes.registry import scheme_of

TEXTS: Final[Mapping[str, SchemeText]] = {
    "merchant-reputation": REPUTATION,
    "merchant-tier": TIER,
    "creator-level": CREATOR,
    "creator-firefly": FIREFLY,
    "mcn-level": MCN,
}


def text_of(scheme: str) -> SchemeText:
    """Raises UsageError for a scheme without."""
    return facet_of(TEXTS, scheme, "a text")


def own_lines(found: Found, words: Words) -> Iterator[str]:
    """The part of a replay's text that only its scheme has."""
    return text_of(found["scheme"]).lines(found, words)


def decided_text(scheme: str, found: Found, words: Words) -> str:
    """As decided: state, level and what the scheme ranks by; running points as everywhere else, with their decimal."""
    score = found.get("score")
    if score is not None and scheme_of(scheme).replay.has_points:
        return words.standing(found | {"points": points_text(score)})
    if score is None:
        return words("standing_alone", state=words.state(found["state"]), level=words.level(found["level"]))
    state, level = words.state(found["state"]), words.level(found["level"])
    return words.decision("standing", state=state, level=level, score=score)


def evaluation_lines(found: Found, words: Words) -> Iterator[str]:
    """Every evaluation of an explanation: each rule that was tried, fired or not, with what it compared."""
    told = text_of(found["scheme"]).evaluations
    if told is None:
        return
    names = {clause["name"]: clause["short"] for clause in found["clauses"]}
    for evaluation in found["evaluations"]:
        yield words("evaluated", at=evaluation["at"], heading=told.heading(evaluation, names, words))
        for rule in evaluation["rules"]:
            name = names.get(rule["rule"], rule["rule"])
            yield "  " + words("rule", name=name, outcome=rule_outcome(rule, names, words))
            yield from (f"    {line}" for line in rule_figures(rule, words))
        yield from (f"  {line}" for line in told.rested_on(evaluation, words))
