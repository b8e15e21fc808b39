"""The recorded past: write it once, read it on two clocks, explain it."""

import time
from typing import Final

STARTED: Final = time.time()
"""When this process began to read its sources, in seconds since 1970."""
