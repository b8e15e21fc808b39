"""Figures as people read them, in one place for the command, the desk and appeal files: ¥1,350,000.00, 51.52 %, 4.65.

JSON has the whole amounts and the fractions; whoever reads a page or a line is shown those on request.
"""

from typing import Any, Final

from domain.rules.contributions import FEN, HUNDREDTHS, TENTHS
from replay.rendering.clauses import points_text

_MONEY: Final = frozenset(
    {
        "settled",
        "good",
        "showcase",
        "settled_fen",
        "gmv_fen",
        "gmv_fen_of_day",
        "settled_missing",
        "amount_fen",
        "amount",
    }
)
"""Figures that are amounts in fen."""
_HUNDREDTHS: Final = frozenset({"reputation_hundredths"})


def money_text(fen: int) -> str:
    """An amount in fen as yuan, its thousands apart: ¥1,350,000.00."""
    sign = "-" if fen < 0 else ""
    return f"{sign}¥{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


def count_text(number: int) -> str:
    """A whole number with its thousands apart."""
    return f"{number:,}"


def score_text(value: int, *, has_points: bool) -> str:
    """A score in the unit of its scheme: running points with their decimal, else a whole number."""
    return points_text(value) if has_points else count_text(value)


def amount_text(amount: int, unit: str, *, signed: bool = False) -> str:
    """A whole number of a unit: fen as yuan, tenths and hundredths as decimals."""
    sign = "-" if amount < 0 else "+" if signed else ""
    size = abs(amount)
    if unit == FEN:
        return sign + money_text(size)
    decimals = {TENTHS: 1, HUNDREDTHS: 2}.get(unit, 0)
    whole, rest = divmod(size, 10**decimals)
    return f"{sign}{whole:,}.{rest:0{decimals}d}" if decimals else f"{sign}{whole:,}"


def figure_text(name: str, value: Any) -> str:
    """A figure of an answer by its name."""
    if isinstance(value, bool) or not isinstance(value, int):
        return str(value)
    return money_text(value) if name in _MONEY else count_text(value)


def value_text(item: dict[str, Any]) -> str:
    """The value of a comparison that has one; a mean of hundredths is rounded once, from its exact fraction."""
    if item["what"] not in _HUNDREDTHS:
        return held_text(item, item["value"])
    numerator, denominator = item["numerator"], item["denominator"] * 100
    return _decimal_text((200 * numerator + denominator) // (2 * denominator))


def held_text(item: dict[str, Any], text: str) -> str:
    """The value or the bound of a comparison, a decimal in an answer, in the unit in which people read it."""
    hundredths = int(text.replace(".", ""))
    if item["what"] in _MONEY and hundredths % 100 == 0:
        return money_text(hundredths // 100)
    if item["what"] in _HUNDREDTHS:
        hundredths //= 100
    shown = _decimal_text(hundredths)
    return f"{shown} %" if item["unit"] == "percent" else shown


def fraction_text(item: dict[str, Any]) -> str:
    """The exact fraction of a comparison; nothing where the value is a whole number and hides none."""
    size = 100 if item["what"] in _HUNDREDTHS else 1
    return "" if item["denominator"] == 1 else f"{item['numerator']:,} / {size * item['denominator']:,}"


def _decimal_text(hundredths: int) -> str:
    whole, rest = divmod(abs(hundredths), 100)
    sign = "-" if hundredths < 0 else ""
    return f"{sign}{whole:,}" if rest == 0 else f"{sign}{whole:,}.{rest:02d}"
