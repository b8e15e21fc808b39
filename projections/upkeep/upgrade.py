"""An installation of an earlier version brought up to this one: first the ledger, then its views, made from nothing.

Each step is one transaction or can be gone on with, and what is done is no longer needed: the same command after a kill
does the rest.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from projections.projector.rebuild import Asked, Report, rebuild
from projections.upkeep.older_views import clear_older, has_begun_place, older_views
from projections.views.database import has_live, open_views
from projections.views.location import has_views
from replay.recording.completing import Lacking, complete, lacking
from replay.schema.versions import ONE_ALIAS_EVERYWHERE
from replay.store.base.store import Store

CHAINING: Final = "chaining the keys of records"
Progress = Callable[[str, int, int], None]


class ToUpgrade(NamedTuple):
    """What an installation needs to be of this version."""

    ledger: Lacking
    older_form: int | None
    """The form of its views where that is an earlier one."""
    candidates: int
    """Builds by candidate policies in these: they go, and have to be begun anew."""
    without_live: bool
    """Whether there is a place for views in which none are live: a rebuild was begun, perhaps by an upgrade."""
    stays_older: bool
    """Whether the ledger is of the version in which a buyer has one alias everywhere: it is read, and no more."""

    @property
    def views(self) -> bool:
        """Whether views have to be made."""
        return not self.stays_older and (self.older_form is not None or self.without_live)

    @property
    def anything(self) -> bool:
        return any(self.ledger) or self.views


def needed(store: Store, *, ledger_only: bool = False) -> ToUpgrade:
    """What there is to do; changes nothing. Raises UsageError for views of a later version."""
    if ledger_only:
        return ToUpgrade(lacking(store), None, 0, False, store.identity.version == ONE_ALIAS_EVERYWHERE)
    older = older_views(store)
    without_live = False
    if older is None and has_views(store) and store.head().position:
        without_live = has_begun_place(store) or not _has_live(store)
    stays = store.identity.version == ONE_ALIAS_EVERYWHERE
    form, candidates = (None, 0) if older is None else older
    return ToUpgrade(lacking(store), form, candidates, without_live, stays)


def _has_live(store: Store) -> bool:
    with open_views(store, only_read=True) as views:
        return has_live(views)


def upgrade(store: Store, found: ToUpgrade, asked: Asked, progress: Progress) -> Report | None:
    """Do what is needed: how the views were made, where they were."""
    complete(store, lambda done: progress(CHAINING, done, found.ledger.unchained))
    if not found.views:
        return None
    if found.older_form is not None:
        clear_older(store)
    with open_views(store, make=True) as views:
        return rebuild(views, asked, progress)
