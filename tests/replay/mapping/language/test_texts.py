"""The language of mappings: placeholders, one comparison, exact scaling."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.mapping.language.texts import (
    Condition,
    Placeholder,
    Template,
    parse_condition,
    parse_template,
    scaled,
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("plain", ("plain",)),
        ("{a}", (Placeholder("a"),)),
        ("{订单 号}", (Placeholder("订单 号"),)),
        ("m/{a}.{b|kinds}", ("m/", Placeholder("a"), ".", Placeholder("b", table="kinds"))),
        ("{a|x100}", (Placeholder("a", times=100),)),
        ("{a|x1}", (Placeholder("a", times=1),)),
        ("{{{a}}}", ("{", Placeholder("a"), "}")),
    ],
)
def test_a_template_is_its_texts_and_placeholders(text: str, parts: tuple[str | Placeholder, ...]) -> None:
    assert parse_template(text) == Template(parts)


@pytest.mark.parametrize(
    "text", ["{", "}", "{a", "a}", "{}", "{|x100}", "{a|}", "{a|x0}", "{a|2x}", "{a|b|x100}", "{a{b}"]
)
def test_a_malformed_template_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|multiplies|names no|behind the bar|compares"):
        parse_template(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a == b", Condition("a", "==", "b")),
        ("  paid at != ''  ", Condition("paid at", "!=", "")),
        ('a == " b "', Condition("a", "==", " b ")),
        ("a >= 1.5", Condition("a", ">=", "1.5")),
        ("a<-2", Condition("a", "<", "-2")),
    ],
)
def test_a_comparison_is_column_operator_and_value(text: str, found: Condition) -> None:
    assert parse_condition(text) == found


@pytest.mark.parametrize("text", ["", "a", "a ~ b", "== b", "a < b", "a >= ''"])
def test_a_malformed_comparison_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|multiplies|names no|behind the bar|compares"):
        parse_condition(text)


decimals = st.builds(
    lambda sign, whole, rest, exponent: f"{sign}{whole}{rest}{exponent}",
    st.sampled_from(["", "-", "+"]),
    st.integers(0, 10**12).map(str),
    st.one_of(st.just(""), st.just("."), st.integers(0, 10**6).map(".{}".format), st.just(".50"), st.just(".1")),
    st.one_of(st.just(""), st.integers(-12, 12).map("e{:+d}".format)),
)


@given(decimals, st.sampled_from([1, 10, 100, 1_000]))
def test_scaling_is_exact_or_refused(text: str, times: int) -> None:
    """Held against fractions, which know no rounding."""
    expected = Fraction(text) * times
    if expected.denominator == 1:
        assert scaled(text, times) == expected
        return
    with pytest.raises(ValueError, match="no whole number"):
        scaled(text, times)


@pytest.mark.parametrize(
    "text", ["", "nan", "Infinity", "1,5", "1 000", "٣", "0x1", "1_000", "1" * 65, "1e1000", "--1"]
)
def test_what_is_no_decimal_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no decimal number"):
        scaled(text, 100)
