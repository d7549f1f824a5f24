"""Names a training process that makes no progress: which one, for how long and in which phase.

Each process writes its step and phase to a small file beside the checkpoints, and a thread in it watches the clock and
the files of the others. So the processes that wait for a stopped or hung one can say which one that is, on several
nodes too, which share the workspace.
"""

import os
import struct
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from statistics import median
from typing import NamedTuple

from ..workspace.progress import Progress

TICK = 1.0  # seconds between two looks at the clock and the files
LEAST_SECONDS = 20.0  # that pass before a process is named, however short its steps are
FACTOR = 10  # how many times as long as usual a step takes before a process is named
FIRST_SECONDS = 300.0  # the same for the first step, validation or checkpoint, when nothing is usual yet
SILENT_TICKS = 5  # without a sign from another process, after which it does not run
DURATIONS = 50  # of which the median is usual
RECORD = struct.Struct("<qqq")
EXIT_CODE = 2


class Phase(IntEnum):
    """What a process does, in the order in which it gets there after a step."""

    VALIDATION = 0
    CHECKPOINT = 1
    DATA = 2
    FORWARD_BACKWARD = 3
    GRADIENT_EXCHANGE = 4

    @property
    def work(self) -> "Phase":
        """The first phase of the work that this one belongs to: a validation, a checkpoint or a step."""
        return min(self, Phase.DATA)


WHERE = {
    Phase.VALIDATION: "in the validation after step {finished}{seconds}",
    Phase.CHECKPOINT: "writing the checkpoint of step {finished}{seconds}",
    Phase.DATA: "at step {current}{seconds}: waiting for data",
    Phase.FORWARD_BACKWARD: "at step {current}{seconds}: in the forward and backward pass",
    Phase.GRADIENT_EXCHANGE: "at step {current}{seconds}: in the gradient exchange",
}


class Status(NamedTuple):
    """What a process last wrote about itself."""

    ticks: int
    step: int
    """Steps finished."""
    phase: int


