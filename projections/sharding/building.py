"""Rebuilding the views of a set: the subjects of each ledger from it, then agencies from what their creators left.

Each ledger fills a build of its own by the projector, at its own positions; the bindings of agencies, which are in the
first, are lent to the others. These builds are proved, joined in one transaction with the agencies and boards, and
switched to. A killed rebuild goes on in the build of the ledger that it was at.
"""

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import Connection, select

from domain.version import PROGRAM_VERSION
from projections.projector.expected_rows import rows_of
from projections.projector.fill import FILLING, Progress, fill
from projections.projector.prove import Proof, compare, prove
from projections.projector.rebuild import PROVED, PROVING, new_build
from projections.projector.units import Units
from projections.schemes.registry import check_views_whole, view_of
from projections.sharding.database import SetViews, open_set_views
from projections.sharding.joining import agencies_joined, lend_bindings, lend_creators, parts_joined, take_back_bindings
from projections.views.belonging import problems_of
from projections.views.database import BUILDING, FORMER, READY, Build, Views
from projections.views.step import build_step
from replay.decisions.adopt import adopt_used_by_views
from replay.errors import LevelbookError, UsageError
from replay.history.browse import list_subjects
from replay.history.timeline import Moment, has_subject
from replay.policies.catalog import DEFAULT
from replay.replaying.base import Origin
from replay.schemes.registry import SCHEMES, choose
from replay.schemes.replaying import lent
from replay.sharding.gathering import AGENCY, gathered
from replay.sharding.opened import LedgerSet, set_head
from replay.store.base.identity import Head
from replay.store.base.store import Store
from replay.store.queries import link_at
from replay.tracing import span

if TYPE_CHECKING:
    from replay.schemes.mcn_level.fold import Slots

PART: Final = "part"
"""The role of a build that holds the subjects of one ledger."""


class AskedOfSet(NamedTuple):
    """How a rebuild of a set was asked for."""

    dry_run: bool = False
    sample: int = 100
    """How many subjects of a kind of each ledger are held against independent replays."""
    seed: int | None = None


class SetReport(NamedTuple):
    """What a rebuild of a set came to."""

    build: Build
    """Its position is how many records all ledgers held, its chain a hash of theirs."""
    heads: list[Head]
    """Where each ledger stood."""
    proof: Proof
    seed: int
    switched: bool
    resumed: bool


def rebuild_set(opened: LedgerSet, asked: AskedOfSet, progress: Progress = lambda *_: None) -> SetReport:
    """Build the views of all subjects of a set, prove them against replays, and unless it is a dry run switch.

    Raises LevelbookError where the proof fails, and UsageError where the ledgers judge by different policies.
    """
    check_views_whole()
    for store in opened.stores:
        store.index_later()
    with open_set_views(opened, make=True) as views, views.whole.alone("rebuild"), span("rebuild"):
        if not asked.dry_run:
            for store in opened.stores:
                adopt_used_by_views(store, store.now())
        number, resumed = _begin(opened, views)
        heads = _fill(opened, views, number, progress)
        seed = secrets.randbelow(2**32) if asked.seed is None else asked.seed
        with _dropped_where_refused(views):
            proofs = [
                _prove_part(part, build, asked.sample, seed, progress, is_home=part is views.parts[0])
                for part, build in zip(views.parts, _parts(views, number), strict=True)
            ]
            with views.whole.moving() as connection:
                build = _join(opened, views, connection, number, heads)
                proofs.append(_prove_agencies(opened, views, connection, build, heads, Random(seed), asked.sample))
                if asked.dry_run:
                    _drop_unfinished(views, connection)
                else:
                    _switch(views, connection, number)
        return SetReport(build, heads, _together(proofs), seed, not asked.dry_run, resumed)


# --- beginning --------------------------------------------------------------------------------------------------------


