from pathlib import Path

import pytest

from ..hub import Hub
from ..slurm_commands import Commands
from .published import TOKEN, put_base


@pytest.fixture
def workspace(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace beside the hub that the token may write to; the base is on the hub."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.uploads.writers = {TOKEN}
    put_base(hub, tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def commands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    (folder / "bin").mkdir()
    return Commands(folder / "bin", monkeypatch)
