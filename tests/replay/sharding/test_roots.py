"""Roots over the checkpoints of a set: signed while each id counts once, and held against ledgers and signatures."""

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from replay.errors import DamagedError, LevelbookError, UsageError
from replay.evidence.checking import checked_evidence
from replay.proving import log_tree
from replay.proving.checkpoint import Checkpoint, origin_of, parse_checkpoint
from replay.proving.log_tree import consistency_path, is_consistent, root_of
from replay.proving.notes import SignedNote, SigningKey, parse_note, sign
from replay.proving.tlog_proof import TlogProof, parse_tlog_proof
from replay.proving.trust import judge, parse_trust
from replay.recording.placing import shard_of
from replay.sealing.checkpoint import make_checkpoint
from replay.sealing.keys import made_secret, shown_keys, signers
from replay.sealing.proofs import latest_checkpoint
from replay.sharding import signing
from replay.sharding.checking import check_set
from replay.sharding.document import SetDocument, ShardPlace
from replay.sharding.holding import prove_shard
from replay.sharding.ids import StandingTwice, standing_twice
from replay.sharding.opened import LedgerSet, open_set
from replay.sharding.roots import Round, leaf_of, proof_of_shard, read_roots, root_checkpoint, roots_path
from replay.sharding.signing import begin_set_keys, make_root, secret_path, trust_in
from replay.store.base.store import Store
from replay.store.evidence.checkpoints import add_cosignature, lines_of_name
from replay.store.opening import open_store
from tests.support.making import event, ingest_files, line, paid
from tests.support.running import run
from tests.support.sets import ingest_into_set, made_set, record_twelve, set_with_keys


@pytest.fixture
def location(tmp_path: Path) -> str:
    return set_with_keys(tmp_path)


