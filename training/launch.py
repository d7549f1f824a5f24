"""One process per GPU: started here with torchrun's machinery, or joined if another launcher started them."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..workspace.errors import UserError
from ..workspace.machine import usable_cores
from ..workspace.processes import end_with_parent

MODULE = "lrl_adapt.cli"
GPUS_VARIABLE = "CUDA_VISIBLE_DEVICES"
LAUNCHER_VARIABLE = "LRL_ADAPT_LAUNCHER"
"""Environment variable with the id of the process that called `start`, set for those that it starts."""
RUN_ID = "lrl-adapt"  # torchrun passes it on to the processes of `start`
TAKEN = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)  # signals whose handlers torchrun replaces
REPORTED = (1, 2)  # exit codes of a process that has printed its error: a bug, a mistake of the user's


class ProcessesFailedError(Exception):
    """A process that `start` started ended with an error, which it has printed, and with this exit code.

    A `reason` is given where the error was printed to a log only.
    """

    def __init__(self, exit_code: int, reason: str = "") -> None:
        super().__init__(reason or "the error is shown above")
        self.exit_code = exit_code
        self.shown = not reason


@dataclass(frozen=True)
class ProcessGroup:
    """The processes that torchrun, `accelerate launch` or srun started together, and which of them this one is."""

    size: int
    rank: int


def process_group(environment: Mapping[str, str] | None = None) -> ProcessGroup:
    """This process's group, read from the environment alone: a group of one if no launcher started several.

    torchrun's variables count before Slurm's: torchrun may itself run inside an srun step.
    """
    given = os.environ if environment is None else environment
    if "RANK" in given or "WORLD_SIZE" in given:
        return ProcessGroup(int(given.get("WORLD_SIZE", "1")), int(given.get("RANK", "0")))
    return ProcessGroup(int(given.get("SLURM_STEP_NUM_TASKS", "1")), int(given.get("SLURM_PROCID", "0")))


def joined() -> bool:
    """True in a process that torchrun, `accelerate launch` or srun started together with others."""
    return process_group().size > 1


def is_main() -> bool:
    """True in the single process, or in the first of several: the one that writes files and logs."""
    return process_group().rank == 0


def reports_result() -> bool:
    """True in the main process, unless `start` made it: then the command that called `start` reports."""
    return is_main() and os.environ.get("TORCHELASTIC_RUN_ID") != RUN_ID


def end_with_launcher() -> None:
    """In a process that `start` started: end when the one that called it is gone.

    torchrun's machinery starts each in a session of its own, so killing the launcher's process group misses them.
    """
    if launcher := os.environ.get(LAUNCHER_VARIABLE):
        end_with_parent(int(launcher))


def join() -> None:
    """Let torch know which processes srun started together, if it did."""
    if joined():
        os.environ.update(join_slurm(os.environ, visible_gpus()))


def join_slurm(given: Mapping[str, str], gpus: int) -> dict[str, str]:
    """What `srun` tells its tasks, as torchrun's variables; empty outside srun, or if torchrun has already set them.

    The address is the first node of the step, the port made from the job's number. `gpus` is how many this task sees:
    with --gpus-per-task one, which is number 0 to each.
    """
    group = process_group(given)
    if "RANK" in given or group.size < 2:
        return {}
    first = "127.0.0.1"
    if given.get("SLURM_STEP_NUM_NODES", "1") != "1":
        command = ["scontrol", "show", "hostnames", given["SLURM_STEP_NODELIST"]]
        try:
            listed = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - no shell
        except (OSError, subprocess.CalledProcessError) as error:
            raise UserError(f"{shlex.join(command)} failed ({error}): start torchrun on each node instead") from error
        first = listed.stdout.split()[0]
    return {
        "RANK": str(group.rank),
        "LOCAL_RANK": str(int(given["SLURM_LOCALID"]) % max(1, gpus)),
        "WORLD_SIZE": str(group.size),
        "MASTER_ADDR": first,
        "MASTER_PORT": str(20000 + (int(given["SLURM_JOB_ID"]) * 7 + int(given["SLURM_STEP_ID"])) % 20000),
    }


def main_process_runs(seconds: float) -> bool:
    """Whether the main process has joined the group, or waits within `seconds` for this process to do so.

    False where it seems to have ended before, with the error that this process has met as well.
    """
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return True
    try:
        given = {**os.environ, **join_slurm(os.environ, 0)}
        address = (given["MASTER_ADDR"], int(given["MASTER_PORT"]))
    except (UserError, KeyError, ValueError):
        return False
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(address, timeout=1):
            return True
        time.sleep(0.2)
    return False


def visible_gpus() -> int:
    """GPUs with CUDA that this process may use."""
    import torch

    from .precision import has_gpu

    return torch.cuda.device_count() if has_gpu() else 0


def gpu_names() -> list[str]:
    """The visible GPUs as CUDA_VISIBLE_DEVICES names them: numbers, or what the variable has for each."""
    count = visible_gpus()
    names = os.environ.get(GPUS_VARIABLE)
    return (names.split(",") if names else [str(number) for number in range(count)])[:count]


def processes(gpus: int | None) -> int:
    """How many processes to start: `gpus`, or one for each visible GPU; 1 where there is none or others were started.

    Raises UserError when fewer GPUs are visible.
    """
    if joined():
        return 1
    visible = visible_gpus()
    if gpus is not None and gpus > max(1, visible):
        raise UserError(f"--gpus {gpus}: only {visible} visible (CUDA_VISIBLE_DEVICES limits which are)")
    return max(1, visible if gpus is None else gpus)


def threads_of(count: int, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment variable that divides the cores among `count` processes; empty where the user has set it.

    By default each process would start as many threads as there are cores. Threads that wait for one another spin on
    cores that others need, so that training becomes several times slower.
    """
    if "OMP_NUM_THREADS" in environment:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, usable_cores() // count))}


