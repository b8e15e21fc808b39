"""Characters that show nothing are refused in every text: of events, of reasons, of policies."""

import sys
import unicodedata
from pathlib import Path

import pytest

from domain.limits import POLICY_BYTES_MAX
from domain.texts import invisible_character
from replay.errors import FaultyPolicy, UsageError
from replay.parsing.parse import read_line
from replay.parsing.refusals import Reason, RefusalError
from replay.policies.reading import read_policy
from replay.recording.own import check_reason
from tests.support.making import line, paid

UNSEEN = ["\u00ad", "\u034f", "\u115f", "\u180e", "\u200b", "\u200d", "\u2028", "\u2060", "\u3164", "\ufe0f", "\ufeff"]
UNSEEN += ["\uffa0", "\ufffe", "\ufdd0", "\U0001ffff", "\U000e0001", "\U000e0100", "\ud800", "\u061c", "\u0600"]


@pytest.mark.parametrize("character", UNSEEN, ids=lambda text: f"U+{ord(text):04X}")
def test_a_character_that_shows_nothing_is_refused_by_its_code(character: str) -> None:
    code = f"U+{ord(character):04X}"
    with pytest.raises(RefusalError, match=code.replace("+", r"\+")) as caught:
        read_line(line(paid("o-1", actor=f"cl{character}erk")))
    assert caught.value.refusal.reason in (Reason.INVISIBLE_CHARACTER, Reason.LONE_SURROGATE)
    with pytest.raises(UsageError, match="printable characters"):
        check_reason(f"a{character}b")


def test_every_format_character_of_this_unicode_is_known() -> None:
    formats = [
        code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in ("Cf", "Zl", "Zp", "Cs")
    ]
    assert len(formats) > 2_000
    assert [hex(code) for code in formats if invisible_character(chr(code)) is None] == []


def test_what_people_write_is_taken() -> None:
    for text in ("名字", "naïve – “quoted”", "résumé", "Ω≈ç", "日本語 テキスト", "नमस्ते", "שלום", "👍🏽", "a b"):
        assert read_line(line(paid("o-1", actor=text))).event
        check_reason(text)


def test_a_policy_with_a_character_that_shows_nothing_is_refused(tmp_path: Path) -> None:
    for character in ("\u200b", "\ufe0f", "\u3164", "\U000e0100"):
        (tmp_path / "p.toml").write_text(f'scheme = "merchant{character}-tier"\n')
        with pytest.raises(FaultyPolicy, match=f"U\\+{ord(character):04X}, which cannot be seen"):
            read_policy(tmp_path / "p.toml")


def test_a_policy_file_over_the_limit_is_refused_before_it_is_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "p.toml"
    file.write_bytes(b"# " + b"x" * (POLICY_BYTES_MAX - 3) + b"\n")
    with pytest.raises(FaultyPolicy, match="scheme: missing"):
        read_policy(file)
    monkeypatch.setattr("tomllib.loads", lambda _: pytest.fail("it was parsed"))
    file.write_bytes(b"# " + b"x" * POLICY_BYTES_MAX)
    with pytest.raises(FaultyPolicy, match=f"p.toml: has more than {POLICY_BYTES_MAX} bytes"):
        read_policy(file)
