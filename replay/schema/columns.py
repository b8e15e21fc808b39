"""Kinds of columns that read the same on both databases."""

from typing import Final

from sqlalchemy import BigInteger, Integer
from sqlalchemy import Text as AnyText

BIG: Final = BigInteger().with_variant(Integer(), "sqlite")
"""Whole numbers of 64 bits: positions, instants, fen."""
TEXT: Final = AnyText().with_variant(AnyText(collation="C"), "postgresql")
"""Text in code point order everywhere: no collation of a locale may order ids."""
