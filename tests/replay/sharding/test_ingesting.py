"""An ingest of a set: the same report as that of one ledger, whatever is refused and whoever is killed."""

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from pathlib import Path
from random import Random
from typing import Any

import pytest

from domain.calendar import instant_text
from replay.errors import StoreError
from replay.intake.ingest import Ingest
from replay.intake.outcomes import TooManyRefused
from replay.intake.rejects import Rejects
from replay.parsing import lines
from replay.parsing.envelope import Undocumented
from replay.parsing.lines import Block
from replay.parsing.unpacking import BrokenInput
from replay.recording.placing import shard_of
from replay.sharding import ingesting, writers
from replay.sharding.checking import check_set
from replay.sharding.ids import standing_twice
from replay.sharding.opened import open_set
from replay.sharding.routing import Router
from replay.sharding.target import set_target, shard_target
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.support.making import Event, Silent, event, ingest_files, line, paid
from tests.support.sets import command, ingest_into_set, lines_of, made_set, of_other_shards, streams, streams_of_set
from tests.worlds.ledgers import World

Patch = pytest.MonkeyPatch


def written(path: Path, seed: int, count: int) -> str:
    """Events of a random world: some again, some with the id of another subject's, some not well-formed."""
    random = Random(seed)
    events = of_other_shards(World(seed).events(count), "merchant/m-9", 0.03, random)
    found = [line(made) for made in events]
    for _ in range(count // 20):
        at = random.randrange(len(found))
        found.insert(at, random.choice((b"{}", b"", b"# refused: before", b"no json", found[at // 2])))
    path.write_bytes(b"\n".join(found))
    return str(path)


def side_by_side(patch: Patch, block_lines: int = 40) -> None:
    """Also short files are recorded by processes, in small blocks."""
    patch.setattr(lines, "BATCH_LINES_MAX", block_lines)
    patch.setattr(ingesting, "_is_long", lambda _: True)


@pytest.mark.slow
@pytest.mark.parametrize("of", [2, 4])
@pytest.mark.parametrize("by_processes", [False, True])
def test_the_report_is_that_of_one_ledger(tmp_path: Path, monkeypatch: Patch, of: int, by_processes: bool) -> None:
    for seed in range(SOAK):
        folder = tmp_path / str(seed)
        folder.mkdir()
        name = written(folder / "events.jsonl", seed, 400)
        create_store(str(folder / "one.db"))
        with open_store(str(folder / "one.db")) as store:
            one, told = ingest_files(store, [name], folder / "rejects.jsonl")
            expected = streams([store])
        if by_processes:
            side_by_side(monkeypatch)
        location = made_set(folder, of)
        counts, watch = ingest_into_set(location, [name], folder / "set-rejects.jsonl")
        assert counts == one and one.refused > 10 and one.known > 0 and one.passed_over > 0
        assert [(at, why.reason) for at, why in watch.refusals] == [(at, why.reason) for at, why in told.refusals]
        assert streams_of_set(location) == expected
        rejects = [
            [text for text in (folder / file).read_text().splitlines() if not text.startswith("# refused")]
            for file in ("rejects.jsonl", "set-rejects.jsonl")
        ]
        assert rejects[0] == rejects[1]
        again, _ = ingest_into_set(location, [name], folder / "again.jsonl")
        assert (again.recorded, again.refused) == (0, one.refused) and again.lines == one.lines
        with open_set(location) as opened:
            found = check_set(opened)
        assert found.is_sound and found.twice == []


def test_a_dry_run_says_what_would_be_recorded_and_records_nothing(tmp_path: Path) -> None:
    name = written(tmp_path / "events.jsonl", 3, 200)
    location = made_set(tmp_path, 4)
    watch, rejects = Silent(), Rejects(tmp_path / "r.jsonl")
    with set_target(location, dry_run=True) as target:
        tried = Ingest(target, rejects, watch).run([name])
    rejects.close()
    assert streams_of_set(location) == {}
    counts, told = ingest_into_set(location, [name], tmp_path / "rejects.jsonl")
    assert counts == tried
    assert [(at, why.reason) for at, why in watch.refusals] == [(at, why.reason) for at, why in told.refusals]


def test_a_backfill_is_recorded_in_every_ledger_or_in_none(tmp_path: Path) -> None:
    events = [
        paid(f"o-{n}", subject=f"merchant/m-{n}", recordedtime=f"2022-11-02T10:00:{59 - n:02d}+08:00")
        for n in range(30)
    ]
    name = tmp_path / "events.jsonl"
    location = made_set(tmp_path, 4)
    for more, recorded in (([paid("o-0", subject="merchant/m-0", amount=-1)], 0), ([], 30)):
        name.write_bytes(lines_of([*events, *more]))
        with set_target(location, dry_run=False) as target:
            rejects = Rejects(tmp_path / "rejects.jsonl")
            counts = Ingest(target, rejects, Silent()).backfill([str(name)], late=False, skip_refused=False)
        rejects.close()
        assert (counts.recorded, counts.refused_whole) == (recorded, not recorded)
    assert sum(map(len, streams_of_set(location).values())) == 30
    with open_set(location) as opened:
        assert {instant_text(store.head().recorded_at)[:16] for store in opened.stores} == {"2022-11-02T02:00"}


def test_an_id_of_another_shard_is_refused_with_what_differs(tmp_path: Path) -> None:
    location = made_set(tmp_path, 2)
    names = [next(f"merchant/{n}" for n in range(99) if shard_of(f"merchant/{n}", 2) == number) for number in (0, 1)]
    events = [event("merchant.closed", "e-1", subject=name) for name in names]
    for made, told in zip(
        events, (None, "recorded in shard 0, at position 2 with other content (subject"), strict=True
    ):
        (tmp_path / "e.jsonl").write_bytes(line(made))
        counts, watch = ingest_into_set(location, [str(tmp_path / "e.jsonl")], tmp_path / "r.jsonl")
        assert (counts.refused == 1) is (told is not None)
        assert told is None or told in watch.refusals[0][1].message


def twice(location: str, folder: Path) -> None:
    """One id in two ledgers, as two processes leave it that record in the same moment."""
    names = [next(f"merchant/{n}" for n in range(99) if shard_of(f"merchant/{n}", 2) == number) for number in (0, 1)]
    with open_set(location) as opened:
        for store, name in zip(opened.stores, names, strict=True):
            path = folder / "twice.jsonl"
            path.write_bytes(line(event("merchant.closed", "e-1", subject=name)))
            assert ingest_files(store, [str(path)], folder / "r.jsonl")[0].recorded == 1


def test_an_id_that_stands_twice_is_found_until_one_is_retracted(tmp_path: Path) -> None:
    location = made_set(tmp_path, 2)
    twice(location, tmp_path)
    with open_set(location) as opened:
        found = check_set(opened)
        assert not found.is_sound
        (item,) = found.twice
        assert (item.source, item.event_id, item.shards, item.positions) == ("urn:test", "e-1", (0, 1), (2, 2))
        assert list(standing_twice(opened, [2, 2], [2, 2])) == [], "looked at before"
        assert list(standing_twice(opened, [2, 1], [2, 2])) == [item]
    gone = event("event.retracted", "r-1", subject=item.subjects[1], event="e-1", reason="a mistake")
    gone["data"]["source"] = "urn:test"
    (tmp_path / "gone.jsonl").write_bytes(line(gone))
    ingest_into_set(location, [str(tmp_path / "gone.jsonl")], tmp_path / "r.jsonl")
    with open_set(location) as opened:
        found = check_set(opened)
    assert found.is_sound and [item.is_settled for item in found.twice] == [True]


def retracted(subject: str, event_id: str, of: str) -> Event:
    found = event("event.retracted", event_id, subject=subject, event=of, reason="a mistake")
    found["data"]["source"] = "urn:test"
    return found


def test_a_third_record_of_an_id_is_looked_at_too(tmp_path: Path) -> None:
    location = made_set(tmp_path, 4)
    names = [next(f"merchant/{n}" for n in range(99) if shard_of(f"merchant/{n}", 4) == number) for number in (0, 1, 3)]
    path = tmp_path / "e.jsonl"
    with open_set(location) as opened:
        for name in names:
            path.write_bytes(line(event("merchant.closed", "e-1", subject=name)))
            ingest_files(opened.store_of(name), [str(path)], tmp_path / "r.jsonl")
        for count, shown in ((0, (0, 1)), (1, (1, 3)), (2, (0, 1))):
            if count:
                path.write_bytes(line(retracted(names[count - 1], f"r-{count}", "e-1")))
                ingest_files(opened.store_of(names[count - 1]), [str(path)], tmp_path / "r.jsonl")
            found = check_set(opened)
            assert [(item.shards, item.is_settled) for item in found.twice] == [(shown, count == 2)]
            assert found.is_sound is (count == 2)


def test_a_retraction_that_is_retracted_lets_an_id_count_twice_again(tmp_path: Path) -> None:
    """Nothing that bears the id is new then."""
    location = made_set(tmp_path, 2)
    twice(location, tmp_path)
    with open_set(location) as opened:
        (item,) = check_set(opened).twice
        store, subject = opened.stores[1], item.subjects[1]
        path = tmp_path / "gone.jsonl"
        for number, named in enumerate(("e-1", "r-1", "r-2", "r-3"), 1):
            since = [one.head().position for one in opened.stores]
            path.write_bytes(line(retracted(subject, f"r-{number}", named)))
            assert ingest_files(store, [str(path)], tmp_path / "r.jsonl")[0].recorded == 1
            heads = [one.head().position for one in opened.stores]
            (found,) = standing_twice(opened, since, heads)
            assert found == item._replace(is_settled=number % 2 == 1)
            assert not list(standing_twice(opened, heads, heads))


def test_a_subject_in_another_ledger_than_its_own_is_found(tmp_path: Path, monkeypatch: Patch) -> None:
    from replay.recording import append

    location = made_set(tmp_path, 2)
    with monkeypatch.context() as patched:
        patched.setattr(append, "refused_elsewhere", lambda *_: None)
        with open_set(location) as opened:
            other = next(f"merchant/{n}" for n in range(99) if shard_of(f"merchant/{n}", 2) == 1)
            (tmp_path / "e.jsonl").write_bytes(line(paid("o-1", subject=other)))
            ingest_files(opened.stores[0], [str(tmp_path / "e.jsonl")], tmp_path / "r.jsonl")
    with open_set(location) as opened:
        assert check_set(opened).misplaced == [(0, other)]


ODD_LINES: list[tuple[bytes, str | None]] = [
    (b'{"specversion":"1.0","id":"e","source":"urn:test","type":"merchant.closed","subject":"%s",%s}', None),
    (b'{"data":{},"id":"\\"subject\\":\\"merchant/0\\"","source":"s","specversion":"1.0","subject":"%s",%s}', None),
    (b'{"specversion":"1.0","id":"e","source":"urn:test","sub\\u006aect":"%s","type":"merchant.closed",%s}', None),
    (b'{"id":"subject","specversion":"1.0","source":"urn:test","subject" \t: "%s","type":"merchant.closed",%s}', None),
    (b'{"specversion":"1.0","id":"e\\u00e9","source":"urn:test","subject":"%s","type":"merchant.closed",%s}', None),
]


@pytest.mark.parametrize("form", [form for form, _ in ODD_LINES])
def test_a_line_is_routed_by_the_subject_that_it_is_recorded_under(form: bytes) -> None:
    from replay.parsing.parse import read_line
    from replay.parsing.refusals import RefusalError

    router = Router(4, Undocumented.REFUSE)
    for number in range(30):
        name = f"merchant/x-{number}"
        text = form % (name.encode(), b'"time":"2022-11-01T10:00:00+08:00"')
        try:
            expected = shard_of(read_line(text).stream, 4)
        except RefusalError:
            continue
        assert router.place(text)[0] == expected


def test_lines_are_sent_in_rounds_in_which_no_id_goes_to_two_shards() -> None:
    router = Router(2, Undocumented.REFUSE)
    zero, one = (next(f"merchant/{n}" for n in range(99) if shard_of(f"merchant/{n}", 2) == k) for k in (0, 1))
    texts = [
        line(event("merchant.closed", name, subject=subject))
        for name, subject in (
            ("a", zero),
            ("b", one),
            ("a", one),
            ("c", one),
            ("d", zero),
        )
    ]
    routed = router.route(texts)
    assert routed == ([[[0], [1]], [[4], [2, 3]]], False)
    assert router.route([line(event("merchant.closed", "d", subject=one))]) == ([[[], [0]]], True)
    assert router.route([line(event("merchant.closed", "d", subject=one))]) == ([[[], [0]]], False)


_REST = b'"source":"s","specversion":"1.0","subject":"%s","type":"merchant.closed",%s}'
ID_FORMS = {
    "escaped, as PHP does": b'{"id":"a\\/b",' + _REST,
    "escaped, as Python does": b'{"id":"a\\u002Fb",' + _REST,
    "an escaped name": b'{"i\\u0064":"a/b",' + _REST,
    "another text that is id": b'{"ce":"id","id":"a/b",' + _REST,
}


@pytest.mark.parametrize("form", ID_FORMS.values(), ids=ID_FORMS)
def test_one_id_is_seen_however_it_is_written(form: bytes) -> None:
    """Two lines of it for two shards are never under way together, or it would stand in both."""
    router = Router(2, Undocumented.DROP)
    zero, one = (next(f"merchant/{n}" for n in range(99) if shard_of(f"merchant/{n}", 2) == k) for k in (0, 1))
    time_ = b'"time":"2022-11-01T10:00:00+08:00"'
    plain = line(event("merchant.closed", "a/b", subject=one))
    assert router.route([form % (zero.encode(), time_), plain]).rounds == [[[0], []], [[], [1]]]
    assert router.route([form % (zero.encode(), time_)]).waits


def test_an_id_that_went_to_two_shards_waits_in_the_next_block() -> None:
    """Its last line in a block may go where it went last, and its first one where it is not known yet."""
    router = Router(2, Undocumented.REFUSE)
    zero, one = (next(f"merchant/{n}" for n in range(99) if shard_of(f"merchant/{n}", 2) == k) for k in (0, 1))
    to_zero, to_one = (line(event("merchant.closed", "a", subject=subject)) for subject in (zero, one))
    assert not router.route([to_one]).waits
    assert router.route([to_zero, to_one]) == ([[[0], []], [[], [1]]], True)
    assert router.route([to_zero]).waits


@pytest.mark.slow
def test_it_stops_after_as_many_refusals_as_one_ledger_does(tmp_path: Path, monkeypatch: Patch) -> None:
    side_by_side(monkeypatch)
    events = [paid(f"o-{n}", subject=f"merchant/{n}") for n in range(100)]
    path = tmp_path / "e.jsonl"
    path.write_bytes(lines_of(events) + b"{}\n" * 200)
    location = made_set(tmp_path, 2)
    watch, refused = Silent(), Rejects(tmp_path / "r.jsonl")
    with set_target(location, dry_run=False) as target:
        run = ingesting.SetIngest(target, refused, watch, location, refusals_max=50)
        with pytest.raises(TooManyRefused, match="50 lines in a row were refused"):
            run.run([str(path)])
    refused.close()
    assert (run.counts.recorded, run.counts.refused) == (100, 50)


@pytest.mark.slow
def test_a_process_that_is_ended_stops_the_run_and_the_next_completes_it(tmp_path: Path, monkeypatch: Patch) -> None:
    side_by_side(monkeypatch)
    events = [paid(f"o-{n}", subject=f"merchant/{n % 50}") for n in range(1_000)]
    path = tmp_path / "e.jsonl"
    path.write_bytes(lines_of(events))
    location = made_set(tmp_path, 2)
    answered = 0
    kept: Callable[..., Any] = writers.Writers.answer

    def answer(self: writers.Writers, number: int) -> writers.WrittenLines:
        nonlocal answered
        answered += 1
        if answered == 9:
            self._connections[number].close()
        found: writers.WrittenLines = kept(self, number)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(writers.Writers, "answer", answer)
        with pytest.raises(StoreError, match="was ended from outside; what was acknowledged is recorded"):
            ingest_into_set(location, [str(path)], tmp_path / "r.jsonl")
    counts, _ = ingest_into_set(location, [str(path)], tmp_path / "r.jsonl")
    assert counts.recorded + counts.known == 1_000 and counts.known > 0
    assert sum(map(len, streams_of_set(location).values())) == 1_000


@pytest.mark.slow
def test_what_is_acknowledged_never_goes_back(tmp_path: Path, monkeypatch: Patch) -> None:
    """A short file goes through the target, a long one through processes, one of remarks alone through neither."""
    side_by_side(monkeypatch)
    monkeypatch.setattr(ingesting, "_is_long", lambda name: name.endswith("long.jsonl"))
    location = made_set(tmp_path, 2)
    names = [next(f"merchant/{n}" for n in range(99) if shard_of(f"merchant/{n}", 2) == number) for number in (0, 1)]
    texts = {
        "short.jsonl": lines_of(paid(f"s-{n}", subject=names[0]) for n in range(9)),
        "long.jsonl": lines_of(paid(f"l-{n}", subject=names[1]) for n in range(9)),
        "remarks.jsonl": b"# nothing\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text)
    told: list[int] = []
    monkeypatch.setattr(Silent, "acknowledged", lambda _, __, head, ___: told.append(head.position))
    ingest_into_set(location, [str(tmp_path / name) for name in texts], tmp_path / "r.jsonl")
    assert told == [2 + 9, 2 + 9 + 9, 2 + 9 + 9]


def test_why_a_process_stopped_is_told_also_by_what_is_sent_behind() -> None:
    """It stops at the lines before; what it recorded until then is answered first."""
    ours, theirs = Pipe()
    theirs.send("what became of lines before")
    theirs.send(StoreError("the clock stands behind"))
    theirs.close()
    with ours, pytest.raises(StoreError, match="the clock stands behind"):
        writers.Writers([ours]).send(0, [b"{}"])
    ours, theirs = Pipe()
    theirs.close()
    with ours, pytest.raises(StoreError, match="the process that records shard 0 was ended from outside"):
        writers.Writers([ours]).send(0, [b"{}"])


@pytest.mark.slow
def test_what_was_acknowledged_before_a_kill_is_recorded(tmp_path: Path) -> None:
    """The whole command is killed, with -9, while its processes record; nobody is left behind."""
    events = [paid(f"o-{n}", subject=f"merchant/{n % 50}") for n in range(60_000)]
    path = tmp_path / "e.jsonl"
    path.write_bytes(lines_of(events))
    location = made_set(tmp_path, 2)
    acknowledged = 0
    with command("ingest", path.name, "--store", location, "--acknowledge", cwd=tmp_path) as process:
        assert process.stdout is not None
        for text in process.stdout:
            acknowledged = int(re.findall(rb"e\.jsonl:(\d+)", text)[0])
            os.kill(process.pid, signal.SIGKILL)
            break
    assert 0 < acknowledged < 60_000
    deadline = time.monotonic() + 30
    while True:  # a process may be at the end of its last transaction
        found = streams_of_set(location)
        recorded = {name for names in found.values() for name in names}
        if {("urn:test", made["id"]) for made in events[:acknowledged]} <= recorded:
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)
    counts, _ = ingest_into_set(location, [str(path)], tmp_path / "r.jsonl")
    assert counts.recorded + counts.known == 60_000
    with open_set(location) as opened:
        assert check_set(opened).is_sound


def test_the_command_tells_of_a_set_as_of_a_ledger(tmp_path: Path, monkeypatch: Patch) -> None:
    from tests.support.running import run

    monkeypatch.chdir(tmp_path)
    made: list[Event] = [paid(f"o-{n}", subject=f"merchant/{n}") for n in range(9)]
    Path("e.jsonl").write_bytes(lines_of(made))
    run("shard", "make", "levels.shards", "--of", "4")
    told = json.loads(run("ingest", "e.jsonl", "--store", "levels.shards", "--format", "json"))
    assert (told["recorded"], told["head"], told["new_ledger"]) == (9, None, None)
    assert "9 would be recorded" not in run("ingest", "e.jsonl", "--store", "levels.shards", "--dry-run")
    checked = json.loads(run("shard", "check", "levels.shards", "--format", "json"))
    assert checked["is_sound"] and sum(item["subjects"] for item in checked["shards"]) == 9


def test_lines_of_one_ledger_are_recorded_in_transactions_of_so_many_at_most(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    """Each line is told of by its number among all that were sent."""
    sent = Path(written(tmp_path / "events.jsonl", 5, 200)).read_bytes().split(b"\n")
    told = []
    for most in (10_000, 7):
        monkeypatch.setattr(writers, "BATCH_LINES_MAX", most)
        (folder := tmp_path / str(most)).mkdir()
        location = made_set(folder, 2)
        with open_set(location) as opened:
            target = shard_target(opened, 1)
            sizes: list[int] = []
            monkeypatch.setattr(target, "record", noted(target.record, sizes))
            asked = writers.WriterAsked(location, 1, Undocumented.REFUSE, clock_behind=False)
            found = writers._Recording(asked, target).lines(sent)
            assert (max(sizes) <= most) and (len(sizes) == 1) is (most == 10_000)
            refused = [(at, why.reason) for at, why in found.refused]
            told.append((found[:4], sorted(refused), found.head.position, found.odd, opened.stores[1].head().position))
    assert told[0] == told[1]
    assert told[0][0][0] > 50 and told[0][0][2] > 0 and len(told[0][1]) > 10


def noted(record: Callable[..., Any], sizes: list[int]) -> Callable[..., Any]:
    """The same, which tells how many candidates it is given."""

    def recorded(candidates: Any, *others: Any) -> Any:
        sizes.append(len(candidates))
        return record(candidates, *others)

    return recorded


def test_blocks_become_one_and_what_stands_before_a_broken_place_is_given() -> None:
    def found(count: int) -> Iterator[Block]:
        for number in range(count):
            yield Block("e.jsonl", 2 * number + 1, [b"%d" % number, b"-"], 100 * number)
        raise BrokenInput("it ends")

    for count, widths in ((0, []), (2, [2]), (3, [2, 1]), (4, [2, 2])):
        given = []
        with pytest.raises(BrokenInput, match="it ends"):
            for block in ingesting.joined(found(count), 2):
                given.append(block)
        assert [len(block.lines) // 2 for block in given] == widths
        assert [line for block in given for line in block.lines] == [
            text for number in range(count) for text in (b"%d" % number, b"-")
        ]
        assert [(block.first_line, block.read_bytes) for block in given] == [
            (4 * at + 1, 100 * (2 * at + width - 1)) for at, width in enumerate(widths)
        ]
