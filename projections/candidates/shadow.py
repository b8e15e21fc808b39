"""A shadow: a build by a candidate policy that following keeps beside the live one, step after step.

It moves after the live build, in transactions of its own. What it cannot do stops it alone: it is set aside with the
reason, and the live views go on.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from domain.calendar import day_of, day_text
from domain.policy import Policy
from projections.candidates.building import begin, bring_beside, remove
from projections.candidates.drift import forget_drift, note_drift
from projections.projector.advance import bring_to
from projections.projector.fill import Progress, fill
from projections.schemes.registry import check_views_whole
from projections.views.belonging import check_history
from projections.views.candidates import CandidateBuild, Counted, note_problem, shadow
from projections.views.database import READY, SHADOW, Build, Views
from projections.views.readahead import Windows
from replay.errors import NotExaminedError, StoreError, UsageError
from replay.objects.naming import FilesPlace


class Started(NamedTuple):
    """A shadow that stands beside the live build."""

    candidate: CandidateBuild
    counted: list[Counted]
    """By scheme, how many levels differ at that moment."""
    resumed: bool


def start(
    views: Views, policy: Policy, segments: FilesPlace | None = None, progress: Progress = lambda *_: None
) -> Started:
    """Fill a build by a candidate and have it kept from here on; one that was set aside is taken up again.

    A killed start goes on from its last finished part. Raises UsageError where another candidate is kept, and where
    there are no views yet.
    """
    check_views_whole()
    with views.alone("rebuild"):
        with views.reading() as connection:
            other = shadow(views, connection)
        if other is not None and other.hash != policy.hash:
            raise UsageError(
                f"a shadow by {other.policies[0].revision} is kept; 'levelbook policy shadow stop' removes it"
            )
        number, resumed = begin(views, (policy,), SHADOW)
        fill(views, number, progress, segments)
        return Started(*bring_beside(views, number), resumed)


def stop(views: Views) -> CandidateBuild | None:
    """Remove the shadow with its drift; None where there is none."""
    with views.alone("rebuild"), views.moving() as connection:
        found = shadow(views, connection)
        if found is None:
            return None
        remove(views, connection, found.build.build)
        forget_drift(views, connection, found.hash)
        return found


class ShadowStopped(NamedTuple):
    """A shadow that could not be moved on."""

    candidate: CandidateBuild | None
    """None where it cannot even be read which one is kept."""
    problem: str
    """Why it is set aside from here on."""


class Keeper:
    """Keeps the shadow where the live build stands, in a process that follows."""

    def __init__(self, views: Views, told: Callable[[ShadowStopped], None] = lambda _: None) -> None:
        self._views = views
        self._told = told
        self._windows = Windows()
        self._noted = ""
        """The hash and day of which the drift is noted."""
        self._unread = ""
        """Why it could not be read which shadow is kept, as told."""

    def keep(self, live: Build) -> None:
        """Bring the shadow, if there is one, to where the live build stands.

        What goes wrong sets it aside; where only the database cannot be used just now, the next step goes on with it.
        """
        found = None
        try:
            with self._views.reading() as connection:
                found = shadow(self._views, connection)
            if found is not None and found.build.phase == READY and found.problem is None:
                self._bring(found, live)
            self._unread = ""
        except (NotExaminedError, OSError, MemoryError):
            return
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            if found is None:
                self._tell_unread(problem)
            else:
                self._set_aside(found, problem)

    def _bring(self, found: CandidateBuild, live: Build) -> None:
        made = bring_to(self._views, found.build.build, live, self._windows)
        check_history(self._views.store, made)  # one that stands later was left alone
        self._note_drift(found, live)

    def _note_drift(self, found: CandidateBuild, live: Build) -> None:
        noted = f"{found.hash} {day_text(day_of(live.as_of))}"
        if noted == self._noted:
            return
        views = self._views
        with views.moving() as connection:
            now = views.live(connection)
            made = shadow(views, connection)
            if made is None or made.build[2:4] != now[2:4]:
                return
            note_drift(views, connection, made, now)
        self._noted = noted

    def _set_aside(self, found: CandidateBuild, problem: str) -> None:
        """Note and tell why a shadow is not kept; nothing of one that was stopped or made anew in the meantime."""
        self._windows = Windows()
        with suppress(StoreError):  # else the next step finds the same
            with self._views.moving() as connection:
                now = shadow(self._views, connection)
                if now is None or (now.build.build, now.hash) != (found.build.build, found.hash):
                    return
                note_problem(self._views, connection, found.build.build, problem)
            self._told(ShadowStopped(found, problem))

    def _tell_unread(self, problem: str) -> None:
        """Tell once that it cannot be read which shadow is kept: each step finds the same."""
        if problem != self._unread:
            self._unread = problem
            self._told(ShadowStopped(None, problem))
