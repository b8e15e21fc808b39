"""What is wrong with a file of evidence is noticed, and by the check that it belongs to."""

import gzip
import json
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from domain.calendar import parse_month
from domain.keys import bindings_key, stream_key
from replay.decisions.decide import decide, decided_events, period_of
from replay.errors import NotExaminedError, UsageError
from replay.evidence import checking
from replay.evidence.checking import CheckedEvidence, checked_evidence, failing_check
from replay.evidence.making import write_evidence
from replay.evidence.pointing import EvidenceAsked, Pointed, pointed_at
from replay.evidence.recomputing import recompute
from replay.history.browse import list_subjects
from replay.history.readers import EVERYTHING_SHOWN
from replay.history.timeline import Asked, resolve
from replay.passing_folders import no_room
from replay.policies.catalog import shipped
from replay.proving.notes import ED25519_TIMED, SigningKey
from replay.proving.trust import parse_trust
from replay.schemes.replaying import replay_subject
from replay.sealing.trusted import read_trust
from replay.store.opening import create_store, open_store
from replay.store.reading.row import leaf_hash
from tests.support.disks import small_disk
from tests.support.making import Event, event, ingest_events
from tests.support.seals import sealed, trust_text

AGENCY: Final = "mcn/a-1"
BOUND: Final = "2023-01-10T00:00:00+08:00"


class Case(NamedTuple):
    """A file of evidence of an agency's decision, and its ledger."""

    location: str
    lines: list[bytes]
    trust: str
    pointed: Pointed

    @property
    def header(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.lines[0])
        return found

    def place(self, begin: bytes) -> int:
        """The first line that begins so."""
        return next(place for place, line in enumerate(self.lines) if line.startswith(begin))


def retraction(event_id: str, named: str) -> Event:
    made = event("event.retracted", event_id, BOUND, subject="mcn/a-2", event=named, reason="a mistake")
    made["data"]["source"] = "urn:test"
    return made


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Two agencies, one creator that both bind, a retraction of the other's binding; decided, then announced."""
    folder = tmp_path_factory.mktemp("evidence")
    location = str(folder / "ledger.db")
    create_store(location)
    with open_store(location) as store:
        ingest_events(
            store,
            [
                event("merchant.onboarded", "e-0", category="toys"),
                event("mcn.onboarded", "e-1", "2022-12-01T00:00:00+08:00", subject=AGENCY),
                event("mcn.onboarded", "e-2", "2022-12-01T00:00:00+08:00", subject="mcn/a-2"),
                event("creator.registered", "e-3", "2022-12-01T00:00:00+08:00", subject="creator/c-1"),
                event("creator.bound", "e-4", "2022-12-20T00:00:00+08:00", subject="mcn/a-2", creator="c-1"),
                retraction("e-5", "e-4"),
                event("creator.bound", "e-6", BOUND, subject=AGENCY, creator="c-1"),
            ],
            folder,
        )
        decide(store, "mcn-level", period_of(store, "mcn-level", parse_month("2023-04"), None))
        ((position, _),) = decided_events(store, AGENCY, EVERYTHING_SHOWN)
        seal = sealed(store)
        pointed = pointed_at(store, AGENCY, seal.size, EvidenceAsked(decision=position))
        write_evidence(store, folder / "some.evidence", pointed, seal, compressed=False)
        trust = trust_text(store.identity.id)
    lines = (folder / "some.evidence").read_bytes().split(b"\n")
    assert lines.pop() == b""
    return Case(location, lines, trust, pointed)


def checked(folder: Path, lines: list[bytes], trust: str) -> str | None:
    """The check that a file of some lines fails."""
    path = folder / "altered.evidence"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return failing_check(path, parse_trust(trust.encode()))


def changed(line: bytes, **values: object) -> bytes:
    """A line of canonical JSON with other values."""
    return json.dumps(json.loads(line) | values, sort_keys=True, separators=(",", ":")).encode()


