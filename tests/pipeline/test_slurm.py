"""The jobs of a plan: their options and dependencies, and which of them are in the queue."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lrl_adapt.pipeline import slurm
from lrl_adapt.pipeline.slurm import SubmissionError, cancel, jobs_in_queue, read_plan, sbatch_options, submit
from lrl_adapt.pipeline.steps import Step
from lrl_adapt.recipes.slurm import Slurm
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.progress import QUIET

from ..slurm_commands import Commands
from .slurm_plans import RUNS, Steps, make, planned, step, write_log


def options_of(kind: str, **settings: Any) -> list[str]:
    return sbatch_options(step(kind, "x"), Slurm(**settings), Path("/runs/100%.log"), "afterok:7")


def test_options_of_a_job() -> None:
    assert options_of("adapter", partition="gpu", account="low", options={"exclusive": True, "mail_type": "END"}) == [
        "--job-name=adapter x",
        "--output=/runs/100%%.log",  # %j would be the number of the job
        "--open-mode=append",
        "--partition=gpu",
        "--gres=gpu:1",
        "--cpus-per-task=4",
        "--mem=16G",
        "--time=12:00:00",
        "--account=low",
        "--requeue",
        "--signal=B:TERM@120",
        "--dependency=afterok:7",
        "--kill-on-invalid-dep=yes",
        "--exclusive",
        "--mail-type=END",
    ]
    assert "--requeue" not in options_of("adapter", options={"requeue": False})


@pytest.mark.parametrize(
    ("kind", "gpus", "expected"),
    [
        ("adapter", "a100:4", ["--partition=gpu", "--gres=gpu:a100:4"]),
        ("scores", "a100:4", ["--partition=gpu", "--gres=gpu:a100:1"]),
        ("scores", 2, ["--partition=gpu", "--gres=gpu:1"]),
        ("adapter", 0, ["--partition=cpu"]),
        ("scores", 0, ["--partition=cpu"]),
        *((kind, 2, ["--partition=cpu"]) for kind in ("corpus", "edges", "graph", "base", "vocabulary", "tokens")),
        ("report", 2, ["--partition=cpu"]),
    ],
)
def test_only_training_and_scores_ask_for_gpus(kind: str, gpus: Any, expected: list[str]) -> None:
    options = options_of(kind, gpus=gpus, partition="gpu", cpu_partition="cpu")
    assert [option for option in options if option.startswith(("--partition", "--gres"))] == expected
    assert "--partition=gpu" in options_of(kind, gpus=gpus, partition="gpu")


def test_each_unfinished_step_is_a_job_that_waits_for_what_it_needs(commands: Commands) -> None:
    steps = Steps()
    make(steps.corpus.artifact, QUIET)
    submitted, outcome = submit(steps.plan, QUIET)
    assert outcome.failures == []
    assert submitted == {
        steps.tokens: "101",
        steps.adapter: "102",
        steps.base: "103",
        steps.adapted: "104",
        steps.report: "105",
    }
    assert [commands.options(number).get("dependency") for number in commands.submitted] == [
        None,
        "afterok:101",
        None,
        "afterok:102",
        "afterany:101:102:103:104",
    ]
    log = (RUNS / "logs" / "adapter" / steps.adapter.folder.name).absolute()
    assert commands.options("102")["output"] == f"{log}.log"
    shell, command = commands.script("102").splitlines()
    (plan_file,) = (RUNS / "logs" / "plans").absolute().iterdir()
    assert shell == "#!/bin/sh"
    assert command.endswith(f" -m lrl_adapt.pipeline.slurm_job {plan_file} 2")
    assert plan_file.stat().st_mode & 0o077 == 0  # recipes may hold secrets
    assert [each.title for each in read_plan(plan_file).steps] == [each.title for each in steps.plan.steps]


def test_the_first_job_extracts_the_edges_of_all_languages(commands: Commands) -> None:
    edges = [step("edges", language) for language in ("amh", "mlt", "swh")]
    graph = step("graph", "swh", edges[2])
    submit(planned(*edges, graph), QUIET)
    assert [commands.options(number).get("dependency") for number in commands.submitted] == [
        None,
        "afterany:101",
        "afterany:101",
        "afterok:103",
    ]


def test_submitting_again_leaves_out_what_is_finished_or_in_the_queue(commands: Commands) -> None:
    steps = Steps()
    submit(steps.plan, QUIET)
    assert submit(steps.plan, QUIET)[0] == {}
    make(steps.corpus.artifact, QUIET)
    # the adapter has failed, so that its scores have left the queue
    commands.set_queue(
        "102|RUNNING|None|tokens swh", "104|PENDING|Priority|scores mlm, base", "106|PENDING|Dependency|report swh"
    )
    again = Steps()
    assert submit(again.plan, QUIET)[0] == {again.adapter: "107", again.adapted: "108", again.report: "109"}
    assert commands.said_to("cancelled") == ["106"]
    assert commands.options("107")["dependency"] == "afterok:102"
    assert commands.options("108")["dependency"] == "afterok:107"
    assert commands.options("109")["dependency"] == "afterany:102:104:107:108"


def test_each_recipe_of_a_language_has_a_report_job_of_its_own(commands: Commands) -> None:
    first, second = Steps(), Steps()
    submit(first.plan, QUIET)
    other = step("scores", "mlm, houlsby", second.corpus)
    second.plan.steps.insert(-1, other)
    assert submit(second.plan, QUIET)[0] == {other: "107", second.report: "108"}
    assert commands.said_to("cancelled") == []
    assert commands.options("108")["dependency"] == "afterany:101:102:103:104:105:107"
    assert jobs_in_queue(first.plan)[first.report].number == "106"
    assert jobs_in_queue(second.plan)[second.report].number == "108"


def test_tokens_of_another_corpus_are_another_job_while_their_folder_is_unknown(commands: Commands) -> None:
    plans = []
    for text in ("old", "new"):
        corpus = step("corpus", text)
        tokens = Step("tokens", "corpus for mbert", None, print, (corpus,), ["run"])
        plans.append(planned(corpus, tokens))
        submit(plans[-1], QUIET)
    assert [commands.options(number).get("dependency") for number in commands.submitted] == [
        None,
        "afterok:101",
        None,
        "afterok:103",
    ]
    assert {job.number for job in jobs_in_queue(plans[0]).values()} == {"101", "102"}


def test_a_job_does_not_wait_for_a_step_that_has_finished_meanwhile(commands: Commands) -> None:
    steps = Steps()
    jobs = {steps.corpus: "101", steps.adapter: "103"}
    assert slurm._dependency(steps.adapted, jobs) == "afterok:101:103"
    make(steps.corpus.artifact, QUIET)
    assert slurm._dependency(steps.adapted, jobs) == "afterok:103"
    assert slurm._dependency(steps.report, jobs) == "afterany:103"
    assert slurm._dependency(steps.tokens, jobs) == ""


def test_steps_of_runs_that_cannot_start_are_not_submitted(commands: Commands) -> None:
    steps, other = Steps(), step("scores", "mlm, other")
    other.runs = ["refused"]
    steps.plan.steps.insert(1, other)
    steps.plan.runs["refused"] = steps.plan.runs["run"]
    steps.plan.refused["refused"] = UserError("no such file")
    submitted, outcome = submit(steps.plan, QUIET)
    assert other not in submitted
    assert len(submitted) == 6
    assert outcome.failed_runs == {"refused": "no such file"}


def test_a_job_that_slurm_refuses_is_submitted_the_next_time(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps()
    write_log(steps.adapter, "error: no such file\n")
    monkeypatch.setenv("REFUSED", "103")
    with pytest.raises(SubmissionError, match=r"^sbatch failed: too many jobs$") as refused:
        submit(steps.plan, QUIET)
    assert refused.value.submitted == {steps.corpus: "101", steps.tokens: "102"}
    (log,) = (RUNS / "logs" / "adapter").iterdir()
    assert log.read_text() == "error: no such file\n"
    monkeypatch.delenv("REFUSED")
    assert list(submit(steps.plan, QUIET)[0].values()) == ["103", "104", "105", "106"]
    assert commands.options("103")["dependency"] == "afterok:102"
    assert [file.suffix for file in log.parent.iterdir()] == [".job"]


def test_the_report_stays_in_the_queue_if_slurm_refuses_a_new_job(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps()
    submit(steps.plan, QUIET)
    commands.set_queue("106|PENDING|Dependency|report swh")
    monkeypatch.setenv("REFUSED", "107")
    with pytest.raises(SubmissionError):
        submit(steps.plan, QUIET)
    assert commands.said_to("cancelled") == []
    assert jobs_in_queue(steps.plan)[steps.report].number == "106"


def test_a_plan_file_that_jobs_may_be_reading_is_not_written_again(folder: Path) -> None:
    plan = Steps().plan
    before = slurm._freeze(plan).stat()
    after = slurm._freeze(plan).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_job_is_found_when_the_folder_of_its_tokens_becomes_known(commands: Commands) -> None:
    tokens = step("tokens", "corpus for mbert")
    unknown = replace(tokens, artifact=None, folder=None)
    submit(planned(unknown), QUIET)
    assert jobs_in_queue(planned(tokens))[tokens].number == "101"


def test_cancel_spares_other_jobs(commands: Commands) -> None:
    steps = Steps()
    assert cancel(steps.plan) == {}
    submit(steps.plan, QUIET)
    commands.set_queue(
        "101|RUNNING|None|another job with this number",
        "104|PENDING|Dependency|scores mlm, base",
        "106|PENDING|Dependency|report swh",
        "999|RUNNING|None|tokens swh",
    )
    assert cancel(steps.plan) == {steps.base: "104", steps.report: "106"}
    assert commands.said_to("cancelled") == ["104 106"]
