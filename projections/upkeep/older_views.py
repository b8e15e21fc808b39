"""Views of an earlier form, which this version neither reads nor moves: what they are, and how they make way.

They are derived, and nothing of them is carried over. Their tables go and the empty place of this version's comes in
one transaction, in the same file or schema, so that the rights that were given on it stay.
"""

from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, inspect, text

from projections.views.database import FORMAT, Views, make_place, open_place
from projections.views.location import has_views
from replay.errors import StoreError
from replay.store.base.store import Store

CANDIDATES_SINCE: Final = 6
"""The first form in which there are builds by candidate policies."""


class OlderViews(NamedTuple):
    """Views of an earlier form beside a ledger."""

    form: int
    candidates: int
    """How many builds by candidate policies they hold."""


def has_begun_place(store: Store) -> bool:
    """Whether a place for views was begun, and never made whole."""
    with open_place(store, only_read=True) as views, views.reading() as connection:
        return not inspect(connection).has_table("about", schema=views.schema)


def older_views(store: Store) -> OlderViews | None:
    """What lies beside a ledger in an earlier form; None where its views are of this one, or where there are none.

    Raises UsageError where they are another ledger's, or of a later version.
    """
    if not has_views(store):
        return None
    with open_place(store, only_read=True) as views:
        return _older(views)


def clear_older(store: Store) -> None:
    """Let views of an earlier form make way, while nobody follows or rebuilds them; does nothing without such."""
    with open_place(store) as views, views.alone("follow"), views.alone("rebuild"):
        if _older(views) is None:
            return
        with views.moving() as connection:
            _check_owner(views, connection)
            for kind, name in _everything(connection, views.schema):
                connection.execute(text(f"DROP {kind} {name if views.schema is None else f'{views.schema}.{name}'}"))
            make_place(views, connection)


def _check_owner(views: Views, connection: Connection) -> None:
    """Raises StoreError for a role of PostgreSQL that does not own the schema: whoever follows could not move them."""
    if views.schema is None:
        return
    sql = "SELECT pg_get_userbyid(nspowner), current_user FROM pg_namespace WHERE nspname = :schema"
    owner, role = connection.execute(text(sql), {"schema": views.schema}).one()
    if owner != role:
        raise StoreError(
            f"the views of {views.store.name} are of the role {owner}, and would be made by {role}, so that {owner}"
            f" could not move them: nothing of them was changed; run 'levelbook upgrade' as {owner}"
        )


def _older(views: Views) -> OlderViews | None:
    with views.reading() as connection:
        if not inspect(connection).has_table("about", schema=views.schema):
            return None  # a place that was begun, and never made whole
    form = views.form()
    if form >= FORMAT:
        return None
    with views.reading() as connection:
        return OlderViews(form, _candidates(views, connection) if form >= CANDIDATES_SINCE else 0)


def _candidates(views: Views, connection: Connection) -> int:
    prefix = "" if views.schema is None else f"{views.schema}."
    found: Any = connection.execute(text(f"SELECT count(*) FROM {prefix}candidates")).scalar_one()
    return int(found)


def _everything(connection: Connection, schema: str | None) -> list[tuple[str, str]]:
    """Every view, and then every table, of a place that holds views alone."""
    found = inspect(connection)
    listed = [("VIEW", name) for name in sorted(found.get_view_names(schema))]
    return listed + [("TABLE", name) for name in sorted(found.get_table_names(schema))]
