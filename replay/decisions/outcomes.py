"""What every subject of a scheme comes to at one moment: by plain replays where records are few, else in bulk."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from replay.columnar.size import are_many
from replay.decisions.digests import outcome_of
from replay.history.browse import list_subjects
from replay.history.timeline import Moment
from replay.objects.naming import FilesPlace
from replay.replaying.base import Policies
from replay.replaying.outcomes import SubjectOutcome
from replay.schemes.registry import Scheme, kinds_read, records_of_kind
from replay.store.base.store import Store

SUBJECTS_AT_ONCE: Final = 200
"""So many are replayed before what they come to is handed over; in bulk a part of the columns is."""


def outcomes(
    store: Store, scheme: Scheme, moment: Moment, policies: Policies, segments: FilesPlace | None = None
) -> Iterator[list[SubjectOutcome]]:
    """What each subject that the ledger knows by now comes to, some at a time; each subject once.

    `segments` is where sealed segments lie, if not beside the store.
    """
    listed = list(list_subjects(store, scheme.kind))
    subjects = [item["subject"] for item in listed]
    others = sum(records_of_kind(store, kind) for kind in kinds_read(scheme) - {scheme.kind})
    if scheme.in_bulk and are_many(others + sum(item["events"] for item in listed)):
        from replay.columnar.ledger_columns import LedgerColumns
        from replay.decisions.bulk import outcomes_in_bulk

        left = set(subjects)
        for some in outcomes_in_bulk(LedgerColumns(store, moment.position, segments), scheme, moment, policies):
            left.difference_update(outcome.subject for outcome in some)
            yield some
        subjects = sorted(left)  # those of which no rule reads anything
    yield from _plain(store, scheme, moment, policies, iter(subjects))


def _plain(
    store: Store, scheme: Scheme, moment: Moment, policies: Policies, subjects: Iterator[str]
) -> Iterator[list[SubjectOutcome]]:
    judging = scheme.replay
    while some := list(islice(subjects, SUBJECTS_AT_ONCE)):
        yield [
            outcome_of(store, judging(subject, judging.load(store, subject, moment.position), moment, policies))
            for subject in some
        ]