class HangWatch:
    """Inside `with`, says which process hangs; ends this process after `timeout` seconds without progress, if given.

    Call `enter` at the start of every phase. `folder`, for several processes, is one that they share.
    """

    def __init__(
        self,
        progress: Progress,
        label: str,
        *,
        rank: int = 0,
        size: int = 1,
        folder: Path | None = None,
        timeout: float | None = None,
    ) -> None:
        self._progress, self._label, self._rank, self._size = progress, label, rank, size
        self._folder, self._timeout = folder if size > 1 else None, timeout
        self._ticks = 0  # changed by the thread alone, so that no change is lost
        self._place: tuple[int, Phase] | None = None  # changed by the main thread alone
        self._started = time.monotonic()
        self._durations: dict[Phase, deque[float]] = {
            work: deque(maxlen=DURATIONS) for work in (Phase.VALIDATION, Phase.CHECKPOINT, Phase.DATA)
        }
        self._descriptor: int | None = None
        self._others: dict[int, tuple[Status, int]] = {}  # rank -> what it wrote, and for how many ticks
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "HangWatch":
        if self._folder is not None:
            with suppress(OSError):  # on a full disk, where the others then know nothing of this process
                self._folder.mkdir(parents=True, exist_ok=True)
                # an interrupted run may have left its file
                self._descriptor = os.open(self._file(self._rank), os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        if self._descriptor is not None:
            os.close(self._descriptor)
            # after an error the file stays, without new ticks, for the other processes, which wait for this one;
            # Ctrl-C ends them all
            if kind is None or issubclass(kind, KeyboardInterrupt):
                self._file(self._rank).unlink(missing_ok=True)

    def enter(self, phase: Phase, step: int) -> None:
        """Note that this process has finished `step` steps and enters `phase`."""
        if phase == phase.work:
            now = time.monotonic()
            if self._place is not None:
                self._durations[self._place[1].work].append(now - self._started)
            self._started = now
        self._place = step, phase
        if self._descriptor is not None:
            with suppress(OSError):
                os.pwrite(self._descriptor, RECORD.pack(self._ticks, step, phase), 0)

    def _watch(self) -> None:
        """Look every TICK. Ticks are counted, not seconds: time in which this process itself is stopped is left out."""
        ticks, seen, said = 0, self._started, False
        while not self._ended.wait(TICK):
            self._give_sign()
            if self._started != seen:
                if said:
                    self._say(f"{self._label}: continues after {ticks * TICK:.0f} s without progress")
                ticks, seen, said = 0, self._started, False
                self._others.clear()
            ticks += 1
            if ticks > SILENT_TICKS:
                self._read_others()
            said = said or self._report(ticks * TICK)
            self._end_if_overdue(ticks * TICK)

    def _report(self, seconds: float) -> bool:
        """Name the process that hangs if it is time, and up to this process to say so."""
        due = seconds >= self._limit() and self._reports()
        if due:
            self._say(f"{self._label}: {self._describe(seconds)}")
        return due

    def _end_if_overdue(self, seconds: float) -> None:
        # the process that reports ends first, so that its line is the last
        if self._timeout is None or seconds < self._timeout + (0 if self._reports() else SILENT_TICKS * TICK):
            return
        if self._reports():
            self._say(
                f"error: {self._label}: {self._describe(seconds)}; ended after training.hang_timeout, "
                f"{self._timeout:g} s; run the same command again to resume from the last checkpoint"
            )
        # the main thread may wait in a library that no signal handler or exception interrupts
        os._exit(EXIT_CODE)

    def _limit(self) -> float:
        usual = self._usual()
        return FIRST_SECONDS if usual is None else max(LEAST_SECONDS, FACTOR * usual)

    def _usual(self) -> float | None:
        """Usual seconds of what this process does now; None for the first time."""
        durations = [*self._durations[self._place[1].work]] if self._place else []
        return median(durations) if durations else None

    def _reports(self) -> bool:
        """Whether this is the first of the processes that run."""
        return all(self._is_silent(rank) for rank in range(self._rank))

    def _is_silent(self, rank: int) -> bool:
        return rank in self._others and self._others[rank][1] >= SILENT_TICKS

    def _describe(self, seconds: float) -> str:
        """ "rank 1 has been at step 41 for 62 s (usually 1.2 s): in the gradient exchange"."""
        places = {rank: (status.step, status.phase) for rank, (status, _) in self._others.items()}
        places[self._rank] = self._place or (0, Phase.DATA)
        silent = {rank: place for rank, place in places.items() if self._is_silent(rank)}
        suspects = silent or places
        last = min(suspects.values())
        ranks = sorted(rank for rank, place in suspects.items() if place == last)
        usual = self._usual()
        lasting = f" for {seconds:.0f} s{'' if usual is None else f' (usually {usual:.1f} s)'}"
        where = WHERE[Phase(last[1])].format(finished=last[0], current=last[0] + 1, seconds=lasting)
        if len(ranks) > 1:
            who = f"ranks {', '.join(map(str, ranks))} have"
            reason = "they are not running: they ended or were stopped, or their nodes do not respond"
        else:
            who = "the process has" if self._size == 1 else f"rank {ranks[0]} has"
            reason = "it is not running: it ended or was stopped, or its node does not respond"
        return f"{who} been {where}{f'; {reason}' if silent else ''}"

    def _say(self, line: str) -> None:
        if self._rank == 0:
            self._progress.say(line)
        else:  # whose progress shows nothing
            print(line, file=sys.stderr, flush=True)

    def _give_sign(self) -> None:
        self._ticks += 1
        if self._descriptor is not None and self._place is not None:
            # closing a file is what makes NFS send it to the other nodes: https://man7.org/linux/man-pages/man5/nfs.5.html
            with suppress(OSError), self._file(self._rank).open("r+b") as file:
                file.write(RECORD.pack(self._ticks, *self._place))

    def _read_others(self) -> None:
        if self._folder is None:
            return
        for rank in range(self._size):
            with suppress(OSError, struct.error):
                status = Status(*RECORD.unpack(self._file(rank).read_bytes()))
                before, ticks = self._others.get(rank, (status, -1))
                self._others[rank] = status, ticks + 1 if before.ticks == status.ticks else 0
        self._others.pop(self._rank, None)

    def _file(self, rank: int) -> Path:
        assert self._folder is not None
        return self._folder / f"rank-{rank}.status"
