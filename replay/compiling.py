"""Rules compiled: the only import of numba, and only where a loop over many records is asked for.

The functions of a rule stay plain Python in `domain`; here they are made callable from a compiled loop. Nothing is
kept on disk: a kept kernel would go on with an old rule after a helper in another file has changed.
"""

from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def compiled(loop: Callable[..., Any], *rule: Callable[..., Any], allocates: bool = True) -> Callable[..., Any]:
    """A loop over columns, compiled together with the functions of the rule that it calls, in any order.

    The compiled loop releases the interpreter's lock, so that threads can run it side by side. One that makes no arrays
    of its own (`allocates` says so; views are none) is compiled without the counting of references, which at each call
    of a function counts every array of every tuple that is handed to it: six times slower.
    """
    from numba import njit
    from numba.extending import register_jitable

    for function in rule:
        # Handing tuples of many arrays to a function costs more than most functions of a rule do.
        register_jitable(forceinline=True)(function)
    options: dict[str, Any] = {"nogil": True, "_nrt": allocates}
    made: Callable[..., Any] = njit(**options)(loop)
    return made
