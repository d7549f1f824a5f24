"""Checkpoints: the trained weights, the optimizer's state and the position in the data, one safetensors file each.

The frozen base is not in them, so they are a few MB. A file is written under a temporary name and renamed once it is on
disk, so that a killed process or a full disk leaves the previous checkpoint intact.
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

# What reading a truncated, damaged or foreign file raises.
READ_ERRORS = (SafetensorError, OSError, KeyError, TypeError, ValueError)


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run after a step."""

    step: int
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]
    """JSON-ready: the position in the data, the best step, counts."""


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run: `step-00000200.safetensors` and so on in a folder."""

    folder: Path
    save_steps: int
    """Steps between two checkpoints."""
    save_total_limit: int
    """Checkpoints kept; older ones are deleted."""
    writes: bool = True
    """False in all processes but the main one: they only read."""

    def is_due(self, step: int) -> bool:
        """Whether a checkpoint is to be saved after this step."""
        return step % self.save_steps == 0

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, then delete the oldest ones over `save_total_limit`.

        Raises UserError when it cannot be written, such as on a full disk; the earlier checkpoints stay.
        """
        if not self.writes:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: value.detach().contiguous() for name, value in checkpoint.tensors.items()}
        facts = {"step": checkpoint.step, **checkpoint.facts}
        try:
            with replace_with(self._file(checkpoint.step)) as partial:
                save_file(tensors, partial, {"facts": json.dumps(facts)})
        except (OSError, SafetensorError) as error:
            raise UserError(
                f"cannot write the checkpoint of step {checkpoint.step} to {self.folder} ({error}): free some space, "
                "then run the same command again; it resumes from the last good checkpoint"
            ) from error
        for outdated in self._files()[: -self.save_total_limit]:
            outdated.unlink(missing_ok=True)

    def latest(self, progress: Progress = QUIET) -> Checkpoint | None:
        """The newest checkpoint that can be read; None if there is none. Unreadable ones are reported and skipped."""
        for file in reversed(self._files()):
            try:
                return _read(file)
            except READ_ERRORS as error:
                progress.say(f"cannot read {file} ({error}); using the checkpoint before it")
        return None

    def read(self, step: int) -> Checkpoint:
        """The checkpoint of a step. Raises UserError when it cannot be read by this process."""
        file = self._file(step)
        try:
            return _read(file)
        except READ_ERRORS as error:
            raise UserError(f"cannot read {file} ({error}): all nodes must share the same workspace") from error

    def _file(self, step: int) -> Path:
        return self.folder / f"step-{step:08}.safetensors"

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.safetensors"))


def _read(file: Path) -> Checkpoint:
    with safe_open(file, framework="pt") as opened:
        facts = json.loads(opened.metadata()["facts"])
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
    return Checkpoint(facts["step"], tensors, facts)
