"""kill -9 at random moments, and many commands at once: the end is what one undisturbed run leaves, to the bit.

LRL_ADAPT_KILLS says how many kills there are (`make faults`: 100).
"""

import multiprocessing
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .. import tiny
from ..contents import content

KILLS = int(os.environ.get("LRL_ADAPT_KILLS", "20"))
SHARES = {"prepare": 0.2, "train": 0.3, "eval": 0.2, "report": 0.15, "export": 0.15}
"""The commands in their order, and the share of the kills that each gets."""
SETTINGS = (
    *tiny.CHANGES,
    *("training.max_steps=120", "training.save_steps=4", "training.eval_steps=30", "training.batch_tokens=600"),
    *("eval.seeds=[1]", "eval.training.num_train_epochs=4", "eval.mlm.max_sentences=60"),
)
PRELOAD = [
    "lrl_adapt.cli.app",
    "lrl_adapt.training.language_adapter",
    "lrl_adapt.eval.evaluator",
    "lrl_adapt.corpora.prepare",
    "lrl_adapt.eval.report.writer",
    "lrl_adapt.pipeline.export.peft_format",
]


def work(words: list[str], home: Path) -> None:
    """What a child does: one command. Its own process group, so that its helpers die with it."""
    from lrl_adapt.cli.app import app

    os.setpgid(0, 0)
    os.chdir(home)
    os.environ["OMP_NUM_THREADS"] = "1"
    app(words)


class Runner:
    """Commands in processes of their own that need not import anything."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOAD)

    def start(self, command: str, home: Path) -> Any:
        sets = [word for change in SETTINGS for word in ("--set", change)]
        words = [command, "quickstart", "--workspace", "runs", *sets]
        if command == "eval":
            words += ["--task", "mlm", "--task", "topic"]
        elif command == "report":
            words = ["report", "--workspace", "runs"]
        elif command == "export":
            (adapter,) = home.glob("runs/adapters/*/[!.]*")
            words = ["export", str(adapter), "--out", "exported"]
        process = self._context.Process(target=work, args=(words, home))
        process.start()
        return process

    def finish(self, command: str, home: Path) -> float:
        """Run it to its end; seconds."""
        started = time.monotonic()
        process = self.start(command, home)
        process.join(180)
        assert process.exitcode == 0
        return time.monotonic() - started

    def kill(self, command: str, home: Path, seconds: float) -> float | None:
        """Run it and kill it after so long; if it was done before that, the seconds that it took."""
        started = time.monotonic()
        process = self.start(command, home)
        process.join(seconds)
        if process.exitcode is not None:
            assert process.exitcode == 0
            return time.monotonic() - started
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has not come to making its group
            process.kill()
        process.join()
        return None


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    yield Runner()


@dataclass
class Stage:
    """One command of an undisturbed run: what was there before and after it, and how long it took."""

    before: Path
    after: Path
    seconds: float


@pytest.fixture(scope="module")
def undisturbed(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stage]:
    before = tmp_path_factory.mktemp("start")
    stages = {}
    for command in SHARES:
        after = tmp_path_factory.mktemp(command) / "home"
        shutil.copytree(before, after)
        stages[command] = Stage(before, after, runner.finish(command, after))
        before = after
    return stages


def whole(home: Path) -> dict[str, Any]:
    """What is in the workspace, the exported adapter's files, and the names of the report's files."""
    exported = {file.name: file.read_bytes() for file in home.glob("exported/*") if file.suffix != ".md"}
    report = {
        file.relative_to(home).as_posix(): file.stat().st_size > 0 for file in home.glob("runs/reports/[!.]*/**/*")
    }
    return content(home / "runs") | exported | report


@pytest.mark.parametrize("command", SHARES)
@pytest.mark.slow
@pytest.mark.timeout(45 * KILLS)
def test_after_kills_everything_is_as_without(
    runner: Runner, undisturbed: dict[str, Stage], command: str, tmp_path: Path
) -> None:
    stage, chance = undisturbed[command], random.Random(command)
    wanted, seconds = whole(stage.after), stage.seconds
    kills = rounds = 0
    target = max(1, round(KILLS * SHARES[command]))
    while kills < target:
        rounds += 1
        assert rounds < 10 * target
        home = tmp_path / str(rounds)
        shutil.copytree(stage.before, home)
        # up to three kills of one run, which goes on each time where it was; then it is let through
        for _ in range(min(3, target - kills)):
            took = runner.kill(command, home, chance.uniform(0.05, 0.9) * seconds)
            if took is None:
                kills += 1
            else:
                seconds = min(seconds, took)  # the first run may have waited for imports, or a busy machine
            # an export that was complete before the kill would be refused
            if took is not None or (command == "export" and (home / "exported").exists()):
                break
        if not (home / "exported").exists():
            runner.finish(command, home)
        result = whole(home)
        assert result.keys() == wanted.keys()
        for name, value in wanted.items():
            assert result[name] == value, name


@pytest.mark.slow
def test_eight_commands_at_once_come_to_the_same_as_one(
    runner: Runner, undisturbed: dict[str, Stage], tmp_path: Path
) -> None:
    stage = undisturbed["prepare"]
    home = tmp_path / "home"
    shutil.copytree(stage.before, home)
    processes = [runner.start("prepare", home) for _ in range(8)]
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0] * 8
    assert whole(home) == whole(stage.after)


@pytest.mark.slow
def test_two_reports_at_once_are_one_whole_report(
    runner: Runner, undisturbed: dict[str, Stage], tmp_path: Path
) -> None:
    stage = undisturbed["report"]
    home = tmp_path / "home"
    shutil.copytree(stage.before, home)
    processes = [runner.start("report", home) for _ in range(2)]
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0, 0]
    assert whole(home) == whole(stage.after)