@pytest.mark.slow
def test_roots_are_read_in_time_that_grows_as_they_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each goes on from the one before: a root an hour is thousands a year, and all are read for the next one."""
    path, hashed = tmp_path / "a.shards", 0
    document = SetDocument(1, "a" * 32, [ShardPlace(name * 32, name) for name in "bcde"])
    origins = [origin_of(place.ledger) for place in document.shards]
    leaves, lines = list[bytes](), list[bytes]()
    for number in range(200):
        texts = [Checkpoint(origin, number, bytes(32)).text for origin in origins]
        leaves += map(leaf_of, texts)
        note = f"{root_checkpoint(document, leaves).text}\n\u2014 {origin_of(document.set_id)} AAAAAAAA\n"
        lines.append(msgspec.json.encode(Round(texts, note)) + b"\n")
    roots_path(path).write_bytes(b"".join(lines))
    kept = log_tree.node

    def node(left: bytes, right: bytes) -> bytes:
        nonlocal hashed
        hashed += 1
        return kept(left, right)

    monkeypatch.setattr(log_tree, "node", node)
    assert len(read_roots(path, document).rounds) == 200
    assert hashed < len(leaves) * 4


def test_lost_keys_are_not_replaced_by_others(location: str) -> None:
    with open_set(location) as opened:
        make_root(opened)
        kept = begin_set_keys(opened.path, opened.document.set_id)
        place = secret_path(opened.path)
        lost = place.rename(place.with_suffix(".lost"))
        with pytest.raises(UsageError, match="has roots, and the keys that signed them are not there; bring"):
            begin_set_keys(opened.path, opened.document.set_id)
        assert not place.exists()
        lost.rename(place)
        assert begin_set_keys(opened.path, opened.document.set_id) == kept


def test_lost_keys_are_not_replaced_by_others_where_the_roots_are_lost_too(location: str) -> None:
    """Each ledger knows that it was under a root; none is forgotten for it. And no root is advised that is refused."""
    with open_set(location) as opened:
        make_root(opened)
        size = read_roots(opened.path, opened.document).rounds[0].sizes[0]
        roots_path(opened.path).unlink()
        secret_path(opened.path).unlink()
    told = run("shard", "key", location, status=2)
    assert (
        f"shard 0 ({location.removesuffix('.shards')}-0.db) was under a root of {location} with {size} records" in told
    )
    assert "records, and neither the roots nor the keys that signed them are there; bring" in told
    assert f"bring {location}.signing back from its copy" in told and f" and {location}.roots with it" in told
    assert not secret_path(Path(location)).exists()
    with open_set(location) as opened, pytest.raises(LevelbookError, match=r"nothing was proved: shard 2 .* was under"):
        prove_shard(opened, 2)


def test_other_keys_than_those_of_the_last_root_sign_none(location: str, tmp_path: Path) -> None:
    """A file that was brought back from elsewhere: whoever trusts the set would not believe what it signs."""
    with open_set(location) as opened:
        make_root(opened)
        place = secret_path(opened.path)
        kept = place.read_text()
        place.write_text("7b" * 32)
        record_twelve(location, tmp_path, 100)
        with pytest.raises(
            UsageError, match=r"the keys in .* are not those that signed the last root of .*; bring that"
        ):
            make_root(opened)
        place.write_text(kept)
        assert make_root(opened).is_new


def test_a_root_covers_a_checkpoint_of_each_ledger_and_goes_on_from_those_before(location: str, tmp_path: Path) -> None:
    with open_set(location) as opened:
        trust = parse_trust(trust_in(begin_set_keys(opened.path, opened.document.set_id)).encode())
        made = [make_root(opened)]
        assert make_root(opened) == made[0]._replace(is_new=False)
        record_twelve(location, tmp_path, 100)
        made.append(make_root(opened))
        roots = read_roots(opened.path, opened.document)
        said = [parse_checkpoint(parse_note(item.note.encode()).text) for item in made]
        origin = origin_of(opened.document.set_id)
        assert [(item.origin, item.size) for item in said] == [(origin, 4), (origin, 8)]
        assert all(judge(parse_note(item.note.encode()), trust, origin).is_trusted for item in made)
        leaves = roots.leaves
        path = consistency_path(lambda level, at: root_of(leaves[at << level : (at + 1) << level]), 4, 8)
        assert is_consistent(4, said[0].root, 8, said[1].root, path)
        for number, store in enumerate(opened.stores):
            (text,) = store._query("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1")
            checkpoint = parse_note(bytes(text[0])).text
            proof = parse_tlog_proof(proof_of_shard(roots, number).text.encode())
            assert proof.proves(leaf_of(checkpoint)) and proof.note.whole == made[1].note
            assert not proof.proves(leaf_of(checkpoint.replace("\n", " \n", 1)))
            assert not parse_tlog_proof(proof_of_shard(roots, (number + 1) % 4).text.encode()).proves(
                leaf_of(checkpoint)
            )
        found = check_set(opened, trust)
        assert (found.is_sound, found.roots) == (True, 2)
        secret = made_secret(tmp_path / "other.signing", "")
        other = parse_trust(trust_in(secret.vkeys(opened.document.set_id)).encode())
        assert check_set(opened, other).root_problems == [
            f"root {number} is not signed as the trust file asks" for number in (1, 2)
        ]


def test_no_root_is_signed_while_an_id_counts_twice(location: str, tmp_path: Path) -> None:
    names = [next(f"merchant/x-{n}" for n in range(99) if shard_of(f"merchant/x-{n}", 4) == k) for k in (1, 2)]
    with open_set(location) as opened:
        make_root(opened)
        for number, name in zip((1, 2), names, strict=True):
            (tmp_path / "e.jsonl").write_bytes(line(event("merchant.closed", "e-1", subject=name)))
            ingest_files(opened.stores[number], [str(tmp_path / "e.jsonl")], tmp_path / "r.jsonl")
        told = r"no root was signed: the id e-1 of urn:test stands twice, .*\); retract the one that is wrong"
        with pytest.raises(LevelbookError, match=told):
            make_root(opened)
        assert len(read_roots(opened.path, opened.document).rounds) == 1
    gone = event("event.retracted", "r-1", subject=names[1], event="e-1", reason="a mistake")
    gone["data"]["source"] = "urn:test"
    (tmp_path / "gone.jsonl").write_bytes(line(gone))
    ingest_into_set(location, [str(tmp_path / "gone.jsonl")], tmp_path / "r.jsonl")
    with open_set(location) as opened:
        assert make_root(opened).is_new
        assert check_set(opened).is_sound


def test_only_what_is_new_since_the_last_root_is_looked_up(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Sequence[int], Sequence[int]]] = []

    def counted(opened: LedgerSet, since: Sequence[int], to: Sequence[int]) -> Iterator[StandingTwice]:
        asked.append((since, to))
        return standing_twice(opened, since, to)

    monkeypatch.setattr(signing, "standing_twice", counted)
    with open_set(location) as opened:
        first = make_root(opened)
        record_twelve(location, tmp_path, 100)
        second = make_root(opened)
    assert asked == [([0] * 4, first.sizes), (first.sizes, second.sizes)]


def test_a_line_that_a_kill_cut_off_is_no_root(location: str, tmp_path: Path) -> None:
    with open_set(location) as opened:
        make_root(opened)
        path = roots_path(opened.path)
        whole = path.read_bytes()
        for cut in (1, 40, len(whole) - 1):
            path.write_bytes(whole + whole[:cut])
            assert len(read_roots(opened.path, opened.document).rounds) == 1
        record_twelve(location, tmp_path, 100)
        make_root(opened)
        assert path.read_bytes().startswith(whole) and len(read_roots(opened.path, opened.document).rounds) == 2


def test_a_ledger_from_an_earlier_backup_is_found_by_the_root(location: str, tmp_path: Path) -> None:
    run("backup", "--store", str(tmp_path / "levels-2.db"), str(tmp_path / "copy.db"))
    with open_set(location) as opened:
        make_root(opened)
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"levels-2.db{suffix}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "copy.db", tmp_path / "levels-2.db")
    with open_set(location) as opened:
        (problem,) = check_set(opened).root_problems
        assert problem.startswith("shard 2 (") and "records that root 1 is over" in problem
        with pytest.raises(LevelbookError, match="no root was signed: shard 2"):
            make_root(opened)


@pytest.mark.slow
def test_a_file_that_lost_its_last_roots_is_not_gone_on_with(location: str, tmp_path: Path) -> None:
    """From an earlier backup, or gone: the ledgers know that they were under later roots. Whole again, it goes on."""
    with open_set(location) as opened:
        kept = [b""]
        path = roots_path(opened.path)
        for number in range(1, 4):
            record_twelve(location, tmp_path, 100 * number)
            make_root(opened)
            kept.append(path.read_bytes())
        record_twelve(location, tmp_path, 1_000)
        for earlier in (*kept[:3], None):
            path.unlink()
            if earlier is not None:
                path.write_bytes(earlier)
            (problem, *_) = check_set(opened).root_problems
            assert "was under a root with" in problem and "bring that file back from a later copy" in problem
            with pytest.raises(LevelbookError, match=r"no root was signed: shard . \(.*\) was under a root with "):
                make_root(opened)
            with pytest.raises(LevelbookError, match=r"nothing was proved: shard . .* was under a root with"):
                [prove_shard(opened, number) for number in range(4)]
            assert (path.read_bytes() if path.exists() else None) == earlier
        path.write_bytes(kept[3])
        assert check_set(opened).is_sound and make_root(opened).is_new


def test_only_ledgers_that_moved_know_of_the_last_root(location: str, tmp_path: Path) -> None:
    """And a single one is enough."""
    with open_set(location) as opened:
        make_root(opened)
        first = roots_path(opened.path).read_bytes()
        mine = next(f"merchant/x-{n}" for n in range(99) if opened.number_of(f"merchant/x-{n}") == 2)
        (tmp_path / "e.jsonl").write_bytes(line(paid("o-x", subject=mine)))
        ingest_into_set(location, [str(tmp_path / "e.jsonl")], tmp_path / "r.jsonl")
        make_root(opened)
        roots_path(opened.path).write_bytes(first)
        (problem,) = check_set(opened).root_problems
        assert problem.startswith("shard 2 (")


def test_what_a_killed_signing_left_to_do_is_done_by_the_next(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed once the root stands in the file, and before a ledger knows."""

    class Killed(Exception):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with open_set(location) as opened:
        make_root(opened)
        first = roots_path(opened.path).read_bytes()
        record_twelve(location, tmp_path, 100)
        with monkeypatch.context() as patched:
            patched.setattr(signing, "add_cosignature", killed)
            with pytest.raises(Killed):
                make_root(opened)
        assert check_set(opened).is_sound and not make_root(opened).is_new
        roots_path(opened.path).write_bytes(first)
        assert len(check_set(opened).root_problems) == 4


