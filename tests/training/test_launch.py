"""Several processes: the same training as in one, on one node and on two; a lost one ends the run, which resumes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lrl_adapt.training import launch
from lrl_adapt.workspace.errors import UserError

from .processes import prepare, same, until, words


def starter(base: Path, workspace: Path, *more: str) -> subprocess.Popen[str]:
    """Two processes by our own launcher, on the CPU."""
    code = f"from lrl_adapt.training.launch import start; start(2, {words(base, workspace, 'train', *more)!r})"
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_two_processes_train_as_one_does(base: Path, alone: Path, tmp_path: Path) -> None:
    prepare(base, tmp_path)
    process = starter(base, tmp_path)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    same(alone, tmp_path)


@pytest.mark.slow
def test_two_nodes_train_as_one_process_does(base: Path, alone: Path, tmp_path: Path) -> None:
    prepare(base, tmp_path)
    nodes = ["--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", "29571"]
    command = [sys.executable, "-m", "torch.distributed.run", *nodes]
    ends = [*("-m", launch.MODULE), *words(base, tmp_path), "--cpu"]
    running = [subprocess.Popen([*command, "--node-rank", str(rank), *ends]) for rank in range(2)]
    assert [process.wait(120) for process in running] == [0, 0]
    same(alone, tmp_path)


@pytest.mark.slow
def test_a_lost_process_ends_the_run_which_then_goes_on(base: Path, tmp_path: Path) -> None:
    prepare(base, tmp_path)
    process = starter(base, tmp_path, "training.max_steps=5000", "training.save_steps=5")
    until(lambda: list(tmp_path.glob("adapters/*/.*.unfinished/step-*")))
    lost = worker(1, tmp_path)
    os.kill(lost, signal.SIGKILL)
    since = time.monotonic()
    _, said = process.communicate(timeout=120)
    assert time.monotonic() - since < 60
    assert (
        f"process 1 (pid {lost}) was killed by SIGKILL; run the same command again to resume from the last checkpoint"
        in said
    )
    again = starter(base, tmp_path, "training.max_steps=5000", "training.save_steps=5")
    until(lambda: steps(tmp_path) > 30)
    again.send_signal(signal.SIGINT)
    _, said = again.communicate(timeout=60)
    assert "stopped; run the same command again to resume from the last checkpoint" in said
    (unfinished,) = tmp_path.glob("adapters/*/.*.unfinished")
    logged = [json.loads(line) for line in (unfinished / "metrics.jsonl").read_text().splitlines()]
    numbers = [entry["step"] for entry in logged if "loss" in entry]
    assert numbers == list(range(1, len(numbers) + 1))  # none twice, none missing


def steps(workspace: Path) -> int:
    (metrics,) = workspace.glob("adapters/*/.*.unfinished/metrics.jsonl")
    return len(metrics.read_text().splitlines())


def worker(rank: int, workspace: Path) -> int:
    """Process id of the worker with this rank."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if f"RANK={rank}".encode() in environment and str(workspace).encode() in command:
            return int(process.name)
    raise AssertionError("no such worker")


@pytest.mark.parametrize(
    ("environment", "size", "rank"),
    [
        ({}, 1, 0),
        ({"WORLD_SIZE": "4", "RANK": "3"}, 4, 3),
        ({"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3"}, 4, 3),
        ({"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0", "WORLD_SIZE": "2", "RANK": "1"}, 2, 1),
        ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1", "WORLD_SIZE": "8", "RANK": "4"}, 8, 4),
    ],
)
def test_the_group_of_processes_is_read_from_torchrun_and_slurm(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], size: int, rank: int
) -> None:
    assert launch.process_group(environment) == launch.ProcessGroup(size, rank)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert launch.joined() == (size > 1)
    assert launch.is_main() == (rank == 0)


def test_the_words_of_slurm_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    task = {
        "SLURM_STEP_ID": "0",
        "SLURM_STEP_NUM_TASKS": "4",
        "SLURM_PROCID": "3",
        "SLURM_LOCALID": "1",
        "SLURM_JOB_ID": "77",
    }
    result = launch.join_slurm({**task, "SLURM_STEP_NUM_NODES": "1"}, gpus=4)
    assert (result["RANK"], result["LOCAL_RANK"], result["WORLD_SIZE"]) == ("3", "1", "4")
    assert launch.join_slurm({**task, "SLURM_STEP_NUM_NODES": "1"}, gpus=1) == {**result, "LOCAL_RANK": "0"}
    assert 1024 < int(result["MASTER_PORT"]) < 65536
    said = subprocess.CompletedProcess([], 0, stdout="node07\nnode08\n")
    monkeypatch.setattr(subprocess, "run", lambda command, **_: said if command[-1] == "node[07-08]" else None)
    two = launch.join_slurm({**task, "SLURM_STEP_NUM_NODES": "2", "SLURM_STEP_NODELIST": "node[07-08]"}, gpus=4)
    assert two["MASTER_ADDR"] == "node07"
    assert launch.join_slurm({**task, "RANK": "0"}, 4) == launch.join_slurm({}, 4) == {}


