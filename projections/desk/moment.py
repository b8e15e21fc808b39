"""What a page looks at: one moment of the ledger, read from the views where they stand there, else replayed."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any, NamedTuple

from sqlalchemy import select

from projections.desk.schemes.facet import Told, told_by
from projections.desk.schemes.registry import pages_of
from projections.http.problems import Problem, no_subject
from projections.reading.reader import Reading, Snapshot
from projections.schemes.registry import view_of
from projections.schemes.shared.viewed import Viewed
from projections.views.rows import rows_through
from projections.views.tables import Tables
from replay.history.readers import Reader
from replay.history.timeline import Asked, Moment, has_subject, resolve
from replay.policies.catalog import DEFAULT, Choice, adopted_policies, shipped, shipped_revisions
from replay.replaying.base import Policies, Replay
from replay.schemes.registry import SCHEMES, answer_of, scheme_of
from replay.schemes.registry import schemes_of as schemes_of_kind
from replay.store.base.store import Store


class Sight(NamedTuple):
    """One moment, and from where it is read."""

    reading: Reading
    store: Store
    reader: Reader
    """Who reads the page."""
    moment: Moment
    choice: Choice
    is_asked: bool
    """Whether the moment was asked for; else it is where the views stand, or the present without any."""
    views: Snapshot | None
    """The views, where they stand at exactly this moment; None: it is replayed."""

    @property
    def knows_all(self) -> bool:
        """Whether everything that is recorded is known at its moment: else nothing that it shows is as known now."""
        return self.moment.position == self.store.head().position


@contextmanager
def looking(reading: Reading, reader: Reader, asked: dict[str, Any]) -> Iterator[Sight]:
    """The moment that is asked for by `as_of`, `known_at`, `position` and `policy`; left out, that of the views, or the
    one that evidence shows, or now. Raises UsageError for another.
    """
    names = any(asked.get(name) is not None for name in ("as_of", "known_at", "position"))
    choice = DEFAULT if asked.get("policy") is None else Choice(asked["policy"])
    given = Asked(asked.get("as_of"), asked.get("known_at"), asked.get("position"))
    with ExitStack() as opened:
        store = opened.enter_context(reading.store())
        at = _snapshot(reading, opened)
        stands = at and resolve(store, Asked(position=at.standing.position))._replace(as_of=at.standing.as_of)
        shown = store.held and resolve(store, Asked(position=store.held.position))._replace(as_of=store.held.as_of)
        moment = resolve(store, given, None, "") if names else stands or shown or resolve(store, given, None, "")
        is_there = moment.settled == stands and choice == DEFAULT
        yield Sight(reading, store, reader, moment, choice, names, at if is_there else None)


def _snapshot(reading: Reading, opened: ExitStack) -> Snapshot | None:
    """The views at one moment; None where there are none yet."""
    try:
        return opened.enter_context(reading.snapshot())
    except Problem as problem:
        if problem.kind != "no-views":
            raise
        return None


def check_subject(sight: Sight, subject: str) -> None:
    """Raises Problem for a subject of which the ledger holds nothing."""
    if not has_subject(sight.store, subject):
        raise no_subject(subject)


def schemes_of(store: Store, subject: str) -> list[str]:
    """The schemes that judge a subject: of a store of evidence those whose policies it holds, where it holds any."""
    schemes = [scheme.code for scheme in schemes_of_kind(subject.partition("/")[0])]
    return [code for code in schemes if store.holds(f"policy/{code}")] or schemes


def has_policy(store: Store, scheme: str, policy: str) -> bool:
    """Whether a policy, by its id or ID@HASH, is one of a scheme's."""
    known = [*shipped(scheme), *(item.policy for item in adopted_policies(store, scheme))]
    return any(policy.partition("@")[0] == item.id for item in known)


def told_of(sight: Sight, subject: str, scheme: str, language: str) -> Told | None:
    """A subject in a scheme; None where the views hold nothing of it yet."""
    if sight.views is not None:
        return _from_views(sight, sight.views, subject, scheme, language)
    return told_by(replayed(sight, subject, scheme), language)


def own_of(sight: Sight, subject: str, told: Told) -> dict[str, Any]:
    """The keys that only the answers of a scheme have, from the views or by a replay."""
    if sight.views is None:
        return answer_of(replayed(sight, subject, told.scheme)).own_json()
    standing, rows = (
        sight.views.standing,
        rows_through(sight.views.connection, sight.views.tables, subject, told.scheme),
    )
    judges, level = sight.reading.judges(standing.policies), SimpleNamespace(**told.level)
    policies, moment = judges.taking_part(told.scheme, sight.store, standing), (standing.as_of, standing.position)
    viewed = Viewed(subject, level, policies, *moment, sight.reader, rows, judges.by_hash, sight.store)
    return view_of(told.scheme).own_json(viewed)


def replayed(sight: Sight, subject: str, scheme: str) -> Replay:
    """The replay of a subject at the moment of a sight."""
    return sight.reading.replay(subject, scheme, sight.moment, sight.reader, sight.choice)


def _from_views(sight: Sight, views: Snapshot, subject: str, scheme: str, language: str) -> Told | None:
    tables, connection = views.tables, views.connection

    def rows(name: str, order: str) -> list[dict[str, Any]]:
        columns = tables[name].c
        query = select(tables[name]).where(columns.subject == subject).order_by(columns[order])
        if "scheme" in columns:
            query = query.where(columns.scheme == scheme)
        return [dict(row._mapping) for row in connection.execute(query)]

    found = rows("levels", "scheme")
    if not found:
        return None
    periods = pages_of(scheme).periods
    policies = views_policies(sight.store, views, scheme)
    aside = _set_aside(views, tables, subject, scheme)
    history = rows("history", "number")
    told = {"levels": found, "history": history, periods.table: rows(periods.table, periods.order)}
    if (then := pages_of(scheme).drawn.then_rows) is not None:
        told[then.table] = rows(then.table, then.order)
    replay = scheme_of(scheme).replay
    return Told(scheme, told, policies, replay.level_names_of(policies, language), replay.assumed_of(policies), aside)


def _set_aside(views: Snapshot, tables: Tables, subject: str, scheme: str) -> str | None:
    aside = tables["set_aside"].c
    query = select(aside.reason).where(aside.subject == subject, aside.scheme == scheme)
    return views.connection.execute(query).scalar_one_or_none()


def views_policies(store: Store, views: Snapshot, scheme: str) -> Policies:
    """The versions that judged a scheme where the views stand."""
    noted: dict[str, list[list[str]]] = json.loads(views.standing.policies)
    known = {policy.hash: policy for name in SCHEMES for policy in shipped_revisions(name)}
    known |= {item.policy.hash: item.policy for name in SCHEMES for item in adopted_policies(store, name)}
    found = [known[digest] for _, digest in noted.get(scheme, ()) if digest in known]
    own = [policy for policy in found if policy.scheme == scheme]
    return Policies(own, [policy for policy in found if policy.scheme != scheme])
