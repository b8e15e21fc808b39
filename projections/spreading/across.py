"""What is worked out of all buckets together: agencies, boards, and rare events that are kept.

It is a build in a passing file, of which nobody reads but who spreads: agencies are as few as their creators' months,
and are judged by the code by which the views judge them.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import pyarrow as pa
from sqlalchemy import Connection, delete

from projections.exporting.reading import ViewReader
from projections.projector.bulk import BulkReader
from projections.projector.fill import BOARDS, FILLING, Progress, fill, first_cursor, keep_in_bulk, kinds_singly
from projections.projector.prove import Proof, laws, prove_sample, with_laws
from projections.projector.rebuild import new_build
from projections.projector.units import Units
from projections.schemes.registry import VIEWS, kinds_in_bulk
from projections.schemes.shared.bulk_rows import delete_rows, insert_rows
from projections.spreading.agencies import KEPT
from projections.spreading.bucket import FOR_AGENCIES, Ground, rows_in
from projections.views.database import CHECKING, Build, Views, scratch_views
from projections.views.step import build_step
from replay.history.browse import list_subjects
from replay.history.timeline import has_subject
from replay.objects.naming import FilesPlace
from replay.passing_folders import passing_folder
from replay.store.base.store import Store

PASSING: Final = 1
"""The number of the build in the passing file."""


class Across:
    """The build of what no bucket gives by itself."""

    def __init__(self, views: Views, build: Build, segments: FilesPlace | None) -> None:
        self.views = views
        self.build = build
        self.reader = BulkReader(views.store, build.position, build.as_of, segments)
        """The records up to the build's position."""
        self._creators = set[str]()
        """Whose months were taken over."""

    def keep(self) -> None:
        """Keep rare events, and set aside whose records cannot be read: first of all.

        Raises NotSealedError where so many records must be sealed first, and one of them cannot be read.
        """
        unread = self.reader.unread()
        with self.views.moving() as connection:
            keep_in_bulk(build_step(self.views, connection, self.build), (), unread)

    def ground(self) -> Ground:
        """What the rows of every bucket rest on, once rare events are kept."""
        with self.views.reading() as connection:
            step = build_step(self.views, connection, self.build)
            aside = frozenset((row.subject, row.scheme) for row in step.rows("set_aside"))
            for view in VIEWS.values():
                view.look_up(step)
            policies = step.policies
            return Ground(self.build.position, self.build.as_of, policies, step.prepared, self.reader.slots(), aside)

    def take(self, tables: Mapping[str, pa.Table]) -> None:
        """Take over what agencies need of a bucket (`of_agencies`)."""
        self._creators.update(tables["creator_months"]["subject"].to_pylist())
        self._insert([tables])

    def _insert(self, some: Iterable[Mapping[str, pa.Table]]) -> None:
        made = self.views.tables(PASSING)
        with self.views.moving() as connection:
            for name, rows in ((name, rows) for tables in some for name, rows in tables.items()):
                insert_rows(connection, made[name], rows.to_pydict())

    def kept(self) -> dict[str, pa.Table]:
        """The rows of rare events and of who is set aside, by which agencies can be judged elsewhere."""
        with self.views.reading() as connection:
            return {name: rows_in(connection, self.views.tables(PASSING), name) for name in KEPT}

    def agencies(self) -> list[str]:
        """All that the ledger holds at the build's position."""
        store, position = self.views.store, self.build.position
        listed = [item["subject"] for kind in kinds_singly() for item in list_subjects(store, kind)]
        return [subject for subject in listed if has_subject(store, subject, position)]

    def take_judged(self, tables: Mapping[str, pa.Table]) -> None:
        """Take over what agencies came to elsewhere."""
        self._insert([tables])

    def fill(
        self, filled: Collection[str], progress: Progress = lambda *_: None, *, are_agencies_judged: bool = False
    ) -> None:
        """Judge agencies and sort boards, once the rows of all buckets are taken; and all of whom no rule reads
        anything: subjects of the buckets' kinds that are not `filled`.

        Agencies that were all judged elsewhere (`take_judged`) are not judged here.
        """
        with self.views.moving() as connection:
            units = Units(build_step(self.views, connection, self.build))
            for kind in kinds_in_bulk():
                for item in list_subjects(self.views.store, kind):
                    if item["subject"] not in filled:
                        units.fill(item["subject"], ())
            cursor = first_cursor((), in_bulk=True) | {"stage": BOARDS if are_agencies_judged else kinds_singly()[0]}
            self.views.note(connection, PASSING, parts=json.dumps(cursor), phase=FILLING)
        fill(self.views, PASSING, progress)
        with self.views.moving() as connection:
            self._let_go(connection)
            self.views.show(connection, PASSING)

    def _let_go(self, connection: Connection) -> None:
        """Remove what was taken over of buckets, which give it themselves."""
        tables = self.views.tables(PASSING)
        delete_rows(connection, tables["creator_months"], {"subject": sorted(self._creators)})
        for name in FOR_AGENCIES.keys() - {"creator_months"}:
            connection.execute(delete(tables[name]))

    @contextmanager
    def shown(self) -> Iterator[ViewReader]:
        """Reads the `v1_…` views of what was filled here: all rows that no bucket gives."""
        with self.views.reading() as connection, ViewReader([connection], None, PASSING) as reader:
            yield reader

    def prove(
        self,
        chosen: Mapping[str, Sequence[str]],
        sampled: Iterable[Mapping[str, pa.Table]],
        progress: Callable[[int], None] = lambda _: None,
    ) -> Proof:
        """Hold the rows of some subjects, by kind, against independent replays, and against one another; `sampled` are
        those of buckets (`of_subjects`). Comes last: they stand among what was filled here then."""
        self._insert(sampled)
        store, tables = self.views.store, self.views.tables(PASSING)
        with self.views.reading() as connection:
            proof = prove_sample(store, connection, tables, self.build, chosen, progress)
            return with_laws(proof, laws(connection, tables))


@contextmanager
def begun_across(store: Store, segments: FilesPlace | None = None, as_of: int | None = None) -> Iterator[Across]:
    """An empty build at the ledger's head and an instant, now where left out; it goes with the block.

    Raises UsageError where the ledger holds no record.
    """
    with (
        passing_folder() as folder,
        scratch_views(store, folder / "views") as views,
    ):
        with views.moving() as connection:
            build = new_build(views, connection, PASSING, CHECKING)
            build = build if as_of is None else build._replace(as_of=as_of)
            views.add_build(connection, build)
            build = build._replace(policies=build_step(views, connection, build).policies_json())
        yield Across(views, build, segments)
