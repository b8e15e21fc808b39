"""What a log asks of a witness, as bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.proving.cosigning import parse_request
from replay.proving.strict_text import MalformedError, base64_of

# The example of C2SP tlog-witness.
ASKED = """old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
"""  # noqa: E501


def test_the_example_of_the_specification_is_read_and_written_again() -> None:
    found = parse_request(ASKED.encode())
    assert (found.old_size, len(found.path), found.checkpoint.size) == (20852014, 4, 20852163)
    assert len(found.note.signatures) == 2
    assert found.text == ASKED


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("", "the request has no empty line before its checkpoint"),
        (ASKED.replace("old 2", "Old 2"), "the request begins with 'Old 20852014', not with 'old' and a size"),
        (ASKED.replace("old 2", "old 02"), "'020852014' is not a decimal number without leading zeros"),
        (ASKED.replace("old 20852014", "old 20852164"), "the request goes on from 20852164 records to fewer: 20852163"),
        (ASKED.replace("\nPl", f"\n{base64_of(bytes(32))}" * 60 + "\nPl"), "the request has 64 hashes"),
        (ASKED.replace("/0=\n", "/0\n", 1), "is not base64"),
        (ASKED[:-1], "do not end with a newline"),
        ("x" * (1 << 21) + ASKED, "and at most 2097152 are read"),
    ],
)
def test_a_malformed_request_is_refused_with_what_was_found(asked: str, told: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_request(asked.encode())
    assert told in str(caught.value)


@given(st.integers(0, len(ASKED.encode()) * 8 - 1))
def test_what_is_read_has_one_spelling(bit: int) -> None:
    altered = bytearray(ASKED.encode())
    altered[bit >> 3] ^= 1 << (bit & 7)
    try:
        assert parse_request(bytes(altered)).text.encode() == altered
    except MalformedError:
        return
