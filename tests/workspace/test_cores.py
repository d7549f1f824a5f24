"""Cores that may be used: of the scheduler's and the container's limit the lower one."""

import os
from pathlib import Path

import pytest
from lrl_adapt.workspace import cores


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("200000 100000\n", 2), ("150000 100000\n", 2), ("50000 100000\n", 1), ("max 100000\n", 6), ("", 6), (None, 6)],
)
def test_the_lower_limit_counts(
    limit: str | None, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    monkeypatch.setattr(cores, "CGROUP_LIMIT", tmp_path / "cpu.max")
    if limit is not None:
        (tmp_path / "cpu.max").write_text(limit, encoding="utf-8")
    assert cores.usable_cores() == expected
