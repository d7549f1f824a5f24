"""Reading named tensors from files: safetensors, or pickles of which only tensors are loaded."""

from collections.abc import Iterable
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..workspace.errors import UserError, first_line

# Text files that stand in for a file whose content was not fetched, by how they begin.
POINTERS = {
    b"version https://git-lfs": "a Git LFS pointer: run `git lfs pull` in its folder",
    b"/annex/objects/": "a git-annex pointer: run `git annex get` in its folder",
}
LONGEST_POINTER_START = 64  # bytes, more than any of their beginnings


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The named tensors in a safetensors file or, with any other suffix, a pickle; its other objects are not loaded.

    Raises UserError for a Git LFS or git-annex pointer, and for a file that cannot be read or holds anything else.
    """
    refuse_pointers([file])
    try:
        content = load_file(file) if file.suffix == ".safetensors" else torch.load(file, "cpu", weights_only=True)
    except UnpicklingError as error:  # torch's own message advises running the code
        raise UserError(
            f"{file} contains more than tensors; that could run code and is not loaded: save the weights as "
            "safetensors where they were created"
        ) from error
    except Exception as error:  # a damaged pickle may raise errors of any kind
        raise UserError(f"cannot read {file} as tensors ({first_line(error)}): download or save it again") from error
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    ):
        raise UserError(f"{file} contains something other than named tensors")
    return content


def refuse_pointers(files: Iterable[Path]) -> None:
    """Raise UserError if one of the files is a pointer of Git LFS or git-annex instead of the file itself."""
    for file in files:
        if not file.is_file():
            continue
        with file.open("rb") as opened:
            head = opened.read(LONGEST_POINTER_START)
        for beginning, advice in POINTERS.items():
            if head.startswith(beginning):
                raise UserError(f"{file} is not the file itself but {advice}, or download the file from its page")
