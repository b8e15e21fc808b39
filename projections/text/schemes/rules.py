"""Rules that were tried, in words: gates are met or not, thresholds hold or not, bands are reached."""

from collections.abc import Iterator, Mapping

from domain.rules.comparison import BAND, GATE
from projections.text.schemes.facet import Found
from projections.text.words import Words
from projections.text.words.figures import held_text


def rule_outcome(rule: Found, names: Mapping[str, str], words: Words) -> str:
    """What a rule came to; `names` says what rules are called."""
    if rule["kind"] == GATE:
        return words("met" if rule["fired"] else "not_met")
    if rule["kind"] != BAND:
        return words("rule_fired" if rule["fired"] else "rule_not")
    if rule["points"] is not None:
        return words("worth_points", points=rule["points"])
    level = words.level(rule["reached"] and rule["reached"]["level"])
    by = words.listed(names.get(name, name) for name in rule["withheld_by"])
    return words("withheld", level=level, names=by) if by else level


def rule_figures(rule: Found, words: Words) -> Iterator[str]:
    """Every figure that it compared; of a band which it is, and which is next."""
    for item in rule["compared"]:
        if rule["kind"] != BAND:
            yield words.comparison(item)
            continue
        fraction = words.fraction(item) if words.exact else ""
        yield words(
            "band_figure_exact" if fraction else "band_figure",
            what=words.code("figure", item["what"]),
            value=words.held(item),
            fraction=fraction,
            band=band_text(rule, item, words),
        )


def band_text(rule: Found, item: Found, words: Words) -> str:
    """In which band a figure is, and what the next begins at and is worth."""
    reached, above = rule["reached"], rule["next"]
    at = words("band_none") if reached is None else words("band", begins=held_text(item, reached["from"]))
    following = words("band_last")
    if above is not None:
        following = words("band_next", begins=held_text(item, above["from"]), worth=_worth(above, words))
    return words("band_between", band=at, next=following)


def _worth(band: Found, words: Words) -> str:
    return words.level(band["level"]) if band["points"] is None else words("worth_points", points=band["points"])