def test_a_checkpoint_under_a_root_bears_the_signature_of_the_set(location: str, tmp_path: Path) -> None:
    """Which is right by the set's keys, and takes nothing from those of the ledger; backups keep it."""
    with open_set(location) as opened:
        make_root(opened)
        vkeys = begin_set_keys(opened.path, opened.document.set_id)
        for number, store in enumerate(opened.stores):
            found = latest_checkpoint(store)
            assert found is not None
            both = parse_trust((trust_in(vkeys).removesuffix("quorum none\n") + shown_keys(store).trust).encode())
            judgement = judge(parse_note(found.note), both, origin_of(store.identity.id))
            assert judgement.is_trusted and judgement.unknown == ()
            assert origin_of(opened.document.set_id) in {key.name for key in judgement.signed}
            path = tmp_path / f"levels-{number}.db"
            assert "sound" in run("verify", "--store", str(path))
            run("backup", "--store", str(path), str(tmp_path / f"copy-{number}.db"))
            with open_store(str(tmp_path / f"copy-{number}.db")) as copy:
                assert lines_of_name(copy, origin_of(opened.document.set_id))[0][0] == found.size


def kept_line(store: Store, signs: SigningKey, bears: SigningKey | None = None) -> int:
    """Have a ledger keep a line of a key under a new checkpoint, under the id of another one where that is named."""
    made = make_checkpoint(store)
    signature = sign(parse_note(made.note).text, signs, 0)._replace(key_id=(bears or signs).verifier.key_id)
    with store.writing() as transaction:
        add_cosignature(transaction, made.seal.position, f"{signature.name}+{signature.key_id.hex()}", signature.line)
    return made.seal.position