def _begin(opened: LedgerSet, views: SetViews) -> tuple[int, bool]:
    """The number of the build under way, begun now or before."""
    whole = views.whole
    with whole.moving() as connection:
        found = whole.in_role(connection, BUILDING)
        if found is not None and found.program == PROGRAM_VERSION and not _problems(views, connection, found):
            return found.build, True
        _drop_unfinished(views, connection)
        first = max((build.build for build in whole.builds(connection)), default=0) + 1
        made = [new_build(part, connection, number, PART) for number, part in enumerate(views.parts, first + 1)]
        as_of = max(build.as_of for build in made)
        made = [build._replace(as_of=as_of) for build in made]
        if len({build.policies for build in made}) > 1:
            raise UsageError(
                f"the ledgers of {opened.path} have adopted different policies, by which one level would be judged here"
                " otherwise than there; run 'levelbook policy adopt' for the store of each shard that lacks one, as"
                f" 'levelbook shard check {opened.path}' names them"
            )
        for build in made:
            whole.add_build(connection, build)
        parts = json.dumps({"parts": [build.build for build in made]})
        role: dict[str, Any] = {"build": first, "role": BUILDING, "parts": parts, "position": 0, "chain": ""}
        whole.add_build(connection, made[0]._replace(**role))
        return first, False


def _problems(views: SetViews, connection: Connection, found: Build) -> list[str]:
    builds = [views.whole.build(connection, number) for number in json.loads(found.parts)["parts"]]
    return [
        problem for part, build in zip(views.parts, builds, strict=True) for problem in problems_of(part.store, build)
    ]


def _drop_unfinished(views: SetViews, connection: Connection) -> None:
    for build in views.whole.builds(connection):
        if build.role in (BUILDING, PART):
            views.whole.drop_build(connection, build.build)


@contextmanager
def _dropped_where_refused(views: SetViews) -> Iterator[None]:
    """A build that is refused is not gone on with: the next one begins where the ledgers stand by then."""
    try:
        yield
    except LevelbookError:
        with views.whole.moving() as connection:
            _drop_unfinished(views, connection)
        raise


def _parts(views: SetViews, number: int) -> list[Build]:
    """The builds of the ledgers, by shard."""
    with views.whole.reading() as connection:
        found = views.whole.build(connection, number)
        return [views.whole.build(connection, part) for part in json.loads(found.parts)["parts"]]


# --- filling and proving ----------------------------------------------------------------------------------------------


def _fill(opened: LedgerSet, views: SetViews, number: int, progress: Progress) -> list[Head]:
    """Fill the builds of all ledgers, the first one first: where each ledger stood."""
    builds = _parts(views, number)
    home = builds[0]
    slots = _slots(opened.agencies, home)
    total = sum(build.total for build in builds)
    before = 0
    for part, build in zip(views.parts, builds, strict=True):
        if build.phase == FILLING and build is not home:
            with part.moving() as connection:
                lend_bindings(connection, part.tables(home.build), part.tables(build.build))
        fill(part, build.build, _behind(progress, before, total), slots=slots)
        before += build.total
    heads = []
    for part, build in zip(views.parts, builds, strict=True):
        link = link_at(part.store, build.position)
        assert link is not None
        heads.append(link)
    return heads


def _slots(store: Store, home: Build) -> "Callable[[], Slots]":
    """Who holds each creator, read where it is asked for: in bulk."""

    @cache
    def slots() -> "Slots":
        from projections.projector.bulk import BulkReader

        return BulkReader(store, home.position, home.as_of, None).slots()

    return slots


def _behind(progress: Progress, before: int, total: int) -> Progress:
    return lambda phase, done, _: progress(phase, before + done, total)


def _prove_part(part: Views, build: Build, sample: int, seed: int, progress: Progress, *, is_home: bool) -> Proof:
    """Hold the build of a ledger against replays out of it."""
    tables = part.tables(build.build)
    if not is_home:
        with part.moving() as connection:
            take_back_bindings(connection, tables)
    with part.reading() as connection:
        now = part.build(connection, build.build)
        done: Callable[[int], None] = lambda done: progress(PROVING, done, 0)  # noqa: E731
        proof = prove(part.store, connection, tables, now, Random(seed), sample, done)
    with part.moving() as connection:
        units = Units(build_step(part, connection, now))
        for subject, scheme, error in proof.unread:
            units.put_aside(subject, scheme, now.position, error)
    _check(proof, seed)
    return proof


