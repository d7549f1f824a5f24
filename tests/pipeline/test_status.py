"""The states of a plan's steps, on a Slurm cluster and on this machine."""

import os
from pathlib import Path

import pytest
from lrl_adapt.pipeline.logs import log_file
from lrl_adapt.pipeline.slurm import jobs_in_queue, submit
from lrl_adapt.pipeline.status import status_of
from lrl_adapt.pipeline.steps import Plan, Step
from lrl_adapt.workspace.locks import locked
from lrl_adapt.workspace.progress import QUIET

from ..said import Said
from ..slurm_commands import Commands
from .slurm_plans import RUNS, Steps, make, planned, step, write_log


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


def test_an_adapter_without_a_log_is_shown_with_the_steps_made(folder: Path) -> None:
    """As adapters that are trained together, and those of a run without --jobs."""
    adapter = step("adapter", "swh, seq_bn")
    metrics = adapter.artifact.resume_dir / "metrics.jsonl"
    metrics.parent.mkdir(parents=True)
    with locked(adapter.artifact.lock, "writing", QUIET):
        assert states(planned(adapter)) == [("running", "")]
        metrics.write_text('{"step": 20, "loss": 5.0}\n{"step": 40, "lo')
        assert states(planned(adapter)) == [("running", "")]
        metrics.write_text('{"step": 20, "loss": 5.0}\n')
        maximum = planned(adapter).runs["run"].training.max_steps
        assert states(planned(adapter)) == [("running", f"step 20 of {maximum}")]


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
