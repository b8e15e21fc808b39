"""The aggregates: what the ledger itself may append to a stream.

Facts from outside are recorded, not decided, and are no part of an aggregate's state: it stays
small however long the stream is.
"""

from dataclasses import dataclass, field

from domain.events import BoardDecided, Data, DecisionsRun, Event, LevelDecided, PolicyAdopted


@dataclass
class Stream:
    """A stream that the ledger decides on.

    `version` is the last version of the stream, whatever was recorded there.
    """

    id: str
    version: int = 0
    pending: list[Event] = field(default_factory=list)
    outdated: bool = False
    """Set when a save failed."""

    def collect_events(self) -> list[Event]:
        """The events to be saved; the library's `save` calls this.

        Raises ValueError after a failed save: what was decided rests on a stream that has moved on.
        """
        if self.outdated:
            raise ValueError(f"a save of {self.id} failed; read it again and decide again")
        collected, self.pending = self.pending, []
        return collected

    def _append(
        self, event_type: str, data: Data, *, source: str, event_id: str, at: int, causation: str | None = None
    ) -> None:
        self.version += 1
        self.pending.append(
            Event(
                originator_id=self.id,
                originator_version=self.version,
                position=0,
                occurred_at=at,
                recorded_at=0,
                source=source,
                id=event_id,
                type=event_type,
                data=data,
                causation=causation,
            )
        )


@dataclass
class Subject(Stream):
    """A merchant, creator or agency as the ledger's own decisions see it."""

    schemes: tuple[str, ...] = ()
    """Those that judge this kind of subject."""
    decisions: dict[tuple[str, str], LevelDecided] = field(default_factory=dict)
    """The latest decision by (scheme, period)."""

    def decide_level(self, decision: LevelDecided, *, source: str, decided_at: int) -> None:
        """Fix a level; nothing happens when this run has decided it already. `source` names the run.

        Raises ValueError for a scheme that does not judge this kind of subject.
        """
        if decision.scheme not in self.schemes:
            raise ValueError(f"{decision.scheme} does not judge {self.id}")
        latest = self.decisions.get((decision.scheme, decision.period))
        if latest is not None and latest.run == decision.run:
            return
        self._append("level.decided", decision, source=source, event_id=self.id, at=decided_at)
        self.evolve(decision)

    def last_up_to(self, scheme: str, period: str) -> LevelDecided | None:
        """The latest decision of a scheme on a period, or where there is none on the last one before it."""
        periods = [decided for name, decided in self.decisions if name == scheme and decided <= period]
        return self.decisions[scheme, max(periods)] if periods else None

    def evolve(self, decision: LevelDecided) -> None:
        self.decisions[decision.scheme, decision.period] = decision


@dataclass
class PolicyBook(Stream):
    """The policy revisions that a scheme has adopted."""

    latest: dict[str, str] = field(default_factory=dict)
    """By policy id, the hash of the revision adopted last."""

    def adopt(self, adoption: PolicyAdopted, *, source: str, adopted_at: int, causation: str | None = None) -> bool:
        """Adopt a revision; False, and nothing happens, when it is the one adopted last.

        `causation` says on what ground.

        Raises ValueError for the policy of another scheme.
        """
        if self.id != f"policy/{adoption.scheme}":
            raise ValueError(f"{self.id} takes no policy of {adoption.scheme}")
        if self.latest.get(adoption.id) == adoption.hash:
            return False
        event_id = f"{self.id}-{self.version + 1}"
        self._append("policy.adopted", adoption, source=source, event_id=event_id, at=adopted_at, causation=causation)
        self.evolve(adoption)
        return True

    def evolve(self, adoption: PolicyAdopted) -> None:
        self.latest[adoption.id] = adoption.hash


@dataclass
class DecisionBook(Stream):
    """The runs of decisions that the ledger has begun, and those that are finished."""

    runs: list[DecisionsRun] = field(default_factory=list)
    """As they began, the earliest first."""
    finished: dict[str, int] = field(default_factory=dict)
    """By run, how many subjects got a decision."""

    def latest(self, scheme: str, period: str) -> DecisionsRun | None:
        """The last run of a scheme for a period."""
        return next((run for run in reversed(self.runs) if (run.scheme, run.period) == (scheme, period)), None)

    def record(self, run: DecisionsRun, *, source: str, at: int) -> None:
        """Begin a run, or finish it."""
        event_id = f"{run.run}-{run.phase}"
        self._append("decisions.run", run, source=source, event_id=event_id, at=at)
        self.evolve(run)

    def evolve(self, run: DecisionsRun) -> None:
        if run.phase == "begun":
            self.runs.append(run)
        else:
            self.finished[run.run] = run.decided or 0


@dataclass
class Board(Stream):
    """A monthly board as the ledger's own decisions see it."""

    decisions: dict[str, BoardDecided] = field(default_factory=dict)
    """The latest decision by month."""

    def decide(self, decision: BoardDecided, *, source: str, at: int) -> None:
        """Fix a board; nothing happens when this run has decided it already."""
        latest = self.decisions.get(decision.period)
        if latest is not None and latest.run == decision.run:
            return
        self._append("board.decided", decision, source=source, event_id=self.id, at=at)
        self.evolve(decision)

    def evolve(self, decision: BoardDecided) -> None:
        self.decisions[decision.period] = decision
