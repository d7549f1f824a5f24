"""A new folder for what a command writes, which appears only when it is complete."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import UserError
from .full_disk import full_disk_errors


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` that is renamed to it when complete. Raises UserError if `out` exists."""
    check_new(out)
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        with full_disk_errors(partial):
            yield partial
            partial.replace(out)
    except NotADirectoryError as error:
        raise UserError(f"--out {out}: {error.strerror}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_new(out: Path) -> None:
    """Raise a UserError if `out` exists."""
    if out.exists():
        raise UserError(f"--out {out} already exists: choose a new folder")
