"""A new folder for what a command writes, which appears only when it is complete."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import UserError
from .full_disk import full_disk_errors


def remove_folder(folder: Path) -> None:
    """Delete a folder if there is one. Of a symbolic link only the link is deleted, not the folder elsewhere."""
    if folder.is_symlink():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def partial_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder beside `folder`, which takes its place when complete; if the block raises, nothing is left."""
    partial = folder.with_name(f".{folder.name}.partial")
    remove_folder(partial)  # what a killed command left
    try:
        partial.mkdir(parents=True)
        with full_disk_errors(folder.parent):
            yield partial
            remove_folder(folder)
            partial.replace(folder)
    finally:
        remove_folder(partial)


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` that is renamed to it when complete. Raises UserError if `out` exists."""
    check_new(out)
    try:
        with partial_folder(out) as partial:
            yield partial
            check_new(out)  # someone else may have made it in the meantime
    except NotADirectoryError as error:
        raise UserError(f"--out {out}: {error.strerror}") from error


def require_folder(folder: Path, hint: str = "") -> None:
    """Raise a UserError, which ends with `hint`, if there is no such folder."""
    if folder.is_file():
        raise UserError(f"{folder} is a file; give the folder of an adapter")
    if not folder.is_dir():
        raise UserError(f"no such folder: {folder}{hint}")


def check_new(out: Path) -> None:
    """Raise a UserError if `out` exists."""
    if out.exists():
        raise UserError(f"--out {out} already exists: choose a new folder")
