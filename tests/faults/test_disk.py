"""A disk that is full or read-only, made by mounting a small tmpfs: one line, exit code 2, and nothing is lost."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from ..cli.small import SMALL, TEXT, invoke
from ..contents import content

SETTINGS = ("--set", "training.save_steps=2")
PLACES = {
    "the text": ("prepare", "lrl_adapt.corpora.prepare.write_splits"),
    "the tokens": ("train", "lrl_adapt.training.setup.tokenise"),
    "a checkpoint": ("train", "lrl_adapt.training.checkpoint.save_file"),
    "the adapter": ("train", "lrl_adapt.training.language_adapter.save_adapter"),
    "the export": ("export", "lrl_adapt.pipeline.export.peft_format.write"),
}


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of 16 MB with a recipe on it, the current folder."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)], check=False)
    if mount.returncode:
        pytest.skip("mounting a tmpfs is not permitted here")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "recipe.yaml").write_text(SMALL, encoding="utf-8")
    monkeypatch.chdir(folder)
    yield folder
    monkeypatch.undo()  # leaves the folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> None:
    """Leave no byte free."""
    with (disk / "ballast").open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 10, 1):
            with suppress(OSError):
                while file.write(b"x" * size):
                    pass


def run(command: str) -> Result:
    if command == "export":
        (adapter,) = Path("lrl-runs/adapters/swh_Latn").glob("[!.]*")
        return invoke("export", str(adapter), "--out", "exported")
    return invoke(command, *SETTINGS, *(["--cpu"] if command == "train" else []))


def fails_in_one_line(result: Result, message: str) -> None:
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert message in line


@pytest.mark.parametrize("place", PLACES)
def test_a_disk_that_is_full(disk: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    command, function = PLACES[place]
    for earlier in {"train": ["prepare"], "export": ["prepare", "train"]}.get(command, []):
        result = run(earlier)
        assert result.exit_code == 0, result.output
    before = content(disk / "lrl-runs")
    module, _, name = function.rpartition(".")
    wanted = getattr(__import__(module, fromlist=[name]), name)

    def on_full_disk(*arguments: Any, **options: Any) -> Any:
        fill(disk)
        return wanted(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(function, on_full_disk)
        fails_in_one_line(run(command), "free some space")
    after = content(disk / "lrl-runs")
    assert before.items() <= after.items()  # nothing is lost
    assert not Path("exported").exists()
    assert not list(disk.glob("lrl-runs/*/*/.*.partial"))
    (disk / "ballast").unlink()
    result = run(command)
    assert result.exit_code == 0, result.output
    if command == "train":
        assert list(disk.glob("lrl-runs/adapters/swh_Latn/[!.]*/adapter_model.safetensors"))


def test_a_read_only_workspace_can_be_read_and_says_where_else_to_write(disk: Path) -> None:
    result = run("prepare")
    assert result.exit_code == 0, result.output
    before = content(disk / "lrl-runs")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    fails_in_one_line(run("train"), "(Read-only file system): choose another --workspace")
    result = run("prepare")  # finished, so that nothing needs to be written
    assert result.exit_code == 0, result.output
    assert content(disk / "lrl-runs") == before
