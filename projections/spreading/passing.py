"""What one process of a rebuild leaves for another, in files of a passing folder."""

import pickle
from pathlib import Path

from replay.errors import StoreError


def pass_on(path: Path, told: object) -> None:
    """Leave something in a file of this machine for another process. Raises StoreError where there is no room."""
    try:
        path.write_bytes(pickle.dumps(told))
    except OSError as error:
        raise StoreError(
            f"what processes pass on cannot be written to {path.parent} ({error.strerror or error}), and the manifest"
            " was left as it was: make space there, or name another folder by TMPDIR, and rebuild again"
        ) from error
