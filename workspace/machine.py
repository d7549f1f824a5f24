"""The CPU cores and the memory that this process may use."""

import os
from math import ceil
from pathlib import Path

CORES_VARIABLE = "LRL_ADAPT_CORES"
"""Environment variable with this process's share of the cores, set for the processes of `run --jobs`."""
CGROUP = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """CPU cores within the affinity (taskset, Slurm), the container limit and the share of this process, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = int(os.environ.get(CORES_VARIABLE) or cores)
    return max(1, min(cores, share, _container_cores() or cores))


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
