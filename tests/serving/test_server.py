"""The command as a process: what it says, how it stops, and what it refuses before it loads anything."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lrl_adapt
import pytest
from lrl_adapt.cli.app import app
from lrl_adapt.serving.server import _is_loopback
from typer.testing import CliRunner

from ..without_torch import run_without_torch
from .served import make_workspace

COMMAND = [sys.executable, "-c", "from lrl_adapt.cli.app import main; main()", "serve"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workspace(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def files_in(folder: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_server_answers_and_leaves_nothing_behind(
    stop: signal.Signals, code: int, workspace: Path, tmp_path: Path
) -> None:
    before = files_in(workspace)
    environment = {
        **os.environ,
        "LRL_ADAPT_SERVE_TOKEN": "s3cret",
        "HF_HUB_OFFLINE": "1",
        "TMPDIR": str(tmp_path),
    }
    words = [*COMMAND, "--workspace", str(workspace), "--port", "0", "--cpu"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        said = ""
        while "serving at" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        address = re.findall(r"http://127\.0\.0\.1:\d+", said)[0]
        body = json.dumps({"texts": ["mvua kubwa"], "task": "topic"}).encode()
        headers = {"Content-Type": "application/json", "Authorization": "Bearer s3cret"}
        with urllib.request.urlopen(urllib.request.Request(f"{address}/predict", body, headers), timeout=60) as answer:
            assert json.load(answer)["predictions"][0]["text"] == "mvua kubwa"
            assert "server" not in answer.headers
        process.send_signal(stop)
        said += process.stderr.read()
        assert process.wait(60) == code
    assert re.search(r"\d: base [^/]+, 4 language adapters, 5 task adapters;", said)
    assert said.startswith("loading PyTorch and transformers\nloading the base ")
    assert "loaded swh_Latn/topic-scratch-" in said
    assert "Traceback" not in said
    assert "s3cret" not in said
    assert files_in(workspace) == before
    assert list(tmp_path.iterdir()) == []


MISTAKES = (
    (["--adapter", "nowhere"], None, "no such folder: nowhere"),
    (["--language", "xx"], None, "--language: unknown language 'xx'"),
    (["--host", "203.0.113.1"], None, "--host 203.0.113.1: not an address of this machine"),
    ([], "", "the token must have one or more ASCII characters and no spaces"),
    ([], "se cret", "the token must have one or more ASCII characters and no spaces"),
    ([], "şifre", "the token must have one or more ASCII characters and no spaces"),
    (["--port", "BUSY"], None, "Address already in use; choose another with --port"),
    (["--max-texts", "0"], None, "--max-texts: expected a number of at least 1, got 0"),
)


def test_mistakes_are_told_before_torch_is_imported(busy_port: int, tmp_path: Path) -> None:
    commands = []
    for given, token, _ in MISTAKES:
        words = [str(busy_port) if word == "BUSY" else word for word in given]
        variables = {} if token is None else {"LRL_ADAPT_SERVE_TOKEN": token}
        commands.append((["serve", "--workspace", str(tmp_path), *words], variables))
    for (exit_code, said), (words, token, message) in zip(run_without_torch(commands), MISTAKES, strict=True):
        assert exit_code == 2, said
        assert message in said, words
        assert not token or token not in said


def test_without_the_extra_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("lrl_adapt.serving.server.find_spec", lambda name: None)
    result = CliRunner().invoke(app, ["serve", "--workspace", str(tmp_path)])
    assert result.exit_code == 2
    assert "a server needs fastapi and uvicorn: pip install 'lrl-adapt[serve]'" in result.stderr


def test_a_port_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(lrl_adapt.UserError, match="--port 70000: expected a number from 0 to 65535"):
        lrl_adapt.serve(workspace=tmp_path, port=70000)


def test_an_empty_workspace_has_nothing_to_serve(tmp_path: Path) -> None:
    with pytest.raises(lrl_adapt.UserError, match="contains no adapter that can be served: run `lrl-adapt train`"):
        lrl_adapt.serve(workspace=tmp_path, port=0, progress=lrl_adapt.QUIET)


def test_a_server_that_others_can_reach_without_a_token_is_noted(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[Any] = []
    monkeypatch.setattr("uvicorn.Server.run", lambda server, sockets: started.append(sockets))
    lrl_adapt.serve(workspace=workspace, host="0.0.0.0", port=0)
    assert started
    assert "note: whoever can reach this machine can use the server" in capsys.readouterr().err
    assert [_is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")] == [
        *(True, True, True),
        *(False, False),
    ]
