"""Whether the ledger is as it must be to be read and written: its tables, its clock, its policies, its last checks."""

from collections.abc import Callable
from random import Random
from typing import Final

from domain.calendar import instant_text, parse_instant, shanghai_text
from domain.limits import CLOCK_BEHIND_MICROS_MAX, DAY_MICROS, SECOND_MICROS
from projections.doctor.observations import FAIL, OK, WARN, Observation, Observations
from projections.views.location import has_views
from replay.blocks.files import Listings
from replay.decisions.adopt import not_adopted
from replay.integrity.kept import UNSOUND, kept
from replay.recording.completing import lacking
from replay.schema.versions import ERASURES_DUE, ONE_ALIAS_EVERYWHERE
from replay.store.base.store import Store
from replay.store.beside import reading_mode
from replay.store.sqlite import SqliteStore

CHECKED_DAYS_MAX: Final = 31
"""So old may the last check be."""
OBJECTS_OPENED: Final = 8
"""Of so many objects the directory is read; 'verify' reads all that they hold."""


def store_found(store: Store) -> Observations:
    """Whether the store is whole in its form. Of what it holds 'verify' tells, which reads everything."""
    check, name = "store", store.name
    problems = store.definition_problems()
    if problems:
        yield Observation(check, FAIL, "altered", {"name": name, "count": len(problems), "problem": problems[0]})
    if store.identity.version == ONE_ALIAS_EVERYWHERE:
        yield Observation(check, WARN, "one_alias", {"name": name})
    found = lacking(store)
    is_unusable = ERASURES_DUE in found.tables  # nothing can be recorded
    if (found.tables or found.indexes) and not found.was_robbed:
        lacks = {"name": name, "missing": ", ".join([*found.tables, *found.indexes])}
        yield Observation(check, FAIL if is_unusable else WARN, "of_earlier", lacks)
    if isinstance(store, SqliteStore) and reading_mode(store.path) != "rw":
        yield Observation(check, WARN, "only_read", {"name": name})
    if not problems and not is_unusable:
        told = {"name": name, "records": store.head().position, "bytes": store.size_bytes()}
        yield Observation(check, OK, "fits", told)


def archived_found(store: Store, clock: Callable[[], int]) -> Observations:
    """Whether the files of records that left the store are there, of their sizes, with the directories written down.

    Storage of objects is listed once, and the directories of some objects are held against their hashes, others each
    day.
    """
    segments, listings = store.record_segments(), Listings()
    unopened = [segment for segment in segments if not store.blocks.look(segment, listings)]
    of_this_day = Random(f"{len(segments)} {clock() // DAY_MICROS}")
    for segment in of_this_day.sample(unopened, min(len(unopened), OBJECTS_OPENED)):
        store.blocks.check(segment)
    told = {"segments": len(segments), "position": segments[-1].last if segments else 0}
    yield Observation("archived", OK, "there" if segments else "none", told)


def clock_found(store: Store, clock: Callable[[], int]) -> Observations:
    """The ledger's clock against the last record, and against the machine's where they are two."""
    check, head, now, here = "clock", store.head(), store.now(), clock()
    told = {"now": instant_text(now)}
    if head.position and head.recorded_at > now + CLOCK_BEHIND_MICROS_MAX:
        behind = (head.recorded_at - now) // SECOND_MICROS
        yield Observation(check, FAIL, "behind", told | {"last": instant_text(head.recorded_at), "seconds": behind})
        return
    if abs(here - now) > CLOCK_BEHIND_MICROS_MAX:
        seconds = abs(here - now) // SECOND_MICROS
        yield Observation(check, WARN, "two_clocks", told | {"here": instant_text(here), "seconds": seconds})
        return
    yield Observation(check, OK, "right", told)


def policies_found(store: Store) -> Observations:
    """Whether what views judge by stands in the ledger: who follows records it, and may lack the right to."""
    missing = not_adopted(store, store.now()) if store.head().position else []
    named = ", ".join(f"{policy.scheme} {policy.id}" for policy in missing)
    if missing and has_views(store):
        yield Observation("policies", WARN, "not_adopted", {"names": named, "id": missing[0].id})
    elif missing:
        yield Observation("policies", OK, "to_adopt", {"names": named})
    else:
        yield Observation("policies", OK, "adopted", {})


def checks_found(store: Store) -> Observations:
    """What the last check and the last audit came to, and how long ago that is."""
    check, made = "checks", kept(store)
    if made.damaged:
        yield Observation(check, WARN, "damaged", {"numbers": ", ".join(map(str, made.damaged))})
    if not made.checks:
        yield Observation(check, WARN, "never", {})
    else:
        last = made.checks[-1]
        verdicts = (last.ledger_verdict, last.segments_verdict, last.views_verdict, last.service_verdict)
        days = max(store.now() - parse_instant(last.at), 0) // DAY_MICROS
        told = {"at": shanghai_text(parse_instant(last.at)), "head": last.head, "days": days}
        if UNSOUND in verdicts:
            yield Observation(check, FAIL, "unsound", told)
        else:
            old = days > CHECKED_DAYS_MAX
            yield Observation(check, WARN if old else OK, "long_ago" if old else "verified", told)
    if made.audits:
        audit = made.audits[-1]
        told = {"at": shanghai_text(parse_instant(audit.at)), "audited": audit.audited, "reproduced": audit.reproduced}
        differs = audit.audited != audit.reproduced
        yield Observation(check, FAIL if differs else OK, "audit_differs" if differs else "audited", told)
