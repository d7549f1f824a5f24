"""Checkpoints: what is trained, the optimiser's state and the place in the data, in one safetensors file each.

The frozen base is not in them, so they are a few MB. A file is written beside its place and renamed when it is on disk:
a killed process or a full disk leaves the one before it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..workspace.artifacts import replace_with
from ..workspace.errors import UserError
from ..workspace.progress import QUIET, Progress

UNREADABLE = (SafetensorError, OSError, KeyError, TypeError, ValueError)


@dataclass(frozen=True)
class Checkpoint:
    """State after a step."""

    step: int
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]
    """JSON: the feed's place, the best step, counts."""


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run: `step-00000200.safetensors` and so on in a folder of their own."""

    folder: Path
    every: int
    keep: int
    writes: bool = True
    """False in all processes but one: they only read."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Write it, then drop the oldest over `keep`. Raises UserError when the disk is full; the others stay."""
        if not self.writes:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        place = self._file(checkpoint.step)
        tensors = {name: value.detach().contiguous() for name, value in checkpoint.tensors.items()}
        facts = {"step": checkpoint.step, **checkpoint.facts}
        try:
            with replace_with(place) as partial:
                save_file(tensors, partial, {"facts": json.dumps(facts)})
        except (OSError, SafetensorError) as error:
            raise UserError(
                f"cannot write the checkpoint of step {checkpoint.step} to {self.folder} ({error}); make room, then "
                "run the command again: it goes on from the last good checkpoint"
            ) from error
        for old in self._files()[: -self.keep]:
            old.unlink(missing_ok=True)

    def latest(self, progress: Progress = QUIET) -> Checkpoint | None:
        """The newest that can be read, or None."""
        for file in reversed(self._files()):
            try:
                return _read(file)
            except UNREADABLE as error:
                progress.say(f"{file} cannot be read ({error}); taking the one before it")
        return None

    def read(self, step: int) -> Checkpoint:
        """That of a step. Raises UserError when it cannot be read here."""
        file = self._file(step)
        try:
            return _read(file)
        except UNREADABLE as error:
            raise UserError(f"{file} cannot be read here ({error}): all nodes need the same workspace") from error

    def _file(self, step: int) -> Path:
        return self.folder / f"step-{step:08}.safetensors"

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.safetensors"))


def _read(file: Path) -> Checkpoint:
    with safe_open(file, framework="pt") as opened:
        facts = json.loads(opened.metadata()["facts"])
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
    return Checkpoint(facts["step"], tensors, facts)
