"""What may be used: of the scheduler's, the container's and the process's own limit the lowest."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lrl_adapt.workspace import machine


def limited(monkeypatch: pytest.MonkeyPatch, folder: Path, file: str, limit: str | None) -> None:
    """Let this container have a limit, or none if it is None."""
    monkeypatch.setattr(machine, "CGROUP", folder)
    if limit is not None:
        (folder / file).write_text(limit, encoding="utf-8")


@pytest.mark.parametrize(
    ("limit", "share", "expected"),
    [
        ("200000 100000\n", None, 2),
        ("150000 100000\n", None, 2),
        ("50000 100000\n", None, 1),
        ("max 100000\n", None, 6),
        ("", None, 6),
        (None, None, 6),
        (None, "3", 3),
        ("200000 100000\n", "3", 2),
    ],
)
def test_the_lowest_limit_of_cores_counts(
    limit: str | None, share: str | None, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    limited(monkeypatch, tmp_path, "cpu.max", limit)
    if share is not None:
        monkeypatch.setenv(machine.CORES_VARIABLE, share)
    assert machine.usable_cores() == expected


@pytest.mark.parametrize(
    ("limit", "expected"), [("1048576\n", 1 << 20), ("99999999999\n", 1 << 30), ("max\n", 1 << 30), (None, 1 << 30)]
)
def test_the_lower_limit_of_memory_counts(
    limit: str | None, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 1 << 12, "SC_PHYS_PAGES": 1 << 18}.get)
    limited(monkeypatch, tmp_path, "memory.max", limit)
    assert machine.total_memory() == expected


@pytest.mark.parametrize(
    ("percent", "cores", "passive"),
    [([80.0, 10.0], {0, 1}, True), ([90.0, 20.0, 20.0], {1, 2}, False), ([90.0, 90.0], {0}, False)],
)
def test_threads_sleep_only_where_the_usable_cores_are_busy(
    percent: list[float], cores: set[int], passive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setenv(machine.WAIT_POLICY, "")  # so that it is restored afterwards
    monkeypatch.delenv(machine.WAIT_POLICY)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores, raising=False)
    monkeypatch.setattr(machine, "usable_cores", lambda: len(cores))
    monkeypatch.setattr("psutil.cpu_percent", lambda _, percpu: percent)
    line = machine.avoid_spinning()
    assert os.environ.get(machine.WAIT_POLICY) == ("passive" if passive else None)
    assert line == (
        "other work keeps the cores 45% busy: threads sleep while they wait (OMP_WAIT_POLICY=passive)"
        if passive
        else None
    )
    monkeypatch.setenv(machine.WAIT_POLICY, "active")
    assert machine.avoid_spinning() is None
    assert os.environ[machine.WAIT_POLICY] == "active", "the user's choice is kept"


@pytest.mark.skipif(sys.platform != "linux", reason="PyTorch comes with GNU's OpenMP library on Linux only")
def test_pytorch_reads_the_wait_policy_that_was_chosen() -> None:
    code = (
        "import os, psutil; from lrl_adapt.workspace import machine; psutil.cpu_percent = lambda *_, **__: [99.0] * 9\n"
        "machine.usable_cores = lambda: 2; os.sched_getaffinity = lambda _: {0, 1}\n"
        "assert machine.avoid_spinning(); import torch"
    )
    environment = {key: value for key, value in os.environ.items() if key != machine.WAIT_POLICY}
    environment["OMP_DISPLAY_ENV"] = "true"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr
