"""A creator's level as text: figures, the version that can be previewed, what it would take."""

from collections.abc import Iterator
from typing import Final

from projections.text.schemes.facet import Evaluations, Found, SchemeText
from projections.text.schemes.monthly import (
    benefit_lines,
    figures,
    month_lines,
    rests_on_nothing_else,
    state_of,
)
from projections.text.words import Words
from projections.text.words.figures import money_text


def _lines(found: Found, words: Words) -> Iterator[str]:
    if found["month"] is not None:
        yield from figures(found, ("month", "settled", "good", "sales_score", "behaviour_score"), words)
        yield from figures(found, ("reputation_mean", "credit_deducted"), words)
    if found["preview"] is not None:
        preview = found["preview"]
        state, level = words.state(preview["state"]), words.level(preview["level"])
        yield words("preview", policy=preview["policy"], state=state, level=level)
    if found["diagnosis"] is not None:
        yield from _diagnosis_lines(found["diagnosis"], words)
    yield from benefit_lines(found["benefits"], words)
    yield from month_lines(found["months"], ("settled", "good", "sales_score", "behaviour_score"), words)


def _diagnosis_lines(diagnosis: Found, words: Words) -> Iterator[str]:
    for gate in diagnosis["gates_not_met"]:
        yield words("gate_not_met", gate=words.comparison(gate))
    if diagnosis["next_level"] is None:
        return
    moves = []
    if isinstance(diagnosis["settled_missing"], int):
        moves.append(words("move_settled", amount=money_text(diagnosis["settled_missing"])))
    if isinstance(diagnosis["share_needed"], int):
        moves.append(words("move_share", percent=diagnosis["share_needed"]))
    yield words("diagnosis", level=diagnosis["next_level"], moves=words.listed(moves) or words("move_none"))


CREATOR: Final = SchemeText(_lines, Evaluations(state_of, rests_on_nothing_else))
