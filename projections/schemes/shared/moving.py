"""How one step moves the units of a scheme: what a mover reads of the step, and what it gives."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from domain.events import Event
from projections.views.step import Rewrite, Step

SINCE_FIRST_MONTH: Final = 0


@dataclass
class Work:
    """What a step brings, as all movers see it."""

    step: Step
    new: dict[str, list[Event]] = field(default_factory=dict)
    """By subject, its new events."""
    touched: dict[str, list[Event]] = field(default_factory=dict)
    """The same, with what a retraction takes out or brings back in the retraction's place."""
    due: dict[tuple[str, str], int] = field(default_factory=dict)
    """By subject and scheme, the instant at which time alone changes it."""
    aside: set[tuple[str, str]] = field(default_factory=set)
    """The subjects and schemes that are set aside."""
    changed: dict[tuple[str, str], int] = field(default_factory=dict)
    """By scheme and subject, the earliest month that what rests on it may see changed."""

    def note_changed(self, scheme: str, subject: str, month: int) -> None:
        self.changed[scheme, subject] = min(month, self.changed.get((scheme, subject), month))


class Mover(ABC):
    """Moves the units of one scheme in one step: goes on with them, or works them out."""

    looked_up: ClassVar[tuple[str, ...]] = ()
    """Tables whose rows are looked up together of the subjects that could not be gone on with."""

    def __init__(self, scheme: str, work: Work) -> None:
        self.scheme = scheme
        self.work = work
        self.step = work.step

    def is_judged_anew(self) -> bool:
        """Whether since the last step another version has come to judge every unit, whether it is due or not."""
        return False

    def others(self) -> Collection[str]:
        """Subjects to be looked at, beside those that are touched or due."""
        return ()

    def orders(self, subject: str) -> Iterable[str]:
        """The orders of a touched subject whose other events have to be known to judge the new ones."""
        return ()

    def reaches_back(self, subject: str) -> bool:
        """Whether new events of a subject bear on what cannot be gone on with, so that much may be judged again."""
        return False

    def ready(self, subjects: Sequence[str]) -> Sequence[str]:
        """Those of these subjects that may be gone on with; what `go_on` needs of them is read together."""
        return ()

    def go_on(self, subject: str) -> list[Rewrite] | None:
        """What a ready subject changes, from what is kept of it; None where it has to be worked out."""
        return None

    @abstractmethod
    def work_out(self, subject: str, fresh: bool) -> list[Rewrite] | None:
        """What a subject changes, from nothing where it is `fresh`; None where it is not concerned."""

    def finish(self) -> list[Rewrite]:
        """What changes over all subjects, once all units are written."""
        return []

    def due(self, subject: str) -> int | None:
        return self.work.due.get((subject, self.scheme))

    def orders_named(self, subject: str) -> list[str]:
        """The orders that a subject's touched events are about."""
        return [event.data.order for event in self.touched(subject) if hasattr(event.data, "order")]

    def touched(self, subject: str) -> list[Event]:
        return self.work.touched.get(subject, [])
