"""The script beside evidence: it accepts what is right, names the check that fails, and never ends with a traceback."""

import gzip
import io
import subprocess
import sys
from collections.abc import Iterable
from hashlib import sha256
from itertools import islice
from pathlib import Path

import pytest

from replay.checkers import check_evidence
from replay.checkers.check_evidence import CHECKS, Checker, Refused, Untrusted, trust_of
from replay.checkers.filled import SCRIPT, filled_checkers
from replay.policies.catalog import all_given
from tests.oracles.alterations import Altered, altered_files, tried
from tests.oracles.bounds import at_bounds, bad_trust_files, beyond_bounds, good_trust_files
from tests.oracles.evidence_files import COSIGNATURE, ML_DSA, NOTE_KEY, WITNESSES, Signer, trust_text, witness
from tests.worlds.evidence import OTHER, OWN, TRUST, Case, agency_case, cases, creator_case, lone_case, merchant_case

SECONDS = 60


@pytest.fixture(autouse=True)
def with_the_policies_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_evidence, "SHIPPED", frozenset(policy.hash for policy in all_given(None)))


def verdict(content: bytes, trust: bytes = TRUST) -> str | None:
    """The check that fails; None where the file is accepted."""
    try:
        Checker(io.BytesIO(content), trust_of(trust)).run()
    except Refused as refusal:
        return refusal.check
    return None


def not_refused(files: Iterable[Altered]) -> list[str]:
    """The files that are accepted, or refused by another check than they must be."""
    wrong = []
    for name, content, check in files:
        found = verdict(content)
        if found is None or check not in (None, found):
            wrong.append(f"{name}: {found} in place of {check}")
    return wrong


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_what_is_right_is_accepted(case: Case) -> None:
    good = case.file.written()
    assert verdict(good) is None
    for level in (0, 1, 9):
        assert verdict(gzip.compress(good, level)) is None


@pytest.mark.parametrize("case", [lone_case(), merchant_case()], ids=lambda case: case.name)
def test_the_bounds_are_those_of_the_page(case: Case) -> None:
    assert {name: verdict(content) for name, content in at_bounds(case)} == {name: None for name, _ in at_bounds(case)}
    assert not_refused(Altered(name, content, check) for name, check, content in beyond_bounds(case)) == []


@pytest.mark.parametrize("trust", [pytest.param(trust, id=name) for name, trust in good_trust_files()])
def test_a_trust_file_at_a_bound_is_used(trust: bytes) -> None:
    assert verdict(merchant_case().file.written(), trust) is None


@pytest.mark.parametrize("trust", [pytest.param(trust, id=name) for name, trust in bad_trust_files()])
def test_a_trust_file_beyond_a_bound_is_not_used(trust: bytes) -> None:
    with pytest.raises(Untrusted):
        trust_of(trust)


def test_what_says_the_same_is_accepted() -> None:
    """Another order of signature lines, a signature of somebody unknown, a record that could have been withheld."""
    file = merchant_case().again()
    file.signatures.reverse()
    file.signatures.append(witness("stranger.example", ML_DSA).line("".join(line + "\n" for line in file.note)))
    checker = Checker(io.BytesIO(file.written()), trust_of(TRUST))
    checker.run()
    assert "not looked at: stranger.example" in checker.said["signatures"]
    assert verdict(merchant_case().again(withheld=[]).written()) is None
    hidden = [entry for section in merchant_case().file.keys for entry in section.entries if b'"leaf"' in entry]
    assert len(hidden) == 1


def test_a_replay_that_nothing_claims_may_be_of_any_moment() -> None:
    for position in (1, agency_case().seal - 1):
        assert verdict(agency_case().again(position=position, as_of=-1).written()) is None
    assert verdict(creator_case().again(as_of=0).written()) is None


def test_altered_files_are_refused_by_the_right_check() -> None:
    files = list(islice(altered_files(lone_case(), 60), 0, None, 4))
    assert len(files) > 300
    assert not_refused(files) == []


