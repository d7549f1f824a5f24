"""What may be used: of the scheduler's, the container's and the process's own limit the lowest."""

import os
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