def test_evidence_is_accepted_and_its_claim_comes_out(tmp_path: Path, case: Case) -> None:
    path = tmp_path / "packed.evidence"
    path.write_bytes(gzip.compress(b"\n".join([*case.lines, b""])))
    with checked_evidence(path, parse_trust(case.trust.encode())) as found, open_store(found.location) as held:
        assert found.checks == (
            *("form", "signatures", "quorum", "seal", "keys", "records", "contents", "claim", "policies"),
        )
        made = recompute(held, found.header)
        assert made.outcome == "reproduced" and made.comes_out
        assert made.claimed is not None and made.claimed["level"] == made.replayed["level"]
        assert found.walked.absent == 1  # that nothing retracts the retraction of the other agency's binding
    assert not Path(found.location).exists()
    with checked_evidence(path, None) as found:
        assert found.judgement is None and "signatures" not in found.checks and len(found.checks) == 7


Change = Callable[[Case], list[bytes]]
WRONG: Final[dict[str, tuple[str, Change]]] = {}


def wrong(check: str) -> Callable[[Change], Change]:
    """A change that a check notices."""

    def kept(change: Change) -> Change:
        WRONG[change.__name__] = (check, change)
        return change

    return kept


def at(case: Case, begin: bytes, *lines: bytes) -> list[bytes]:
    """The file with other lines in the place of the first that begins so."""
    place = case.place(begin)
    return [*case.lines[:place], *lines, *case.lines[place + 1 :]]


def key_line(case: Case, key: str) -> int:
    return next(
        place
        for place, line in enumerate(case.lines)
        if line.startswith(b'{"count":') and json.loads(line)["key"] == key
    )


def ended(lines: list[bytes]) -> list[bytes]:
    """With an end that fits."""
    return [*lines[:-1], b'{"end":%d}' % (len(lines) - 1)]


@wrong("form")
def another_form(case: Case) -> list[bytes]:
    return at(case, b'{"as_of"', changed(case.lines[0], form="levelbook-evidence/2"))


@wrong("form")
def a_blank_in_the_header(case: Case) -> list[bytes]:
    return at(case, b'{"as_of"', case.lines[0].replace(b":", b": ", 1))


@wrong("form")
def a_key_twice_in_the_header(case: Case) -> list[bytes]:
    return at(case, b'{"as_of"', case.lines[0].replace(b'"map":1', b'"map":1,"map":1'))


@wrong("form")
def an_unknown_key_in_the_header(case: Case) -> list[bytes]:
    return at(case, b'{"as_of"', changed(case.lines[0], more=1))


@wrong("form")
def an_integer_with_an_exponent(case: Case) -> list[bytes]:
    return at(case, b'{"as_of"', case.lines[0].replace(b'"map":1', b'"map":1e0'))


@wrong("form")
def a_negative_position(case: Case) -> list[bytes]:
    return at(case, b'{"as_of"', changed(case.lines[0], position=-1))


@wrong("form")
def a_bit_in_the_dash_of_a_signature_line(case: Case) -> list[bytes]:
    place = case.place("— ".encode())
    return [*case.lines[:place], "\u2015 ".encode() + case.lines[place][4:], *case.lines[place + 1 :]]


@wrong("form")
def base64_that_is_not_canonical(case: Case) -> list[bytes]:
    line = case.lines[case.place(b"index ") + 1]
    assert line.endswith(b"=")
    return at(case, line, line[:-2] + bytes([line[-2] + 1]) + b"=")


@wrong("form")
def a_line_end_of_two_bytes(case: Case) -> list[bytes]:
    return at(case, b'{"end"', case.lines[-1] + b"\r")


@wrong("form")
def no_end(case: Case) -> list[bytes]:
    return case.lines[:-1]


@wrong("form")
def an_end_that_counts_otherwise(case: Case) -> list[bytes]:
    return [*case.lines[:-1], b'{"end":3}']


@wrong("form")
def a_line_behind_the_end(case: Case) -> list[bytes]:
    return [*case.lines, b""]


