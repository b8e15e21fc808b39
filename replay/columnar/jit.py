"""Rules compiled: the only import of numba, and only where a loop over many records is asked for.

The functions of a rule stay plain Python in `domain`; here they are made callable from a compiled loop. A compiled loop
is kept on disk under a hash of every source of the program and the versions of what compiles it: numba itself looks at
one file alone, and would go on with an old rule after a helper in another file has changed.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from threading import get_ident
from typing import Any, Final, cast

from replay import STARTED
from replay.objects.cache import caches_folder

ROOMS: Final = ("domain", "replay")
"""The packages whose sources compiled loops are made of."""
SETTLED_SECONDS: Final = 60
"""Sources that changed later than so long before the process began keep nothing: an upgrade may be under way."""
_ROOT: Final = Path(__file__).resolve().parents[2]


@cache
def compiled(loop: Callable[..., Any], *rule: Callable[..., Any], allocates: bool = True) -> Callable[..., Any]:
    """A loop over columns, compiled together with the functions of the rule that it calls, in any order.

    The compiled loop releases the interpreter's lock, so that threads can run it side by side. One that makes no arrays
    of its own (`allocates` says so; views are none) is compiled without the counting of references, which at each call
    of a function counts every array of every tuple that is handed to it: six times slower.
    """
    from numba import config, njit
    from numba.extending import register_jitable

    folder = kept_in()
    if folder is not None:
        config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    for function in rule:
        # Handing tuples of many arrays to a function costs more than most functions of a rule do.
        register_jitable(forceinline=True)(function)
    options: dict[str, Any] = {"nogil": True, "_nrt": allocates, "cache": folder is not None}
    made: Any = njit(**options)(loop)
    if folder is not None:
        _load_alone(made)
    found: Callable[..., Any] = made
    return found


def _load_alone(dispatcher: Any) -> None:
    """Load a loop that is kept without what compiling would need, which numba loads before: a third of a replay's time.

    Machine code needs the runtime alone; whatever is compiled later loads the rest first, as ever.
    """
    from numba.core.runtime import nrt

    cache, runtime = dispatcher._cache, cast(Any, nrt).rtsys

    def load_overload(signature: Any, context: Any) -> Any:
        runtime.initialize(context)
        with cache._guard_against_spurious_io_errors():
            return cache._load_overload(signature, context)

    cache.load_overload = load_overload


class NotKept(Exception):
    """A loop would have to be compiled where only kept ones are to be loaded."""


@contextmanager
def kept_alone() -> Iterator[None]:
    """Loops are loaded in this thread, and never compiled: raises NotKept at the first that is not kept."""
    from numba.core.event import Event, Listener, install_listener

    here = get_ident()

    class Refusing(Listener):
        def on_start(self, event: Event) -> None:
            if get_ident() == here:
                raise NotKept(event.data["dispatcher"].py_func.__name__)

        def on_end(self, event: Event) -> None:
            """What was compiled elsewhere is no matter of this thread."""

    with install_listener("numba:compile", Refusing()):
        yield


def is_at_hand() -> bool:
    """Whether compiled loops need not be made first: this process has made some, or they are kept."""
    folder = kept_in()
    return compiled.cache_info().currsize > 0 or (folder is not None and is_kept_at(folder))


@cache
def kept_in() -> Path | None:
    """The folder of the loops that these very sources were compiled to, made; None where nothing can be kept."""
    if max(source.stat().st_ctime for source in _sources(_ROOT)) > STARTED - SETTLED_SECONDS:
        return None  # what is on the disk may not be what this process has read
    try:
        folder = place_of_kept()
        if folder is None:
            return None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return folder if os.access(folder, os.W_OK) else None


def place_of_kept() -> Path | None:
    """Where such a folder is, or would be; None where nothing is to be kept.

    LEVELBOOK_CACHE names the place of such folders; left empty, nothing is kept. Raises OSError and RuntimeError where
    sources cannot be read, or nobody has a home.
    """
    base = caches_folder()
    return None if base is None else base / f"compiled-{sources_hash()[:32]}"


def is_kept_at(folder: Path) -> bool:
    """Whether compiled loops are kept in a folder."""
    return any(folder.rglob("*.nbi"))


def sources_hash(root: Path = _ROOT) -> str:
    """A hash of every source that a compiled loop may be made of, and of the compiler's version."""
    import sys
    from importlib.metadata import version

    found = sha256(f"{sys.version} numba {version('numba')} llvmlite {version('llvmlite')}".encode())
    for source in _sources(root):
        found.update(source.relative_to(root).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return found.hexdigest()


def _sources(root: Path) -> list[Path]:
    return [source for room in ROOMS for source in sorted((root / room).rglob("*.py"))]
