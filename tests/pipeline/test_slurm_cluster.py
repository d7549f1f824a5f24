"""A grid as jobs of a real Slurm of two nodes, one of which is drained, with a job killed and one stopped."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, chdir
from pathlib import Path

import pytest
from filelock import FileLock
from lrl_adapt import pipeline
from lrl_adapt.pipeline.slurm import submit
from lrl_adapt.pipeline.status import StepStatus, status_of
from lrl_adapt.pipeline.steps import Plan
from lrl_adapt.recipes.loading import load_runs
from lrl_adapt.workspace.progress import QUIET

from ..cli.small import SMALL, TEXT
from ..contents import content
from ..slurm_cluster import Cluster, needs_slurm, slurm_cluster
from ..training.processes import until

pytestmark = needs_slurm
GRID = f"""\
{SMALL}
eval: {{tasks: [mlm], mlm: {{files: sentences.txt, max_sentences: 3}}}}
slurm: {{gpus: 0, cpus: 1, memory: 1G}}
grid: {{adapter.type: [lora, seq_bn, ia3]}}
"""
SECONDS = 1200  # of a busy machine


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # sums of the same order in jobs and here
    with slurm_cluster() as cluster:
        for name in ("SLURM_CONF", "PATH"):
            monkeypatch.setenv(name, cluster.environment[name])
        yield cluster


def planned(grid: Path) -> Plan:
    return pipeline.plan({recipe.adapter.type: recipe for _, recipe in load_runs(str(grid))}, workspace="runs")


def status(plan: Plan, kind: str, system: str) -> StepStatus:
    (wanted,) = [each for each in status_of(plan) if each.step.kind == kind and system in each.step.details]
    return wanted


def scontrol(*words: str) -> None:
    subprocess.run(["scontrol", *words], check=True, timeout=60)


@pytest.mark.slow
def test_a_grid_survives_a_killed_job_a_restart_and_a_drained_node(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "sentences.txt").write_text("\n".join(TEXT.splitlines()[:5]), encoding="utf-8")
    (tmp_path / "grid.yaml").write_text(GRID, encoding="utf-8")
    (tmp_path / "slurm").mkdir()
    (tmp_path / "local").mkdir()
    with chdir(tmp_path / "slurm"):
        run_on_cluster(cluster, tmp_path / "grid.yaml")
    with chdir(tmp_path / "local"):
        planned(tmp_path / "grid.yaml").execute(QUIET).raise_if_failed()
    made, expected = (content(tmp_path / home / "runs") for home in ("slurm", "local"))
    assert made.keys() == expected.keys()
    for name, value in expected.items():
        assert made[name] == value, name


def run_on_cluster(cluster: Cluster, grid: Path) -> None:
    plan = planned(grid)
    lora, seq_bn = (status(plan, "adapter", name).step for name in ("lora", "seq_bn"))
    with ExitStack() as held:
        for step in (lora, seq_bn):  # their jobs wait for these locks, so that they run until then
            step.artifact.root.mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(step.artifact.lock))
        submitted, _ = submit(plan, QUIET)
        assert len(submitted) == len(plan.steps) == 11
        until(lambda: all(_waits_for_lock(plan, name) for name in ("lora", "seq_bn")), SECONDS)
        cluster.restart_controller()
        scontrol("update", "NodeName=node1", "State=DRAIN", "Reason=test")
        subprocess.run(["scancel", "--batch", "--signal=KILL", submitted[lora]], check=True, timeout=60)
        subprocess.run(["scancel", "--batch", "--signal=TERM", submitted[seq_bn]], check=True, timeout=60)
        until(lambda: status(plan, "adapter", "seq_bn").state == "waiting", SECONDS)
    scontrol("update", f"JobId={submitted[seq_bn]}", "StartTime=now")  # otherwise two minutes later
    _wait_for_jobs(cluster)
    plan = planned(grid)
    killed = status(plan, "adapter", "lora")
    assert killed.state == "stopped"
    assert status(plan, "scores", "lora").state == "not started"
    others = [each for each in status_of(plan) if "lora" not in each.step.details]
    assert {each.step.title for each in others if each.state != "finished"} == set()
    again, _ = submit(plan, QUIET)
    assert [step.kind for step in again] == ["adapter", "scores", "report"]
    _wait_for_jobs(cluster)
    assert {each.state for each in status_of(planned(grid))} == {"finished"}


def _waits_for_lock(plan: Plan, name: str) -> bool:
    return "waiting for it to finish" in status(plan, "adapter", name).line


def _wait_for_jobs(cluster: Cluster) -> None:
    until(lambda: not cluster.output("squeue", "--noheader"), SECONDS)