@wrong("form")
def keys_in_another_order(case: Case) -> list[bytes]:
    first, last = key_line(case, bindings_key("c-1")), key_line(case, stream_key("policy/mcn-level"))
    section = case.lines[last : last + 1 + json.loads(case.lines[last])["count"]]
    rest = case.lines[:last] + case.lines[last + len(section) :]
    return [*rest[:first], *section, *rest[first:]]


@wrong("keys")
def bits_that_do_not_rise(case: Case) -> list[bytes]:
    place = key_line(case, stream_key(AGENCY))
    path = json.loads(case.lines[place])["path"]
    return [*case.lines[:place], changed(case.lines[place], path=path[::-1]), *case.lines[place + 1 :]]


@wrong("form")
def a_hash_in_capitals(case: Case) -> list[bytes]:
    place = key_line(case, stream_key(AGENCY))
    path = [[bit, found.upper()] for bit, found in json.loads(case.lines[place])["path"]]
    return [*case.lines[:place], changed(case.lines[place], path=path), *case.lines[place + 1 :]]


@wrong("form")
def an_absent_key_without_the_other_leaf(case: Case) -> list[bytes]:
    place = case.place(b'{"count":0')
    line = {name: value for name, value in json.loads(case.lines[place]).items() if name != "other"}
    return [
        *case.lines[:place],
        json.dumps(line, sort_keys=True, separators=(",", ":")).encode(),
        *case.lines[place + 1 :],
    ]


@wrong("form")
def extra_data_in_the_proof(case: Case) -> list[bytes]:
    place = case.place(b"index ")
    return ended([*case.lines[:place], b"extra AAAA", *case.lines[place:]])


@wrong("form")
def no_seal_behind_its_proof(case: Case) -> list[bytes]:
    return ended([*case.lines[: case.place(b'{"backfill"')], b"{}", *case.lines[case.place(b'{"backfill"') :]])


@wrong("signatures")
def a_signature_less(case: Case) -> list[bytes]:
    place = case.place("— ".encode())
    return ended([*case.lines[:place], *case.lines[place + 1 :]])


@wrong("signatures")
def another_checkpoint(case: Case) -> list[bytes]:
    place = case.place(b"levelbook/") + 1
    return [*case.lines[:place], b"%d" % (int(case.lines[place]) + 1), *case.lines[place + 1 :]]


@wrong("seal")
def another_record_for_the_seal(case: Case) -> list[bytes]:
    record = case.lines[key_line(case, stream_key(AGENCY)) + 1]
    return at(case, b'{"backfill"', record)


@wrong("seal")
def a_position_behind_the_seal(case: Case) -> list[bytes]:
    return at(case, b'{"as_of"', changed(case.lines[0], claim=None, position=10_000))


@wrong("keys")
def an_entry_less(case: Case) -> list[bytes]:
    place = key_line(case, stream_key("policy/creator-level"))
    line = json.loads(case.lines[place])
    return ended([*case.lines[:place], changed(case.lines[place], count=line["count"] - 1), *case.lines[place + 2 :]])


@wrong("keys")
def another_byte_in_a_record(case: Case) -> list[bytes]:
    place = key_line(case, stream_key("creator/c-1")) + 1
    return [*case.lines[:place], case.lines[place].replace(b"e-3", b"e-9"), *case.lines[place + 1 :]]


@wrong("keys")
def entries_that_changed_places(case: Case) -> list[bytes]:
    place = key_line(case, stream_key("policy/creator-level")) + 1
    return [*case.lines[:place], case.lines[place + 1], case.lines[place], *case.lines[place + 2 :]]


@wrong("keys")
def a_key_said_to_be_absent_that_is_not(case: Case) -> list[bytes]:
    """Its own leaf cannot be another's."""
    place, absent = key_line(case, stream_key("creator/c-1")), json.loads(case.lines[case.place(b'{"count":0')])
    line = changed(case.lines[place], count=0, other=absent["other"])
    return ended([*case.lines[:place], line, *case.lines[place + 2 :]])


@wrong("keys")
def a_record_of_another_ledger(case: Case) -> list[bytes]:
    place = key_line(case, stream_key("creator/c-1")) + 1
    other = case.lines[place].replace(str(case.header["ledger"]).encode(), b"0" * 32)
    return [*case.lines[:place], other, *case.lines[place + 1 :]]


