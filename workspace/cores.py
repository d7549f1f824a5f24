"""The number of CPU cores that this process may use."""

import os
from math import ceil
from pathlib import Path

CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def usable_cores() -> int:
    """CPU cores within the affinity (taskset, Slurm) and the container limit of this process, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _container_limit() or cores))


def _container_limit() -> int | None:
    """CPU limit of a Linux container (cgroup v2) in cores, rounded up; None without a limit."""
    try:
        quota, period = CGROUP_LIMIT.read_text(encoding="utf-8").split()[:2]
        return ceil(int(quota) / int(period))
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return None
