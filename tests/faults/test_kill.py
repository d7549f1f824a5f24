"""kill -9 at random moments: what is there in the end is what an undisturbed run leaves, to the bit."""

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

KILLS = {"prepare": 6, "train": 8, "eval": 6}
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
        tasks = ["--task", "mlm", "--task", "topic"] if command == "eval" else []
        words = [command, "quickstart", "--workspace", "runs", *tasks, *sets]
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

    def kill(self, command: str, home: Path, seconds: float) -> bool:
        """Run it and kill it after so long; False when it was done before that."""
        process = self.start(command, home)
        process.join(seconds)
        if process.exitcode is not None:
            assert process.exitcode == 0
            return False
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
        return True


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
    for command in KILLS:
        after = tmp_path_factory.mktemp(command) / "home"
        shutil.copytree(before, after)
        stages[command] = Stage(before, after, runner.finish(command, after))
        before = after
    return stages


@pytest.mark.parametrize("command", KILLS)
@pytest.mark.slow
def test_after_kills_everything_is_as_without(
    runner: Runner, undisturbed: dict[str, Stage], command: str, tmp_path: Path
) -> None:
    stage, chance = undisturbed[command], random.Random(command)
    kills = rounds = 0
    while kills < KILLS[command]:
        rounds += 1
        assert rounds < 10 * KILLS[command]
        home = tmp_path / str(rounds)
        shutil.copytree(stage.before, home)
        # up to three kills of one run, which goes on each time where it was; then it is let through
        for _ in range(min(3, KILLS[command] - kills)):
            hit = runner.kill(command, home, chance.uniform(0.05, 0.9) * stage.seconds)
            kills += hit
            if not hit:
                break
        runner.finish(command, home)
        found, wanted = content(home / "runs"), content(stage.after / "runs")
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            assert found[name] == value, name