@wrong("records")
def a_record_twice(case: Case) -> list[bytes]:
    """What stands above under another key is named, not repeated."""
    place, above = case.place(b'{"position"'), key_line(case, bindings_key("c-1"))
    position = json.loads(case.lines[place])["position"]
    record = next(line for line in case.lines[above:] if b'"position":%d,' % position in line)
    return [*case.lines[:place], record, *case.lines[place + 1 :]]


@wrong("contents")
def a_record_withheld(case: Case) -> list[bytes]:
    return withheld(case, stream_key("creator/c-1"))


def withheld(case: Case, key: str) -> list[bytes]:
    """The first record of a key withheld."""
    place = key_line(case, key) + 1
    leaf, position = leaf_hash(case.lines[place]).hex(), json.loads(case.lines[place])["position"]
    line = b'{"leaf":"%b","position":%d}' % (leaf.encode(), position)
    return [*case.lines[:place], line, *case.lines[place + 1 :]]


@wrong("contents")
def a_key_less(case: Case) -> list[bytes]:
    return without(case, key_line(case, stream_key("creator/c-1")))


@wrong("contents")
def an_absence_less(case: Case) -> list[bytes]:
    return without(case, case.place(b'{"count":0'))


def without(case: Case, place: int) -> list[bytes]:
    """The section of a key left out."""
    rest = [*case.lines[1:place], *case.lines[place + 1 + json.loads(case.lines[place])["count"] :]]
    return ended([changed(case.lines[0], keys=int(str(case.header["keys"])) - 1), *rest])


@wrong("contents")
def another_subject(case: Case) -> list[bytes]:
    return at(case, b'{"as_of"', changed(case.lines[0], claim=None, subject="mcn/a-2"))


@wrong("contents")
def a_scheme_that_does_not_judge_it(case: Case) -> list[bytes]:
    return at(case, b'{"as_of"', changed(case.lines[0], claim=None, scheme="merchant-tier"))


@wrong("claim")
def a_claim_that_is_none(case: Case) -> list[bytes]:
    return at(case, b'{"as_of"', changed(case.lines[0], claim=1))


@wrong("claim")
def another_moment_than_the_decisions(case: Case) -> list[bytes]:
    return at(case, b'{"as_of"', changed(case.lines[0], position=int(str(case.header["position"])) - 1))


@wrong("claim")
def another_as_of_than_the_decisions(case: Case) -> list[bytes]:
    return at(case, b'{"as_of"', changed(case.lines[0], as_of=int(str(case.header["as_of"])) + 1))


@wrong("policies")
def a_policy_that_nobody_knows(case: Case) -> list[bytes]:
    return with_policy(case, "{}", sha256(b"{}").hexdigest())


@wrong("policies")
def a_policy_with_another_hash(case: Case) -> list[bytes]:
    return with_policy(case, shipped("mcn-level")[0].content, "0" * 64)


def with_policy(case: Case, content: str, hashed: str) -> list[bytes]:
    line = changed(b"{}", content=content, hash=hashed)
    return ended([changed(case.lines[0], policies=1), *case.lines[1:-1], line, case.lines[-1]])


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(tmp_path: Path, case: Case, name: str) -> None:
    check, change = WRONG[name]
    assert checked(tmp_path, change(case), case.trust) == check


def test_a_run_may_be_withheld_and_a_policy_that_ships_be_given(tmp_path: Path, case: Case) -> None:
    assert checked(tmp_path, withheld(case, stream_key("ledger/decisions")), case.trust) is None
    policy = shipped("mcn-level")[0]
    assert checked(tmp_path, with_policy(case, policy.content, policy.hash), case.trust) is None


