"""One month of a merchant's reputation, replayed from the account at which it opened and not from the whole past."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from domain.merchant_reputation.account import Publication
from domain.merchant_reputation.rule import BEFORE_ALL, NEW, Account, Span, Verdict
from domain.merchant_reputation.running import run
from replay.schemes.merchant_reputation.replay import ReputationReplay


class MonthReplay(ReputationReplay):
    """A replay from a month's opening on. Only what it tells of that month is whole: verdicts, notes, and their sum.

    It must know what happened from the longest review window before the opening to the month's end, everything of the
    orders that this names, the closing of the shop before, and the merchant's retractions.
    """

    @cached_property
    def published(self) -> Publication | None:
        """None: what is published is not told of a month."""
        return None

    @cached_property
    def settled(self) -> Mapping[int, Verdict]:
        """An order's own events alone say which review or receipt is its entry: also of reviews before the opening."""
        return {finding.position: finding.verdict for finding in run(self.history, self.spans).findings}


def bears_from(opening: Account, spans: Sequence[Span]) -> int:
    """From which instant on events bear on what follows an opening: the longest review window before it."""
    return BEFORE_ALL if opening == NEW else opening.month_end - max(span.rules.window_micros for span in spans)
