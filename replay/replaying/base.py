"""What every scheme's replay is: what was asked, by which policies, and what came of it.

A replay gives values. A scheme's own class says how its events are judged; explanations, histories and differences
are made of these parts and know no scheme. How the values are written is the business of `replay.rendering`.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from functools import cached_property
from types import MappingProxyType
from typing import ClassVar, Final, NamedTuple, Self

from domain.calendar import month_of
from domain.events import CORRECTION_TYPES, Event
from domain.keys import stream_key
from domain.policy import Policy, start_of_month
from domain.rules.contributions import Contribution, FigureSum
from replay.history.readers import Reader
from replay.history.same_instant import LACKING, Causes
from replay.history.timeline import Moment, events_of
from replay.policies.catalog import Choice
from replay.policies.names import level_names
from replay.replaying.records import Lend
from replay.replaying.values import (
    Compared,
    DecidingEvent,
    Differing,
    Effective,
    Figure,
    Instants,
    Judged,
    LevelChange,
    Made,
    Measure,
    Standing,
    of_month,
)
from replay.replaying.what_is_known import WhatIsKnown
from replay.store.base.store import Store

RETRACTED_NOTE: Final = "retracted"
RETRACTS_NOTHING: Final = "retracts_nothing"
NAMED_IN_VAIN: Final = "named_in_vain"
COMMON_NOTES: Final = (RETRACTED_NOTE, RETRACTS_NOTHING, NAMED_IN_VAIN)
"""The notes that every scheme's explanation may have."""


class Policies(NamedTuple):
    """The versions that take part, the earliest first."""

    own: Sequence[Policy]
    beside: Sequence[Policy] = ()
    """Of the schemes that the own one rests on, whose subjects are judged beside it."""
    previewed: Sequence[Policy] = ()
    """Not in force yet, but open for preview at `as_of`."""


class Origin(NamedTuple):
    """Out of which ledger a replay was made, and which policies were asked for."""

    lend: Lend
    choice: Choice


class Part(NamedTuple):
    """Which part of an explanation is wanted: None for all of it."""

    month: int | None = None
    event_id: str | None = None
    day: int | None = None
    """In schemes that evaluate day by day: what that day's evaluation rests on."""


