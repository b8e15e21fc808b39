"""Work in a process of its own that is killed at some moment."""

import os
import signal
import time
import warnings
from collections.abc import Callable


def killed(work: Callable[[], None], after_seconds: float) -> bool:
    """Do some work in a process of its own and kill it after a while: whether it was killed before it was done."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # this process's threads hold none of what the child uses
        child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    time.sleep(after_seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)
