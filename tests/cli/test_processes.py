"""The commands where torchrun or srun started several processes."""

from pathlib import Path

import pytest

from .small import SMALL, TEXT, invoke

SRUN = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"}
TORCHRUN = {"WORLD_SIZE": "2", "RANK": "0"}


@pytest.mark.parametrize("environment", [SRUN, TORCHRUN])
def test_several_processes_do_not_start_a_grid(
    folder: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "grid.yaml").write_text(SMALL + "grid: {adapter.type: [lora, ia3]}\n", encoding="utf-8")
    assert invoke("prepare", "grid.yaml").exit_code == 0
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for dry in ([], ["--dry-run"]):
        refused = invoke("train", "grid.yaml", *dry)
        assert refused.exit_code == 2
        assert "this recipe is a grid of 2 runs, and several processes train one run" in refused.stderr
    assert not (folder / "runs" / "adapters").exists()
