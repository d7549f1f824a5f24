"""Weights that are no tensors, or not there: pickles, pointers of Git LFS, each told in one line.

Looked at: language adapters (safetensors, PEFT's pickle, few bits, whole models), AdapterHub's, task adapters, bases
and their tokenizers.
"""

import shutil
from pathlib import Path

import pytest
import torch
from lrl_adapt.eval.inference.choose_adapters import newest_scores
from lrl_adapt.eval.inference.find_adapters import find_task_adapter
from lrl_adapt.eval.inference.predictor import load_predictor
from lrl_adapt.eval.measurements import folder_hashes
from lrl_adapt.pipeline.export.export import export
from lrl_adapt.training.adapters import load_adapter
from lrl_adapt.training.adapters.files import CONFIG, PICKLE, WEIGHTS
from lrl_adapt.training.adapters.quantise import QUANTISED
from lrl_adapt.training.base import load_masked_lm, load_tokenizer
from lrl_adapt.training.import_adapter import import_adapter
from lrl_adapt.training.tensors import read_tensors
from lrl_adapt.workspace.errors import UserError
from safetensors.torch import load_file
from torch import nn

from ..eval.made import TOPICS, make_adapter, make_base, make_scores

PARITY = Path(__file__).parents[1] / "parity" / "fixtures" / "bert"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
ANNEX = b"/annex/objects/SHA256E-s12345--4d7a2146.safetensors\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = tmp_path_factory.mktemp("workspace")
    base = make_base(workspace)
    adapter = make_adapter(workspace, base, "seq_bn")
    make_adapter(workspace, base, "lora", language="zul_Latn")
    make_adapter(workspace, base, "full", language="xho_Latn")
    make_scores(workspace, base, adapter, "topic", TOPICS, per_token=False)
    return workspace


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "runs")


def adapter_of(workspace: Path, language: str) -> Path:
    return next((workspace / "adapters" / language).glob("scratch-*"))


def base_of(workspace: Path) -> Path:
    return next((workspace / "bases" / "swh_Latn").glob("scratch-*"))


def logits(workspace: Path, adapter: Path) -> torch.Tensor:
    model = load_adapter(load_masked_lm(str(base_of(workspace)), None, "base"), adapter).eval()
    return model(input_ids=torch.arange(5, 15)[None]).logits


@pytest.mark.parametrize("language", ["swh_Latn", "zul_Latn"])
def test_an_adapter_in_peft_s_older_form_is_the_same_adapter(workspace: Path, language: str) -> None:
    adapter = adapter_of(workspace, language)
    want, hashes = logits(workspace, adapter), folder_hashes(adapter)
    torch.save(load_file(adapter / WEIGHTS), adapter / PICKLE)
    (adapter / WEIGHTS).unlink()
    assert torch.equal(logits(workspace, adapter), want)
    assert set(folder_hashes(adapter)) == {*hashes, PICKLE} - {WEIGHTS}
    export(adapter, workspace / "out", format="peft")
    assert torch.equal(logits(workspace, workspace / "out"), want)
    assert (workspace / "out" / WEIGHTS).is_file()


def test_a_pickle_of_other_things_is_not_loaded(workspace: Path) -> None:
    adapter = adapter_of(workspace, "swh_Latn")
    (adapter / WEIGHTS).unlink()
    for content in ({"x": nn.Linear(2, 2)}, nn.Linear(2, 2)):
        torch.save(content, adapter / PICKLE)
        with pytest.raises(UserError, match="could run code and is not loaded") as error:
            logits(workspace, adapter)
        assert "weights_only" not in str(error.value)
        assert "\n" not in str(error.value)
    torch.save([torch.ones(2)], adapter / PICKLE)
    with pytest.raises(UserError, match="something other than named tensors"):
        logits(workspace, adapter)


@pytest.mark.parametrize("pointer", [LFS, ANNEX])
@pytest.mark.parametrize("name", [WEIGHTS, CONFIG, QUANTISED, PICKLE])
def test_a_pointer_in_place_of_a_file_of_an_adapter_is_told(workspace: Path, name: str, pointer: bytes) -> None:
    adapter = adapter_of(workspace, "swh_Latn")
    if name == PICKLE:
        (adapter / WEIGHTS).unlink()
    (adapter / name).write_bytes(pointer)
    with pytest.raises(UserError, match=rf"{name} is not the file itself but a (Git LFS|git-annex) pointer") as error:
        logits(workspace, adapter)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["head.safetensors", "task.json", WEIGHTS, CONFIG])
def test_a_pointer_in_place_of_a_file_of_a_task_adapter_is_told(workspace: Path, name: str) -> None:
    scores = newest_scores(workspace, "topic")
    (scores / "task-adapter" / name).write_bytes(LFS)
    with pytest.raises(UserError, match=f"{name} is not the file itself but a Git LFS pointer"):
        load_predictor(find_task_adapter(scores))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_pointer_in_place_of_a_file_of_a_base_is_told(workspace: Path, name: str) -> None:
    for folder in (base_of(workspace), adapter_of(workspace, "xho_Latn")):  # a whole model stands in a base's place
        (folder / name).write_bytes(LFS)
        load = load_tokenizer if name == "tokenizer.json" else load_masked_lm
        with pytest.raises(UserError, match=f"{name} is not the file itself but a Git LFS pointer"):
            load(str(folder), None, "base")


def test_a_pointer_or_peft_s_form_in_place_of_adapterhub_s_is_told(workspace: Path) -> None:
    folder = Path(shutil.copytree(PARITY / "seq_bn" / "seq_bn", workspace / "theirs"))
    weights = next(folder.glob("pytorch_adapter.bin"))
    weights.write_bytes(LFS)
    with pytest.raises(UserError, match=r"pytorch_adapter\.bin is not the file itself but a Git LFS pointer"):
        import_adapter(folder, str(PARITY / "base"), workspace / "out")
    with pytest.raises(UserError, match=r"already in PEFT's format: use it as it is"):
        import_adapter(adapter_of(workspace, "swh_Latn"), str(base_of(workspace)), workspace / "out")


def test_a_file_cut_off_is_told(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1000)}, tmp_path / "a.bin")
    whole = (tmp_path / "a.bin").read_bytes()
    (tmp_path / "a.bin").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="as tensors"):
        read_tensors(tmp_path / "a.bin")


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04" + bytes(500), b"\x80\x02}q\x00.", b"]", b"a.", b"\x80\x05\x8a\xff"]
)
def test_any_damaged_pickle_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(UserError) as refused:
        read_tensors(tmp_path / "a.bin")
    assert str(tmp_path / "a.bin") in str(refused.value)
    assert "\n" not in str(refused.value)
