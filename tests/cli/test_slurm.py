"""`run --slurm`, `status` and `cancel`, with stand-ins for Slurm's commands."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from lrl_adapt.pipeline import plan
from lrl_adapt.pipeline.slurm import read_plan
from lrl_adapt.recipes.loading import load_recipe

from ..slurm_commands import Commands
from .small import SMALL, TEXT, invoke


@pytest.fixture
def folder(folder: Path) -> Path:
    """The current folder, with a recipe for five steps and the report."""
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "recipe.yaml").write_text(f"{SMALL}eval: {{tasks: [mlm]}}\n", encoding="utf-8")
    return folder


@pytest.fixture
def commands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    (folder / "bin").mkdir()
    return Commands(folder / "bin", monkeypatch)


def result_of(*words: str) -> dict[str, Any]:
    result = invoke(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_submit_look_and_cancel(commands: Commands) -> None:
    submitted = result_of("run", "--slurm", "--set", "slurm.partition=gpu")["jobs"]
    assert [(job["job"], job["kind"], job["details"]) for job in submitted] == [
        ("101", "corpus", "swh_Latn"),
        ("102", "base", "swh_Latn, random weights"),
        ("103", "tokens", "swh_Latn, corpus for scratch"),
        ("104", "adapter", "swh_Latn, seq_bn on text"),
        ("105", "scores", "swh_Latn, mlm, base"),
        ("106", "scores", "swh_Latn, mlm, seq_bn/text"),
        ("107", "report", "swh_Latn"),
    ]
    assert commands.options("104")["partition"] == "gpu"
    assert commands.options("104")["gres"] == "gpu:1"
    commands.set_queue("101|RUNNING|None|corpus swh_Latn", "107|PENDING|Dependency|report swh_Latn")
    first, *_, last = result_of("status")["steps"]
    assert (first["state"], first["job"], first["line"]) == ("running", "101", "")
    assert (last["state"], last["job"], last["reason"]) == ("waiting", "107", "Dependency")
    shown = invoke("status").stdout
    assert "waiting (Dependency)" in shown
    assert shown.splitlines()[-1] == "1 running, 6 waiting"
    assert [job["job"] for job in result_of("cancel")["jobs"]] == ["101", "107"]
    commands.set_queue()
    assert result_of("cancel") == {"jobs": []}


def test_jobs_without_a_gpu(commands: Commands) -> None:
    assert "Submitted to Slurm" in invoke("run", "--slurm", "--cpu").stdout
    assert not any("gres" in commands.options(number) for number in commands.submitted)
    again = invoke("run", "--slurm", "--cpu")
    assert again.stderr.splitlines()[-1] == "nothing to submit: every step is finished or has a job in the queue"


def test_without_slurm_one_line_says_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    refused = invoke("run", "--slurm")
    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[-1] == (
        "error: sbatch was not found: Slurm's commands are needed, as on the login node of a cluster; to do "
        "several steps at once on this machine, use --jobs"
    )
    assert not (folder / "runs").exists()
    assert {step["state"] for step in result_of("status")["steps"]} == {"waiting"}
    assert invoke("cancel").stderr.splitlines() == ["no job of this recipe is in the queue"]


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        (
            "sbatch",
            ["run", "--slurm"],
            "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
        ),
        ("sbatch", ["run", "--slurm"], "sbatch: fatal: Could not establish a configuration source"),
        ("squeue", ["cancel"], "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"),
    ],
)
def test_where_no_cluster_answers_one_line_says_so(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: list[str], message: str
) -> None:
    if name == "squeue":
        invoke("run", "--slurm")
    (tmp_path / name).write_text(f'#!/bin/sh\n[ "$1" = --version ] && exit\necho "{message}" >&2\nexit 1\n')
    (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    refused = invoke(*words)
    assert refused.exit_code == 2
    text = refused.stderr.splitlines()[-1]
    assert text.startswith(
        f"error: {name}: no Slurm controller answers: run this on the login node of a cluster, and if this is one, try "
        "again later"
    )
    assert text.endswith("use --jobs") == (name == "sbatch")


def test_jobs_that_slurm_accepted_are_shown_before_its_error(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFUSED", "103")
    refused = invoke("run", "--slurm", "--json")
    assert refused.exit_code == 2
    assert [job["job"] for job in json.loads(refused.stdout)["jobs"]] == ["101", "102"]
    assert refused.stderr.splitlines()[-1] == "error: sbatch failed: too many jobs"
    monkeypatch.setenv("REFUSED", "104")
    shown = invoke("run", "--slurm")
    assert "Submitted to Slurm" in shown.stdout
    assert "│ 103" in shown.stdout


def test_jobs_do_not_depend_on_the_folder_in_which_they_start(commands: Commands, folder: Path) -> None:
    invoke("run", "--slurm", "--workspace", "relative")
    (file,) = (folder / "relative" / "logs" / "plans").iterdir()
    submitted = read_plan(file)
    assert submitted.workspace == folder / "relative"
    assert all(step.folder.is_relative_to(folder / "relative") for step in submitted.steps if step.folder)


def test_jobs_are_found_when_files_have_mistakes_or_were_deleted(commands: Commands, folder: Path) -> None:
    labels = folder / "mood.csv"
    labels.write_text("text,label\n" + "one,good\ntwo,bad\n" * 20, encoding="utf-8")
    task = "eval: {others: {mood: {train: mood.csv, validation: mood.csv, test: mood.csv, labels: [good, bad]}}}\n"
    (folder / "recipe.yaml").write_text(f"{SMALL}{task}", encoding="utf-8")
    submitted = [job["job"] for job in result_of("run", "--slurm")["jobs"]]
    assert len(submitted) > 5
    labels.write_text("text,label\n" + "one,good\ntwo,bat\n" * 20, encoding="utf-8")
    assert not any("job" in step for step in result_of("status")["steps"])  # the steps of the new file
    assert [job["job"] for job in result_of("cancel")["jobs"]] == submitted
    labels.unlink()
    assert [step["job"] for step in result_of("status")["steps"]] == submitted
    assert [job["job"] for job in result_of("cancel", "--set", "slurm.time=1h")["jobs"]] == submitted
    changed = invoke("cancel", "--set", "training.max_steps=6")
    assert changed.exit_code == 2
    assert "no such file" in changed.stderr


@pytest.mark.parametrize("words", [["--jobs", "2"], ["--gpus", "1"]])
def test_options_that_do_not_go_with_slurm(folder: Path, words: list[str]) -> None:
    refused = invoke("run", "--slurm", *words)
    assert refused.exit_code == 2
    assert refused.stderr == "error: --slurm: leave out --jobs, and set slurm.gpus instead of --gpus\n"


def test_resources_enter_no_artifacts_key(folder: Path) -> None:
    plain, changed = (
        [step.folder for step in plan(load_recipe(None, words), workspace="runs").steps]
        for words in ([], ["slurm.gpus=4", "slurm.time=2d", "slurm.options.qos=high"])
    )
    assert plain == changed