def test_lines_in_the_name_of_the_set_that_it_did_not_sign_stop_no_root(location: str, tmp_path: Path) -> None:
    """Of a stranger, who can make keys of any name, or under the id of the set's own key; they are named."""
    with open_set(location) as opened:
        make_root(opened)
        kept = roots_path(opened.path).read_bytes()
        record_twelve(location, tmp_path, 100)
        (stranger, _) = made_secret(tmp_path / "stranger", "").keys(opened.document.set_id)
        (own, _) = made_secret(secret_path(opened.path), "").keys(opened.document.set_id)
        sizes = [kept_line(opened.stores[0], stranger), kept_line(opened.stores[1], stranger, own)]
        found = check_set(opened)
        assert (found.root_problems, found.is_sound, len(found.strange_lines)) == ([], True, 2)
        for number, size in enumerate(sizes):
            told = f"shard {number} ({opened.stores[number].name}) keeps 1 signature lines in the name of the set that"
            assert found.strange_lines[number].startswith(told)
            assert f" did not sign, the last under its checkpoint over {size} records: " in found.strange_lines[number]
        assert found.strange_lines[1] in run("shard", "check", location)
        record_twelve(location, tmp_path, 200)
        assert make_root(opened).is_new and check_set(opened).root_problems == []
        roots_path(opened.path).write_bytes(kept)
        assert len(check_set(opened).root_problems) == 4, "right lines count as before"


@pytest.mark.parametrize("secret", [None, "none", "7b" * 32])
def test_who_has_not_the_keys_of_the_set_takes_lines_by_the_ids_of_its_keys(
    location: str, tmp_path: Path, secret: str | None
) -> None:
    """The secret is not there, cannot be read, or is another one: nobody can tell whether such a line is right."""
    with open_set(location) as opened:
        make_root(opened)
        (stranger, _) = made_secret(tmp_path / "stranger", "").keys(opened.document.set_id)
        record_twelve(location, tmp_path, 100)
        kept_line(opened.stores[0], stranger)
        place = secret_path(opened.path)
        own = place.read_text()
        place.unlink()
        if secret is not None:
            place.write_text(secret)
        found = check_set(opened)
        assert found.root_problems == [] and [text[:7] for text in found.strange_lines] == ["shard 0"]
        place.write_text(own)
        kept = roots_path(opened.path).read_bytes()
        make_root(opened)
        place.unlink()
        if secret is not None:
            place.write_text(secret)
        roots_path(opened.path).write_bytes(kept)
        assert len(check_set(opened).root_problems) == 4


def damaged_rounds(opened: LedgerSet) -> list[tuple[list[bytes], str]]:
    first, second = roots_path(opened.path).read_bytes().splitlines()
    swapped = msgspec.json.decode(second)
    swapped["checkpoints"] = swapped["checkpoints"][::-1]
    other = msgspec.json.decode(first) | {"note": msgspec.json.decode(second)["note"]}
    return [
        ([b"{}"], "line 1"),
        ([first, json.dumps(swapped).encode()], "line 2: its checkpoints are not those of the set's ledgers"),
        ([json.dumps(other).encode()], "line 1: its root is not that over the checkpoints up to it"),
        ([second, first], "line 1: its root"),
        ([first, second, first], "line 3: a ledger has fewer records than in the round before"),
    ]