def test_what_the_trust_file_asks_for_must_be_there(tmp_path: Path, case: Case) -> None:
    witness = SigningKey("w.example", ED25519_TIMED, bytes(32)).verifier
    asks = f"{case.trust.removesuffix('quorum none' + chr(10))}witness w {witness.text}\nquorum w\n"
    assert checked(tmp_path, case.lines, asks) == "quorum"
    assert checked(tmp_path, case.lines, "quorum none\n") == "signatures"
    (tmp_path / "keys").write_text("log what\n")
    with pytest.raises(UsageError, match="cannot be used: line 1: "):
        read_trust(tmp_path / "keys")


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_gzip_member_is_whole_and_alone(tmp_path: Path, case: Case, cut: int) -> None:
    packed, path = gzip.compress(b"\n".join([*case.lines, b""])), tmp_path / "packed.evidence"
    for found in (packed[:-cut], packed + bytes(cut), packed + packed, b"\x1f\x8b" + bytes(cut)):
        path.write_bytes(found)
        assert failing_check(path, None) == "form"


def test_a_temporary_folder_without_room_says_nothing_against_a_file(
    tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, accepted = tmp_path / "some.evidence", list[bool]()
    path.write_bytes(b"\n".join([*case.lines, b""]))
    with small_disk(tmp_path / "small", "4k") as resize:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "small"))
        for kilobytes in range(8, 300, 8):
            resize(f"{kilobytes}k")
            try:
                accepted.append(failing_check(path, None) is None)
            except NotExaminedError as error:
                assert "/small cannot be kept there (" in str(error)
                accepted.append(False)
    assert accepted == sorted(accepted) and len(set(accepted)) == 2


def test_what_cannot_be_read_again_is_no_failed_check(
    tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unread(*_: object) -> list[str]:
        raise no_room("disk I/O error")

    path = tmp_path / "some.evidence"
    path.write_bytes(b"\n".join([*case.lines, b""]))
    monkeypatch.setattr(checking, "keys_read", unread)
    with pytest.raises(NotExaminedError, match=r"cannot be kept there \(disk I/O error\)"):
        failing_check(path, None)


def test_evidence_is_only_read_and_answers_for_what_it_holds(tmp_path: Path, case: Case) -> None:
    path = tmp_path / "some.evidence"
    path.write_bytes(b"\n".join([*case.lines, b""]))
    with checked_evidence(path, None) as found, open_store(found.location) as held:
        assert isinstance(found, CheckedEvidence) and held.held is not None
        with pytest.raises(UsageError, match="is only read: nothing is recorded in it"), held.append():
            pass
        with pytest.raises(UsageError, match="is only read"), held.backfilling():
            pass
        for subject, scheme in (("mcn/a-2", "mcn-level"), (AGENCY, "leaderboard"), ("creator/c-1", "creator-firefly")):
            with pytest.raises(UsageError, match=r"does not hold|does not judge"):
                held.check_holds(subject) if subject == "mcn/a-2" else replay_subject(
                    held, subject, resolve(held, Asked(position=case.pointed.position)), scheme
                )
        assert [item["subject"] for item in list_subjects(held, None)] == [
            *("creator/c-1", "ledger/decisions", "mcn/a-1", "policy/creator-level", "policy/mcn-level"),
        ]
        with pytest.raises(UsageError, match="holds no record up to position 1; name a later one"):
            resolve(held, Asked(position=1))
        between = resolve(held, Asked(position=case.pointed.position))
        assert (between.position, between.known_at) == (case.pointed.position, known_at(case))
        everything = resolve(held, Asked())
        assert everything.position == held.held.size + 1  # the seal itself is the last record


def known_at(case: Case) -> int:
    """When the ledger recorded what stands at the decision's position."""
    with open_store(case.location) as store:
        return resolve(store, Asked(position=case.pointed.position)).known_at


def test_a_run_whose_time_cannot_be_read_is_refused_in_words(tmp_path: Path, case: Case) -> None:
    place = key_line(case, stream_key("ledger/decisions")) + 1
    record = json.loads(case.lines[place])["event"]["data"]["known_at"].encode()
    altered = case.lines[place].replace(b'"known_at":"' + record, b'"known_at":"x' + record[1:])
    assert altered != case.lines[place]
    assert checked(tmp_path, [*case.lines[:place], altered, *case.lines[place + 1 :]], case.trust) == "keys"
