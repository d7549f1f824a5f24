"""What the benchmarks share: the command line, the data folder, and functions or whole processes timed in turn."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

WATCH_SECONDS = 0.5  # between two looks at the memory, at least
WATCH_SHARE = 0.01  # of the time may be spent on looking


@dataclass
class Contender:
    """A command that does the job, and the measurements of its runs so far."""

    name: str
    command: list[str]
    seconds: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    """MB, of all processes of the command at once; of short ones, of the largest process."""

    def run(self) -> None:
        """Run it once. Raises CalledProcessError when it fails."""
        started = time.perf_counter()
        process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        ended, peak = threading.Event(), Peak(process.pid)
        thread = threading.Thread(target=peak.watch, args=(ended,))
        thread.start()
        _, status, usage = os.wait4(process.pid, 0)
        self.seconds.append(time.perf_counter() - started)
        ended.set()
        thread.join()
        self.peaks.append(max(usage.ru_maxrss * 1024, peak.size) / 1e6)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, self.command)


@dataclass
class Peak:
    """The most memory that a process and its children have used at once, in bytes, as far as it is noticed."""

    pid: int
    size: int = 0

    def watch(self, ended: threading.Event) -> None:
        """Look again and again; memory that processes share counts once."""
        pause = WATCH_SECONDS
        while not ended.wait(pause):
            started = time.thread_time()  # of several processes with much memory a look takes a tenth of a second
            with suppress(psutil.Error):  # ended just now
                process = psutil.Process(self.pid)
                sizes = [each.memory_full_info().pss for each in (process, *process.children(recursive=True))]
                self.size = max(self.size, sum(sizes))
            pause = max(WATCH_SECONDS, (time.thread_time() - started) / WATCH_SHARE)


def parser_of(description: str | None, **numbers: int) -> argparse.ArgumentParser:
    """A parser that shows the description as it is, with an option for each of the numbers."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser


def with_json(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The parser with --json, for `write_json`."""
    parser.add_argument("--json", type=Path, help="also write the measurements to this file")
    return parser


def in_turn(
    contenders: Mapping[str, Callable[[int], object]],
    rounds: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
    reset: Callable[[], object] = lambda: None,
) -> dict[str, list[float]]:
    """Seconds of each contender, called in turn with the number of the round: `rounds` after one that warms up.

    `reset` is called before each, outside its time.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, run in contenders.items():
            reset()
            started = clock()
            run(number)
            if number:
                seconds[name].append(clock() - started)
    return seconds


def write_json(path: Path | None, measurements: object) -> None:
    """Write what --json asks for, if it was given."""
    if path is not None:
        path.write_text(json.dumps(measurements, indent=2), encoding="utf-8")


def device_name() -> str:
    """Torch's name of the device to measure on: the GPU if there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def finished_time() -> float:
    """The time in seconds when the GPU, if there is one, has done all it was given: a clock for `in_turn`."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def data_folder() -> Path:
    """$LRL_DATA. Ends the program with a message where it is not set."""
    if "LRL_DATA" not in os.environ:
        sys.exit("set LRL_DATA to the folder with text/, topic/ and tokenizers/ (see benchmarks/real/README.md)")
    return Path(os.environ["LRL_DATA"])


def compare(contenders: list[Contender], amount: float, unit: str, rounds: int = 3) -> None:
    """Run all in turn, `rounds` times, and print a table; the first is lrl-adapt, ratios are of its time to theirs.

    `amount` is what each processes in one run, in `unit` (rows, MB).
    """
    for _ in range(rounds):
        for contender in contenders:
            contender.run()
    ours = statistics.median(contenders[0].seconds)
    print(f"| | seconds (range) | {unit}/s | peak MB | ours / its time |\n|---|---|---|---|---|")
    for contender in contenders:
        middle = statistics.median(contender.seconds)
        spread = f"{min(contender.seconds):.2f} to {max(contender.seconds):.2f}"
        print(
            f"| {contender.name} | {middle:.2f} ({spread}) | {amount / middle:,.1f} | {max(contender.peaks):,.0f} "
            f"| {ours / middle:.2f} |"
        )
