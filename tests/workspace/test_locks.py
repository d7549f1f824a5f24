"""Locks between processes."""

import fcntl
import threading
from pathlib import Path

import pytest
from lrl_adapt.workspace import locks
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.locks import is_locked, locked
from lrl_adapt.workspace.progress import QUIET


def test_a_look_at_a_lock_does_not_make_it_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PROBE_SECONDS", 60.0)
    path = tmp_path / "lock"
    with path.open("wb") as looks:
        fcntl.flock(looks, fcntl.LOCK_SH)  # as `is_locked` takes it for a moment
        release = threading.Timer(0.2, fcntl.flock, (looks, fcntl.LOCK_UN))
        release.start()
        with locked(path, "writing", QUIET, wait=False):
            assert is_locked(path)
        release.join()
    assert not is_locked(path)


def test_a_lock_that_is_held_is_an_error_if_one_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PROBE_SECONDS", 0.1)
    with (
        locked(tmp_path / "lock", "writing", QUIET),
        pytest.raises(UserError, match="another command is writing: wait for it to finish"),
        locked(tmp_path / "lock", "writing", QUIET, wait=False),
    ):
        pass
