"""Ingest: counts, duplicates, conflicts, batches, backfills, clocks, rejects, odd files."""

import gzip
import io
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cli import main
from domain.calendar import instant_text, parse_instant
from replay.errors import StoreError
from replay.intake import backfill, sorting
from replay.intake import parallel as decoding
from replay.intake.dry_run import scratch_above
from replay.integrity.verify import verify
from replay.parsing import lines
from replay.parsing.parse import read_line
from replay.recording import append
from replay.recording.append import Appender
from replay.store.base.store import Store
from replay.store.buyers import key_of
from replay.store.opening import create_store, open_store
from replay.store.sqlite import SqliteStore
from tests import ROOT
from tests.support.disks import small_disk
from tests.support.making import Event, event, ingest_events, ingest_files, line, paid, records, write_lines


def without_times(record: bytes) -> Event:
    """A record but for its recorded time, the ledger's id and the random alias of its buyer."""
    found: Event = msgspec.json.decode(record)
    found |= {"recorded_at": "", "ledger": ""}
    found["event"]["data"].pop("buyer", None)
    return found


def test_the_same_file_twice_changes_nothing(store: Store, tmp_path: Path) -> None:
    events = [paid(f"o-{n}") for n in range(20)]
    first, _ = ingest_events(store, events, tmp_path)
    before = records(store)
    second, _ = ingest_events(store, events, tmp_path)
    assert (first.recorded, first.known) == (20, 0)
    assert (second.recorded, second.known, second.refused) == (0, 20, 0)
    assert records(store) == before


def test_the_same_content_written_otherwise_is_known(store: Store, tmp_path: Path) -> None:
    """Other spacing, order and escapes, another offset, defaults written out, a recordedtime."""
    plain = paid("o-1", "2022-11-01T10:00:00+08:00")
    other = {**plain, "time": "2022-11-01T02:00:00.0Z", "recordedtime": "2022-11-02T00:00:00Z"}
    other["data"] = {"kind": "normal", "payment": "online", **plain["data"]}
    other["datacontenttype"] = "application/json"
    counts, _ = ingest_events(store, [plain, other], tmp_path)
    assert (counts.recorded, counts.known, counts.refused) == (1, 1, 0)
    again, _ = ingest_events(store, [other], tmp_path)
    assert again.known == 1


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"amount": 1}, {"buyer": "b-2"}, {"kind": "gift"}, {"order": "o-2"}])
def test_other_content_under_the_same_key_is_a_conflict(store: Store, tmp_path: Path, change: Event) -> None:
    ingest_events(store, [paid("o-1")], tmp_path)
    before = records(store)
    other = paid("o-1")
    other["data"] |= change
    counts, watch = ingest_events(store, [other, paid("o-3")], tmp_path)
    assert (counts.recorded, counts.known, counts.refused) == (1, 0, 1)
    assert "recorded at position 1 with other content" in watch.refusals[0][1].message
    assert records(store)[:1] == before


