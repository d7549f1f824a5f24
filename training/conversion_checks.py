"""Checks of the arguments of `import_adapter` and `export_adapter` that need no model: torch is not imported."""

from pathlib import Path

from ..workspace.errors import UserError

FORMATS = ("adapterhub", "merged", "peft")
BITS = (8, 4, 1)  # any divisor of 8 works: codes are packed into whole bytes


def check_import(source: Path, out: Path) -> None:
    """Raise a UserError if there is no folder `source`, or if `out` exists."""
    if not source.is_dir():
        raise UserError(f"{source}: no such folder")
    check_new(out)


def check_export(source: Path, out: Path, *, format: str, bits: int | None, name: str) -> None:
    """Raise a UserError if there is no such format, number of bits or folder `source`, or if `out` exists."""
    if format not in FORMATS:
        raise UserError(f"--format {format}: choose one of {', '.join(FORMATS)}")
    if bits is not None and (format != "peft" or bits not in BITS):
        raise UserError(
            f"--bits {bits}: choose one of {', '.join(map(str, BITS))}, with --format peft; got --format {format}"
        )
    if format == "adapterhub" and (not name or not name.replace("-", "").replace("_", "").isalnum()):
        raise UserError(f"--name {name!r}: use letters, digits, - and _ only")
    if not source.is_dir():
        raise UserError(f"{source}: no such folder")
    check_new(out)


def check_new(out: Path) -> None:
    """Raise a UserError if `out` exists."""
    if out.exists():
        raise UserError(f"--out {out} already exists: choose a new folder")