def launcher_command(ends: list[str]) -> list[str]:
    """`lrl-adapt` on a machine of two devices, here two processes on the CPU."""
    two = "from lrl_adapt.training import launch; launch.processes = lambda gpus: 2"
    return [sys.executable, "-c", f"{two}; from lrl_adapt.cli.app import app; app({ends!r})"]


def torchrun_command(ends: list[str]) -> list[str]:
    group = ["--standalone", "--nproc-per-node", "2"]
    return [sys.executable, "-m", "torch.distributed.run", *group, "-m", launch.MODULE, *ends]


@pytest.mark.parametrize("command", [launcher_command, torchrun_command])
@pytest.mark.slow
def test_two_processes_report_once(
    base: Path, tmp_path: Path, command: Callable[[list[str]], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    prepare(base, tmp_path)
    ends = [*words(base, tmp_path, "train", "training.max_steps=4", "training.eval_steps=2"), "--cpu"]
    trained = output(command([*ends, "--json"]))
    assert json.loads(trained.stdout)["facts"]["devices"] == "2 x cpu"
    assert trained.stderr.count("adapter: ") == 1


@pytest.mark.slow
def test_two_processes_estimate_once(base: Path, tmp_path: Path) -> None:
    prepare(base, tmp_path)
    estimated = output(torchrun_command([*words(base, tmp_path, "train"), "--cpu", "--dry-run", "--json"]))
    assert json.loads(estimated.stdout)["training"]["devices"] == "2 x cpu"


def output(command: list[str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
def test_tasks_of_srun_report_once(base: Path, tmp_path: Path) -> None:
    prepare(base, tmp_path)
    job = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"}
    tasks = [job | {"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)} for rank in range(2)]
    settings = ("training.max_steps=4", "training.eval_steps=2")
    command = [sys.executable, "-m", launch.MODULE, *words(base, tmp_path, "train", *settings), "--cpu", "--json"]
    running = [
        subprocess.Popen(command, env=os.environ | task, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for task in tasks
    ]
    (first, said), (second, _) = (process.communicate(timeout=120) for process in running)
    assert [process.returncode for process in running] == [0, 0], said
    assert json.loads(first)["facts"]["devices"] == "2 x cpu"
    assert second == ""


def test_so_many_processes_as_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert launch.processes(None) == 4
    assert launch.processes(2) == 2
    with pytest.raises(UserError, match="--gpus 5: only 4 visible"):
        launch.processes(5)
    monkeypatch.setenv("WORLD_SIZE", "8")  # somebody else started them
    assert launch.processes(None) == 1
    monkeypatch.delenv("WORLD_SIZE")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    assert launch.processes(None) == 1


@pytest.mark.slow
def test_metrics_go_to_the_tracker_too(base: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    prepare(base, tmp_path)
    more = ("training.report_to=tensorboard", "training.max_steps=4", "training.eval_steps=2")
    subprocess.run([sys.executable, "-m", launch.MODULE, *words(base, tmp_path, "train", *more), "--cpu"], check=True)
    file = min((tmp_path / "trackers").rglob("events.*"), key=lambda file: len(file.parts))  # deeper ones hold settings
    events = EventAccumulator(str(file))
    events.Reload()
    assert [event.step for event in events.Scalars("loss")] == [1, 2, 3, 4]
    assert [event.step for event in events.Scalars("validation_loss")] == [0, 2, 4]


def test_cores_are_divided_among_the_processes_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "usable_cores", lambda: 8)
    assert [launch.threads_of(count, {})["OMP_NUM_THREADS"] for count in (2, 3, 8, 16)] == ["4", "2", "1", "1"]
    assert launch.threads_of(2, {"OMP_NUM_THREADS": "7"}) == {}


@pytest.mark.parametrize(("given", "expected"), [(None, "3"), ("5", "5")])
@pytest.mark.slow
def test_each_process_has_its_part_of_the_cores(
    given: str | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import os, pathlib; pathlib.Path(os.environ['RANK']).write_text(os.environ['OMP_NUM_THREADS'])"
    (tmp_path / "writes_threads.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launch, "MODULE", "writes_threads")
    monkeypatch.setattr(launch, "usable_cores", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    launch.start(2, [])
    assert [Path(rank).read_text(encoding="utf-8") for rank in "01"] == [expected] * 2
    assert os.environ.get("OMP_NUM_THREADS") == given  # as before


@pytest.mark.slow
def test_processes_end_with_the_launcher_that_was_killed(tmp_path: Path) -> None:
    sleeps = """
import os, pathlib, runpy, time
from lrl_adapt.cli import app
def main():
    pathlib.Path(os.environ["RANK"]).write_text(str(os.getpid()))
    time.sleep(120)
app.main = main
runpy.run_module("lrl_adapt.cli", run_name="__main__")
"""
    (tmp_path / "sleeps.py").write_text(sleeps, encoding="utf-8")
    code = "from lrl_adapt.training import launch; launch.MODULE = 'sleeps'; launch.start(2, [])"
    launcher = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    files = [tmp_path / rank for rank in "01"]
    until(lambda: all(file.exists() and file.read_text() for file in files))
    assert launcher.poll() is None
    launcher.kill()
    launcher.wait()
    until(lambda: not any(Path(f"/proc/{file.read_text()}").exists() for file in files))
