"""The commands where torchrun or srun started several processes."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from lrl_adapt.training.launch import join_slurm

from ..hub import Hub, Repository
from .small import SMALL, TEXT, invoke

SINGLE = [
    ["run"],
    ["prepare"],
    ["eval"],
    ["report"],
    ["predict", "--task", "ner", "text"],
    ["fill-mask", "a [MASK]"],
    ["import-adapter", "here", "--base", "base", "--out", "there"],
    ["export", "here", "--out", "there"],
    ["push", "here", "me/there"],
    ["merge", "here", "here", "--out", "there"],
]
SRUN = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"}
JOB = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "3"}
TORCHRUN = {"WORLD_SIZE": "2", "RANK": "0"}


@pytest.mark.parametrize("environment", [SRUN, TORCHRUN])
def test_several_processes_do_not_start_a_grid(
    folder: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    small = SMALL.replace("{files: text.txt}", "{files: text.txt, drop_near_duplicates: false}")
    (folder / "grid.yaml").write_text(small + "grid: {adapter.type: [lora, ia3]}\n", encoding="utf-8")
    assert invoke("prepare", "grid.yaml").exit_code == 0
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for dry in ([], ["--dry-run"]):
        refused = invoke("train", "grid.yaml", *dry)
        assert refused.exit_code == 2
        assert "this recipe is a grid of 2 runs, but several processes train one run" in refused.stderr
    assert not (folder / "runs" / "adapters").exists()


@pytest.mark.parametrize("words", SINGLE)
@pytest.mark.parametrize("environment", [SRUN, TORCHRUN])
def test_only_train_runs_in_several_processes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    refused = invoke(*words)
    assert refused.exit_code == 2
    assert refused.stderr.startswith(f"error: `lrl-adapt {words[0]}` runs in one process: start it without torchrun")
    assert refused.stdout == ""
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("variables", "count"),
    [
        ({}, 1),
        (JOB | {"SLURM_PROCID": "0", "SLURM_LOCALID": "0"}, 1),
        (JOB | {"SLURM_PROCID": "1", "SLURM_LOCALID": "1"}, 0),
        (TORCHRUN | {"TORCHELASTIC_RUN_ID": "lrl-adapt"}, 0),  # started by `lrl-adapt train`, which has said it
    ],
)
def test_skipped_tasks_are_told_by_one_process(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], count: int
) -> None:
    commit = "38977a667f6fc264d5c26ec57a01e16db040b358"  # the recipe's
    hub.known["datasets/Davlan/sib200"] = Repository(commit=commit)
    hub.put("datasets/Davlan/sib200/data/mlt_Latn/train.tsv")
    monkeypatch.setattr("lrl_adapt.cli.guard.SECONDS_FOR_THE_FIRST", 0)
    monkeypatch.setattr("lrl_adapt.cli.guard.SECONDS_TO_JOIN", 0)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    message = invoke("train", "mbert", "--language", "bre")
    assert message.exit_code == 2  # nothing is prepared
    assert message.stderr.count("topic: skipped, SIB-200 has no bre_Latn") == count


def tasks_of_srun(folder: Path, ranks: Sequence[int]) -> list[tuple[int, str]]:
    """Exit code and standard error of tasks of one step that train on data that nobody has prepared."""
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "small.yaml").write_text(SMALL, encoding="utf-8")
    command = [sys.executable, "-m", "lrl_adapt.cli", "train", "small.yaml", "--cpu"]
    tasks = [
        subprocess.Popen(
            command,
            env=os.environ | JOB | {"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ranks
    ]
    errors = [task.communicate(timeout=120)[1] for task in tasks]
    return list(zip((task.returncode for task in tasks), errors, strict=True))


@pytest.mark.slow
def test_an_error_that_all_tasks_of_srun_meet_is_printed_by_the_first(folder: Path) -> None:
    (first, message), *others = tasks_of_srun(folder, range(3))
    assert (first, message.count("error: ")) == (2, 1)
    assert "first run `lrl-adapt prepare`" in message
    assert others == [(2, "")] * 2


def test_an_error_that_one_task_of_srun_meets_is_printed_by_it(folder: Path) -> None:
    group = join_slurm({**JOB, "SLURM_PROCID": "1", "SLURM_LOCALID": "1"}, 0)
    with socket.create_server(
        (group["MASTER_ADDR"], int(group["MASTER_PORT"]))
    ):  # where the first waits for the others
        ((code, message),) = tasks_of_srun(folder, [1])
    assert code == 2
    assert "error: " in message
    assert "first run `lrl-adapt prepare`" in message


def test_one_task_of_srun_is_a_single_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert invoke("prepare", "quickstart", "--dry-run").exit_code == 0


@pytest.mark.parametrize(
    ("code", "exit_code", "last"),
    [
        ("raise UserError('wrong text')", 2, "error: wrong text"),
        (
            "raise RuntimeError('oh no')",
            1,
            "error: RuntimeError: oh no (a bug in lrl-adapt; --debug shows the traceback)",
        ),
    ],
)
def test_an_error_of_a_started_process_keeps_its_exit_code_and_is_printed_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: str, exit_code: int, last: str
) -> None:
    """Two real processes, which fail as `lrl-adapt train` does there."""
    package = folder / "failing"
    package.mkdir()
    (package / "__main__.py").write_text(
        "from lrl_adapt.cli.guard import guarded\nfrom lrl_adapt.workspace.errors import UserError\nimport typer\n"
        f"@guarded\ndef command():\n    {code}\n"
        "typer.run(command)\n",
        encoding="utf-8",
    )
    start = (
        "import typer\nfrom lrl_adapt.cli.guard import guarded\nfrom lrl_adapt.training import launch\n"
        "launch.MODULE = 'failing'\n@guarded\ndef command():\n    launch.start(2, [])\ntyper.run(command)\n"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{folder}:{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(
        [sys.executable, "-c", start], check=False, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == exit_code
    assert done.stderr.count(last) == 1