def test_another_actor_or_instant_is_a_conflict_too(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1", actor="a")], tmp_path)
    counts, _ = ingest_events(store, [paid("o-1", actor="b"), paid("o-1", "2022-11-01T10:00:01+08:00")], tmp_path)
    assert counts.refused == 2


@pytest.mark.slow
@given(sizes=st.lists(st.integers(1, 7), min_size=1, max_size=12))
def test_any_batching_gives_the_same_ledger(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    """Law: the same lines in one batch or in many give the same records but for the recorded times."""
    folder = tmp_path_factory.mktemp("batches")
    made = [paid(f"o-{n % 9}", subject=f"merchant/m-{n % 2}", buyer=f"b-{n % 3}") for n in range(30)]
    candidates = [read_line(line(item)) for item in made]
    ledgers = []
    for name, cuts in (("one", [len(candidates)]), ("many", [*sizes, len(candidates)])):
        location = str(folder / f"{name}.db")
        create_store(location)
        with open_store(location) as store:
            appender = Appender(store.identity.id, key_of(store))
            rest = list(candidates)
            for size in cuts:
                part, rest = rest[:size], rest[size:]
                with store.append() as transaction:
                    appender.append(transaction, part, append.ledger_clock(transaction, clock_behind=False))
            ledgers.append([without_times(record) for record in records(store)])
            assert verify(store).problems == []
    assert ledgers[0] == ledgers[1]


def test_each_transaction_is_recorded_later_than_the_one_before(store: Store, tmp_path: Path) -> None:
    for n in range(5):
        ingest_events(store, [paid(f"a-{n}"), paid(f"b-{n}")], tmp_path)
    times = [at for (at,) in store._query("SELECT recorded_at FROM records ORDER BY position")]
    assert times[0::2] == times[1::2]
    assert sorted(set(times)) == times[0::2]


def test_a_prefix_of_the_ledger_never_changes(store: Store, tmp_path: Path) -> None:
    prefix: list[bytes] = []
    for n in range(4):
        ingest_events(
            store,
            [
                paid(f"o-{n}"),
                paid(f"o-{n}", amount=1),
                event("order.flagged", f"f-{n}", order=f"o-{n}", reason="fake_trade"),
            ],
            tmp_path,
        )
        assert records(store)[: len(prefix)] == prefix
        prefix = records(store)


def test_refused_lines_can_be_mended_and_ingested_again(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    bad = line(paid("o-2")).replace(b"12900", b"129.00")
    file.write_bytes(line(paid("o-1")) + b"\n" + bad + b"\r\n\n" + line(paid("o-3")))
    counts, watch = ingest_files(store, [str(file)], tmp_path / "rejects.jsonl")
    assert (counts.recorded, counts.refused, counts.passed_over, counts.lines) == (2, 1, 1, 4)
    assert watch.refusals[0][0] == f"{file}:2"
    rejects = tmp_path / "rejects.jsonl"
    assert rejects.stat().st_mode & 0o777 == 0o600
    reason, refused_line = rejects.read_bytes().splitlines()
    assert reason.startswith(b"# refused: ") and b"data.amount" in reason
    assert refused_line == bad
    rejects.write_bytes(rejects.read_bytes().replace(b"129.00", b"12900"))
    again, _ = ingest_files(store, [str(rejects)], tmp_path / "rejects2.jsonl")
    assert (again.recorded, again.refused, again.passed_over) == (1, 0, 1)
    assert not (tmp_path / "rejects2.jsonl").exists()


def test_a_rejects_file_is_never_overwritten(store: Store, tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.jsonl"
    rejects.write_text("precious")
    ingest_files(store, [write_lines(tmp_path / "e.jsonl", [paid("-")])], rejects)
    assert rejects.read_text() == "precious"
    assert b"data.order" in (tmp_path / "rejects-2.jsonl").read_bytes()


def test_gzip_and_standard_input(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = tmp_path / "events.jsonl.gz"
    packed.write_bytes(gzip.compress(line(paid("o-1")) + b"\n" + line(paid("o-2"))))
    monkeypatch.setenv("LEVELBOOK_STORE", location)
    monkeypatch.chdir(tmp_path)
    given_in = io.BytesIO(line(paid("o-2")) + b"\n" + line(paid("o-3")) + b"\n")
    result = CliRunner().invoke(main, ["ingest", "--format", "json", str(packed), "-"], input=given_in)
    found = msgspec.json.decode(result.stdout)
    assert (found["recorded"], found["known"], found["lines"]) == (3, 1, 4)
    assert result.exit_code == 0


def test_a_pipe_is_acknowledged_before_it_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli", "ingest", "--acknowledge", "--store", str(tmp_path / "ledger.db"), "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, bufsize=0) as process:
        assert process.stdin is not None and process.stdout is not None
        watchdog = threading.Timer(30, process.kill)
        watchdog.start()
        for n in (1, 2):
            process.stdin.write(line(paid(f"o-{n}")) + b"\n")
            assert process.stdout.readline() == f"recorded up to -:{n}, position {n}\n".encode()
        process.stdin.close()
        assert process.stdout.read() == b"2 recorded, 0 already known, 0 refused\n"
        watchdog.cancel()


@pytest.mark.slow
def test_nothing_of_a_broken_gzip_is_taken_in_and_the_rest_goes_on(store: Store, tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(line(paid(f"o-{n}", buyer=os.urandom(16).hex())) + b"\n" for n in range(30_000)))
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(whole[: len(whole) * 9 // 10])
    other = write_lines(tmp_path / "other.jsonl", [event("merchant.closed", "c-1")])
    counts, _ = ingest_files(store, [str(broken), other], tmp_path / "rejects.jsonl")
    assert counts.recorded == 1 == store.head().position
    assert "broken.jsonl.gz cannot be read to its end" in counts.broken_files[0]
    assert list(store._query("SELECT count(*) FROM records WHERE type = 'merchant.closed'")) == [(1,)]


@pytest.mark.slow
def test_helped_and_plain_decoding_agree(tmp_path: Path) -> None:
    made = [paid(f"o-{n}") if n % 50 else {"type": n} for n in range(80_000)]
    file = write_lines(tmp_path / "long.jsonl", made)
    assert list(decoding.decoded_with_help(lines.blocks(file))) == list(decoding.decoded(lines.blocks(file)))
    assert sum(1 for _ in lines.blocks(file)) > decoding.BLOCKS_BEFORE_HELP + 2


@pytest.mark.slow
def test_memory_stays_flat_under_an_endless_line_and_a_bomb(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.jsonl.gz"
    with gzip.open(bomb, "wb", compresslevel=9) as file:
        for _ in range(400):
            file.write(bytes(1 << 20))
        file.write(b"\n" + line(paid("o-1")) + b"\n")
    shown, complaints, peak_mib = ingest_and_weigh(bomb)
    assert "bomb.jsonl.gz:1: found a line of more than 65536 bytes" in complaints
    assert shown == "1 recorded, 0 already known, 1 refused"
    assert peak_mib < 100


@pytest.mark.slow
def test_memory_stays_flat_when_every_line_is_refused(tmp_path: Path) -> None:
    many = tmp_path / "many.jsonl"
    many.write_bytes((line({**paid("o-1"), "odd": 1}) + b"\n{\n") * 15_000)
    shown, _, peak_mib = ingest_and_weigh(many, "--refusals-max", "0")
    assert shown == "0 recorded, 0 already known, 30000 refused"
    assert peak_mib < 150


def ingest_and_weigh(file: Path, *options: str) -> tuple[str, str, float]:
    """What an ingest of a file prints, what it says on standard error, and its peak memory in MiB.

    Both processes are weighed: in a long file the second one decodes.
    """
    script = (
        "import re, resource, sys; sys.argv = ['levelbook', 'ingest', '--store', 'ledger.db', *sys.argv[1:]];"
        "import cli\n"
        "try: cli.main()\n"
        "finally: print(re.search('VmHWM:.*?([0-9]+)', open('/proc/self/status').read())[1],"
        " resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, file.name, *options],
        cwd=file.parent,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    shown, _, weights = done.stdout.splitlines()
    return shown, done.stderr, max(map(int, weights.split())) / 1024


def test_a_named_pipe_is_read_once_and_whole(store: Store, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = line(paid("o-1")) + b"\n"
    writer = threading.Thread(target=lambda: pipe.write_bytes(text), daemon=True)
    writer.start()
    lines.check_files((str(pipe),))
    counts, _ = ingest_files(store, [str(pipe)], tmp_path / "rejects.jsonl")
    writer.join(10)
    assert counts.recorded == 1


def test_a_line_of_blanks_over_the_limit_is_refused_and_not_passed_over(store: Store, tmp_path: Path) -> None:
    """The reader holds no more than the limit of a line: it cannot know what stood behind the blanks."""
    file = tmp_path / "blanks.jsonl"
    file.write_bytes(b" " * 1_100_000 + line(paid("o-1")) + b" " * 1_100_000 + b"\n\n")
    counts, _ = ingest_files(store, [str(file)], tmp_path / "rejects.jsonl")
    assert (counts.recorded, counts.refused, counts.passed_over) == (0, 1, 1)


def test_odd_file_names_do_not_break_the_rejects_file(store: Store, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "a\nb\x1b[2J.jsonl", [paid("-")])
    counts, watch = ingest_files(store, [file], tmp_path / "rejects.jsonl")
    assert counts.refused == 1
    assert watch.refusals[0][0].isprintable()
    again, _ = ingest_files(store, [str(tmp_path / "rejects.jsonl")], tmp_path / "rejects.jsonl")
    assert (again.refused, again.passed_over) == (1, 1)


@pytest.mark.slow
def test_a_reader_of_the_messages_who_leaves_does_not_stop_the_ingest(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "e.jsonl", [*(paid("-") for _ in range(3_000)), *(paid(f"o-{n}") for n in range(10))])
    location = str(tmp_path / "ledger.db")
    command = f"{sys.executable} -m cli ingest --store {location} --rejects {tmp_path}/r.jsonl --acknowledge {file}"
    subprocess.run(f"{command} 2>&1 | head -1", shell=True, cwd=ROOT, check=True, capture_output=True)
    with open_store(location) as store:
        assert store.head().position == 10


# --- backfills


def dated(order: str, recordedtime: str) -> Event:
    return paid(order, "2022-01-01T00:00:00+08:00", recordedtime=recordedtime)


def order_of(store: Store) -> list[tuple[str, str, bool]]:
    rows = store._query("SELECT ref, recorded_at, record FROM records ORDER BY position")
    return [(ref, instant_text(at), msgspec.json.decode(record)["backfill"]) for ref, at, record in rows]


def test_a_backfill_takes_several_files_in_the_order_of_recordedtime(store: Store, tmp_path: Path) -> None:
    one = write_lines(tmp_path / "1.jsonl", [dated("c", "2022-01-03T00:00:00Z"), dated("a", "2022-01-01T00:00:00Z")])
    two = write_lines(tmp_path / "2.jsonl", [dated("d", "2022-01-03T00:00:00Z"), dated("b", "2022-01-02T00:00:00Z")])
    counts, _ = ingest_files(store, [one, two], tmp_path / "rejects.jsonl", backfill=True)
    assert counts.recorded == 4
    assert order_of(store) == [
        ("a", "2022-01-01T00:00:00.000000Z", True),
        ("b", "2022-01-02T00:00:00.000000Z", True),
        ("c", "2022-01-03T00:00:00.000000Z", True),
        ("d", "2022-01-03T00:00:00.000000Z", True),
    ]
    again, _ = ingest_files(store, [one, two], tmp_path / "rejects.jsonl", backfill=True)
    assert (again.known, again.refused) == (4, 0), "what is known is recognised before the order is tested"


def test_a_backfill_of_long_lines_is_bounded_in_bytes(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blanks around an event cost memory while it waits to be sorted: a run is bounded in bytes too."""
    for module, name in ((sorting, "SORT_BYTES"), (sorting, "SPILL_BYTES"), (backfill, "BATCH_BYTES")):
        monkeypatch.setattr(module, name, 4_000)
    candidate = read_line(line(paid("o-1")))
    entries = [sorting.SortedLine(n, 0, n, decoding.Line("f", n, b" " * 1_000, candidate, {})) for n in range(9)]
    assert [len(batch) for batch in sorting.batches(iter(entries), 100, 4_000)] == [4, 4, 1]
    file = tmp_path / "long.jsonl"
    file.write_bytes(b"".join(line(dated(f"o-{n}", "2022-01-01T00:00:00Z")) + b" " * 2_000 + b"\n" for n in range(20)))
    counts, watch = ingest_files(store, [str(file)], tmp_path / "rejects.jsonl", backfill=True)
    assert counts.recorded == 20 and len(watch.heads) >= 10


def test_late_lines_are_refused_or_recorded_as_learned_now(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [dated("m", "2022-02-01T00:00:00Z")], tmp_path, backfill=True)
    lines_ = [dated("early", "2022-01-15T00:00:00Z"), dated("n", "2022-03-01T00:00:00Z")]
    counts, watch = ingest_events(store, lines_, tmp_path, backfill=True, skip_refused=True)
    assert (counts.recorded, counts.refused) == (1, 1)
    assert "--late" in watch.refusals[0][1].message
    counts, _ = ingest_events(store, [*lines_, dated("o", "2022-04-01T00:00:00Z")], tmp_path, backfill=True, late=True)
    assert (counts.recorded, counts.known, counts.refused) == (2, 1, 0)
    found = order_of(store)
    assert [ref for ref, _, _ in found] == ["m", "n", "o", "early"]
    assert found[3][2] is False and found[3][1] > "2026"
    last = msgspec.json.decode(records(store)[3])
    assert last["event"]["recordedtime"] == "2022-01-15T00:00:00.000000Z"
    assert verify(store).problems == []


def test_a_long_backfill_is_sorted_on_disk(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorting, "SORT_LINES", 3)
    monkeypatch.setattr(sorting, "MERGE_RUNS", 4)
    monkeypatch.setattr(sorting, "SPILL_LINES", 2)
    events = [dated(f"o-{n}", instant_text(parse_instant("2022-01-01T00:00:00Z") + n * 37 % 101)) for n in range(60)]
    counts, _ = ingest_events(store, events, tmp_path, backfill=True)
    assert counts.recorded == 60
    expected = sorted(range(60), key=lambda n: (n * 37 % 101, n))
    assert [ref for ref, _, _ in order_of(store)] == [f"o-{n}" for n in expected]


def test_a_backfilled_event_may_not_lie_ahead_of_its_own_record(store: Store, tmp_path: Path) -> None:
    ahead = paid("o-1", "2022-01-01T00:05:00.000001Z", recordedtime="2022-01-01T00:00:00Z")
    level = paid("o-2", "2022-01-01T00:05:00Z", recordedtime="2022-01-01T00:00:00Z")
    counts, watch = ingest_events(store, [ahead, level], tmp_path, backfill=True, skip_refused=True)
    assert (counts.recorded, counts.refused) == (1, 1)
    assert watch.refusals[0][1].reason == "ahead_of_record"


# --- dry runs


def test_a_dry_run_says_what_a_run_would_do_and_does_nothing(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = write_lines(tmp_path / "first.jsonl", [paid("o-1"), paid("o-2")])
    second = write_lines(
        tmp_path / "second.jsonl", [paid("o-2"), paid("o-1", amount=1), paid("o-3"), paid("o-3"), paid("-")]
    )

    def run(*words: str) -> str:
        result = CliRunner().invoke(main, ["ingest", "--store", location, "--rejects", "r.jsonl", *words])
        return result.output

    assert "2 would be recorded, 0 already known, 0 refused" in run("--dry-run", first)
    assert not list(tmp_path.glob("ledger.db*")), "a dry run makes no store"
    run(first)
    with open_store(location) as store:
        before = records(store)
        tried = re.sub("would be recorded", "recorded", run("--dry-run", second))
        assert records(store) == before
    done = run(second)
    assert "1 recorded, 2 already known, 2 refused" in done
    assert _but_for_the_rejects(tried) == _but_for_the_rejects(done)


def test_a_dry_run_without_room_in_the_temporary_folder_says_nothing_of_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever room ends: while the scratch store is made, opened or written into."""
    path = write_lines(tmp_path / "some.jsonl", [paid(f"o-{n}") for n in range(300)])
    words = ["ingest", "--store", str(tmp_path / "ledger.db"), "--rejects", str(tmp_path / "r"), "--dry-run", path]
    done = list[bool]()
    with small_disk(tmp_path / "small", "4k") as resize:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "small"))
        for kilobytes in range(8, 1000, 40):
            resize(f"{kilobytes}k")
            result = CliRunner().invoke(main, words)
            done.append(result.exit_code == 0)
            told = "/small cannot be kept there (" in result.output and "nothing else was changed" in result.output
            assert done[-1] or (result.exit_code == 3 and told), (kilobytes, result.output)
    assert done == sorted(done) and len(set(done)) == 2


def test_a_ledger_that_a_dry_run_cannot_read_is_named_and_not_the_temporary_folder(tmp_path: Path) -> None:
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as store, scratch_above(store) as layers:
        assert isinstance(store, SqliteStore)
        store._reader.close()
        with pytest.raises(StoreError, match=r"/ledger.db cannot be used: "), layers.append() as transaction:
            transaction.find([("urn:test", "o-1")])


def _but_for_the_rejects(output: str) -> list[str]:
    """Both runs refuse the same lines in the same words, into two files."""
    messages = re.sub("at position 1|earlier in this run", "before", output)
    return [text for text in messages.splitlines() if not text.startswith("refused lines are in")]
