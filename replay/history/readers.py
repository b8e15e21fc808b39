"""Who reads an answer: decisions are shown only to those who may read them.

Whatever reads a decision asks for the reader, and refuses one who may not: so an answer that forgets to leave decisions
out tells nothing. Answers that hold decisions beside other things leave them out instead, by `sees_decisions`.
"""

from typing import Final, NamedTuple

from replay.errors import UsageError

DECISION_TYPES: Final = frozenset({"level.decided", "board.decided", "decisions.run"})
"""The events that say what was decided."""


class HiddenError(UsageError):
    """Decisions were asked for by a reader who may not see them."""


class Reader(NamedTuple):
    """Who an answer is made for."""

    sees_decisions: bool

    def shows(self, event_type: str) -> bool:
        """Whether events of a type are shown to this reader."""
        return self.sees_decisions or event_type not in DECISION_TYPES

    def check(self, event_type: str) -> None:
        """Raises HiddenError where events of a type are not shown to this reader."""
        if not self.shows(event_type):
            raise HiddenError("decisions were asked for, which are not shown to this reader; leave them out")


EVERYTHING_SHOWN: Final = Reader(sees_decisions=True)
"""Who reads the ledger itself, by the commands."""