class Replay(WhatIsKnown, ABC):
    """One replay of one subject."""

    has_points: ClassVar[bool] = False
    """Whether its verdicts bear points that add up."""
    words: ClassVar[tuple[str, ...]]
    """The words of its verdicts, by the numbers that stand for them in columns; new ones are added at the end."""
    figures_decided: ClassVar[int] = 0
    """How many figures `decided_figures` has where it has any; 0 where that differs from one to another."""
    thresholds: ClassVar[Mapping[str, Measure | None]] = MappingProxyType({})
    """The numbers of a policy on which levels rest, as paths such as "levels/*/from_points", each with the figures that
    are held against it; None where these are no figures of a decision."""
    unmeasured: ClassVar[frozenset[str]] = frozenset()
    """The states in which no figure is held against them."""
    reputation_figures: ClassVar[tuple[int, int] | None] = None
    """Where `decided_figures` has the reputation that benefits may also need: its sum in hundredths, and its days."""

    took_part: Sequence[Event]
    """The events that took part, in the order of processing."""
    origin: Origin | None = None
    """Where what was known earlier is read from; None of a replay of some events alone."""

    def __init__(self, subject: str, known: list[Event], moment: Moment, policies: Policies) -> None:
        self.subject = subject
        self.known = known
        """The events that were known, in the order of the ledger."""
        self.moment = moment
        self.policies = policies

    @classmethod
    def load(cls, store: Store, subject: str, position: int, also: Collection[str] = ()) -> list[Event]:
        """What a replay of a subject rests on, in the order of the ledger; `also` what it reads of others beside."""
        return list(events_of(store, subject, position))

    @staticmethod
    def period_start(instant: int) -> int:
        """The beginning of the period that holds an instant: by periods one version follows another."""
        return start_of_month(instant)

    @classmethod
    def entitling_rank(cls, policy: Policy, standing: Standing) -> int | None:
        """By which rank benefits are held: that of the level; None for none."""
        return None if standing.level is None else cls.level_codes(policy).index(standing.level)

    @classmethod
    def limits(cls, policy: Policy, standing: Standing) -> Mapping[str, int | None]:
        """The daily limits that a level sets, by name; None for one without limit. Nothing where levels set none."""
        return {}

    def shown_to(self, reader: Reader) -> Self:
        """The same replay as a reader may see it: no rule reads a decision, so that leaving them out changes nothing
        but what is shown of them.
        """
        found = copy(self)
        found.reader = reader
        found.known = [event for event in self.known if reader.shows(event.type)]
        return found

    def with_open_future(self) -> Self:
        """The same replay, of which nothing is known that happened after `as_of`, but for corrections.

        It finds the same at `as_of`; what is laid over it later rests on nothing that came in truth.
        """
        known = self.known_until(self.moment.as_of)
        if len(known) == len(self.known):
            return self
        found = type(self)(self.subject, known, self.moment, self.policies)
        found.origin, found.reader = self.origin, self.reader
        return found

    def known_until(self, instant: int) -> list[Event]:
        """What is known that had happened by an instant, and all corrections."""
        return [event for event in self.known if event.occurred_at <= instant or event.type in CORRECTION_TYPES]

    @classmethod
    def streams(cls, store: Store, subject: str, position: int) -> list[str]:
        """The streams that `load` reads whole."""
        return [subject]

    @property
    @abstractmethod
    def policy(self) -> Policy:
        """The version that judges the period of `as_of`."""

    @abstractmethod
    def policy_at(self, instant: int) -> Policy:
        """The version that judges the period of an instant."""

    @property
    @abstractmethod
    def judged(self) -> Sequence[Judged]:
        """Every verdict, in the order of judgement."""

    @cached_property
    def notes(self) -> dict[int, str]:
        """By position, why an event without a verdict has none."""
        found = self.own_notes() | dict.fromkeys(self.in_vain, RETRACTS_NOTHING)
        shown = {judged.position for judged in self.judged} | found.keys()
        unsaid = {event.position for event in self.took_part} & self.named_in_vain.keys() - shown
        return found | dict.fromkeys(unsaid, NAMED_IN_VAIN) | dict.fromkeys(self.retracted, RETRACTED_NOTE)

    def own_notes(self) -> dict[int, str]:
        """The notes that only this scheme gives."""
        return {}

    @abstractmethod
    def standing(self) -> Standing:
        """Where the subject stands at `as_of`."""

    @abstractmethod
    def effective(self) -> Effective:
        """What counts towards the outside at `as_of`."""

    @abstractmethod
    def changes(self) -> Sequence[LevelChange]:
        """Each change of state or level up to `as_of` with its cause, the earliest first."""

    @property
    @abstractmethod
    def score(self) -> int | None:
        """What the scheme ranks by: points in tenths, the rank of the tier, 4S + B, the total; None without."""

    @property
    @abstractmethod
    def decided_figures(self) -> Sequence[int]:
        """The figures that the digest of a decision covers, as docs/reference/digests.md lists them by scheme."""

    @classmethod
    def keys(cls, store: Store, subject: str, position: int) -> list[str]:
        """The keys (`domain.keys`) of the records that a replay of a subject reads."""
        return [stream_key(subject)]

    @classmethod
    @abstractmethod
    def level_codes(cls, policy: Policy) -> Sequence[str]:
        """The codes of a policy's levels, the lowest first."""

    @classmethod
    def level_names_of(cls, policies: Policies, language: str) -> dict[str, str]:
        """What the levels of some policies are called in a language, by code: as in the last that has it."""
        named = [level_names(policy, cls.level_codes(policy), language) for policy in policies.own]
        return {code: name for names in named for code, name in names.items()}

    def level_names(self, language: str) -> dict[str, str]:
        return self.level_names_of(self.policies, language)

    def balance(self, index: int) -> int | None:
        """The points after a verdict, in tenths; None in schemes that have none."""
        return None

    def contribution(self, index: int) -> Sequence[Contribution]:
        """What the event of a verdict adds to which figure."""
        return ()

    def sums(self, part: Part) -> Sequence[FigureSum]:
        """How the figures of a part's periods add up."""
        return ()

    def policy_of(self, index: int) -> Policy:
        """The version that a verdict was given under."""
        return self.policy_at(self.judged[index].at)

    def policy_of_note(self, position: int) -> Policy:
        """The version that a note was given under."""
        return self.policy

    def compared(self, index: int) -> Compared | None:
        """The figures or the event that decided a verdict; None where none did."""
        return None

    def compared_of_note(self, position: int) -> Compared | None:
        """The figure or the event that says why there is no verdict."""
        note = self.notes[position]
        if note == RETRACTED_NOTE:
            return DecidingEvent("retraction", self.retracted[position])
        if note != RETRACTS_NOTHING:
            return None
        later = self.in_vain[position]
        if later is not None:
            return DecidingEvent("recorded_later", later)
        data = self.events[position].data
        return Figure("names_nothing", f"{data.source} {data.event}", None)

    def same_instant(self, position: int, made: str, at: int) -> int | None:
        """Where the cause stands that an event lacks, if it happened at the same instant and was recorded after it.

        The event is named by its position, with its verdict or note and the instant of that.
        """
        return self.causes.after(self.events[position], made, at) if made in LACKING else None

    @cached_property
    def causes(self) -> Causes:
        """What can be a cause, among the events that took part."""
        return Causes(self.took_part)

    def month_standing(self, month: int) -> Standing | None:
        """Where the subject stood by a month, at its close or at `as_of`; None before there was anything to say."""
        before = [change.after for change in self.changes() if month_of(change.at) <= month]
        return before[-1] if before else None

    def rules_shown(self, part: Part) -> list[tuple[str, Policy]]:
        """The rules that the explanation of a part shows, each with the policy that it was tried under."""
        return []

    # --- parts of an explanation --------------------------------------------------------------------------------------

    def instants_of(self, part: Part) -> Instants | None:
        """When what a part tells of was judged or happened; None for whenever."""
        return None if part.month is None else of_month(part.month)

    def verdicts_in(
        self, instants: Instants | None, positions: Collection[int] | None, verdict: str | None = None
    ) -> list[int]:
        """The places in `judged` of the verdicts in a while, on the events at some positions, of a name: of each that
        is given.
        """
        return [
            index
            for index, judged in enumerate(self.judged)
            if (instants is None or instants.begins <= judged.at < instants.ends)
            and (positions is None or judged.position in positions)
            and verdict in (None, judged.verdict)
        ]

    def notes_in(self, instants: Instants | None, positions: Collection[int] | None) -> list[int]:
        """In the same way the positions of the events with a note, in the order of the ledger."""
        return sorted(
            position
            for position in self.notes
            if (instants is None or instants.begins <= self.events[position].occurred_at < instants.ends)
            and (positions is None or position in positions)
        )

    def verdict_counts(self, instants: Instants | None) -> dict[str, int]:
        """How often each verdict was given in a while or at all."""
        return dict(Counter(self.judged[index].verdict for index in self.verdicts_in(instants, None)))

    def teller(self, index: int) -> "tuple[Replay, int]":
        """The replay that tells of a verdict what led to it, and the verdict's place there."""
        return self, index

    def teller_of_note(self, position: int) -> "Replay":
        """In the same way for a note."""
        return self

    @cached_property
    def made(self) -> dict[int, Made]:
        """By position, what the scheme made of an event."""
        made: dict[int, Made] = dict(self.notes)
        return made | {judged.position: judged for judged in self.judged}

    def differing(self, after: "Replay") -> list[Differing]:
        """The events of which another replay makes something else, in the order of the ledger."""
        was, now = self.made, after.made
        positions = sorted(was.keys() | now.keys())
        return [Differing(at, was.get(at), now.get(at)) for at in positions if was.get(at) != now.get(at)]

    @cached_property
    def total_tenths(self) -> int:
        """The points that the verdicts add up to; 0 in schemes that have none."""
        return sum(judged.tenths or 0 for judged in self.judged)

    def tenths_of(self, verdicts: Sequence[int]) -> int:
        """The points of verdicts by their places in `judged`, added up."""
        return sum(self.judged[index].tenths or 0 for index in verdicts)

    @classmethod
    def assumed_of(cls, policies: Policies) -> list[str]:
        """The parameters of some policies that no rule text gives, in alphabetical order."""
        return sorted({name for policy in policies.own for name in policy.assumed})

    @property
    def assumed(self) -> list[str]:
        return self.assumed_of(self.policies)

    @property
    def in_force(self) -> bool:
        return self.moment.as_of >= self.policy.in_force_from
