"""Real histories: all of the Olist orders and reviews go in and come out whole.

The data is not part of the project: where `../shared/data/olist` is not there, these tests are skipped.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from domain.calendar import parse_instant
from fixtures import olist
from replay.history.timeline import Asked, Moment, resolve
from replay.integrity.verify import verify
from replay.mapping.asking import to_read
from replay.parsing.parse import read_line
from replay.schemes.merchant_reputation.replay import ReputationReplay
from replay.schemes.replaying import replay_subject
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests import ROOT
from tests.support import plain_olist
from tests.support.making import ingest_files, records

FOLDER = ROOT.parent / "shared" / "data" / "olist"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the Olist files are not there")
DATES = [
    datetime.fromisoformat(text)
    for text in ("2021-06-30T23:59:59.999999+08:00", "2022-06-15T12:00:00+08:00", "2022-12-03T22:41:32+08:00")
]


def replay(store: Store, subject: str, moment: Moment) -> ReputationReplay:
    found = replay_subject(store, subject, moment, "merchant-reputation")
    assert isinstance(found, ReputationReplay)
    return found


@pytest.fixture(scope="module")
def olist_lines(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("olist") / "events.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(item) + b"\n" for item in olist.events(FOLDER)))
    return str(path)


@pytest.fixture(scope="module")
def olist_store(olist_lines: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """All of the Olist histories, backfilled into one SQLite ledger."""
    folder = tmp_path_factory.mktemp("olist-store")
    create_store(str(folder / "ledger.db"))
    with open_store(str(folder / "ledger.db")) as store:
        counts, _ = ingest_files(store, [olist_lines], folder / "rejects.jsonl", backfill=True)
        assert (counts.known, counts.refused) == (0, 0)
        yield store


def test_every_event_is_recorded_once(olist_store: Store, olist_lines: str, tmp_path: Path) -> None:
    expected = plain_olist.counts(FOLDER)
    assert dict(olist_store._query("SELECT type, count FROM tally")) == expected
    assert olist_store.head().position == sum(expected.values())
    again, _ = ingest_files(olist_store, [olist_lines], tmp_path / "rejects.jsonl")
    assert (again.recorded, again.known, again.refused) == (0, sum(expected.values()), 0)
    assert verify(olist_store).problems == []


@pytest.mark.slow
def test_a_mapping_and_a_query_make_the_same_events_of_the_files(olist_lines: str) -> None:
    """In the same order and canonical form, without a line of Python."""
    files = [str(FOLDER / name) for name in olist.COLUMNS]
    read = to_read(ROOT / "fixtures" / "olist.toml", files, None, str(ROOT / "fixtures" / "olist.sql"))
    mapped = [line for name in read.names for block in read.read(name) for line in block.lines]
    expected = Path(olist_lines).read_bytes().splitlines()
    assert len(mapped) == len(expected) == 33_005
    assert [read_line(line) for line in mapped] == [read_line(line) for line in expected]


def test_sums_come_out_whole(olist_store: Store) -> None:
    paid = [msgspec.json.decode(record)["event"]["data"] for record in records(olist_store) if b"order.paid" in record]
    assert sum(data["amount"] for data in paid) == plain_olist.amount_sum_fen(FOLDER)
    assert len({data["order"] for data in paid}) == len(paid) == plain_olist.counts(FOLDER)["order.paid"]


def test_no_alias_stands_under_two_merchants(olist_store: Store) -> None:
    """Buyers who bought from several sellers cannot be matched by the files of these sellers."""
    payments = [msgspec.json.decode(record) for record in records(olist_store) if b"order.paid" in record]
    merchants = defaultdict(set)
    for payment in payments:
        merchants[payment["event"]["data"]["buyer"]].add(payment["stream"])
    assert {len(found) for found in merchants.values()} == {1}
    ((rows, buyers),) = olist_store._query("SELECT count(*), count(DISTINCT key) FROM buyers")
    assert len(merchants) == rows > buyers


@pytest.mark.slow
@pytest.mark.parametrize("as_of", DATES, ids=lambda date: f"{date:%Y-%m-%d}")
def test_points_and_verdicts_of_every_seller_are_those_of_a_plain_reading(olist_store: Store, as_of: datetime) -> None:
    moment = resolve(olist_store, Asked(as_of=as_of.isoformat()))
    for seller in plain_olist.sellers(FOLDER):
        found = replay(olist_store, f"merchant/{seller}", moment)
        assert found.shown.points_tenths == plain_olist.points_tenths(FOLDER, seller, as_of), seller
        verdicts = Counter(finding.verdict.word for finding in found.findings)
        assert verdicts == plain_olist.verdict_counts(FOLDER, seller, as_of), seller


def test_every_review_is_accounted_for(olist_store: Store) -> None:
    """At the end each review has a verdict of its own: none is lost between the rules."""
    moment = resolve(olist_store, Asked())
    judged = 0
    for seller in plain_olist.sellers(FOLDER):
        found = replay(olist_store, f"merchant/{seller}", moment)
        reviews = {position for position, item in found.events.items() if item.type == "review.posted"}
        assert set(found.notes.values()) <= {"pending", "reviewed"}
        assert reviews <= {finding.position for finding in found.findings}
        judged += len(reviews)
    assert judged == plain_olist.counts(FOLDER)["review.posted"]


def test_what_was_known_then_is_what_was_there_then(olist_store: Store) -> None:
    """The histories are backfilled as learned when they happened: both clocks cut at the same events."""
    at = "2022-03-31T23:59:59.999999+08:00"
    for seller in plain_olist.sellers(FOLDER)[:50]:
        subject = f"merchant/{seller}"
        first = next(olist_store._query("SELECT min(recorded_at) FROM records WHERE stream = ?", (subject,)))[0]
        then = replay(olist_store, subject, resolve(olist_store, Asked(known_at=at)))
        now = replay(olist_store, subject, resolve(olist_store, Asked(as_of=at)))
        assert (then.shown, then.findings) == (now.shown, now.findings)
        assert (then.shown.state == "not_onboarded") == (first > parse_instant(at))


def test_the_shift_keeps_the_histories_in_the_span_of_the_ledger() -> None:
    assert timedelta(days=1_461) == datetime(2020, 10, 3) - datetime(2016, 10, 3)
