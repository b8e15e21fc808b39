"""Sections that every scheme has: levels with their benefits, benefits, facts, and what stands nowhere else."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from domain.policy import Policy
from replay.policies.benefits import BENEFIT_PREFIX, every_benefit
from replay.policies.names import level_names
from replay.rendering.clauses import clause_json, clauses
from replay.rendering.glance import figures
from replay.rendering.glance.form import NO_LEVEL, Cell, RuleBasis, RuleColumn, RuleRow, RuleSection
from replay.rendering.glance.texts import Texts, glance_words

LEVELS: Final = "levels"
BENEFITS: Final = "benefits"
FURTHER: Final = "further"
RULE: Final = "rule."
"""Before the code of what rests on no parameter."""


def levels_section(
    policy: Policy,
    texts: Texts,
    codes: Sequence[str],
    columns: Mapping[RuleColumn, Mapping[str, str]],
    basis: str = LEVELS,
) -> RuleSection:
    """A row a level, the lowest first, with the figures of each column by its code and the benefits that begin there.

    What is said of subjects without a level stands before all. `basis` is the parameter that names the levels.
    """
    begun = _begun(policy, texts, codes)
    shown = [*([NO_LEVEL] if any(NO_LEVEL in cells for cells in (*columns.values(), begun)) else []), *codes]
    names = level_names(policy, codes, texts.language) | {NO_LEVEL: texts("no_level")}
    told = [RuleColumn("level", texts.column("level"), basis), *columns]
    if begun:
        told.append(RuleColumn(BENEFITS, texts.column(BENEFITS)))
    rows = []
    for code in shown:
        cells: list[Cell] = [(names[code],), *((found.get(code, texts("nothing")),) for found in columns.values())]
        rows.append(RuleRow(code, (*cells, *([begun.get(code, ())] if begun else []))))
    return RuleSection(LEVELS, texts.section(LEVELS), tuple(told), tuple(rows))


def _begun(policy: Policy, texts: Texts, codes: Sequence[str]) -> dict[str, Cell]:
    """The benefits that begin at each level, by its code."""
    begun: dict[str, list[str]] = {}
    for item in _by_rank(policy):
        code = [NO_LEVEL, *codes][item["from_rank"] + 1 : item["from_rank"] + 2]
        if code:
            begun.setdefault(code[0], []).append(item[texts.language])
    return {code: tuple(names) for code, names in begun.items()}


def _by_rank(policy: Policy) -> list[dict[str, Any]]:
    return sorted(every_benefit(policy), key=lambda item: (item["from_rank"], item["code"]))


def benefits_section(policy: Policy, texts: Texts, codes: Sequence[str]) -> RuleSection:
    """A row a benefit: from which level on, and what it also needs."""
    names = level_names(policy, codes, texts.language)
    rows = []
    for item in _by_rank(policy):
        rank, least = item["from_rank"], item.get("reputation_hundredths_min")
        begins = texts("every_state") if rank < 0 else names[codes[rank]] if rank < len(codes) else f"> {codes[-1]}"
        needs = texts("nothing") if least is None else texts("reputation_needed", least=figures.mean(least))
        rows.append(
            RuleRow(item["code"], ((item[texts.language],), (begins,), (needs,)), BENEFIT_PREFIX + item["code"])
        )
    columns = tuple(RuleColumn(code, texts.column(code)) for code in ("benefit", "from_level", "also_needs"))
    return RuleSection(BENEFITS, texts.section(BENEFITS), columns, tuple(rows), None if rows else texts("no_benefits"))


def table(code: str, texts: Texts, columns: Sequence[RuleColumn], rows: Sequence[RuleRow]) -> RuleSection:
    """A section that only one scheme has."""
    return RuleSection(code, texts.section(code), tuple(columns), tuple(rows))


def facts_section(code: str, policy: Policy, texts: Texts, values: Mapping[str, str]) -> RuleSection:
    """The facts of a section; one that needs a value which the policy does not give is none of it."""
    rows = [
        RuleRow(
            fact_code(fact), ((_label(fact, policy, texts),), (_told(fact, policy, texts, values),)), basis_code(fact)
        )
        for fact in _facts(texts.scheme)
        if fact["section"] == code and fact.get("needs", code) in (code, *values)
    ]
    return table(code, texts, fact_columns(texts), rows)


def fact_columns(texts: Texts) -> tuple[RuleColumn, ...]:
    """What a fact is called, and what it says."""
    return RuleColumn("what", texts.column("what")), RuleColumn("value", texts.column("value"))


def further_section(policy: Policy, texts: Texts, claimed: set[str]) -> RuleSection:
    """The parameters that stand in no other section, as they are."""
    columns = (RuleColumn("parameter", texts.column("parameter")), RuleColumn("value", texts.column("value")))
    rows = [
        RuleRow(name, ((_first_up(texts.parameter(policy, name)),), (_plain(item.value),)), name)
        for name, item in policy.parameters.items()
        if name not in claimed
    ]
    return RuleSection(FURTHER, texts.section(FURTHER), columns, tuple(rows))


def bases_of(policy: Policy, texts: Texts, sections: Sequence[RuleSection]) -> list[RuleBasis]:
    """What the figures of some sections rest on, each once, in the order in which they stand."""
    codes = dict.fromkeys(code for section in sections for code in section.bases())
    own = {f"{RULE}{name}": rule for name, rule in glance_words(texts.scheme).get("rules", {}).items()}
    rules = own | {basis_code(fact): fact for fact in _facts(texts.scheme)}
    return [_basis(code, policy, texts, rules) for code in codes]


def _basis(code: str, policy: Policy, texts: Texts, rules: Mapping[str, Any]) -> RuleBasis:
    if code in policy.parameters:
        item, called = policy.parameters[code], _first_up(texts.parameter(policy, code))
        return RuleBasis(code, called, item.source, item.status, policy.later_text(code), code, item.value)
    rule = rules[code]
    rests = clauses(policy.scheme)[rule["clause"]] if "clause" in rule else rule
    return RuleBasis(code, _label(rule, policy, texts), rests["source"], rests["status"])


def fact_code(fact: Mapping[str, Any]) -> str:
    return str(fact.get("code") or fact.get("parameter") or fact["clause"])


def basis_code(fact: Mapping[str, Any]) -> str:
    """What a fact rests on: a parameter by its name; a clause or a rule of its own by a code that none has."""
    return str(fact["parameter"]) if "parameter" in fact else f"{RULE}{fact_code(fact)}"


def _facts(scheme: str) -> Iterator[dict[str, Any]]:
    yield from glance_words(scheme).get("facts", ())


def _label(fact: Mapping[str, Any], policy: Policy, texts: Texts) -> str:
    label = fact.get(f"label_{texts.language}")
    if label is None:
        clause = fact.get("clause")
        label = (
            texts.parameter(policy, fact["parameter"])
            if clause is None
            else clause_json(policy, clause, texts.language)["short"]
        )
    return _first_up(str(label))


def _told(fact: Mapping[str, Any], policy: Policy, texts: Texts, values: Mapping[str, str]) -> str:
    if "clause" in fact:
        return str(clause_json(policy, fact["clause"], texts.language)["text"])
    return str(fact[texts.language]).format_map(values)


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