@pytest.mark.slow
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_every_altered_file_is_refused_by_the_right_check(case: Case) -> None:
    files = tried(case)
    assert len(files) > 500 and {item.check for item in files} >= {*CHECKS} - {"records", "claim", "policies"}
    assert not_refused(files) == []


def cosigned_by(*names: str) -> bytes:
    return merchant_case().again(witnesses=[WITNESSES[name] for name in names]).written()


@pytest.mark.parametrize(
    ("lines", "names", "met"),
    [
        (["quorum none"], [], True),
        (["quorum w1"], ["w1"], True),
        (["quorum w1"], ["w2"], False),
        (["group g any w1 w2", "quorum g"], ["w2"], True),
        (["group g any w1 w2", "quorum g"], [], False),
        (["group g 2 w1 w2", "quorum g"], ["w2"], False),
        (["group g 2 w1 w2", "quorum g"], ["w1", "w2"], True),
        (["group g all w1", "group h all g w2", "quorum h"], ["w1", "w2"], True),
        (["group g all w1", "group h all g w2", "quorum h"], ["w2"], False),
        (["\tgroup g  1 w1\t", "# quorum none", "", "  # x", "quorum g"], ["w1"], True),
    ],
)
def test_the_quorum_of_the_trust_file_is_asked_for(lines: list[str], names: list[str], met: bool) -> None:
    trust = trust_text([OWN], WITNESSES, *lines).encode()
    assert verdict(cosigned_by(*names), trust) == (None if met else "quorum")


LOG = Signer("levelbook/x", NOTE_KEY, bytes(32)).written
SEEN = witness("w.example", COSIGNATURE).written


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "0 lines that say the quorum"),
        ("quorum none\nquorum none\n", "2 lines that say the quorum"),
        ("quorum nobody\n", "line 1 .* names what does not stand above"),
        ("quorum w\nwitness w " + SEEN + "\n", "line 1 .* names what does not stand above"),
        ("log\nquorum none\n", "line 1 .* is not understood"),
        ("policy x\nquorum none\n", "line 1 .* is not understood"),
        ("quorum none\r\n", "line 1 .* a control character"),
        (b"\xff\nquorum none\n", "line 1"),
        ("quorum none", "the last line of the trust file is not ended"),
        ("#" * (1 << 20) + "\n", "the trust file has more than 1048576 bytes"),
        (f"log {LOG}\nlog {LOG}\nquorum none\n", "line 2 .* the key of a log stands twice"),
        (f"log {SEEN}\nquorum none\n", "a key of type 4 and 32 bytes cannot stand here"),
        (f"witness w {LOG}\nquorum none\n", "a key of type 1 and 32 bytes cannot stand here"),
        (f"witness none {SEEN}\nquorum none\n", "the name or the key of a witness stands twice"),
        (f"witness a {SEEN}\nwitness b {SEEN}\nquorum none\n", "the name or the key of a witness stands twice"),
        (f"log {LOG[:-4]}\nquorum none\n", "not written as NAME|cannot stand here"),
        (f"log x{LOG}\nquorum none\n", "the key of xlevelbook/x has the id"),
        ("log levelbook/x\nquorum none\n", "a key is not written as NAME"),
        (f"witness a {SEEN}\ngroup g any a a\nquorum g\n", "a group needs a new name"),
        (f"witness a {SEEN}\ngroup a any a\nquorum a\n", "a group needs a new name"),
        (f"witness a {SEEN}\ngroup g any b\nquorum g\n", "a group needs a new name"),
        (f"witness a {SEEN}\ngroup g any none\nquorum g\n", "a group needs a new name"),
        (f"witness a {SEEN}\ngroup g all a\ngroup h all a\nquorum h\n", "a group needs a new name"),
        (f"witness a {SEEN}\ngroup g 2 a\nquorum g\n", "2 of 1 members cannot be asked for"),
        (f"witness a {SEEN}\ngroup g 0 a\nquorum g\n", "0 of 1 members cannot be asked for"),
        (f"witness a {SEEN}\ngroup g +1 a\nquorum g\n", r"\+1 of 1 members cannot be asked for"),
    ],
)
def test_a_trust_file_that_is_wrong_is_not_used(text: str | bytes, why: str) -> None:
    with pytest.raises(Untrusted, match=why):
        trust_of(text if isinstance(text, bytes) else text.encode())


