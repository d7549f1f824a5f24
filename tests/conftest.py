import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from lrl_adapt.workspace.downloads import forget_sizes
from lrl_adapt.workspace.hub import forget_answers

from .hub import Hub, point_client_at

settings.register_profile("busy", deadline=None)  # other work on the machine must not fail a test
settings.load_profile("busy")


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """What a command leaves in the environment (--cpu) ends with its test."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A loopback hub with an empty folder and an empty client cache."""
    server = Hub(tmp_path / "hub")
    point_client_at(server, tmp_path, monkeypatch)
    forget_sizes()  # an earlier test's hub may have had this port
    forget_answers()
    yield server
    server.close()


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's client tries again at once, not after seconds."""
    monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory with a workspace `runs` in it, offline."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LRL_ADAPT_HOME", str(tmp_path / "runs"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path
