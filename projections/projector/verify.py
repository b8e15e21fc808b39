"""Verifying everything: the ledger first, then what is derived from it, each with a verdict of its own."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from domain.calendar import instant_text
from domain.version import PROGRAM_VERSION
from projections.views.location import has_views
from replay.columnar.check import check_archive
from replay.errors import LevelbookError, NotExaminedError
from replay.integrity.kept import NONE, NOT_CHECKED, SOUND, UNSOUND, Check, keep
from replay.integrity.verify import WORKERS, Kept, Verified, verify
from replay.objects.naming import FilesPlace
from replay.store.base.store import Store

if TYPE_CHECKING:
    from projections.views.database import Views

EXIT_LEDGER: Final = 1
EXIT_SEGMENTS: Final = 5
EXIT_VIEWS: Final = 6
EXIT_BOTH: Final = 7
EXIT_SERVICE: Final = 8
"""Exit statuses by what is not sound; the ledger goes before all else, and both are segments and views.

What the service keeps comes last. Where nothing is found unsound, and something could not be looked at, it is that of
NotExaminedError.
"""

Progress = Callable[[int], None]
Shown = Callable[[str, int], AbstractContextManager[Progress]]
Rebuilding = Callable[[], AbstractContextManager[Callable[[str, int, int], None]]]
"""Shows how far the comparison of views has come: its phase, done, of how many."""
"""Shows how far a piece of work is: its name, and how much there is in all."""


@dataclass(frozen=True)
class Derived:
    """What was found of segments or views."""

    verdict: str
    position: int | None = None
    problems: list[str] = field(default_factory=list)
    set_aside: int = 0
    """Of views: subjects whose rows are known to be stale, and were not compared."""

    @property
    def could_not_be_seen(self) -> bool:
        """Whether `problems` says why it could not be looked at; that is no finding about it."""
        return self.verdict == NOT_CHECKED and bool(self.problems)

    @property
    def was_not_looked_at(self) -> bool:
        return self.verdict in (NONE, NOT_CHECKED) and not self.problems


class Outcome(NamedTuple):
    """The four verdicts, and where they are stored or why they are not."""

    ledger: Verified
    segments: Derived
    views: Derived
    service: Derived
    """How the tables are defined in which the service keeps tokens and accesses; their rows are not derived."""
    kept_in: str | None
    not_kept: str | None

    @property
    def exit_status(self) -> int:
        if self.ledger.problems:
            return EXIT_LEDGER
        wrong = (self.segments.verdict == UNSOUND, self.views.verdict == UNSOUND)
        if any(wrong):
            return {(True, False): EXIT_SEGMENTS, (False, True): EXIT_VIEWS, (True, True): EXIT_BOTH}[wrong]
        if self.service.verdict == UNSOUND:
            return EXIT_SERVICE
        unseen = any(part.could_not_be_seen for part in (self.segments, self.views, self.service))
        return NotExaminedError.exit_status if unseen else 0


def verify_all(
    store: Store,
    noted: Kept | None,
    segments: FilesPlace | None,
    told: Callable[[Verified], None],
    shown: Shown,
    rebuilding: Rebuilding,
    workers: int = WORKERS,
) -> Outcome:
    """Verify a ledger by some processes, tell what was found, and then look at what lies beside it; keep the verdicts.

    What goes wrong with segments, views and the service's tables is a finding about these, and never one about the
    ledger. Raises NotExaminedError where the ledger changed in a way that lets nothing be said, and LevelbookError
    before anything is looked at where there are views and a scheme's is not whole.
    """
    _check_views_whole(store)
    with shown("verifying", store.head().position) as progress:
        ledger = verify(store, noted, progress, workers)
    store.check_unchanged()
    told(ledger)
    if ledger.problems:
        of_segments = of_views = Derived(NOT_CHECKED)
    else:
        of_segments = _or_finding(lambda: _segments(store, segments, shown))
        of_views = _or_finding(lambda: _views(store, segments, rebuilding))
        store.check_unchanged()
    of_service = _or_finding(lambda: _service(store))
    kept_in, not_kept = keep(store, _check(store, noted, ledger, of_segments, of_views, of_service))
    return Outcome(ledger, of_segments, of_views, of_service, kept_in, not_kept)


def _or_finding(look: Callable[[], Derived]) -> Derived:
    try:
        return look()
    except NotExaminedError as error:
        return Derived(NOT_CHECKED, None, [str(error)])
    except LevelbookError as error:
        return Derived(UNSOUND, None, [str(error)])


def _segments(store: Store, named: FilesPlace | None, shown: Shown) -> Derived:
    folder = named or store.segments_path()
    if folder is None:
        return Derived(NONE)
    with shown("comparing segments", store.head().position) as progress:
        found = check_archive(store, folder, progress)
    return Derived(NONE) if found is None else _derived(found.position, found.problems)


def _check_views_whole(store: Store) -> None:
    """That is a fault of the program, and would otherwise be reported as one of the views, perhaps after hours."""
    if has_views(store):
        from projections.schemes.registry import check_views_whole

        check_views_whole()


def _views(store: Store, segments: FilesPlace | None, rebuilding: Rebuilding) -> Derived:
    if not has_views(store):
        return Derived(NONE)
    from projections.projector.check import check_views
    from projections.views.database import has_live, open_views

    with open_views(store, only_read=True) as views, rebuilding() as progress:
        if not has_live(views):
            return _without_live(views)
        found = check_views(views, progress, segments)
    return _derived(found.position, found.problems, found.set_aside)


def _without_live(views: "Views") -> Derived:
    """Without a live build there is nothing to compare, and nothing that could be shown either."""
    from projections.views.definitions import views_differ

    with views.reading() as connection:
        problems = views_differ(views, connection)
    return Derived(UNSOUND if problems else NONE, None, problems)


def _service(store: Store) -> Derived:
    from projections.http.token_store import find_keeping

    found = find_keeping(store)
    if found is None:
        return Derived(NONE)
    with found as keeping:
        problems = [f"service: {problem}" for problem in keeping.problems()]
    return Derived(UNSOUND if problems else SOUND, None, problems)


def _derived(position: int, problems: list[str], set_aside: int = 0) -> Derived:
    return Derived(UNSOUND if problems else SOUND, position, problems, set_aside)


def _check(
    store: Store, noted: Kept | None, ledger: Verified, segments: Derived, views: Derived, service: Derived
) -> Check:
    return Check(
        at=instant_text(store.now()),
        ledger=store.identity.id,
        head=ledger.head.text(store.identity.id),
        noted=None if noted is None else ":".join(str(part) for part in noted if part is not None),
        ledger_verdict=UNSOUND if ledger.problems else SOUND,
        segments_verdict=segments.verdict,
        views_verdict=views.verdict,
        service_verdict=service.verdict,
        problems=[*ledger.problems, *segments.problems, *views.problems, *service.problems],
        program=PROGRAM_VERSION,
    )
