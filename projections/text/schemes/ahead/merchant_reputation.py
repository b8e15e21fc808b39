"""What comes next of a merchant's reputation: what is missing, the growth against its cap, the publication."""

from collections.abc import Iterator

from projections.text.schemes.ahead.parts import Found, Remark, Section, dates_section
from projections.text.words import Words


def ahead(found: Found, words: Words) -> Iterator[Section]:
    if found["to_next"] is not None:
        points = words("points", points=found["to_next"])
        yield Section(
            words.ahead("next"),
            [Remark(words.ahead("missing", missing=points, level=words.level(found["next_level"])))],
        )
    elif found["level"] is not None:
        yield Section(words.ahead("next"), [Remark(words.ahead("at_the_top"))])
    if found["growth_of_month"] is not None:
        yield Section(words.ahead("growth"), [_growth(found["growth_of_month"], words)])
    if any(found["next_dates"].values()):
        yield dates_section(found["next_dates"], words)


def _growth(growth: Found, words: Words) -> Remark:
    if growth["cap"] is None:
        return Remark(words.ahead("growth_uncapped", **growth))
    return Remark(words.ahead("growth_capped", **growth))
