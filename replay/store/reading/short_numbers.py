"""Whole numbers in as few bytes as they take: seven bits a byte, the low ones first; the highest says more come."""

from collections.abc import Iterable
from functools import cache
from typing import Final

BITS_MAX: Final = 63
"""No number that is written has more."""
MORE: Final = 128
"""A byte below it ends its number."""
_LOW: Final = 127
_PAIR: Final = 1 << 14
_TWO_PAIRS: Final = 1 << 28


def shortened(numbers: Iterable[int]) -> bytes:
    """The bytes of some numbers, none of them below zero."""
    last, more = _pairs()
    return b"".join(
        [
            last[number]
            if number < _PAIR
            else more[number & _PAIR - 1] + (last[number >> 14] if number < _TWO_PAIRS else _long(number >> 14))
            for number in numbers
        ]
    )


def _long(number: int) -> bytes:
    last, more = _pairs()
    return last[number] if number < _PAIR else more[number & _PAIR - 1] + _long(number >> 14)


@cache
def _pairs() -> tuple[list[bytes], list[bytes]]:
    """The bytes of each number of fourteen bits: where it ends there, and where more come."""
    last = [bytes([number]) if number < MORE else bytes([number & _LOW | MORE, number >> 7]) for number in range(_PAIR)]
    return last, [bytes([number & _LOW | MORE, number >> 7 | MORE]) for number in range(_PAIR)]


def numbers_in(content: bytes) -> list[int]:
    """The numbers in such bytes. Raises ValueError where they end amid one, or one has more than BITS_MAX bits."""
    found: list[int] = []
    number = bits = 0
    for byte in content:
        if byte < MORE:
            found.append(number | byte << bits)
            number = bits = 0
            continue
        number |= (byte & _LOW) << bits
        bits += 7
        if bits >= BITS_MAX:
            raise ValueError("too many bits for a number")
    if bits:
        raise ValueError("the bytes end amid a number")
    return found
