"""Text in one form only: what is signed or proved has no second spelling that another reader would take otherwise."""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import Final

HASH_BYTES: Final = 32
NUMBER_MAX: Final = 2**63 - 1
"""The largest number of a line: sizes, indices and times fit a signed integer of 64 bits everywhere."""


class MalformedError(ValueError):
    """A text is not in the form that it must have; the words say what was found, for whoever names the file."""


def text_of(found: bytes, bytes_max: int, what: str) -> str:
    """UTF-8 of at most so many bytes, without control characters but line ends."""
    if len(found) > bytes_max:
        raise MalformedError(f"{what} has {len(found)} bytes, and at most {bytes_max} are read")
    try:
        text = found.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError(f"{what} is not UTF-8 at byte {error.start}") from None
    for place, character in enumerate(text):
        if character < " " and character != "\n":
            raise MalformedError(f"{what} has the control character {ord(character):#04x} as its character {place + 1}")
    return text


def bytes_of(encoded: str) -> bytes:
    """What standard base64 stands for, in the one spelling that encoding it gives."""
    try:
        found = b64decode(encoded, validate=True)
    except (Base64Error, ValueError):  # a ValueError where it is not ASCII
        raise MalformedError(f"{_shown(encoded)} is not base64") from None
    if base64_of(found) != encoded:
        raise MalformedError(f"{_shown(encoded)} is not base64 in its one canonical spelling")
    return found


def base64_of(found: bytes) -> str:
    """Bytes as standard base64, padded."""
    return b64encode(found).decode()


def hash_of(line: str) -> bytes:
    """The SHA-256 hash that a line of base64 gives."""
    found = bytes_of(line)
    if len(found) != HASH_BYTES:
        raise MalformedError(f"{_shown(line)} stands for {len(found)} bytes, where a hash has {HASH_BYTES}")
    return found


def number_of(text: str) -> int:
    """A decimal of ASCII digits without leading zeros, at most 2^63 - 1."""
    if not (text.isascii() and text.isdigit()) or (text[0] == "0" and text != "0"):
        raise MalformedError(f"{_shown(text)} is not a decimal number without leading zeros")
    if len(text) > len(str(NUMBER_MAX)) or int(text) > NUMBER_MAX:
        raise MalformedError(f"{_shown(text)} is more than {NUMBER_MAX}")
    return int(text)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}…")
