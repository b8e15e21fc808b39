"""How the figures of the rules are written: thousands apart, money in yuan, rates in percent, instants in Shanghai."""

from domain.calendar import parse_instant, shanghai_text
from domain.rules.comparison import decimal_text

_MIDNIGHT = "T00:00:00+08:00"


def count(number: int) -> str:
    return f"{number:,}"


def points(tenths: int, *, signed: bool = False) -> str:
    """Tenths of a point; the decimal only where there is one."""
    sign = "-" if tenths < 0 else "+" if signed and tenths > 0 else ""
    decimal = f".{abs(tenths) % 10}" if tenths % 10 else ""
    return f"{sign}{abs(tenths) // 10:,}{decimal}"


def yuan(fen: int) -> str:
    """An amount; fen only where there are any."""
    decimals = f".{fen % 100:02d}" if fen % 100 else ""
    return f"¥{fen // 100:,}{decimals}"


def percent(hundredths: int) -> str:
    """Hundredths of a percent."""
    return f"{hundredths // 100}.{hundredths % 100:02d} %"


def mean(hundredths: int) -> str:
    """A mean of scores, such as 4.20."""
    return decimal_text(hundredths, 100) or ""


def instant(text: str) -> str:
    """An instant of a policy in Shanghai: a day where it is the first moment of one."""
    found = shanghai_text(parse_instant(text))
    return (
        found.removesuffix(_MIDNIGHT) if found.endswith(_MIDNIGHT) else found.replace("T", " ").removesuffix("+08:00")
    )
