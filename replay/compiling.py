"""Rules compiled: the only import of numba, and only where a loop over many records is asked for.

The functions of a rule stay plain Python in `domain`; here they are made callable from a compiled loop. Nothing is
kept on disk: a kept kernel would go on with an old rule after a helper in another file has changed.
"""

from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def compiled(loop: Callable[..., Any], *rule: Callable[..., Any]) -> Callable[..., Any]:
    """A loop over columns, compiled together with the functions of the rule that it calls, in any order.

    The compiled loop releases the interpreter's lock, so that threads can run it side by side.
    """
    from numba import njit
    from numba.extending import register_jitable

    for function in rule:
        register_jitable(function)
    made: Callable[..., Any] = njit(nogil=True)(loop)
    return made
