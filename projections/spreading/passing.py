"""What one process of a rebuild leaves for another, in files of a passing folder."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from replay.errors import StoreError


def pass_on(path: Path, told: object) -> None:
    """Leave something in a file of this machine for another process. Raises StoreError where there is no room."""
    with _failures_named(path.parent):
        path.write_bytes(pickle.dumps(told))


def is_first_to(path: Path) -> bool:
    """Whether this process is the one that makes a file. Raises StoreError where there is no room."""
    with _failures_named(path.parent):
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


@contextmanager
def _failures_named(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"what processes pass on cannot be written to {folder} ({error.strerror or error}), and the manifest"
            " was left as it was: make space there, or name another folder by TMPDIR, and rebuild again"
        ) from error
