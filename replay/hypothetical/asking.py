"""What is asked of an overlay, read and checked: events out of a file, and up to when time moves on."""

from collections.abc import Sequence
from pathlib import Path

from domain.calendar import shanghai_text
from domain.limits import DAY_MICROS, WHAT_IF_DAYS_MAX, WHAT_IF_EVENTS_MAX
from domain.policy import Policy
from replay.errors import UsageError
from replay.history.timeline import asked_instant
from replay.hypothetical.laid import Supposed, read_supposed
from replay.parsing.lines import blocks, check_files, is_passed_over
from replay.parsing.unpacking import BrokenInput
from replay.policies.reading import read_policy
from replay.store.base.store import Store
from replay.store.buyers import key_of


def read_events(name: str) -> list[Supposed]:
    """The events in a file of the interchange, `-` being standard input.

    Raises UsageError for a file that cannot be read, a line that holds no well-formed event, and too many events.
    """
    check_files((name,))
    found: list[Supposed] = []
    try:
        for block in blocks(name):
            numbered = enumerate(block.lines, block.first_line)
            found += [
                read_supposed(line, f"{block.name}:{number}") for number, line in numbered if not is_passed_over(line)
            ]
            check_number(found)
    except BrokenInput as error:
        raise UsageError(str(error)) from None
    return found


def check_number(events: Sequence[Supposed]) -> None:
    """Raises UsageError for more events than are laid over a replay."""
    if len(events) > WHAT_IF_EVENTS_MAX:
        raise UsageError(
            f"there are more than {WHAT_IF_EVENTS_MAX} hypothetical events; ask with fewer, or ingest into a ledger to"
            " try them on"
        )


def moved_to(option: str, text: str | None, as_of: int, events: Sequence[Supposed], now: int) -> int:
    """Up to when time moves on: as asked; else to the last event, where that is later than the replay.

    Raises UsageError for a malformed instant, one before the replay's, and one too far ahead, of an event as well.
    """
    asked, farthest = asked_instant(option, text, now), now + WHAT_IF_DAYS_MAX * DAY_MICROS
    if asked is None:
        far = next((item.where for item in events if item.event.occurred_at > farthest), None)
        if far is not None:
            raise UsageError(f"{far} is more than ten years ahead; give it an earlier time, or leave it out")
        return max([as_of, *(item.event.occurred_at for item in events)])
    if asked < as_of:
        raise UsageError(
            f"{option} {text} is before {shanghai_text(as_of)}, where time moves on from; give a later one, or replay"
            " as of then"
        )
    if asked > farthest:
        raise UsageError(f"{option} {text} is more than ten years ahead; give an earlier one")
    return asked


def candidate(path: Path, scheme: str) -> Policy:
    """The policy in a file, to judge by though nobody adopted it. Raises UsageError for one of another scheme."""
    found = read_policy(path)
    if found.scheme != scheme:
        raise UsageError(f"{path} holds a policy of {found.scheme}; name a policy of {scheme}")
    return found


def key_at_hand(store: Store) -> bytes | None:
    """The key for buyers where it is at hand; without it each buyer of a hypothetical event is somebody new."""
    try:
        return key_of(store)
    except UsageError:
        return None
