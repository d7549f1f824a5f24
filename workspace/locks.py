"""Locks between processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from .errors import UserError
from .progress import Progress


@contextmanager
def locked(path: Path, what: str, progress: Progress, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock file `path`. If another process holds it, say that it is `what` and wait, or raise UserError."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not wait:
            raise UserError(f"another command is {what}: wait for it to finish, then run this again") from None
        progress.say(f"another command is {what}; waiting for it to finish")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
