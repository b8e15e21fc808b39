"""Consuming: messages → the ledger → the group's offsets, batch by batch, and never in another order.

A message that comes again, after a crash or when partitions change hands, is known and changes nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from domain.limits import BATCH_LINES_MAX
from replay.consuming.dead_letters import DeadLetter, DeadLetters
from replay.consuming.messages import Reading, TopicMessage
from replay.intake.outcomes import REFUSALS_MAX, Counts, TooManyRefused
from replay.intake.parallel import DecodedBlock, decode_block
from replay.intake.targets import Target
from replay.parsing.envelope import Undocumented
from replay.parsing.refusals import Refusal
from replay.processes import rare_cycle_search
from replay.recording.append import Stamper, ledger_clock
from replay.store.base.identity import Head
from replay.store.base.transaction import Transaction
from replay.tracing import TRACEPARENT, About, span


class Messages(Protocol):
    """Where messages come from."""

    @property
    def at_end(self) -> bool: ...

    def next(self, count: int) -> list[TopicMessage]: ...

    def commit(self, messages: Sequence[TopicMessage]) -> None: ...


class ConsumeWatcher(Protocol):
    """Whoever follows what becomes of messages."""

    def refused(self, where: str, refusal: Refusal) -> None: ...

    def acknowledged(self, messages: Sequence[TopicMessage], head: Head) -> None:
        """These are durable: recorded, already known, without an event, or kept among the dead letters."""


class Consumption:
    """One run. `counts` are of events; a message without any is passed over."""

    def __init__(
        self,
        messages: Messages,
        reading: Reading,
        target: Target,
        letters: DeadLetters,
        watcher: ConsumeWatcher,
        *,
        clock_behind: bool = False,
        refusals_max: int = REFUSALS_MAX,
        undocumented: Undocumented = Undocumented.REFUSE,
    ) -> None:
        self._messages = messages
        self._reading = reading
        self._target = target
        self._letters = letters
        self._watcher = watcher
        self._clock_behind = clock_behind
        self._refusals_max = refusals_max
        self._undocumented = undocumented
        self._in_a_row = 0
        self.counts = Counts()
        self.dead_letters = 0
        self.consumed = 0

    def run(self, stopped: Callable[[], bool], *, batch: int, once: bool) -> None:
        """Consume until it is asked to stop, or with `once` to the end of the topics. Raises LevelbookError."""
        with rare_cycle_search():
            while not stopped():
                messages = self._messages.next(batch)
                if messages and not self._consume(messages, stopped):
                    return
                if once and not messages and self._messages.at_end:
                    return

    def _consume(self, messages: Sequence[TopicMessage], stopped: Callable[[], bool]) -> bool:
        about: About = {"messaging.system": "kafka", "messaging.batch.message_count": len(messages)}
        with span("consume batch", about, kind="consumer", links=_parents_of(messages)) as tell:
            before = self.dead_letters
            done = self._take(messages, stopped)
            tell({"levelbook.dead_letters": self.dead_letters - before})
        return done

    def _take(self, messages: Sequence[TopicMessage], stopped: Callable[[], bool]) -> bool:
        """Record a batch, keep what is refused of it, then commit its offsets; whether that was done to its end."""
        found = decode_block(self._reading(messages), self._undocumented)
        refused, head = self._record(found)
        letters = [DeadLetter(messages[index], refusals) for index, refusals in sorted(refused.items())]
        for letter in letters:
            for refusal in letter.refusals:
                self._watcher.refused(letter.message.where, refusal)
        if letters and not self._letters.keep(letters, stopped):
            return False
        self._messages.commit(messages)
        self._watcher.acknowledged(messages, head)
        self.consumed += len(messages)
        self.dead_letters += len(letters)
        self._look_at_refusals(messages, refused)
        return True

    def _record(self, found: DecodedBlock) -> tuple[dict[int, list[Refusal]], Head]:
        """Record the events of a block: what is refused, by the index of the message, and where the ledger stands."""
        refused: dict[int, list[Refusal]] = {}
        for index, (_, refusal, _) in zip(found.refused_indexes, found.refused, strict=True):
            refused.setdefault(found.block.number(index), []).append(refusal)
        head = None
        for start in range(0, len(found.candidates), BATCH_LINES_MAX):
            done = self._target.record(found.candidates[start : start + BATCH_LINES_MAX], self._clock)
            head = done.head
            self.counts.add(done)
            for number, refusal in done.refused:
                line = found.line(start + number)
                refused.setdefault(line.number, []).append(line.told(refusal))
        self.counts.refused += sum(map(len, refused.values()))
        self.counts.passed_over += found.passed_over
        self.counts.cut += sum(item.cut for item in found.candidates)
        return refused, head or self._target.head()

    def _clock(self, transaction: Transaction) -> Stamper:
        return ledger_clock(transaction, clock_behind=self._clock_behind)

    def _look_at_refusals(self, messages: Sequence[TopicMessage], refused: dict[int, list[Refusal]]) -> None:
        """Raises TooManyRefused where so many messages in a row were refused that another topic may be meant."""
        for index, message in enumerate(messages):
            self._in_a_row = self._in_a_row + 1 if index in refused else 0
            if self._refusals_max and self._in_a_row == self._refusals_max:
                raise TooManyRefused(
                    message.where,
                    f"{self._in_a_row} messages in a row were refused, the last one {message.where}: the run stops, for"
                    " the topic or its form may be another than was meant. All are among the dead letters"
                    f" ({self._letters.place}); --refusals-max N sets another bound, 0 none",
                )


def _parents_of(messages: Sequence[TopicMessage]) -> Iterator[str]:
    """What senders that trace their work put beside messages."""
    found = (message.header(TRACEPARENT) for message in messages)
    return (parent.decode("latin-1") for parent in found if parent is not None)
