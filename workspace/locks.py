"""Locks between processes."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from .errors import UserError
from .progress import Progress

PROBE_SECONDS = 0.3  # to try for before another process is said to hold a lock, as `is_locked` takes it for a moment


@contextmanager
def locked(path: Path, what: str, progress: Progress, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock file `path`. If another process holds it, say that it is `what` and wait, or raise UserError."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=PROBE_SECONDS)
    except Timeout:
        if not wait:
            raise UserError(f"another command is {what}: wait for it to finish, then run this again") from None
        progress.say(f"another command is {what}; waiting for it to finish")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock file `path`; False where that cannot be told."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # as FileLock does, but shared and at once released
    except BlockingIOError:
        return True
    except OSError:  # no such file, or a file system without locks
        return False
    return False
