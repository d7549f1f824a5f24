"""The jobs of a plan: their options and dependencies, which of them are in the queue, and what one job does."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lrl_adapt.pipeline import slurm, slurm_job
from lrl_adapt.pipeline.logs import log_file
from lrl_adapt.pipeline.slurm import SubmissionError, cancel, jobs_in_queue, read_plan, sbatch_options, submit
from lrl_adapt.pipeline.status import status_of
from lrl_adapt.pipeline.steps import Plan, Step
from lrl_adapt.recipes.loading import load_recipe
from lrl_adapt.recipes.slurm import Slurm
from lrl_adapt.workspace.artifacts import Artifact
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.locks import locked
from lrl_adapt.workspace.progress import QUIET, Progress

from ..said import Said
from ..slurm_commands import Commands

RUNS = Path("runs")


@pytest.fixture
def commands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    (folder / "bin").mkdir()
    return Commands(folder / "bin", monkeypatch)


def make(artifact: Artifact, progress: Progress) -> None:
    artifact.build(lambda _: None)


def step(kind: str, details: str, *needs: Step) -> Step:
    artifact = Artifact(RUNS / kind, details, kind, {})
    return Step(kind, details, artifact, partial(make, artifact), needs, ["run"], artifact.folder)


class Steps:
    """The steps of a small plan."""

    def __init__(self) -> None:
        self.corpus = step("corpus", "swh")
        self.tokens = step("tokens", "swh", self.corpus)
        self.adapter = step("adapter", "swh, lora", self.tokens)
        self.base = step("scores", "mlm, base", self.corpus)
        self.adapted = step("scores", "mlm, lora", self.corpus, self.adapter)
        self.report = Step("report", "swh", None, partial(print, "report"), (), ["run"], RUNS / "reports" / "swh")
        self.plan = planned(self.corpus, self.tokens, self.adapter, self.base, self.adapted, self.report)


def planned(*steps: Step, **settings: Any) -> Plan:
    recipe = load_recipe("quickstart").model_copy(update={"slurm": Slurm(**settings)})
    return Plan(RUNS, ("prepare", "train", "eval", "report"), {"run": recipe}, list(steps))


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
    with pytest.raises(SubmissionError, match=r"^sbatch failed: sbatch: error: too many jobs$") as refused:
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


def write_log(step: Step, text: str) -> None:
    log = RUNS / "logs" / step.kind / f"{step.folder.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(text)


def states(plan: Plan) -> list[tuple[str, str]]:
    return [(status.state, status.line) for status in status_of(plan)]


def test_status_of_jobs(commands: Commands) -> None:
    steps = Steps()
    submit(steps.plan, QUIET)
    make(steps.corpus.artifact, QUIET)
    write_log(steps.tokens, "tokenise: 5 of 10\n")
    write_log(steps.base, "scoring\nerror: no such file\n")
    commands.set_queue("102|RUNNING|None|tokens swh", "103|PENDING|Dependency|adapter swh, lora")
    assert states(steps.plan) == [
        ("finished", ""),
        ("running", "tokenise: 5 of 10"),
        ("waiting", ""),
        ("failed", "error: no such file"),
        ("waiting", ""),
        ("waiting", ""),
    ]
    adapter = status_of(steps.plan)[2]
    assert (adapter.job.number, adapter.job.reason) == ("103", "Dependency")


def test_status_of_steps_on_this_machine(folder: Path) -> None:
    """As `run --jobs` leaves them; Slurm is not asked."""
    steps = Steps()
    make(steps.corpus.artifact, QUIET)
    write_log(steps.tokens, "tokenise: 5 of 10\n")
    write_log(steps.base, "scoring\nerror: no such file\n")
    steps.tokens.artifact.root.mkdir()
    with locked(steps.tokens.artifact.lock, "writing", QUIET):
        assert [state for state, _ in states(steps.plan)] == [
            "finished",
            "running",
            "waiting",
            "failed",
            "waiting",
            "waiting",
        ]
    assert states(steps.plan) == [
        ("finished", ""),
        ("stopped", "tokenise: 5 of 10"),  # it was killed
        ("not started", ""),
        ("failed", "error: no such file"),
        ("not started", ""),
        ("waiting", ""),
    ]


def test_a_step_is_running_while_its_log_is_locked(folder: Path) -> None:
    """As for tokens, whose artifact is not known before the base has been downloaded."""
    tokens = Step("tokens", "swh", None, print, (), ["run"])
    plan = planned(tokens)
    log = log_file(plan, tokens)
    log.parent.mkdir(parents=True)
    log.write_text("tokenise: 5 of 10\n")
    with locked(log, "writing", QUIET):
        assert states(plan) == [("running", "tokenise: 5 of 10")]
    assert states(plan) == [("stopped", "tokenise: 5 of 10")]


def test_a_failed_step_is_shown_with_its_error(folder: Path) -> None:
    corpus, tokens, base = step("corpus", "swh"), step("tokens", "swh"), step("base", "swh")
    write_log(corpus, "reading\nerror: files are missing\n  corpus.files: no such file: text.txt\n")
    write_log(tokens, "an error: none of ours\nseq_bn: stopped after step 5\nstopped by Slurm\n")
    assert states(planned(corpus, tokens, base)) == [
        ("failed", "error: files are missing"),
        ("stopped", "stopped by Slurm"),
        ("waiting", ""),
    ]


def test_status_where_slurm_cannot_be_asked(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps()
    submit(steps.plan, QUIET)
    monkeypatch.setenv("PATH", "")
    make(steps.corpus.artifact, QUIET)
    said = Said()
    assert [each.state for each in status_of(steps.plan, said)] == ["finished", *["waiting"] * 5]
    assert said.lines == [
        "note: squeue was not found: Slurm's commands are needed, as on the login node of a cluster; "
        "steps whose jobs are running may be shown as waiting or stopped"
    ]


def test_slurm_is_not_asked_for_jobs_of_finished_steps(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = step("corpus", "swh")
    submit(planned(corpus), QUIET)
    make(corpus.artifact, QUIET)
    monkeypatch.setenv("PATH", "")
    assert jobs_in_queue(planned(corpus)) == {}


def test_the_report_is_finished_once_it_shows_all_scores(folder: Path) -> None:
    steps = Steps()
    for each in (steps.corpus, steps.tokens, steps.adapter, steps.base):
        make(each.artifact, QUIET)
    page = RUNS / "reports" / "swh" / "index.html"
    page.parent.mkdir(parents=True)
    page.touch()
    assert states(steps.plan)[-2:] == [("waiting", ""), ("waiting", "")]
    make(steps.adapted.artifact, QUIET)
    os.utime(page, (1, 1))
    assert states(steps.plan)[-2:] == [("finished", ""), ("waiting", "")]
    page.touch()
    assert states(steps.plan)[-1] == ("finished", "")


def test_the_report_is_finished_if_what_it_lacks_has_failed(folder: Path) -> None:
    steps = Steps()
    make(steps.corpus.artifact, QUIET)
    make(steps.base.artifact, QUIET)
    write_log(steps.tokens, "error: no such file\n")
    page = RUNS / "reports" / "swh" / "index.html"
    page.parent.mkdir(parents=True)
    page.touch()
    assert [state for state, _ in states(steps.plan)] == [
        "finished",
        "failed",
        "not started",
        "finished",
        "not started",
        "finished",
    ]


def test_a_job_of_another_version_is_an_error(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "__version__", "0.0.1")
    submit(Steps().plan, QUIET)
    monkeypatch.setattr(slurm, "__version__", "0.0.2")
    (plan_file,) = (RUNS / "logs" / "plans").iterdir()
    with pytest.raises(UserError, match=r"lrl-adapt 0\.0\.1 submitted this job, and 0\.0\.2 is installed now"):
        read_plan(plan_file)


def stop(checkpoint: Path | None, progress: Progress) -> None:
    """Training that is asked to stop."""
    if checkpoint:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.touch()
    raise KeyboardInterrupt("seq_bn: stopped after step 10; run the same command again to resume")


@pytest.fixture
def adapter(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> Step:
    """The step of job 77, which is running."""
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setattr(slurm_job.signal, "signal", lambda *_: None)
    commands.set_state("RUNNING\n")
    return step("adapter", "swh")


LOG = Path("adapter.log")


def run_until_stopped(adapter: Step, *, checkpoint: str = "") -> int:
    adapter.make = partial(stop, adapter.artifact.resume_dir / checkpoint if checkpoint else None)
    return slurm_job._exit_code(adapter, LOG)


@pytest.mark.parametrize("state", ["COMPLETING", "PENDING"])  # it was cancelled; Slurm has queued it again itself
def test_a_job_that_slurm_stops_is_not_queued_again(
    commands: Commands, adapter: Step, capfd: pytest.CaptureFixture[str], state: str
) -> None:
    commands.set_state(f"{state}\n")
    assert run_until_stopped(adapter, checkpoint="step-1") == 1
    assert commands.said_to("controlled") == []
    assert capfd.readouterr().err.splitlines() == ["seq_bn: stopped after step 10", "stopped by Slurm"]


def test_a_job_is_queued_again_until_it_stops_four_times_in_a_row_without_a_checkpoint(
    commands: Commands, adapter: Step, capfd: pytest.CaptureFixture[str]
) -> None:
    LOG.with_suffix(".job").write_text("77")
    for checkpoint in ("step-1", "step-2", "", "", "", "step-3", "", "", ""):
        assert run_until_stopped(adapter, checkpoint=checkpoint) == 1
        assert capfd.readouterr().err.splitlines() == [
            "seq_bn: stopped after step 10",
            "waits in the queue to be started again",
        ]
    assert commands.said_to("controlled") == ["requeue 77"] * 9
    assert LOG.with_suffix(".job").exists()
    assert run_until_stopped(adapter) == 1
    assert commands.said_to("controlled") == ["requeue 77"] * 9
    assert capfd.readouterr().err.splitlines()[-1] == (
        "error: stopped 4 times in a row without a new checkpoint: set a longer slurm.time"
    )
    assert not LOG.with_suffix(".job").exists()


def fail(progress: Progress) -> None:
    raise UserError("no such file")


def test_the_exit_code_of_a_job_is_that_of_its_step(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert slurm_job._exit_code(Step("scores", "x", None, Said().say), LOG) == 0
    assert slurm_job._exit_code(Step("scores", "x", None, fail), LOG) == 2
    assert slurm_job._exit_code(Step("scores", "x", None, lambda progress: 1 / 0), LOG) == 1
    assert "error: no such file" in capfd.readouterr().err.splitlines()


@pytest.mark.parametrize("make_it", [Said().say, fail])
def test_the_number_of_a_job_that_has_ended_is_deleted(folder: Path, make_it: Any) -> None:
    LOG.with_suffix(".job").write_text("77")
    slurm_job._exit_code(Step("scores", "x", None, make_it), LOG)
    assert not LOG.with_suffix(".job").exists()
