"""Several steps at once: the same outcome as one after the other, also after failures, kills and Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import chdir
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lrl_adapt import pipeline
from lrl_adapt.pipeline import jobs
from lrl_adapt.pipeline.logs import log_file
from lrl_adapt.pipeline.outcome import Outcome, exit_code_of
from lrl_adapt.pipeline.status import status_of
from lrl_adapt.pipeline.steps import Plan, Step
from lrl_adapt.pipeline.workers import Workers
from lrl_adapt.recipes.loading import load_recipe, load_runs
from lrl_adapt.training import launch
from lrl_adapt.workspace.errors import UserError

from ..cli.small import SMALL, TEXT, invoke
from ..contents import content
from ..said import Said

# What steps make, for processes that need not load torch.
STEPS = """
import os, shutil, signal, time
from pathlib import Path

def wait_for(path):
    for _ in range(1200):
        if path.exists():
            return
        time.sleep(0.05)
    raise TimeoutError(path)

def meet(mine, other, progress):
    mine.write_text(str(os.getpid()))
    wait_for(other)
    return mine.name

def read(paths, progress):
    progress.say("the same line")
    return [path.read_text() for path in paths]

def locked(paths, progress):
    from lrl_adapt.workspace.locks import is_locked
    return [is_locked(path) for path in paths]

def environment(names, progress):
    return {name: os.environ.get(name) for name in names}

