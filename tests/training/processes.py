"""Training in processes of their own, and whether two of them came to the same."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from lrl_adapt.training import launch
from safetensors.torch import load_file

SETTINGS = (
    "training.max_steps=12",
    "training.eval_steps=6",
    "training.logging_steps=1",
    "training.save_steps=4",
    "training.precision=fp32",  # in bf16, which a processor with AMX would get, sums differ with how a step is cut
)


def words(base: Path, workspace: Path, command: str = "train", *more: str) -> list[str]:
    changes = (f"base={base}", "eval.training.reduction_factor=8", *(SETTINGS if command == "train" else ()), *more)
    sets = [word for change in changes for word in ("--set", change)]
    return [command, "quickstart", "--workspace", str(workspace), *sets]


def prepare(base: Path, workspace: Path) -> None:
    subprocess.run([sys.executable, "-m", launch.MODULE, *words(base, workspace, "prepare")], check=True, timeout=120)


def adapter(workspace: Path) -> Path:
    (result,) = (workspace / "adapters" / "swh_Latn").glob("[!.]*")
    return result


def losses(workspace: Path) -> list[float]:
    entries = [json.loads(line) for line in (adapter(workspace) / "metrics.jsonl").read_text().splitlines()]
    losses = [entry.get("loss", entry.get("validation_loss")) for entry in entries]
    return [loss for loss in losses if loss is not None]  # the last entry has the drift alone


def same(one: Path, other: Path) -> None:
    assert losses(one) == pytest.approx(losses(other), abs=1e-4)
    assert len(losses(one)) == 12 + 3
    mine, theirs = (load_file(adapter(part) / "adapter_model.safetensors") for part in (one, other))
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        torch.testing.assert_close(value, theirs[name], atol=1e-4, rtol=1e-3)


def until(there, seconds: float = 90.0) -> None:
    limit = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < limit
        time.sleep(0.1)