def test_roots_that_were_changed_are_named(location: str, tmp_path: Path) -> None:
    with open_set(location) as opened:
        make_root(opened)
        record_twelve(location, tmp_path, 100)
        make_root(opened)
        for lines, told in damaged_rounds(opened):
            roots_path(opened.path).write_bytes(b"\n".join([*lines, b""]))
            with pytest.raises(DamagedError, match=f"does not fit in {told}"):
                read_roots(opened.path, opened.document)


def test_without_keys_nothing_is_signed(tmp_path: Path) -> None:
    location = made_set(tmp_path, 2)
    with open_set(location) as opened:
        with pytest.raises(
            UsageError, match=r"the set has no keys to sign with: .*; where they were made before, bring that file back"
        ):
            make_root(opened)
        begin_set_keys(opened.path, opened.document.set_id)
        assert secret_path(opened.path).stat().st_mode & 0o777 == 0o600
        with pytest.raises(UsageError, match="has no keys to sign with: 'levelbook key new' makes them"):
            make_root(opened)


@pytest.mark.slow
def test_the_commands_sign_prove_and_check(location: str, tmp_path: Path) -> None:
    """And the evidence of a shard stands under the root, by the text of its checkpoint."""
    trust = tmp_path / "trust.txt"
    trust.write_text(run("shard", "key", location))
    note = run("shard", "checkpoint", location)
    assert json.loads(run("shard", "checkpoint", location, "--format", "json"))["note"] == note
    told = run("shard", "check", location, "--trust", str(trust))
    _, size, root = note.splitlines()[:3]
    assert "1 roots: each ledger holds" in told and f"the last one is over {size} checkpoints, {root}: " in told
    assert note.startswith(json.loads(run("shard", "check", location, "--format", "json"))["last_root"])
    subject = next(f"merchant/{n}" for n in range(12) if shard_of(f"merchant/{n}", 4) == 3)
    proof = parse_tlog_proof(run("shard", "prove", location, "3").encode())
    store = str(tmp_path / "levels-3.db")
    evidence = tmp_path / "x.evidence"
    run("evidence", subject, "--store", store, "--out", str(evidence), "--as-of", "2022-12-01")
    with checked_evidence(evidence, None) as found:
        assert proof.proves(leaf_of(found.walked.proof.note.text))
    logs = [text for name in (trust.read_text(), run("key", "show", "--store", store)) for text in name.splitlines()]
    both = tmp_path / "both.txt"
    both.write_text("".join(f"{text}\n" for text in logs if text.startswith("log ")) + "quorum none\n")
    proofs = [tmp_path / f"{number}.tlog-proof" for number in range(4)]
    for number, path in enumerate(proofs):
        path.write_text(run("shard", "prove", location, str(number)))
    verify = ("verify-evidence", str(evidence), "--root")
    told = run(*verify, str(proofs[3]), "--trust", str(both))
    assert "a root of the set, signed by whom the trust file names for it, covers the checkpoint" in told
    told = run(*verify, str(proofs[2]), "--trust", str(both), status=9)
    assert "the root does not cover the checkpoint that the evidence stands under" in told
    own = tmp_path / "own.txt"
    own.write_text(run("key", "show", "--store", store))
    assert "is not signed as the trust file asks" in run(*verify, str(proofs[3]), "--trust", str(own), status=9)
    assert "is no proof of 'levelbook shard prove': the proof" in run(
        *verify, str(both), "--trust", str(both), status=2
    )
    with open_set(location) as opened, checked_evidence(evidence, None) as found:
        leaf = leaf_of(found.walked.proof.note.text)
        text = Checkpoint(origin_of(found.header.ledger), 1, leaf).text
        signed = SignedNote(
            text, tuple(sign(text, key, opened.stores[3].now() // 10**6) for key in signers(opened.stores[3]).keys)
        )
    forged = tmp_path / "forged.tlog-proof"
    forged.write_text(TlogProof(0, (), signed).text)
    for trusted in (own, both):
        told = run(*verify, str(forged), "--trust", str(trusted), status=9)
        assert "the root is signed as one of levelbook/" in told and "itself, not of its set" in told
    told = run("shard", "prove", location, "9", status=2)
    assert "roots over 4 ledgers, numbered from 0: there is none over shard 9" in told
