"""The CPU cores and the memory that this process may use."""

import os
import sys
from math import ceil
from pathlib import Path

CORES_VARIABLE = "LRL_ADAPT_CORES"
"""Environment variable with this process's share of the cores, set for the processes of `run --jobs`."""
WAIT_POLICY = "OMP_WAIT_POLICY"
BUSY_SHARE = 0.25
"""Of the processor time of the usable cores, taken by other work, from which threads do not spin."""
CGROUP = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """CPU cores within the affinity (taskset, Slurm), the container limit and the share of this process, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = int(os.environ.get(CORES_VARIABLE) or cores)
    return max(1, min(cores, share, _container_cores() or cores))


def avoid_spinning(seconds: float = 0.3, *, for_others: bool = False) -> str | None:
    """Make PyTorch's threads sleep while they wait for one another if the cores are busy now; a line that says so.

    By default they spin, which is faster on idle cores but keeps busy ones from the thread that is waited for. Measures
    for `seconds`. Does nothing, and returns None, where the user has set OMP_WAIT_POLICY, with one core, and once
    PyTorch is imported, since its OpenMP library reads the variable when it is loaded. With `for_others` it is for
    processes that this one will start, and PyTorch may be imported here.
    """
    if WAIT_POLICY in os.environ or ("torch" in sys.modules and not for_others) or usable_cores() == 1:
        return None
    import psutil

    by_core = psutil.cpu_percent(seconds, percpu=True)
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(len(by_core))
    busy = [by_core[core] for core in cores if core < len(by_core)]
    share = sum(busy) / len(busy) / 100 if busy else 0
    if share < BUSY_SHARE:
        return None
    os.environ[WAIT_POLICY] = "passive"
    return f"other work keeps the cores {share:.0%} busy: threads sleep while they wait ({WAIT_POLICY}=passive)"


def total_memory() -> int:
    """Memory of this machine, or of the container, in bytes; in use or not."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        (limit,) = _limit("memory.max")
        return min(memory, int(limit))
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return memory


def _container_cores() -> int | None:
    """CPU limit of a Linux container in cores, rounded up; None without a limit."""
    try:
        quota, period = _limit("cpu.max")
        return ceil(int(quota) / int(period))
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return None


def _limit(file: str) -> list[str]:
    """The words of a limit of this container (cgroup v2)."""
    return (CGROUP / file).read_text(encoding="utf-8").split()
