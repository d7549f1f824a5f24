"""A process that makes no progress is named, and the run ends if the recipe says so."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from lrl_adapt.recipes.schema import Recipe
from lrl_adapt.recipes.training import Training
from lrl_adapt.training import hang_watch
from lrl_adapt.training.hang_watch import RECORD, HangWatch, Phase
from lrl_adapt.training.setup import schedule_of

from ..said import Said
from .processes import prepare, until, words
from .test_launch import worker

RECIPE = {"language": "swh_Latn", "base": {"from_scratch": {}}, "corpus": {"files": "text.txt"}}
QUICK = {"TICK": 0.02, "LEAST_SECONDS": 0.3, "FIRST_SECONDS": 0.4}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in QUICK.items():
        monkeypatch.setattr(hang_watch, name, value)


def make_steps(watch: HangWatch, count: int) -> None:
    for step in range(count):
        watch.enter(Phase.DATA, step)
        watch.enter(Phase.FORWARD_BACKWARD, step)
        watch.enter(Phase.GRADIENT_EXCHANGE, step)


def masked(lines: list[str]) -> list[str]:
    """The lines with * for each number of seconds."""
    return [re.sub(r"[\d.]+ s\b", "* s", line) for line in lines]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        (Phase.DATA, "at step 41 for * s (usually * s): waiting for data"),
        (Phase.FORWARD_BACKWARD, "at step 41 for * s (usually * s): in the forward and backward pass"),
        (Phase.VALIDATION, "in the validation after step 40 for * s"),
        (Phase.CHECKPOINT, "writing the checkpoint of step 40 for * s"),
    ],
)
def test_one_process_that_hangs_says_in_which_phase(phase: Phase, expected: str) -> None:
    said = Said()
    with HangWatch(said, "train") as watch:
        make_steps(watch, 40)
        watch.enter(Phase.DATA, 40)
        watch.enter(phase, 40)
        until(lambda: said.lines, 20)
        time.sleep(0.3)
        assert masked(said.lines) == [f"train: the process has been {expected}"]  # once
        watch.enter(Phase.DATA, 41)
        until(lambda: said.lines[1:], 20)
    assert masked(said.lines[1:]) == ["train: continues after * s without progress"]


@pytest.mark.usefixtures("quick")
def test_a_process_that_makes_steps_is_not_named() -> None:
    said = Said()
    with HangWatch(said, "train") as watch:
        for step in range(30):
            watch.enter(Phase.DATA, step)
            time.sleep(0.03)
    assert said.lines == []


def write_status(folder: Path, rank: int, ticks: int, step: int, phase: Phase) -> None:
    (folder / f"rank-{rank}.status").write_bytes(RECORD.pack(ticks, step, phase))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("phase", "step", "expected"),
    [
        (Phase.DATA, 3, "rank 1 has been at step 4 for * s (usually * s): waiting for data"),
        (Phase.CHECKPOINT, 3, "rank 1 has been writing the checkpoint of step 3 for * s (usually * s)"),
        (Phase.GRADIENT_EXCHANGE, 3, "ranks 0, 1 have been at step 4 for * s (usually * s): in the gradient exchange"),
    ],
)
def test_of_two_processes_that_run_the_one_behind_is_named(
    phase: Phase, step: int, expected: str, tmp_path: Path
) -> None:
    said = Said()
    with HangWatch(said, "train", size=2, folder=tmp_path) as watch:
        make_steps(watch, 4)
        for ticks in range(1000):
            write_status(tmp_path, 1, ticks, step, phase)
            time.sleep(0.01)
            if said.lines:
                break
    assert masked(said.lines)[0].startswith(f"train: {expected}")
    assert "not running" not in said.lines[0]


@pytest.mark.usefixtures("quick")
def test_the_second_process_reports_where_the_first_one_is_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = Said()
    write_status(tmp_path, 0, 7, 3, Phase.FORWARD_BACKWARD)
    with HangWatch(said, "train", rank=1, size=2, folder=tmp_path) as watch:
        make_steps(watch, 4)
        time.sleep(1.0)
    assert said.lines == []  # another process than the first shows no progress
    assert masked(capsys.readouterr().err.splitlines()) == [
        "train: rank 0 has been at step 4 for * s (usually * s): in the forward and backward pass; it is not running: "
        "it ended or was stopped, or its node does not respond"
    ]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("ended", [0, 1])
def test_a_process_that_ended_with_an_error_is_named_by_the_other(
    ended: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        HangWatch(Said(), "train", rank=ended, size=2, folder=tmp_path) as watch,
    ):
        make_steps(watch, 3)
        watch.enter(Phase.VALIDATION, 3)
        raise ZeroDivisionError
    said = Said()
    with HangWatch(said, "train", rank=1 - ended, size=2, folder=tmp_path) as watch:
        make_steps(watch, 4)
        until(lambda: said.lines or ended == 0, 20)
        time.sleep(1.0 if ended == 0 else 0)
    (line,) = masked(said.lines or capsys.readouterr().err.splitlines())
    assert line == (
        f"train: rank {ended} has been in the validation after step 3 for * s (usually * s); it is not running: "
        "it ended or was stopped, or its node does not respond"
    )
    assert [file.name for file in tmp_path.iterdir()] == [f"rank-{ended}.status"]


@pytest.mark.usefixtures("quick")
def test_a_resumed_run_does_not_read_what_an_ended_one_wrote_of_the_same_rank(tmp_path: Path) -> None:
    write_status(tmp_path, 0, 7, 3, Phase.DATA)
    with HangWatch(Said(), "train", size=2, folder=tmp_path):
        assert (tmp_path / "rank-0.status").read_bytes() == b""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("quick")
def test_no_status_is_left_and_a_folder_that_cannot_be_made_does_not_matter(tmp_path: Path) -> None:
    with HangWatch(Said(), "train", size=2, folder=tmp_path / "new") as watch:
        make_steps(watch, 2)
        assert RECORD.unpack((tmp_path / "new/rank-0.status").read_bytes())[1:] == (1, Phase.GRADIENT_EXCHANGE)
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").write_text("")
    with HangWatch(Said(), "train", size=2, folder=tmp_path / "file") as watch:
        make_steps(watch, 2)


def test_the_timeout_does_not_shape_the_adapter() -> None:
    assert Training(hang_timeout=600).settings() == Training().settings()
    assert schedule_of(Recipe.model_validate(RECIPE | {"training": {"hang_timeout": 600}})).hang_timeout == 600
    with pytest.raises(ValueError, match="greater than or equal to 20"):
        Training(hang_timeout=5)


def two_ranks(base: Path, workspace: Path, *more: str) -> subprocess.Popen[str]:
    """Two processes that train on the CPU and look at each other 20 times a second."""
    (workspace / "quick.py").write_text(
        "import runpy\nfrom lrl_adapt.training import hang_watch\n"
        "hang_watch.TICK, hang_watch.LEAST_SECONDS = 0.05, 2.0\n"
        "runpy.run_module('lrl_adapt.cli', run_name='__main__')\n",
        encoding="utf-8",
    )
    arguments = words(base, workspace, "train", *more)
    code = f"from lrl_adapt.training import launch; launch.MODULE = 'quick'; launch.start(2, {arguments!r})"
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=workspace, env=environment, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def prepared(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = tmp_path_factory.mktemp("prepared")
    prepare(base, workspace)
    return workspace


def stop(rank: int, workspace: Path) -> int:
    """Stop the process of this rank after the first checkpoint; its id."""
    until(lambda: list(workspace.glob("adapters/*/.*.unfinished/step-*")), 300)
    process = worker(rank, workspace)
    os.kill(process, signal.SIGSTOP)
    return process


def first_line(process: subprocess.Popen[str], text: str, stopped: int, seconds: float = 240.0) -> str:
    """The first line of standard error that contains the text; fails, and kills the processes, if none comes."""
    assert process.stderr is not None

    def kill() -> None:
        os.kill(stopped, signal.SIGKILL)  # it cannot end by itself, and holds standard error open
        process.kill()

    timer = threading.Timer(seconds, kill)
    timer.start()
    lines = []
    try:
        for line in process.stderr:
            lines.append(line)
            if text in line:
                return line
    finally:
        timer.cancel()
    pytest.fail(f"no line with {text!r} in {seconds:.0f} s: {''.join(lines)}")


@pytest.mark.slow
def test_a_stopped_rank_is_named_and_the_run_finishes_when_it_continues(
    base: Path, prepared: Path, tmp_path: Path
) -> None:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    process = two_ranks(base, tmp_path, "training.max_steps=200", "training.save_steps=5")
    stopped = stop(1, tmp_path)
    # it may have been stopped in any phase
    line = first_line(process, "has been", stopped)
    assert re.search(r"rank 1 has been .*; it is not running: it ended or was stopped", line), line
    os.kill(stopped, signal.SIGCONT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert list(tmp_path.glob("adapters/*/[!.]*/adapter_model.safetensors"))


@pytest.mark.slow
def test_hang_timeout_ends_a_run_whose_first_rank_is_stopped(base: Path, prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    more = ("training.max_steps=5000", "training.save_steps=5", "training.hang_timeout=20")
    process = two_ranks(base, tmp_path, *more)
    stop(0, tmp_path)
    _, said = process.communicate(timeout=300)
    assert process.returncode != 0
    assert re.search(r"error: .*rank 0 has been .* ended after training.hang_timeout, 20 s; run the same", said), said
    assert list(tmp_path.glob("adapters/*/.*.unfinished/step-*"))
