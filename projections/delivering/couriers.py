"""One endpoint's deliveries: what lies behind its cursor is sent in the order of its numbers, then the cursor moves.

The cursor moves after what it passes has arrived, and never before: who is killed in between sends the same message
again, under the same id. A failure holds its endpoint, and no other.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from random import Random
from typing import Any, Final, NamedTuple

from projections.api.feed import FeedPage, page_behind
from projections.delivering.attempts import ASKED_MICROS_MAX, delay_micros, is_given_up
from projections.delivering.deliveries import Deliveries
from projections.delivering.endpoints import KAFKA, Delivery, Endpoint, Progress
from projections.delivering.messages import Message, began_anew, message_of
from projections.delivering.sending import Sender, Sent
from projections.delivering.topics import TopicSender
from projections.delivering.webhooks import WebhookSender
from projections.http.problems import Problem
from projections.reading.reader import Reading
from replay.errors import LevelbookError

PAGE: Final = 500
"""Changes that are in memory at a time, of each endpoint."""
BEFORE_FIRST: Final = -1


class CourierTurn(StrEnum):
    """How an endpoint stands after a turn."""

    REMOVED = "removed"
    DISABLED = "disabled"
    WAITS = "waits"
    FAILED = "failed"
    MORE = "more"
    CAUGHT_UP = "caught up"


class Happened(NamedTuple):
    """What an operator is told of an endpoint."""

    what: str
    endpoint: str
    problem: str


def sender_of(endpoint: Endpoint) -> Sender:
    """What sends to an endpoint of this kind."""
    return TopicSender(endpoint) if endpoint.kind == KAFKA else WebhookSender(endpoint)


class Courier:
    """Brings changes to one endpoint, from one thread."""

    def __init__(
        self,
        name: str,
        deliveries: Deliveries,
        reading: Reading,
        *,
        give_up_days: int,
        random: Random,
        now: Callable[[], int],
        stopped: Callable[[], bool] = lambda: False,
        told: Callable[[Happened], None] = lambda _: None,
        sender: Callable[[Endpoint], Sender] = sender_of,
        reads: AbstractContextManager[Any] | None = None,
    ) -> None:
        """`reads`: held while the feed is read."""
        self._name, self._deliveries, self._reading = name, deliveries, reading
        self._give_up_days, self._random, self._now = give_up_days, random, now
        self._stopped, self._told, self._sender_of = stopped, told, sender
        self._reads = nullcontext() if reads is None else reads
        self._sender: Sender | None = None
        self._unwritten: Callable[[], bool] | None = None
        """What came of an attempt and could not be written down: nothing is sent before it is."""

    def turn(self) -> CourierTurn:
        """Send a page of changes, or what of it can be sent now.

        Raises StoreError where it cannot be written down or read, Problem where there are no views.
        """
        if self._unwritten is not None:
            self._write(self._unwritten)
        found = self._deliveries.of(self._name)
        if found is None:
            return CourierTurn.REMOVED
        if found.progress.disabled_at is not None:
            return CourierTurn.DISABLED
        now = self._now()
        if now < (found.progress.due_at or 0) <= now + ASKED_MICROS_MAX:  # what is due later was set by a wrong clock
            return CourierTurn.WAITS
        page = self._page(found)
        if page is None:
            return CourierTurn.MORE
        messages = [message_of(event, found) for event in page.events]
        if found.progress.number == BEFORE_FIRST:
            messages.insert(0, began_anew(found, self._now(), page.source))
        return self._sent(found, messages, page)

    def close(self) -> None:
        """Let what sends go."""
        if self._sender is not None:
            self._sender.close()

    def _page(self, found: Delivery) -> FeedPage | None:
        """What lies behind the cursor; None where the feed begins anew, which is noted."""
        with self._reads:
            try:
                return page_behind(self._reading, found.progress.cursor, found.endpoint.schemes, PAGE)
            except Problem as problem:
                if problem.status != HTTPStatus.GONE:
                    raise
            with self._reading.snapshot() as at:
                feed = at.feed
        self._deliveries.begin_anew(self._name, feed)
        return None

    def _write(self, write: Callable[[], bool]) -> bool:
        """Write down what came of an attempt, now or before anything else is sent; whether there was what to note."""
        self._unwritten = write
        is_there = write()
        self._unwritten = None
        return is_there

    def _sent(self, found: Delivery, messages: Sequence[Message], page: FeedPage) -> CourierTurn:
        feed, _, last = page.cursor.partition(".")
        progress, waiting = found.progress, list(messages)
        while waiting:
            if self._stopped():
                return CourierTurn.MORE
            sent = self._attempted(found.endpoint, waiting)
            del waiting[: sent.arrived]
            if sent.arrived:
                number = messages[len(messages) - len(waiting) - 1].number
                note = partial(self._deliveries.arrived, self._name, feed, number, sent.arrived, self._now())
                if not self._write(note):
                    return CourierTurn.REMOVED
                progress = Progress(self._name, feed=feed, number=number)
            if sent.problem is not None:
                return self._failed(progress, sent)
        if (progress.feed, progress.number) != (feed, int(last)):
            self._deliveries.looked(self._name, feed, int(last))
        return CourierTurn.CAUGHT_UP if page.is_last else CourierTurn.MORE

    def _attempted(self, endpoint: Endpoint, waiting: Sequence[Message]) -> Sent:
        """Send the first of some messages. What an endpoint's sender stumbles over is a failure of this endpoint."""
        now = self._now()
        secrets = self._deliveries.secrets(self._name, now)
        try:
            if self._sender is None:
                self._sender = self._sender_of(endpoint)
            return self._sender.send(waiting[: self._sender.at_once], secrets, now)
        except LevelbookError as error:
            return Sent(problem=str(error))
        except Exception as error:
            return Sent(problem=f"nothing can be sent to it: {type(error).__name__}: {error}")

    def _failed(self, before: Progress, sent: Sent) -> CourierTurn:
        """Note when to try again; or that it is not tried again, and tell it."""
        now, problem = self._now(), str(sent.problem)
        failures, since = before.failures + 1, before.failing_since or now
        given_up = is_given_up(failures, since, now, self._give_up_days)
        due = now + delay_micros(failures, self._random, sent.asked_micros)
        is_disabled = sent.is_gone or given_up
        disabled_at = now if is_disabled else None
        note = partial(self._deliveries.failed, self._name, before.failures, since, due, problem, disabled_at)
        if not self._write(note):  # enabled meanwhile, and so tried again at once; or removed
            return CourierTurn.FAILED
        if is_disabled:
            self._told(Happened("disabled", self._name, problem))
        elif failures == 1:
            self._told(Happened("failing", self._name, problem))
        return CourierTurn.DISABLED if is_disabled else CourierTurn.FAILED
