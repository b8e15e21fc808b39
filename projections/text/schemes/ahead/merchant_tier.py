"""What comes next of a merchant's tier: indicators against both bounds, fast upgrade, clearing out, limits."""

from collections.abc import Iterator

from projections.text.schemes.ahead.parts import Found, Remark, Section, conditions, dates_section
from projections.text.words import Words
from projections.text.words.figures import count_text, money_text


def ahead(found: Found, words: Words) -> Iterator[Section]:
    if found["clear_out"] is not None:
        line = words.ahead("clear_out_days", **found["clear_out"])
        yield Section(words.ahead("clear_out"), [Remark(line, is_urgent=True)])
    if found["state"] == "cleared_out":
        yield Section(words.ahead("clear_out"), [_cleared_out(found["history"], words)])
    if found["since"] is not None:
        yield Section(words.ahead("next"), [_next(found, words)])
    if found["indicators"] is not None and found["state"] == "rated":
        yield _indicators(found["indicators"], words)
    if found["fast_upgrade"] is not None:
        yield _fast_upgrade(found["fast_upgrade"], words)
    if found["limits"] is not None:
        yield Section(words.ahead("limits"), [_limits(found["limits"], words)])
    if found["next_dates"]["update"] is not None:
        yield dates_section(found["next_dates"], words)


def _cleared_out(history: list[Found], words: Words) -> Remark:
    """On which day, and since when the tier was the lowest; a notice of the same tier does not begin that anew."""
    at = max(place for place, item in enumerate(history) if item["cause"] == "cleared_out")
    begins = at - 1
    while begins > 0 and history[begins - 1]["level"] == history[at - 1]["level"]:
        begins -= 1
    level = words.level(history[at - 1]["level"])
    return Remark(words.ahead("cleared_out", level=level, since=history[begins]["day"], on=history[at]["day"]))


def _next(found: Found, words: Words) -> Remark:
    """When the tier may rise or fall, and to which it would rise."""
    if found["next_level"] is None:
        return Remark(words.ahead("at_the_top"))
    return Remark(words.ahead("tier_rises", level=words.level(found["next_level"]), day=found["next_evaluation"]))


def _indicators(indicators: Found, words: Words) -> Section:
    rows = []
    for name, item in indicators.items():
        rows.append(
            [
                words.code("figure", f"{name}_rate"),
                words.ratio(item),
                *(_bound(item[way], words) for way in ("up", "down")),
            ]
        )
    exact = [{"indicator": name, **item} for name, item in indicators.items()]
    return Section(words.ahead("indicators"), (), words.ahead_row("indicators_header"), rows, exact)


def _bound(bound: Found | None, words: Words) -> str:
    if bound is None:
        return words("nothing")
    met = words("met" if bound["met"] else "not_met")
    return words.ahead("bound", relation=bound["relation"], bound=bound["bound"], met=met)


def _fast_upgrade(found: Found, words: Words) -> Section:
    """Whether one may still come, and its conditions, those of one day behind those of the window."""
    lines = [Remark(words.ahead("fast_open" if found["open"] else "fast_closed", day=found["last_day"]))]
    if found["open"]:
        lines += conditions(found["compared"], words)
        if found["day"] is not None:
            lines.append(Remark(words.ahead("fast_day_met" if found["day_is_met"] else "fast_day", day=found["day"])))
    return Section(words.ahead("fast_upgrade"), lines)


def _limits(limits: Found, words: Words) -> Remark:
    if limits["orders"] is None:
        return Remark(words("no_limits"))
    return Remark(words("limits", orders=count_text(limits["orders"]), gmv=money_text(limits["gmv_fen"])))
