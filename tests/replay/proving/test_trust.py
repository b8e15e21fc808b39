"""Trust files: every rule of C2SP tlog-policy, and what a file makes of who signed."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.proving.checkpoint import Checkpoint
from replay.proving.notes import ED25519, ED25519_TIMED, ML_DSA_44, SignedNote, SigningKey, VerifierKey, sign
from replay.proving.strict_text import MalformedError
from replay.proving.trust import NOBODY, TrustPolicy, WitnessGroup, judge, parse_trust
from tests.oracles.bounds import bad_trust_files, good_trust_files

ORIGIN = "levelbook/0190b3a0"
TEXT = Checkpoint(ORIGIN, 7, bytes(range(32))).text
TIME_S = 1_700_000_000
LOG = SigningKey(ORIGIN, ED25519, b"L" * 32)
LOG_LATER = SigningKey(ORIGIN, ML_DSA_44, b"L" * 32)
STRANGER = SigningKey("levelbook/other", ED25519, b"S" * 32)


def vkey(key: SigningKey) -> str:
    return key.verifier.text


def witness(number: int) -> SigningKey:
    return SigningKey(f"w.example/{number}", ED25519_TIMED, bytes([number]) * 32)


def plain(number: int) -> str:
    """A vkey whose public key is only bytes."""
    return VerifierKey(f"w.example/{number}", ED25519_TIMED, number.to_bytes(32, "big")).text


def signed_by(*keys: SigningKey, text: str = TEXT) -> SignedNote:
    return SignedNote(text, tuple(sign(text, key, TIME_S) for key in keys))


def trusting(*lines: str) -> TrustPolicy:
    return parse_trust("".join(f"{line}\n" for line in lines).encode())


BOTH = trusting(f"log {vkey(LOG)}", f"log {vkey(LOG_LATER)}", "quorum none")


@pytest.mark.parametrize("trust", [pytest.param(trust, id=name) for name, trust in good_trust_files()])
def test_a_file_at_a_bound_is_used(trust: bytes) -> None:
    assert parse_trust(trust).quorum == "none"


@pytest.mark.parametrize("trust", [pytest.param(trust, id=name) for name, trust in bad_trust_files()])
def test_a_file_beyond_a_bound_is_not_used(trust: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_trust(trust)


def test_every_key_of_the_log_must_have_signed() -> None:
    found = judge(signed_by(LOG, LOG_LATER, STRANGER), BOTH, ORIGIN)
    assert found.is_trusted and found.signed == (LOG.verifier, LOG_LATER.verifier)
    assert [line.name for line in found.unknown] == ["levelbook/other"]
    found = judge(signed_by(LOG), BOTH, ORIGIN)
    assert (found.is_trusted, found.missing, found.wrong) == (False, (LOG_LATER.verifier,), ())


def test_a_wrong_signature_of_a_known_key_spoils_the_note() -> None:
    trust = trusting(f"log {vkey(LOG)}", f"witness one {vkey(witness(1))}", "quorum none")
    other = sign(TEXT.replace("\n7\n", "\n8\n"), witness(1), TIME_S)
    note = signed_by(LOG)
    found = judge(note._replace(signatures=(*note.signatures, other)), trust, ORIGIN)
    assert (found.is_trusted, found.wrong) == (False, (witness(1).verifier,))
    strange = sign(TEXT.replace("\n7\n", "\n8\n"), STRANGER, TIME_S)
    logs = trusting(f"log {vkey(LOG)}", f"log {vkey(STRANGER)}", "quorum none")
    found = judge(note._replace(signatures=(*note.signatures, strange)), logs, ORIGIN)
    assert (found.is_trusted, found.wrong) == (False, (STRANGER.verifier,)), "of another log's key, too"
    bare = trusting(f"log {vkey(LOG)}", "quorum none")
    assert judge(note._replace(signatures=(*note.signatures, other)), bare, ORIGIN).is_trusted


def test_nothing_is_trusted_of_a_log_that_the_file_does_not_name() -> None:
    trust = trusting(f"log {vkey(STRANGER)}", f"witness one {vkey(witness(1))}", "quorum one")
    found = judge(signed_by(LOG, witness(1)), trust, ORIGIN)
    assert (found.log_is_known, found.has_quorum, found.is_signed, found.is_trusted) == (False, True, False, False)


def test_a_key_of_one_log_does_not_sign_for_another() -> None:
    other = TEXT.replace(ORIGIN, "levelbook/other")
    with pytest.raises(MalformedError, match="the checkpoint is of levelbook/other, not of levelbook/0190b3a0"):
        judge(signed_by(LOG, LOG_LATER, text=other), BOTH, ORIGIN)
    trust = trusting(f"log {vkey(LOG)}", f"log {vkey(STRANGER)}", "quorum none")
    assert not judge(signed_by(LOG, text=other), trust, "levelbook/other").is_trusted
    assert judge(signed_by(STRANGER, text=other), trust, "levelbook/other").is_trusted


def test_the_quorum_of_the_specification() -> None:
    """Its example: two of the three X, and one of the three Y."""
    names = ["X1", "X2", "X3", "Y1", "Y2", "Y3"]
    trust = trusting(
        f"log {vkey(LOG)}",
        *(f"witness {name} {plain(number)}" for number, name in enumerate(names)),
        "group X-witnesses 2 X1 X2 X3",
        "group Y-witnesses any Y1 Y2 Y3",
        "group X-and-Y all X-witnesses Y-witnesses",
        "quorum X-and-Y",
    )
    for count in range(7):
        for chosen in combinations(names, count):
            met = sum(name[0] == "X" for name in chosen) >= 2 and any(name[0] == "Y" for name in chosen)
            assert trust.is_quorum(frozenset(trust.witnesses[name] for name in chosen)) == met


@pytest.mark.slow
@given(st.data())
def test_a_quorum_is_what_its_definition_says(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 6))
    lines = [f"witness w{number} {plain(number)}" for number in range(count)]
    free, needs = [f"w{number}" for number in range(count)], {}
    for number in range(data.draw(st.integers(0, 4))):
        members = data.draw(st.lists(st.sampled_from(free), min_size=1, unique=True)) if free else []
        if members:
            threshold = data.draw(st.integers(1, len(members)))
            needs[f"g{number}"] = (threshold, members)
            lines.append(f"group g{number} {threshold} {' '.join(members)}")
            free = [name for name in free if name not in members] + [f"g{number}"]
    quorum = data.draw(st.sampled_from(["none", *(f"w{number}" for number in range(count)), *needs]))
    trust = trusting(*lines, f"quorum {quorum}")
    chosen = data.draw(st.sets(st.integers(0, count - 1)))

    def meets(name: str) -> bool:
        if name in needs:
            threshold, members = needs[name]
            return sum(map(meets, members)) >= threshold
        return name == "none" or int(name[1:]) in chosen

    assert trust.is_quorum(frozenset(trust.witnesses[f"w{number}"] for number in chosen)) == meets(quorum)


def test_what_a_file_may_hold() -> None:
    found = parse_trust(
        b"\n  \t \n# whom we trust \xff\n \t# more\n"
        + f"\tlog  {vkey(LOG)}\thttps://a.example/\t\n".encode()
        + b"witness caf\xe9 "
        + f"{plain(1)} https://w.example/ \n".encode()
        + f"witness caf\u00e9 {plain(2)}\ngroup both all caf\u00e9 ".encode()
        + b"caf\xe9\n  quorum\tboth\n"
        + f"log {vkey(LOG_LATER)}\n".encode()
    )
    assert found.logs_of(ORIGIN) == (LOG.verifier, LOG_LATER.verifier)
    assert list(found.witnesses) == ["caf\udce9", "café"]
    assert found.groups == {"both": WitnessGroup(2, ("café", "caf\udce9"))}
    assert sorted(found.urls.values()) == ["https://a.example/", "https://w.example/"]
    assert parse_trust(b"quorum none\n") == TrustPolicy((), {}, {}, NOBODY, {})


def test_so_many_of_each_are_read() -> None:
    lines = [f"witness w{number} {plain(number)}" for number in range(256)]
    lines += [f"group g{number} any {f'g{number - 1}' if number else 'w0'}" for number in range(256)]
    assert trusting(*lines, "quorum g255").is_quorum(frozenset([*trusting(*lines, "quorum w0").witnesses.values()][:1]))
    for more, told in (
        (f"witness w256 {plain(256)}", "line 513: there are more than 256 witnesses"),
        ("group g256 any w1", "line 513: there are more than 256 groups"),
    ):
        with pytest.raises(MalformedError, match=told):
            trusting(*lines, more, "quorum none")


ONE = f"witness one {plain(1)}"
TWO = f"witness two {plain(2)}"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["Quorum none"], "line 1: 'Quorum' begins no line: log, witness, group or quorum does"),
        (["", "# x", "quorum none # x"], "line 3: a quorum line is 'quorum NAME' or 'quorum none', and 3 items follow"),
        (["quorum"], "line 1: a quorum line is 'quorum NAME' or 'quorum none', and 0 items follow"),
        (["quorum none", "quorum none"], "line 2: there is a second quorum line; leave one out"),
        (["# nothing"], "there is no quorum line: add 'quorum none', or who must have cosigned"),
        (["quorum one", ONE], "line 1: 'one' is no witness or group of a line above"),
        (["quorum none\r"], "line 1: the control character 0x0d is not allowed; a newline ends a line"),
        (["quorum\vnone"], "line 1: the control character 0x0b is not allowed"),
        (["# \x7f", "quorum none"], "line 1: the control character 0x7f is not allowed"),
        (["quorum\u00a0none"], "begins no line"),
        (["log"], "line 1: a log line is 'log VKEY [URL]', and 0 items follow"),
        ([f"log {vkey(LOG)} a b"], "line 1: a log line is 'log VKEY [URL]', and 3 items follow"),
        (["log a+00000000+AA=="], "line 1: the key of a is of type 00, and known are 0x01, 0x04, 0x06"),
        ([f"log {vkey(LOG)[:-1]}x"], "line 1: "),
        ([f"log {vkey(LOG)}", f"log {vkey(LOG)}"], f"line 2: the key of log {ORIGIN} stands in another log line"),
        (
            [f"log {vkey(LOG)}", f"log {vkey(SigningKey('other', ED25519, LOG.seed))}"],
            "line 2: the key of log other stands in another log line; leave one out",
        ),
        (
            [f"log {vkey(witness(1))}"],
            "line 1: the key of log 'w.example/1' is of type 0x04, where 0x01, 0x06 sign",
        ),
        (["witness one"], "line 1: a witness line is 'witness NAME VKEY [URL]', and 1 items follow"),
        ([f"{ONE} a b"], "line 1: a witness line is 'witness NAME VKEY [URL]', and 4 items follow"),
        ([f"witness one {vkey(LOG)}"], f"line 1: the key of witness '{ORIGIN}' is of type 0x01, where 0x04, 0x06 sign"),
        ([ONE, f"witness two {plain(1)}"], "line 2: the key of witness two stands in another witness line"),
        ([ONE, f"witness one {plain(2)}"], "line 2: 'one' is defined above; each name is of one witness or group"),
        ([ONE, TWO, "group one any two"], "line 3: 'one' is defined above"),
        ([f"witness none {plain(1)}"], "line 1: 'none' is nobody's name"),
        ([ONE, "group none any one"], "line 2: 'none' is nobody's name"),
        ([ONE, "group g any"], "line 2: a group line is 'group NAME all|any|K MEMBER…', with at least one member"),
        ([ONE, "group g any two"], "line 2: 'two' is no witness or group of a line above"),
        ([ONE, "group g any none"], "line 2: 'none' is no witness or group of a line above"),
        ([ONE, "group g any g"], "line 2: 'g' is no witness or group of a line above"),
        ([ONE, "group g any one one"], "line 2: 'one' is a member twice; it can count in one place only"),
        ([ONE, "group g any one", "group h any one"], "line 3: 'one' is a member twice"),
        ([ONE, "group g 2 one"], "line 2: '2' of 1 members: say all, any, or a number from 1 to 1"),
        ([ONE, "group g 0 one"], "line 2: '0' of 1 members"),
        ([ONE, "group g 01 one"], "line 2: '01' of 1 members"),
        ([ONE, "group g +1 one"], "line 2: '+1' of 1 members"),
        ([ONE, "group g ALL one"], "line 2: 'ALL' of 1 members"),
    ],
)  # fmt: skip
def test_each_fault_is_told_with_its_line(lines: list[str], told: str) -> None:
    with pytest.raises(MalformedError) as caught:
        trusting(*lines)
    assert told in str(caught.value)


def test_a_file_that_is_cut_off_or_too_large_is_refused() -> None:
    with pytest.raises(MalformedError, match="the last line of the trust file is not ended"):
        parse_trust(b"quorum none")
    with pytest.raises(MalformedError, match="the trust file has 1048577 bytes, and at most 1048576 are read"):
        parse_trust(b"#" * (1 << 20) + b"\n")


def test_two_keys_that_no_line_could_tell_apart_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids have 4 bytes only, so that two keys can be made to share one."""
    monkeypatch.setattr(VerifierKey, "key_id", property(lambda _: b"same"))
    one, other = (VerifierKey("w", kind, bytes(32)).text for kind in (ED25519, ED25519_TIMED))
    with pytest.raises(MalformedError, match="line 2: another key of name w has the id 73616d65 too"):
        trusting(f"log {one}", f"witness a {other}", "quorum none")
