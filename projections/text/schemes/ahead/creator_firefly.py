"""What comes next of a creator's Firefly level: what is missing, benefits."""

from collections.abc import Iterator

from projections.text.schemes.ahead.parts import Found, Remark, Section, benefits_section, dates_section
from projections.text.words import Words


def ahead(found: Found, words: Words) -> Iterator[Section]:
    if found["to_next"] is not None:
        points = words("points", points=found["to_next"]["points"])
        line = words.ahead("missing", missing=points, level=words.level(found["next_level"]))
        yield Section(words.ahead("next"), [Remark(line)])
    elif found["level"] is not None:
        yield Section(words.ahead("next"), [Remark(words.ahead("at_the_top"))])
    yield benefits_section(found["benefits"], words)
    yield dates_section(found["next_dates"], words)
