"""The tests, by the rooms that they are of."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