def test_every_key_of_the_log_must_have_signed() -> None:
    good = merchant_case().file.written()
    more = Signer(f"levelbook/{OWN}", NOTE_KEY, sha256(b"rotated").digest()).written
    assert verdict(good, TRUST + f"log {more}\n".encode()) == "signatures"
    assert verdict(good, trust_text([OTHER], WITNESSES, "quorum none").encode()) == "signatures"
    assert verdict(good, b"quorum none\n") == "signatures"


def test_instants_are_told_to_the_microsecond_in_every_year() -> None:
    assert check_evidence.instant_text(-62_135_596_800_000_000) == "0001-01-01T00:00:00.000000+00:00"
    assert check_evidence.instant_text(-1) == "1969-12-31T23:59:59.999999+00:00"
    assert check_evidence.instant_text(253_402_271_999_999_999) == "9999-12-31T15:59:59.999999+00:00"


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit status, output and errors of the script as it is written beside evidence."""
    (folder / SCRIPT).write_bytes(filled_checkers()[SCRIPT])
    command = [sys.executable, "-I", "-S", SCRIPT, *arguments]
    ended = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=SECONDS, check=False)
    return ended.returncode, ended.stdout, ended.stderr


def test_what_the_script_prints(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(TRUST)
    (tmp_path / "good").write_bytes(gzip.compress(merchant_case().file.written()))
    status, told, errors = run(tmp_path, "good", "--trust", "keys")
    assert (status, errors) == (0, "")
    assert [line.split()[:2] for line in told.splitlines()[: len(CHECKS)]] == [["ok", check] for check in CHECKS]
    assert "What this does not show:" in told and "what was never recorded did not happen" in told
    case = merchant_case()
    assert f"what was recorded after position {case.seal - 1} (the seal)" in told
    assert "Moment: as of 20" in told and f", known up to position {case.header['position']}." in told
    assert "chosen" not in told, "a decision binds it"
    for free in (creator_case(), agency_case()):
        (tmp_path / "free").write_bytes(free.file.written())
        assert "It was chosen by whoever made the file" in run(tmp_path, "free", "--trust", "keys")[1]
    status, told, _ = run(tmp_path, "good", "--trust", "keys", "--lang", "zh")
    assert status == 0 and "以下各点本文件不能证明" in told


def test_a_refusal_names_the_first_check_that_fails_and_nothing_behind_it(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(TRUST)
    file = merchant_case().again()
    file.header["subject"] = "merchant/\x1b[2J"
    (tmp_path / "bad").write_bytes(file.written())
    status, told, errors = run(tmp_path, "bad", "--trust", "keys")
    assert (status, errors) == (1, "")
    assert "\x1b" not in told
    assert [line.split()[0] for line in told.splitlines() if line][-2:] == ["NO", "Refused,"]


def test_files_that_cannot_be_read_are_another_matter(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"quorum\n")
    (tmp_path / "good").write_bytes(merchant_case().file.written())
    for arguments in (("nothing", "--trust", "good"), ("good", "--trust", "keys"), ("good",), ()):
        status, told, errors = run(tmp_path, *arguments)
        assert status == 2 and told == "" and "Traceback" not in errors, arguments


def test_words_are_whole_in_both_languages() -> None:
    english, chinese = (check_evidence.WORDS[name] for name in ("en", "zh"))
    assert list(english) == list(chinese)
    assert len(english["limits"]) == len(chinese["limits"])
    assert {*CHECKS} < {*english}


def test_what_a_packed_file_unpacks_to_is_never_held_at_once() -> None:
    packed = gzip.compress(b"\n" * (1 << 24))
    assert len(packed) < 1 << 16, "one piece of the file"
    sizes = [len(piece) for piece in check_evidence.pieces_of(io.BytesIO(packed))]
    assert (sum(sizes), max(sizes)) == (1 << 24, 1 << 16)
