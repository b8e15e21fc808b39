"""The version of the program, which results and adoptions bear."""

from typing import Final

PROGRAM_VERSION: Final = "0.1.0"
