"""Checkpoints on disk: the newest good one is read, and survives a full disk."""

from pathlib import Path

import pytest
import torch
from lrl_adapt.training import checkpoint
from lrl_adapt.training.checkpoint import Checkpoint, Checkpoints
from lrl_adapt.workspace.errors import UserError


def test_a_broken_checkpoint_is_passed_over(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, save_steps=1, save_total_limit=3)
    for step in (1, 2, 3):
        checkpoints.save(Checkpoint(step, {"weights.x": torch.full((3,), step)}, {"tokens": step}))
    (tmp_path / "step-00000003.safetensors").write_bytes(b"half")
    result = checkpoints.latest()
    assert (result.step, result.facts["tokens"], result.tensors["weights.x"].tolist()) == (2, 2, [2, 2, 2])


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints(tmp_path, save_steps=1, save_total_limit=1)
    checkpoints.save(Checkpoint(1, {"x": torch.ones(3)}, {}))

    def full(tensors, path: Path, metadata) -> None:
        path.write_bytes(b"begun")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(UserError, match=r"step 2 .*No space left.*resumes from the last good checkpoint"):
        checkpoints.save(Checkpoint(2, {"x": torch.ones(3)}, {}))
    assert [file.name for file in tmp_path.iterdir()] == ["step-00000001.safetensors"]
    assert checkpoints.latest().step == 1
