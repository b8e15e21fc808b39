"""Whole numbers in as few bytes as they take: seven bits a byte, the low ones first; the highest says more come."""

from collections.abc import Iterable
from typing import Final

BITS_MAX: Final = 63
"""No number that is written has more."""
MORE: Final = 128
"""A byte below it ends its number."""
_LOW: Final = 127


def shortened(numbers: Iterable[int]) -> bytes:
    """The bytes of some numbers, none of them below zero."""
    found = bytearray()
    for number in numbers:
        left = number
        while left > _LOW:
            found.append(left & _LOW | MORE)
            left >>= 7
        found.append(left)
    return bytes(found)


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