def start(count: int, arguments: Sequence[str]) -> None:
    """Run `lrl-adapt ARGUMENTS` in `count` processes that know each other, and wait for them.

    Raises UserError that names the process when one is lost, KeyboardInterrupt when all were asked to stop, and
    ProcessesFailedError when a process has printed its error itself.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        run_id=RUN_ID,
        max_restarts=0,
        monitor_interval=0.5,
    )
    before = {number: signal.getsignal(number) for number in TAKEN}
    variables = {LAUNCHER_VARIABLE: str(os.getpid()), **threads_of(count, os.environ)}
    os.environ.update(variables)
    try:
        elastic_launch(config, sys.executable)("-m", MODULE, *arguments)
    except SignalException as error:
        raise KeyboardInterrupt("stopped; run the same command again to resume from the last checkpoint") from error
    except ChildFailedError as error:
        exit_code = error.get_first_failure()[1].exitcode
        if exit_code in REPORTED:
            raise ProcessesFailedError(exit_code) from None
        raise UserError(_lost(error)) from None
    finally:
        for name in variables:  # of those processes alone, not of what this one starts later
            os.environ.pop(name, None)
        for number, handler in before.items():  # torchrun leaves its own
            signal.signal(number, handler)


def leave() -> None:
    """Leave the process group, if this process has joined one."""
    import torch.distributed

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def how_it_ended(exit_code: int) -> str:
    """How a process that was lost ended: "was killed by SIGKILL", "ended with exit code 3"."""
    if exit_code < 0:
        return f"was killed by {signal.Signals(-exit_code).name}"
    return f"ended with exit code {exit_code}"


def _lost(error: Any) -> str:
    """Which process failed first, and how."""
    rank, failure = error.get_first_failure()
    output = "" if failure.exitcode < 0 else "; its output is shown above"
    how = f"{how_it_ended(failure.exitcode)}{output}"
    return f"process {rank} (pid {failure.pid}) {how}; run the same command again to resume from the last checkpoint"