def _check(proof: Proof, seed: int) -> None:
    if proof.problems:
        shown = "\n".join(proof.problems[:20])
        raise LevelbookError(
            f"the new views are not what independent replays give, the live ones stay (sample {seed}):\n{shown}"
        )


def _together(proofs: Sequence[Proof]) -> Proof:
    return Proof(
        sum(proof.compared for proof in proofs),
        sum(proof.rows for proof in proofs),
        sum(proof.invariants for proof in proofs),
        [],
        [item for proof in proofs for item in proof.unread],
    )


# --- joining ----------------------------------------------------------------------------------------------------------


def _join(opened: LedgerSet, views: SetViews, connection: Connection, number: int, heads: Sequence[Head]) -> Build:
    """The rows of all ledgers in one build, and agencies and boards judged from all of them."""
    whole, home = views.whole, views.parts[0]
    found = whole.build(connection, number)
    builds = [whole.build(connection, part) for part in json.loads(found.parts)["parts"]]
    tables = [whole.tables(build.build) for build in builds]
    made = whole.tables(number)
    parts_joined(connection, tables, made)
    lend_creators(connection, tables)
    step = build_step(home, connection, builds[0])
    units = Units(step)
    for item in list_subjects(opened.agencies, AGENCY):
        if has_subject(opened.agencies, item["subject"], builds[0].position):
            units.fill(item["subject"], ())
    units.fill_across()
    agencies_joined(connection, tables[0], made, len(tables))
    head = set_head(heads)
    values = {"position": head.position, "chain": head.chain.hex(), "phase": PROVED, "moved_at": opened.agencies.now()}
    whole.note(connection, number, **values, done=found.total)
    return whole.build(connection, number)


def _prove_agencies(
    opened: LedgerSet,
    views: SetViews,
    connection: Connection,
    build: Build,
    heads: Sequence[Head],
    random: Random,
    sample: int,
) -> Proof:
    """Hold a sample of agencies against replays out of what is gathered of them."""
    tables, home, upto = views.whole.tables(build.build), opened.agencies, [head.position for head in heads]
    aside = {(row.subject, row.scheme) for row in connection.execute(select(tables["set_aside"]))}
    names = [item["subject"] for item in list_subjects(home, AGENCY)]
    problems, compared, rows = list[str](), 0, 0
    for subject in sorted(random.sample(names, min(sample, len(names)))):
        with gathered(opened, subject, upto) as store:
            for scheme in [item for item in SCHEMES.values() if item.kind == AGENCY]:
                if (subject, scheme.code) in aside or not has_subject(store, subject):
                    continue
                expected = _expected(store, subject, scheme.code, build.as_of)
                compared += 1
                rows += sum(map(len, expected.values()))
                problems += compare(connection, tables, subject, scheme.code, expected)
    proof = Proof(compared, rows, 0, problems, [])
    _check(proof, 0)
    return proof


def _expected(store: Store, subject: str, scheme: str, as_of: int) -> dict[str, list[dict[str, Any]]]:
    judging, head = SCHEMES[scheme].replay, store.head()
    moment = Moment(as_of, head.recorded_at, head.position)
    replay = judging(subject, judging.load(store, subject, head.position), moment, choose(store, judging, moment))
    replay.origin = Origin(lent(store), DEFAULT)
    return rows_of(replay) | view_of(scheme).expected_then(replay)


def _switch(views: SetViews, connection: Connection, number: int) -> None:
    whole = views.whole
    whole.switch(connection, number)
    whole.note(connection, number, phase=READY)
    former = [build for build in whole.builds(connection) if build.role == FORMER]
    for build in [*former[:-1], *(build for build in whole.builds(connection) if build.role == PART)]:
        whole.drop_build(connection, build.build)
