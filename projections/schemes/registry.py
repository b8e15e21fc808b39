"""The views of the schemes: which there are, and what each is made of.

This is the one list of them. What is done with a view is asked of its record, or of `check_views_whole` beforehand.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection

from projections.schemes.creator_firefly import expected as firefly_expected
from projections.schemes.creator_firefly import shown as firefly_shown
from projections.schemes.creator_firefly.moving import FireflyMover
from projections.schemes.creator_level import expected as creator_expected
from projections.schemes.creator_level import shown as creator_shown
from projections.schemes.creator_level.moving import CreatorMover
from projections.schemes.mcn_level import expected as mcn_expected
from projections.schemes.mcn_level import shown as mcn_shown
from projections.schemes.mcn_level import view as mcn_view
from projections.schemes.mcn_level.moving import AgencyMover
from projections.schemes.merchant_reputation import expected as reputation_expected
from projections.schemes.merchant_reputation import issuing as reputation_issuing
from projections.schemes.merchant_reputation import shown as reputation_shown
from projections.schemes.merchant_reputation import then as reputation_then
from projections.schemes.merchant_reputation.moving import ReputationMover
from projections.schemes.merchant_tier import expected as tier_expected
from projections.schemes.merchant_tier import shown as tier_shown
from projections.schemes.merchant_tier import view as tier_view
from projections.schemes.merchant_tier.moving import TierMover
from projections.schemes.shared.expected_rows import Rows
from projections.schemes.shared.moving import Mover
from projections.schemes.shared.period_rows import PeriodRows
from projections.schemes.shared.viewed import Viewed
from projections.views.step import Rewrite, Step
from projections.views.tables import TABLE_NAMES, Tables
from replay.errors import LevelbookError, UsageError
from replay.history.timeline import Moment
from replay.policies.catalog import Choice
from replay.recording.placing import shard_of
from replay.schemes.registry import SCHEMES, Scheme, check_whole, kinds, schemes_of
from replay.store.base.store import Store
from replay.store.evidence.shard import shard_made

if TYPE_CHECKING:
    from projections.schemes.shared.changing import Changing, Rewriting
    from projections.schemes.shared.filling import Filling  # compiled rules, which following does without
    from projections.schemes.shared.going_on import GoingOn


@dataclass(frozen=True)
class View:
    """The view of one scheme."""

    scheme: Scheme
    tables: tuple[str, ...]
    """Those that only its units fill."""
    mover: type[Mover]
    """What moves its units in a step."""
    expected: Callable[[Any], Rows]
    """A replay → by table, the rows that the view must hold."""
    own_json: Callable[[Viewed], dict[str, Any]]
    """A subject as the view holds it → the keys that only its scheme's answers have: those that its replay gives."""
    period_rows: PeriodRows
    """Where stands what a period comes to."""
    then_json: Callable[[Viewed], dict[str, Any]] = lambda _: {}
    """A subject as the view holds it → the keys that say what was shown earlier, by what was known then."""
    expected_then: Callable[[Any], Rows] = lambda _: {}
    """A replay → by table, the rows that rest on what was known earlier than it knows."""
    look_up: Callable[[Step], None] = lambda _: None
    """Asks the ledger for what filling in bulk asks it for, and keeps that in `Step.prepared`."""
    step_end: Callable[[Store, Choice, Moment, Moment], int] = lambda _store, _choice, _before, after: after.position
    """A store, what judges a build, where a step begins and could end → the position where it ends."""
    is_judged_anew: Callable[[Step], bool] = lambda _: False
    """Whether a step has to work out every unit from nothing."""
    in_bulk: bool = True
    """Whether many records fill it from columns (`bulk.fill` of its room), or else subject by subject, after those."""
    goes_on: bool = False
    """Whether many units are gone on with at once from what is stored (`going_on.move` of its room)."""
    resting: Collection[str | None] = ()
    """States in which no event changes a unit but those that the views keep by subject, or time; going on passes over
    units in them."""
    anew: Collection[str] = ()
    """Types of events behind which nothing that is stored is gone on with: whether there is anything to judge may be
    otherwise."""
    laws: tuple[Callable[[Connection, Tables], str | None], ...] = ()
    """What must hold of all its rows → what is wrong."""
    across: Callable[[Step], list[Rewrite]] | None = None
    """Rows over all subjects, once every unit is filled."""

    @property
    def code(self) -> str:
        return self.scheme.code

    @property
    def kind(self) -> str:
        return self.scheme.kind


