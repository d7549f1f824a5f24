"""One line for a disk that is full, whichever library meets it."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT)
LEFT = 1 << 16  # bytes that a full disk may still have, as libraries write in blocks


@contextmanager
def full_disk_errors(folder: Path) -> Iterator[None]:
    """Inside `with`, turn any error that means that the disk of `folder` is full into a UserError.

    Only Python's own functions and pyarrow raise OSError: safetensors and torch raise errors of their own.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if is_full(error, folder):
            raise UserError(f"the disk of {folder} is full: free some space, then run the command again") from error
        raise


def is_full(error: Exception, folder: Path) -> bool:
    """Whether the error means that the disk of `folder` is full."""
    if getattr(error, "errno", None) in FULL or "No space left on device" in str(error):
        return True
    return not isinstance(error, OSError) and shutil.disk_usage(folder).free < LEFT
