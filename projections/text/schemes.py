"""What only one scheme's answer says, as text: months and publications, indicators, gates, scores, benefits."""

from collections.abc import Iterator, Sequence
from typing import Any

from projections.text.words import Words, table, yuan


def own_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    """The part of a replay's text that only its scheme has."""
    return _OWN[found["scheme"]](found, words)


def evaluation_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    """Every evaluation of an explanation: each rule that was tried, fired or not, with what it compared."""
    names = {clause["name"]: clause["short"] for clause in found["clauses"]}
    for evaluation in found.get("evaluations", ()):
        decided = ", ".join(evaluation.get("decided", ())) or evaluation.get("state", "")
        yield words("evaluated", at=evaluation["at"], level=words.level(evaluation["level"]), decided=decided)
        for rule in evaluation["rules"]:
            outcome = words("rule_fired" if rule["fired"] else "rule_not")
            points = "" if rule["points"] is None else words("rule_points", points=rule["points"])
            yield "  " + words("rule", name=names.get(rule["rule"], rule["rule"]), outcome=outcome, points=points)
            for item in rule["compared"]:
                yield "    " + words("comparison", **item | {"met": words("met" if item["met"] else "not_met")})
        for item in evaluation.get("creators", ()):
            level = item["level"] or words("nothing")
            counted = words("counted_creator") if item["counted"] else ""
            yield "  " + words("creator", **item | {"level": level, "counted": counted})


def _reputation_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    if found["to_next"] is not None:
        yield words("to_next", points=found["to_next"])
    yield from _published_lines(found["published"], words)
    if found["months"]:
        yield from _months_table(found["months"], words)


def _tier_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    yield words("day", day=found["day"])
    if found["since"] is not None:
        yield words("since", since=found["since"])
        yield words("next_evaluation", day=found["next_evaluation"])
        limits = found["limits"]
        unlimited = limits["orders"] is None
        gmv = "" if unlimited else yuan(limits["gmv_fen"])
        yield words("no_limits") if unlimited else words("limits", orders=limits["orders"], gmv=gmv)
    for name, ratio in found["indicators"].items():
        yield words("undefined" if ratio["value"] is None else "ratio", what=name, **ratio)
    for item in found["history"]:
        yield f"{item['day']}  {words.level(item['level'])}  {item['cause']}"


def _creator_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    if found["month"] is not None:
        yield from _figures(found, ("month", "settled", "good", "sales_score", "behaviour_score"), words)
        yield from _figures(found, ("reputation_mean", "credit_deducted"), words)
    if found["preview"] is not None:
        preview = found["preview"]
        state, level = words.state(preview["state"]), words.level(preview["level"])
        yield words("preview", policy=preview["policy"], state=state, level=level)
    if found["diagnosis"] is not None:
        yield from _diagnosis_lines(found["diagnosis"], words)
    yield from _benefit_lines(found["benefits"], words)
    yield from _month_lines(found["months"], ("settled", "good", "sales_score", "behaviour_score"), words)


def _mcn_lines(found: dict[str, Any], words: Words) -> Iterator[str]:
    if found["month"] is not None:
        yield from _figures(found, ("month", "credit", "operating", "growth", "service", "bonus", "total"), words)
        yield from _figures(found["figures"], tuple(found["figures"]), words)
    if found["to_next"] is not None:
        yield words("to_next", points=found["to_next"])
    yield from _benefit_lines(found["benefits"], words)
    yield from _month_lines(found["months"], ("credit", "operating", "growth", "service", "bonus", "total"), words)


_OWN = {
    "merchant-reputation": _reputation_lines,
    "merchant-tier": _tier_lines,
    "creator-level": _creator_lines,
    "mcn-level": _mcn_lines,
}


def _figures(found: dict[str, Any], names: Sequence[str], words: Words) -> Iterator[str]:
    for name in names:
        value = words("nothing") if found[name] is None else found[name]
        yield words("figure", name=name, value=value)


def _diagnosis_lines(diagnosis: dict[str, Any], words: Words) -> Iterator[str]:
    for gate in diagnosis["gates_not_met"]:
        value = gate["value"] or words("nothing")
        yield words("gate_not_met", **gate | {"value": value})
    if diagnosis["next_level"] is None:
        return
    moves = []
    if isinstance(diagnosis["settled_missing"], int):
        moves.append(words("move_settled", amount=yuan(diagnosis["settled_missing"])))
    if isinstance(diagnosis["share_needed"], int):
        moves.append(words("move_share", percent=diagnosis["share_needed"]))
    yield words("diagnosis", level=diagnosis["next_level"], moves="; ".join(moves) or words("move_none"))


def _benefit_lines(benefits: dict[str, Any], words: Words) -> Iterator[str]:
    names = [f"{item[words.language]} [{item['status']}]" for item in benefits["held"]]
    yield words("benefits", names=", ".join(names) or words("none"))
    for key in ("won", "lost"):
        if benefits[key]:
            yield words(f"benefits_{key}", names=", ".join(benefits[key]))


def _month_lines(months: Sequence[dict[str, Any]], names: Sequence[str], words: Words) -> Iterator[str]:
    for month in months:
        figures = "  ".join(f"{name} {month[name]}" for name in names)
        state, level = words.state(month["state"]), words.level(month["level"])
        yield words("month_line", month=month["month"], state=state, level=level, figures=figures)


def _published_lines(published: dict[str, Any] | None, words: Words) -> Iterator[str]:
    if published is None:
        return
    points = words("points", points=published["points"])
    level = words.level(published["level"])
    line = words("published", at=published["at"], month=published["month"], level=level, points=points)
    yield line + ("" if published["in_force"] else f" ({words('before_in_force')})")
    if "decided" not in published:
        yield "  " + words("decisions_hidden")
        return
    decided = published["decided"]
    if decided is None:
        yield "  " + words("not_decided")
        return
    points = words("points", points=decided["points"])
    line = words(
        "decided", run=decided["run"], level=words.level(decided["level"]), points=points, known_at=decided["known_at"]
    )
    yield f"  {line}" + (f"  {words('restated')}" if decided["restated"] else "")


def _months_table(months: Sequence[dict[str, Any]], words: Words) -> Iterator[str]:
    yield from table(
        words.row("months_header")[:-1],
        [
            [
                month["month"],
                month["opening"],
                month["growth"],
                month["cap"] or words("no_cap"),
                month["closing"],
                month["level"] or words("nothing"),
            ]
            for month in months
        ],
        [", ".join(f"{count} {name}" for name, count in month["verdicts"].items()) for month in months],
        last=words.row("months_header")[-1],
    )
