"""Bases: random ones made on the spot, folders, and the hub's, through the true client."""

import shutil
from pathlib import Path

import pytest
import torch
from lrl_adapt.recipes.schema import Adapter, Recipe, Training
from lrl_adapt.training.artifacts import base_identity, scratch_artifact
from lrl_adapt.training.base import load_base, tokenizer_hash
from lrl_adapt.workspace.artifacts import Prepared
from lrl_adapt.workspace.errors import UserError
from transformers import GPT2Config, GPT2LMHeadModel

from ..hub import Hub
from .test_batches import TEXTS, prepared

SCRATCH = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 120,
}


def recipe(base) -> Recipe:
    return Recipe.model_validate({"language": "swh_Latn", "base": base, "corpus": {"files": ["x.txt"]}})


def made(workspace: Path) -> Path:
    """A random base on disk."""
    data = Prepared(prepared(workspace / "data", TEXTS), None)
    load_base(recipe({"from_scratch": SCRATCH}), workspace, data)
    artifact = scratch_artifact(recipe({"from_scratch": SCRATCH}), workspace, data)
    assert artifact is not None
    return artifact.folder


def test_a_random_base_is_the_same_wherever_it_is_made(tmp_path: Path) -> None:
    torch.manual_seed(1)
    data = Prepared(prepared(tmp_path / "data", TEXTS), None)
    first, tokenizer = load_base(recipe({"from_scratch": SCRATCH}), tmp_path / "a", data)
    torch.manual_seed(2)
    second, other = load_base(recipe({"from_scratch": SCRATCH}), tmp_path / "b", data)
    assert tokenizer_hash(tokenizer) == tokenizer_hash(other)
    assert all(torch.equal(one, two) for one, two in zip(first.parameters(), second.parameters(), strict=True))
    third, _ = load_base(recipe({"from_scratch": {**SCRATCH, "seed": 5}}), tmp_path / "a", data)
    assert not torch.equal(first.get_input_embeddings().weight, third.get_input_embeddings().weight)


def test_a_base_from_the_hub(hub: Hub, tmp_path: Path) -> None:
    shutil.copytree(made(tmp_path), hub.folder / "models" / "owner" / "small")
    model, tokenizer = load_base(recipe({"model": "owner/small"}), tmp_path, Prepared(None, None))
    assert model.dtype == torch.float32
    assert tokenizer.mask_token == "[MASK]"
    with pytest.raises(UserError, match=r"base\.model owner/none"):
        load_base(recipe({"model": "owner/none"}), tmp_path, Prepared(None, None))


def test_a_base_in_a_folder_counts_by_content(tmp_path: Path) -> None:
    folder = made(tmp_path)
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    assert base_identity(recipe({"model": str(folder)}).base) == base_identity(recipe({"model": str(copy)}).base)
    (copy / "config.json").write_text((copy / "config.json").read_text() + "\n")
    assert base_identity(recipe({"model": str(folder)}).base) != base_identity(recipe({"model": str(copy)}).base)


def test_bases_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        load_base(recipe({"model": "/nowhere/at/all"}), tmp_path, Prepared(None, None))
    folder = made(tmp_path)
    GPT2LMHeadModel(GPT2Config(n_embd=8, n_layer=1, n_head=1, vocab_size=120)).save_pretrained(folder)
    with pytest.raises(UserError, match=r"base\.model"):
        load_base(recipe({"model": str(folder)}), tmp_path, Prepared(None, None))


def test_sizes_that_do_not_fit_the_base(tmp_path: Path) -> None:
    data = Prepared(prepared(tmp_path / "data", TEXTS), None)
    wrong = recipe({"from_scratch": SCRATCH}).model_copy(update={"training": Training(max_length=1024)})
    with pytest.raises(UserError, match=r"training\.max_length: 1024 exceeds this base's 512 positions"):
        load_base(wrong, tmp_path, data)
    wrong = recipe({"from_scratch": SCRATCH}).model_copy(update={"adapter": Adapter(reduction_factor=99)})
    with pytest.raises(UserError, match=r"adapter\.reduction_factor: 99 exceeds this base's width 16"):
        load_base(wrong, tmp_path, data)


@pytest.mark.parametrize("name", ["reduction_factor", "leave_out"])
def test_settings_of_blocks_that_the_base_does_not_have(name: str, tmp_path: Path) -> None:
    data = Prepared(prepared(tmp_path / "data", TEXTS), None)
    value = {40: 8, "default": 4} if name == "reduction_factor" else [0, 40]
    wrong = recipe({"from_scratch": SCRATCH}).model_copy(update={"adapter": Adapter(**{name: value})})
    with pytest.raises(UserError, match=rf"adapter\.{name}: block 40 does not exist; this base's last is 0"):
        load_base(wrong, tmp_path, data)
    right = recipe({"from_scratch": SCRATCH}).model_copy(
        update={"adapter": Adapter(reduction_factor={0: 8, "default": 4})}
    )
    load_base(right, tmp_path, data)
