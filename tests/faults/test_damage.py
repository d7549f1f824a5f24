"""Damaged files: named, made or downloaded again, and nothing that is sound is lost."""

import json
import os
import shutil
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from lrl_adapt.training.base import load_masked_lm, load_tokenizer
from lrl_adapt.training.checkpoint import Checkpoint, Checkpoints
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.hub import cached_file, forget_answers
from lrl_adapt.workspace.hub_files import find_hub_files
from lrl_adapt.workspace.tables.parquet_rows import parquet_rows
from torch import tensor

from .. import bases
from ..cli.small import SMALL, TEXT, invoke
from ..contents import content
from ..hub import Hub
from ..said import Said


@pytest.fixture
def runs(folder: Path) -> Path:
    """A workspace with prepared text."""
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "recipe.yaml").write_text(SMALL, encoding="utf-8")
    result = invoke("prepare")
    assert result.exit_code == 0, result.output
    return folder / "runs"


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def overwrite(file: Path) -> None:
    file.write_bytes(b"\xff" * file.stat().st_size)


DAMAGES = [cut, empty, overwrite]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_manifest_is_named_and_its_artifact_made_again(runs: Path, damage) -> None:
    (manifest,) = runs.glob("data/*/*/manifest.json")
    before = content(runs)
    damage(manifest)
    (manifest.parent / "notes.txt").write_text("mine")
    result = invoke("prepare")
    assert result.exit_code == 0, result.output
    line = f"{manifest} is damaged, so it is made again; the old files are in "
    (said,) = [each for each in result.stderr.splitlines() if line in each]
    aside = Path(said.partition(line)[2])
    assert (aside / "notes.txt").read_text() == "mine"
    assert content(runs) == before


def test_a_damaged_manifest_of_another_run_disturbs_no_command(runs: Path) -> None:
    (prepared,) = runs.glob("data/*/[!.]*")
    other = prepared.with_name("corpus-00000000")
    shutil.copytree(prepared, other)
    cut(other / "manifest.json")
    Path("text.txt").unlink()  # so that finished text with the same settings is looked for
    result = invoke("prepare")
    assert result.exit_code == 0, result.output
    assert f"using {prepared.name}" in result.stderr


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["train.parquet", "train.arrow"])
def test_a_damaged_file_of_an_artifact_is_named_with_the_remedy(runs: Path, name: str, damage) -> None:
    if name == "train.arrow":
        result = invoke("train", "--cpu", "--dry-run")
        assert result.exit_code == 0, result.output
    (file,) = runs.glob(f"*/*/*/{name}")
    damage(file)
    result = invoke("train", "--cpu")
    assert result.exit_code == 2, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: {file} is damaged (")
    assert f"delete the folder {file.parent}, then run the command that made it again" in line
    assert not list(runs.glob("adapters/*/[!.]*"))
    if damage is not cut:
        return
    shutil.rmtree(file.parent)
    for words in (["prepare"], ["train", "--cpu"]):
        result = invoke(*words)
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(tmp_path: Path, damage) -> None:
    checkpoints = Checkpoints(tmp_path, save_steps=1, save_total_limit=2)
    for step in (1, 2):
        checkpoints.save(Checkpoint(step, {"weights.a": tensor([float(step)])}, {}))
    damage(tmp_path / "step-00000002.safetensors")
    said = Said()
    latest = checkpoints.latest(said)
    assert latest is not None
    assert (latest.step, latest.tensors["weights.a"].tolist()) == (1, [1.0])
    (line,) = said.lines
    assert line.startswith(f"cannot read {tmp_path / 'step-00000002.safetensors'} (")
    assert "using the checkpoint before it" in line


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_shard_that_was_damaged_in_the_cache_is_downloaded_again(hub: Hub, tmp_path: Path, damage) -> None:
    shard = hub.put("datasets/me/text/mt/train-00000-of-00001.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"text": ["habari", "mvua"]}), shard)
    address = "hf://datasets/me/text/mt/train-*.parquet"

    def rows() -> list[str]:
        forget_answers()
        (file,) = find_hub_files(address).download()
        return [row["text"] for _, row in parquet_rows(file)]

    assert rows() == ["habari", "mvua"]
    (file,) = find_hub_files(address).download()
    damage(file.resolve())
    with pytest.raises(UserError) as error:
        rows()
    assert str(error.value).startswith(f"{file}: not a readable parquet file (")
    assert str(error.value).endswith(
        "it was damaged in the cache and has been deleted; run the command again to download it"
    )
    assert rows() == ["habari", "mvua"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_weights_that_were_damaged_in_the_cache_are_downloaded_again(hub: Hub, damage) -> None:
    """Here one of two shards; the same for a tokenizer."""
    bases.write_mmbert(hub.folder / "models/me/base")
    model = load_masked_lm(str(hub.folder / "models/me/base"), None, "base.model")
    model.save_pretrained(hub.folder / "models/me/base", max_shard_size="10KB")
    (hub.folder / "models/me/base/pytorch_model.bin").unlink()

    def load() -> None:
        forget_answers()
        load_masked_lm("me/base", None, "base.model")

    load()
    shard = cached_file("me/base", "model-00002-of-00010.safetensors", "main", "model")
    assert shard is not None
    damage(shard.resolve())
    with pytest.raises(UserError, match=r"cannot read its weights .* deleted; run the command again to download them"):
        load()
    load()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_tokenizer_that_was_damaged_in_the_cache_is_downloaded_again(hub: Hub, damage) -> None:
    bases.write_mmbert(hub.folder / "models/me/base")
    load_tokenizer("me/base", None, "base.model")
    file = cached_file("me/base", "tokenizer.json", "main", "model")
    assert file is not None
    damage(file.resolve())
    with pytest.raises(UserError, match=r"deleted; run the command again to download them"):
        load_tokenizer("me/base", None, "base.model")
    load_tokenizer("me/base", None, "base.model")


def test_a_damaged_file_in_a_cache_that_may_only_be_read_is_named_as_usual(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.put("datasets/me/text/mt/train.parquet")
    (file,) = find_hub_files("hf://datasets/me/text/mt/train.parquet").download()
    overwrite(file.resolve())

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(UserError, match=r"not a readable parquet file .*; download or create it again"):
        list(parquet_rows(file))


def test_a_clock_that_is_set_back_changes_nothing(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the time of the system nor that of a file decides whether something is made again."""
    before = content(runs)
    hours = iter(range(10**6))
    monkeypatch.setattr("time.time", lambda: 1_000_000_000 - 3600 * next(hours))
    result = invoke("prepare")
    assert result.exit_code == 0, result.output
    assert content(runs) == before
    result = invoke("train", "--cpu", "--json")
    assert result.exit_code == 0, result.output
    manifest = json.loads(next(runs.glob("adapters/*/*/manifest.json")).read_text())
    assert 0 <= manifest["wall_seconds"] < 600
    text = Path("text.txt")
    text.write_text(TEXT.replace("shule", "shura", 1), encoding="utf-8")  # as long as before
    os.utime(text, (0, 0))
    result = invoke("prepare")
    assert result.exit_code == 0, result.output
    assert len([*runs.glob("data/*/[!.]*/manifest.json")]) == 2
