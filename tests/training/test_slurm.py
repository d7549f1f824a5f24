"""srun of a real Slurm."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lrl_adapt.training import launch

from ..slurm_cluster import Cluster, needs_slurm, slurm_cluster
from .processes import prepare, same, words

pytestmark = needs_slurm


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with slurm_cluster() as cluster:
        yield cluster


def test_srun_trains_as_one_process_does(cluster: Cluster, base: Path, alone: Path, tmp_path: Path) -> None:
    prepare(base, tmp_path)
    command = ["srun", "--nodes", "1", "--ntasks", "2", "--overcommit", sys.executable, "-m", launch.MODULE]
    subprocess.run([*command, *words(base, tmp_path), "--cpu"], env=cluster.environment, check=True, timeout=600)
    same(alone, tmp_path)
    asked = [*command, *words(base, tmp_path, "eval")]
    mistaken = subprocess.run(asked, check=False, env=cluster.environment, capture_output=True, text=True)
    assert "`lrl-adapt eval` runs in one process" in mistaken.stderr
