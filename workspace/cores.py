"""How many processor cores this process may use."""

import os
from math import ceil
from pathlib import Path

CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def usable_cores() -> int:
    """Cores that the scheduler (taskset, Slurm) and a container's limit leave to this process, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _container_limit() or cores))


def _container_limit() -> int | None:
    """Cores' worth of time that a Linux container gets, rounded up; None without such a limit."""
    try:
        quota, period = CGROUP_LIMIT.read_text(encoding="utf-8").split()[:2]
        return ceil(int(quota) / int(period))
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return None
