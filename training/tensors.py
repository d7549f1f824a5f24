"""Named tensors from files: safetensors, or pickles of which tensors alone are read."""

from collections.abc import Iterable
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..workspace.errors import UserError

POINTERS = {  # what stands in a file's place before its content is fetched
    b"version https://git-lfs": "a Git LFS pointer: run `git lfs pull` in its folder",
    b"/annex/objects/": "a git-annex pointer: run `git annex get` in its folder",
}


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The named tensors in a safetensors file or, by any other name, a pickle; its other objects are not loaded.

    Raises UserError for a pointer in the file's place, and for what cannot be read or is something else.
    """
    refuse_pointers([file])
    try:
        content = load_file(file) if file.suffix == ".safetensors" else torch.load(file, "cpu", weights_only=True)
    except UnpicklingError as error:  # torch's own message advises to run the code
        raise UserError(
            f"{file} is no pickle of tensors alone; what else it holds could run code and is not loaded: save the "
            "weights as safetensors where they were made"
        ) from error
    except (SafetensorError, RuntimeError, EOFError, ValueError, KeyError, AttributeError) as error:
        raise UserError(f"{file} cannot be read as tensors ({first_line(error)}): fetch or make it again") from error
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    ):
        raise UserError(f"{file} holds something else than named tensors")
    return content


def refuse_pointers(files: Iterable[Path]) -> None:
    """Raise a UserError where one of the files is not there itself, but a pointer of Git LFS or git-annex to it."""
    for file in files:
        if not file.is_file():
            continue
        with file.open("rb") as opened:
            head = opened.read(64)
        for beginning, told in POINTERS.items():
            if head.startswith(beginning):
                raise UserError(f"{file} is not the file itself but {told}, or download the file from its page")


def first_line(error: BaseException) -> str:
    """What an exception says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
