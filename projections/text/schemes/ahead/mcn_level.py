"""What comes next of an agency's level: its phase, its scores row by row, credit, benefits."""

from collections.abc import Iterator
from itertools import groupby

from projections.text.schemes.ahead.parts import Found, Remark, Section, benefits_section, conditions, dates_section
from projections.text.words import Words


def ahead(found: Found, words: Words) -> Iterator[Section]:
    if found["month"] is not None:
        yield Section(words.ahead("next"), [_next(found, words)])
    if found["phase"] is not None:
        yield _phase(found, words)
    if found["rows"] is not None:
        yield _scores(found, words)
        credit = words.ahead("credit_of", credit=found["credit"], credit_max=found["credit_max"])
        yield Section(words.ahead("credit"), [Remark(credit)])
    yield benefits_section(found["benefits"], words)
    if any(found["next_dates"].values()):
        yield dates_section(found["next_dates"], words)


def _next(found: Found, words: Words) -> Remark:
    if found["to_next"] is not None:
        points = words("points", points=found["to_next"])
        return Remark(words.ahead("missing", missing=points, level=words.level(found["next_level"])))
    return Remark(words.ahead("at_the_top" if found["state"] == "rated" else "rated_first"))


def _phase(found: Found, words: Words) -> Section:
    """The phase, and when it ends or what ends it."""
    phase = found["phase"]
    lines = [Remark(words.state("novice" if phase["last_novice_month"] is not None else found["state"]))]
    if phase["last_novice_month"] is not None:
        lines.append(Remark(words.ahead("novice_until", month=phase["last_novice_month"])))
    elif found["state"] == "observation":
        lines.append(Remark(words.ahead("observation_ends")))
    elif phase["rated_when"]:
        lines.append(Remark(words.ahead("rated_while")))
    return Section(words.ahead("phase"), [*lines, *conditions(phase["rated_when"], words)])


def _scores(found: Found, words: Words) -> Section:
    """Every row with its band, and what the next one needs."""
    rows, exact = [], []
    for score, items in groupby(found["rows"], key=lambda row: row["score"]):
        own = list(items)
        rows += [_row(item, words) for item in own]
        total = {"score": score, "what": None, "points": found[score], "points_max": sum(i["points_max"] for i in own)}
        points = f"{total['points']} / {total['points_max']}"
        rows.append([words.code("figure", score), words.ahead("score_total"), "", points, ""])
        exact += [*own, total]
    return Section(words.ahead("scores"), (), words.ahead_row("score_rows_header"), rows, exact)


def _row(row: Found, words: Words) -> list[str]:
    value = words.held(row)
    further = words.ahead("highest_band")
    if row["next_from"] is not None:
        bound = words.bound(row | {"bound": row["next_from"]})
        further = words.ahead("next_band", bound=bound, points=row["next_points"])
    name = words.code("figure", row["what"])
    return [words.code("figure", row["score"]), name, value, f"{row['points']} / {row['points_max']}", further]
