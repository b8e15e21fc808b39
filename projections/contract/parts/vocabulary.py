"""The states, verdicts and notes that answers may name, by scheme and in all.

They stand apart from the schemes' own answers, which are made of keys that take the words of every scheme.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from domain.creator_firefly import contributions as firefly_contributions
from domain.creator_firefly import rule as creator_firefly
from domain.creator_level import contributions as creator_contributions
from domain.creator_level import facts as creator_facts
from domain.creator_level import rule as creator_level
from domain.mcn_level import contributions as mcn_contributions
from domain.mcn_level import facts as mcn_facts
from domain.mcn_level import rule as mcn_level
from domain.merchant_reputation import contributions as reputation_contributions
from domain.merchant_reputation import rule as reputation
from domain.merchant_reputation.account import NOTES as REPUTATION_NOTES
from domain.merchant_tier import contributions as tier_contributions
from domain.merchant_tier import facts as tier_facts
from domain.merchant_tier import values as tier
from domain.rules import contributions as shared_contributions
from replay.history.same_instant import BEFORE_OPENING
from replay.replaying.base import COMMON_NOTES
from replay.schemes.registry import kinds


def one_of(names: Sequence[str]) -> str:
    """The names as they are read: "a, b or c"."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


SUBJECT: Final = one_of([f"{kind}/<id>" for kind in kinds()])
"""How a subject that is judged is named."""


class Vocabulary(NamedTuple):
    """What a scheme's answers say of a subject, and of an event."""

    states: type[StrEnum]
    verdicts: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """Beside those that every scheme's explanation may have."""
    compared: tuple[str, ...] = ()
    """What decided a verdict or a note, beside what every scheme's may name."""
    figures: tuple[str, ...] = ()
    """That its events add to, or that are sums of such."""
    sum_lines: tuple[str, ...] = ()
    """Parts of these figures, beside those of every scheme."""


def _words(verdicts: Iterable[StrEnum]) -> tuple[str, ...]:
    return tuple(map(str, verdicts))


VOCABULARIES: Final = {
    "merchant-reputation": Vocabulary(
        reputation.State,
        tuple(verdict.word for verdict in reputation.Verdict),
        REPUTATION_NOTES,
        (
            *("amount_fen", "pair_net", "month_growth", "reviewed_at", "entered_at", "opened_at", "closing", "flag"),
            *("stars", "default_credit", "due_at", "review"),
        ),
        figures=tuple(reputation_contributions.UNITS),
    ),
    "merchant-tier": Vocabulary(tier.State, _words(tier_facts.Verdict), figures=tuple(tier_contributions.UNITS)),
    "creator-level": Vocabulary(
        creator_level.State,
        _words(creator_facts.Verdict),
        figures=tuple(creator_contributions.UNITS),
        sum_lines=creator_contributions.LINES,
    ),
    "creator-firefly": Vocabulary(
        creator_firefly.State,
        _words(creator_firefly.Verdict),
        compared=(
            *("earned", "earned_at_the_top", "balance", "registered_at", "never_registered"),
            *("first", "cancellation"),
        ),
        figures=tuple(firefly_contributions.UNITS),
    ),
    "mcn-level": Vocabulary(
        mcn_level.State,
        _words(mcn_facts.Verdict),
        figures=tuple(mcn_contributions.UNITS),
        sum_lines=mcn_contributions.LINES,
    ),
}
STATES: Final = sorted({str(state) for words in VOCABULARIES.values() for state in words.states})
VERDICTS: Final = sorted({verdict for words in VOCABULARIES.values() for verdict in words.verdicts})
NOTES: Final = (*(note for words in VOCABULARIES.values() for note in words.notes), BEFORE_OPENING, *COMMON_NOTES)
COMPARED: Final = (
    *(name for words in VOCABULARIES.values() for name in words.compared),
    *("retraction", "names_nothing", "recorded_later"),
)
FIGURES: Final = sorted({figure for words in VOCABULARIES.values() for figure in words.figures})
SUM_LINES: Final = sorted(
    {*shared_contributions.LINES, *(line for words in VOCABULARIES.values() for line in words.sum_lines)}
)