def die(progress):
    print("last words", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

def divide(progress):
    return 1 / 0

def delete(folder, progress):
    progress.say("deleting")
    shutil.rmtree(folder)
    time.sleep(1)  # the status is read meanwhile

def fail(error, progress):
    from lrl_adapt.training.launch import ProcessesFailedError
    from lrl_adapt.workspace.hub_files import NotOnHubError
    print("last words", flush=True)
    raise {"user": NotOnHubError("no such file", "a/b", "c"), "bug": ProcessesFailedError(1)}[error]

def wait_to_be_interrupted(mine, other, signal_to_parent, progress):
    mine.write_text(str(os.getpid()))
    try:
        wait_for(other)
        if signal_to_parent:
            os.kill(os.getppid(), signal_to_parent)
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(0.2)
        mine.with_suffix(".interrupted").touch()
        raise
"""
GRID = (
    SMALL.replace("{files: text.txt}", "{files: text.txt, drop_near_duplicates: false}")
    + "grid: {adapter.type: [lora, seq_bn, ia3]}\neval: {tasks: [mlm], mlm: {files: sentences.txt, max_sentences: 3}}\n"
)
TOO_NARROW = ["adapter.reduction_factor=99"]  # of these, seq_bn alone reads it


@pytest.fixture
def folder(folder: Path) -> Path:
    """The current folder, with a recipe."""
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "recipe.yaml").write_text(SMALL, encoding="utf-8")
    return folder


@pytest.fixture
def made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module `STEPS`, which other processes can import."""
    modules = folder / "modules"
    modules.mkdir()
    (modules / "made_steps.py").write_text(STEPS, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{modules}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.syspath_prepend(modules)
    monkeypatch.delitem(sys.modules, "made_steps", raising=False)
    import made_steps  # pyright: ignore[reportMissingImports]

    return made_steps


def step(name: str, make: Callable[..., Any], *needs: Step) -> Step:
    return Step("scores", name, None, make, needs, ["run"], Path("runs", "scores", name))


def test_a_step_without_a_line_in_its_log_is_shown_without_a_stray_comma(folder: Path) -> None:
    workers = Workers([{}])
    worker = workers._workers[0]
    worker.step, worker.log, worker._started = step("a", print), folder / "a.log", time.monotonic()
    worker.log.touch()
    assert workers.status() == {"running": "scores a  0 s"}
    worker.log.write_text("tokenise: 5 of 10\n")
    assert workers.status() == {"running": "scores a  0 s, tokenise: 5 of 10"}
    worker.log.write_text(
        "train: 5 of 10, loss 4.799, validation 4.918, tokens/s 11,172, memory 0.6 GB, remaining 2 min\n"
    )
    shortened = "train: 5 of 10, loss 4.799, validation 4.918, tokens/s 11,172"
    assert workers.status() == {"running": f"scores a  0 s, {shortened}"}


def test_what_a_step_says_begins_with_its_language_if_that_is_one_of_several(folder: Path) -> None:
    runs = {code: load_recipe(overrides=[f"language={code}"]) for code in ("swh", "mlt")}
    of_one, of_both = step("a", print), step("b", print)
    of_one.runs, of_both.runs = ["mlt"], ["swh", "mlt"]
    execution = jobs.ParallelExecution(Plan(Path("runs"), ("eval",), runs, [of_one, of_both]), Said(), Outcome(runs))
    assert [execution._prefix(each) for each in (of_one, of_both)] == ["mlt_Latn, ", ""]
    del runs["swh"]
    assert execution._prefix(of_one) == ""


def execute(*steps: Step, progress: Any = None, count: int = 2) -> Outcome:
    plan = Plan(Path("runs"), ("eval",), {"run": load_recipe()}, list(steps))
    return plan.execute(progress or Said(), count)


def test_independent_steps_run_at_once_and_a_step_waits_for_what_it_needs(folder: Path, made: Any) -> None:
    first, second = folder / "first", folder / "second"
    a = step("a", partial(made.meet, first, second))
    b = step("b", partial(made.meet, second, first))
    c, d = (step(name, partial(made.read, [first, second]), a, b) for name in "cd")
    progress = Said()
    outcome = execute(c, d, a, b, progress=progress)
    outcome.raise_if_failed()
    results = {path.name: result for path, result in outcome.scores_by_folder.items()}
    processes = [first.read_text(), second.read_text()]
    assert results == {"a": "first", "b": "second", "c": processes, "d": processes}
    assert list(results) == ["c", "d", "a", "b"]  # as in the plan
    assert len(set(processes)) == 2
    assert progress.lines.count("the same line") == 1
    assert f"started: scores a, log {Path('runs/logs/scores/a.log')}" in progress.lines


def test_a_step_that_fails_stops_only_those_that_need_it(folder: Path, made: Any) -> None:
    killed = step("killed", made.die)
    needs_killed = step("needs killed", partial(made.read, []), killed)
    bug = step("bug", made.divide)
    others = [step(f"other {number}", partial(made.read, [])) for number in range(4)]
    progress = Said()
    outcome = execute(killed, needs_killed, bug, *others, progress=progress)
    assert [path.name for path in outcome.scores_by_folder] == [other.details for other in others]
    lost, broken = outcome.failures
    assert lost.reason == "its process was killed by SIGKILL; last line of its log: last words"
    assert isinstance(lost.error, UserError)
    assert broken.reason == "ZeroDivisionError: division by zero (a bug in lrl-adapt; --debug shows the traceback)"
    assert exit_code_of(broken.error) == 1
    assert "in divide" in broken.error.__notes__[0]
    assert [each.what for each in outcome.not_started] == ["scores needs killed"]
    log = Path("runs/logs/scores/bug.log")
    assert f"failed, scores bug: {broken.reason} (log: {log})" in progress.lines
    assert log.read_text().splitlines()[-1] == f"error: {broken.reason}"


def test_errors_keep_their_exit_codes(folder: Path, made: Any) -> None:
    outcome = execute(*(step(name, partial(made.fail, name)) for name in ("user", "bug")))
    assert {failure.reason: exit_code_of(failure.error) for failure in outcome.failures} == {
        "no such file": 2,
        "its process ended with exit code 1; last line of its log: last words": 1,
    }


def test_a_log_that_was_deleted_or_cannot_be_written_is_no_error_of_other_steps(folder: Path, made: Any) -> None:
    deleted = step("deleted", partial(made.delete, folder / "runs" / "logs"))
    assert execute(deleted, step("other", partial(made.read, []))).failures == []
    no_log = step("no log", partial(made.read, []))
    (folder / "runs/logs/scores/no log.log").mkdir(parents=True, exist_ok=True)
    outcome = execute(no_log, step("other", partial(made.read, [])), step("needs it", partial(made.read, []), no_log))
    assert [path.name for path in outcome.scores_by_folder] == ["other"]
    assert [failure.reason for failure in outcome.failures] == [
        "it cannot be started: [Errno 21] Is a directory: 'runs/logs/scores/no log.log'"
    ]
    assert [each.what for each in outcome.not_started] == ["scores needs it"]


@pytest.mark.parametrize("count", [1, 2])
def test_the_log_of_a_failed_step_has_its_error_until_the_next_run(folder: Path, made: Any, count: int) -> None:
    names = ["failing", "later"]
    failing, later = step(names[0], partial(made.fail, "user")), step(names[1], partial(made.read, []))
    execute(failing, later, count=count)
    (failed, _) = status_of(Plan(Path("runs"), ("eval",), {}, [failing, later]))
    assert (failed.state, failed.line) == ("failed", "error: no such file")
    look = partial(made.read, [log_file(Plan(Path("runs"), ("eval",), {}, [failing]), failing)])
    outcome = execute(step("first", look), failing, count=1)
    assert outcome.failures[0].what == "scores first"  # as there is no such log any more
    assert isinstance(outcome.failures[0].error, FileNotFoundError)


def test_a_step_whose_process_was_killed_has_failed(folder: Path, made: Any) -> None:
    killed = step("killed", made.die)
    execute(killed, step("other", partial(made.read, [])))
    (status,) = status_of(Plan(Path("runs"), ("eval",), {}, [killed]))
    assert status.state == "failed"
    assert status.line == "error: its process was killed by SIGKILL; last line of its log: last words"


def test_the_log_of_a_step_is_locked_while_it_is_made(folder: Path, made: Any) -> None:
    """Two steps look at both logs, the second after the first has ended."""
    logs = [folder / "runs" / "logs" / "scores" / f"{name}.log" for name in ("a", "b")]
    a = step("a", partial(made.locked, logs))
    b = step("b", partial(made.locked, logs), a)
    outcome = execute(a, b, step("c", partial(made.locked, []), b))
    assert list(outcome.scores_by_folder.values()) == [[True, False], [False, True], []]


def test_steps_of_one_title_have_logs_of_their_own() -> None:
    steps = [Step("tokens", "of mbert", None, print) for _ in range(2)]
    plan = Plan(Path("runs"), ("train",), {}, steps)
    logs = [log_file(plan, each).name for each in steps]
    assert logs == ["of-mbert-1.log", "of-mbert-2.log"]


def test_each_process_has_its_share_of_cores_and_gpus(folder: Path, made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(jobs, "usable_cores", lambda: 6)
    monkeypatch.setattr(launch, "usable_cores", lambda: 6)
    monkeypatch.setattr(launch, "gpu_names", lambda: ["2", "GPU-5ac"])
    names = ["LRL_ADAPT_CORES", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"]
    outcome = execute(*(step(name, partial(made.environment, names)) for name in "ab"))
    assert {tuple(each.values()) for each in outcome.scores_by_folder.values()} == {
        ("3", "3", "2"),
        ("3", "3", "GPU-5ac"),
    }


@pytest.mark.parametrize(
    ("count", "gpus", "expected"),
    [(2, ["0", "1", "2", "3"], ["0,2", "1,3"]), (3, ["0", "1"], ["0", "1", "0"]), (2, [], [None, None])],
)
def test_gpus_are_shared_out(
    count: int, gpus: list[str], expected: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "gpu_names", lambda: gpus)
    assert [share.get("CUDA_VISIBLE_DEVICES") for share in jobs.shares(count)] == expected


def test_the_processes_of_a_job_divide_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process for each GPU: 3 GPUs, so that the first job trains in 2 processes."""
    monkeypatch.setattr(jobs, "usable_cores", lambda: 16)
    monkeypatch.setattr(launch, "usable_cores", lambda: 16)
    monkeypatch.setattr(launch, "gpu_names", lambda: ["0", "1", "2"])
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [(share["LRL_ADAPT_CORES"], share["OMP_NUM_THREADS"]) for share in jobs.shares(2)] == [
        ("8", "4"),
        ("8", "8"),
    ]
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert not any("OMP_NUM_THREADS" in share for share in jobs.shares(2))


@pytest.mark.parametrize(
    ("gpus", "cores", "memory_gib", "expected"), [(4, 16, 64, 4), (0, 16, 24, 6), (0, 2, 24, 2), (0, 8, 3, 1)]
)
def test_auto_is_one_per_gpu_or_as_many_as_cores_and_memory_allow(
    gpus: int, cores: int, memory_gib: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "visible_gpus", lambda: gpus)
    monkeypatch.setattr(jobs, "usable_cores", lambda: cores)
    monkeypatch.setattr(jobs, "total_memory", lambda: memory_gib << 30)
    assert jobs.job_count("auto") == expected


@pytest.mark.parametrize("given", ["0", "-1", "two", "1.5", "", 0, True])
def test_other_numbers_of_jobs_are_an_error(folder: Path, given: Any) -> None:
    with pytest.raises(UserError, match=r"jobs: expected a whole number above 0, or auto, got"):
        pipeline.run(load_recipe(), workspace=folder / "runs", jobs=given)
    if isinstance(given, str):
        shown = invoke("run", "--jobs", given, "--dry-run")
        assert (shown.exit_code, shown.stdout) == (2, "")
        assert shown.stderr == f"error: jobs: expected a whole number above 0, or auto, got {given}\n"


def test_all_visible_gpus_are_shared(folder: Path) -> None:
    refused = invoke("run", "--jobs", "2", "--gpus", "1", "--dry-run")
    assert refused.exit_code == 2
    assert refused.stderr == (
        "error: jobs: 2 jobs share all visible GPUs; to use fewer, set CUDA_VISIBLE_DEVICES instead of gpus\n"
    )
    assert invoke("run", "--jobs", "1", "--gpus", "1", "--dry-run").exit_code == 0


def waiting_steps(folder: Path, made: Any, signal_to_parent: int) -> list[Step]:
    """Two steps that run until they are interrupted, once the second has signalled its parent, and one for later."""
    a, b = folder / "a.pid", folder / "b.pid"
    return [
        step("a", partial(made.wait_to_be_interrupted, a, b, 0)),
        step("b", partial(made.wait_to_be_interrupted, b, a, signal_to_parent)),
        step("later", partial(made.read, [])),
    ]


def assert_all_were_interrupted(folder: Path, seconds: float = 0) -> None:
    """Wait at most `seconds` for both processes to end; both steps must have been interrupted."""
    end = time.monotonic() + seconds
    pids = [int((folder / f"{name}.pid").read_text()) for name in "ab"]
    while time.monotonic() < end and any(Path(f"/proc/{pid}").exists() for pid in pids):
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert all((folder / f"{name}.interrupted").exists() for name in "ab")
    assert not (folder / "runs" / "logs" / "scores" / "later.log").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_all_steps(folder: Path, made: Any, number: signal.Signals) -> None:
    progress, handler = Said(), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="stopped; run the same command again to resume"):
        execute(*waiting_steps(folder, made, number), progress=progress)
    assert_all_were_interrupted(folder)
    assert progress.lines[-1] == "stopping the running steps; Ctrl-C again stops them at once"
    assert signal.getsignal(signal.SIGINT) is handler


def test_steps_stop_when_their_command_is_killed(folder: Path, made: Any) -> None:
    code = (
        "import sys; from pathlib import Path; import made_steps\n"
        "from lrl_adapt.tests.pipeline.test_jobs import execute, waiting_steps\n"
        f"execute(*waiting_steps(Path({str(folder)!r}), made_steps, {signal.SIGKILL}))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert_all_were_interrupted(folder, 60)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe for three adapters, of which seq_bn fails."""
    folder = tmp_path_factory.mktemp("grid")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "sentences.txt").write_text("\n".join(TEXT.splitlines()[:5]), encoding="utf-8")
    (folder / "grid.yaml").write_text(GRID, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def sequential(grid: Path) -> Outcome:
    return run_grid(grid, "sequential", 1)


def run_grid(grid: Path, home: str, count: int, progress: Any = None) -> Outcome:
    """Do the grid's steps in the workspace `runs` of this home, since adapters name the folder of their base."""
    runs = {recipe.adapter.type: recipe for _, recipe in load_runs(str(grid / "grid.yaml"), TOO_NARROW)}
    (grid / home).mkdir(exist_ok=True)
    with chdir(grid / home):
        return pipeline.plan(runs, workspace="runs").execute(progress or Said(), count)


def assert_same(grid: Path, home: str, outcome: Outcome, sequential: Outcome) -> None:
    """Both runs made the same files, scores and messages."""
    files, expected = content(grid / home / "runs"), content(grid / "sequential" / "runs")
    assert files.keys() == expected.keys()
    for name, value in expected.items():
        assert files[name] == value, name
    assert outcome.scores == sequential.scores
    assert outcome.artifacts == sequential.artifacts
    assert outcome.failed_runs == sequential.failed_runs
    assert outcome.not_started == sequential.not_started
    assert outcome.report == sequential.report == Path("runs", "reports", "swh_Latn", "index.html")


@pytest.mark.slow
def test_two_at_once_make_what_one_after_the_other_makes(
    grid: Path, sequential: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    outcome = run_grid(grid, "parallel", 2)
    assert_same(grid, "parallel", outcome, sequential)
    assert list(outcome.failed_runs) == ["seq_bn"]
    assert "the recipe does not fit its base" in outcome.failed_runs["seq_bn"]
    assert {score.system for score in outcome.scores} == {"base", "lora/text", "ia3/text"}
    progress = Said()
    again = run_grid(grid, "parallel", 2, progress)
    assert again.scores == outcome.scores
    (started,) = [line for line in progress.lines if line.startswith("started: ")]  # what is finished is not
    assert "seq_bn on text" in started


@pytest.mark.slow
def test_a_run_that_is_interrupted_in_training_resumes(
    grid: Path, sequential: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def interrupt(line: str) -> None:
        if line.startswith("training "):  # the steps begin
            os.kill(os.getpid(), signal.SIGINT)

    progress = Said(interrupt)
    with pytest.raises(KeyboardInterrupt, match="resume"):
        run_grid(grid, "interrupted", 2, progress)
    assert progress.lines[-1].startswith("stopping")
    assert_same(grid, "interrupted", run_grid(grid, "interrupted", 1), sequential)