VIEWS: Final[dict[str, View]] = {
    view.code: view
    for view in (
        View(
            SCHEMES["merchant-reputation"],
            tables=("reputation_months", "published_then"),
            mover=ReputationMover,
            expected=reputation_expected.rows_of,
            own_json=reputation_shown.own_json,
            period_rows=PeriodRows(
                "reputation_months",
                "closing_tenths",
                "touched",
                without_row=SCHEMES["merchant-reputation"].undecided,
            ),
            then_json=reputation_then.then_json,
            expected_then=reputation_expected.rows_then,
            look_up=reputation_issuing.look_up,
            step_end=reputation_issuing.step_end,
            is_judged_anew=reputation_issuing.is_judged_anew,
            goes_on=True,
            laws=(reputation_expected.openings_equal_closings,),
        ),
        View(
            SCHEMES["merchant-tier"],
            tables=("tier_days", "tier_figures"),
            mover=TierMover,
            expected=tier_expected.rows_of,
            own_json=tier_shown.own_json,
            period_rows=PeriodRows("tier_days", "tier", "changed", without_row=SCHEMES["merchant-tier"].undecided),
            goes_on=True,
            resting=tier_view.WITHOUT_FIGURES,
            anew=("merchant.onboarded",),
        ),
        View(
            SCHEMES["creator-level"],
            tables=("creator_months", "creator_figures", "mcn_parts"),
            mover=CreatorMover,
            expected=creator_expected.rows_of,
            own_json=creator_shown.own_json,
            period_rows=PeriodRows("creator_months", "score", without_row=SCHEMES["creator-level"].undecided),
            goes_on=True,
            anew=("creator.registered",),
        ),
        View(
            SCHEMES["creator-firefly"],
            tables=("firefly_months",),
            mover=FireflyMover,
            expected=firefly_expected.rows_of,
            own_json=firefly_shown.own_json,
            period_rows=PeriodRows(
                "firefly_months",
                "score",
                "touched",
                next_begun_with="begun_with",
                without_row=SCHEMES["creator-firefly"].undecided,
            ),
            goes_on=True,
            anew=("creator.registered",),
        ),
        View(
            SCHEMES["mcn-level"],
            tables=("mcn_months", "leaderboards"),
            mover=AgencyMover,
            expected=mcn_expected.rows_of,
            own_json=mcn_shown.own_json,
            period_rows=PeriodRows("mcn_months", "total", without_row=SCHEMES["mcn-level"].undecided),
            in_bulk=False,
            across=mcn_view.every_board,
        ),
    )
}
"""By scheme."""


def view_of(scheme: str) -> View:
    """The view of a scheme. Raises LevelbookError where it has none."""
    if scheme not in VIEWS:
        raise LevelbookError(f"the scheme {scheme} has no view; known are {', '.join(VIEWS)}")
    return VIEWS[scheme]


def views_of(kind: str) -> list[View]:
    """The views of the schemes that judge a kind of subject."""
    return [view_of(scheme.code) for scheme in schemes_of(kind)]


def bulk_of(scheme: str) -> "Callable[[Filling], None]":
    """What fills a view from columns."""
    found: Callable[[Filling], None] = import_module(_bulk_module(scheme)).fill
    return found


def moving_in_bulk(scheme: str) -> "Callable[[Changing], None]":
    """What moves many units of a view at once, over columns."""
    found: Callable[[Changing], None] = import_module(_bulk_module(scheme)).move
    return found


def going_on_in_bulk(scheme: str) -> "Callable[[GoingOn], Rewriting | None]":
    """What goes on with many units of a view at once; it gives None where a record cannot be read."""
    found: Callable[[GoingOn], Rewriting | None] = import_module(f"{_room(scheme)}.going_on").move
    return found


def load_bulk() -> None:
    """Load what moves many units at once, which is heavy."""
    for view in VIEWS.values():
        if view.in_bulk:
            bulk_of(view.code)
        if view.goes_on:
            going_on_in_bulk(view.code)


def kinds_in_bulk() -> list[str]:
    """The kinds of subject whose views are filled from columns, and moved so where many are."""
    return [kind for kind in kinds() if all(view.in_bulk for view in views_of(kind))]


def check_views_of_shard(store: Store) -> None:
    """Raises UsageError for the shard of a set that takes subjects which views judge by those of all shards."""
    made = shard_made(store)
    if made is None:
        return
    for scheme in (view.scheme for view in VIEWS.values()):
        if scheme.reads_others and shard_of(f"{scheme.kind}/", made.of) == made.number:
            raise UsageError(
                f"{store.name} is shard {made.number} of a set, which takes the subjects of {scheme.code}; their levels"
                " rest on all shards: 'levelbook rebuild --store SET.shards' makes views of the set"
            )


def check_views_whole() -> None:
    """Raises LevelbookError that names what a registered scheme lacks by which views are filled, moved and proved."""
    for scheme in SCHEMES.values():
        check_whole(scheme)
        view = VIEWS.get(scheme.code)
        missing = ["a view"] if view is None else _missing(view)
        if missing:
            raise LevelbookError(
                f"the views of {scheme.code} cannot be built, so that nothing was begun: missing are"
                f" {'; '.join(missing)}. Add them, or take it out of replay/schemes/registry.py"
            )


def _missing(view: View) -> list[str]:
    tables = [f"the table {name} (projections/views/tables.py)" for name in view.tables if name not in TABLE_NAMES]
    beside = [VIEWS[scheme.code] for scheme in schemes_of(view.kind) if scheme.code in VIEWS]
    in_bulk = any(other.in_bulk for other in beside)
    has_bulk = view.in_bulk and all(find_spec(name) for name in (_room(view.code), _bulk_module(view.code)))
    return tables + (["a way to fill it in bulk"] if in_bulk and not has_bulk else [])


def _room(scheme: str) -> str:
    return f"{__package__}.{scheme.replace('-', '_')}"


def _bulk_module(scheme: str) -> str:
    return f"{_room(scheme)}.bulk"
