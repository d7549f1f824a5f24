"""A new masked-LM head for encoders without one: what it starts as, and an adapter that brings its trained one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lrl_adapt.recipes.schema import Adapter, Recipe
from lrl_adapt.training.adapters import language_adapter, load_adapter
from lrl_adapt.training.adapters.files import save_adapter
from lrl_adapt.training.artifacts import base_identity
from lrl_adapt.training.base import load_masked_lm
from lrl_adapt.training.families import FAMILIES, block_number
from lrl_adapt.workspace.errors import UserError

from .models import batch, shake, tiny


def encoder(family: str, folder: Path) -> Path:
    """A tiny model saved as sentence encoders are published: without its LM head."""
    tiny(family).base_model.save_pretrained(folder)
    return folder


def load(folder: Path, new_head: bool | None = True):
    return load_masked_lm(str(folder), None, "base.model", new_head=new_head).eval()


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_new_head_is_neutral_tied_and_always_the_same(family: str, tmp_path: Path) -> None:
    model = load(encoder(family, tmp_path))
    assert model.has_new_head
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    decoder_bias = model.get_output_embeddings().bias
    assert decoder_bias is None or not decoder_bias.any()
    expected = tiny(family).base_model(**batch()).last_hidden_state
    torch.testing.assert_close(model.base_model(**batch()).last_hidden_state, expected)
    torch.testing.assert_close(load(tmp_path, None)(**batch()).logits, model(**batch()).logits, rtol=0, atol=0)


def test_berts_new_head_is_near_the_identity(tmp_path: Path) -> None:
    transform: Any = load(encoder("bert", tmp_path)).cls.predictions.transform
    assert (transform.dense.weight - torch.eye(32)).abs().max() < 0.1
    assert not transform.dense.bias.any()
    assert (transform.LayerNorm.weight == 1).all()


def test_a_trained_head_is_not_replaced(tmp_path: Path) -> None:
    tiny("bert").save_pretrained(tmp_path)
    with pytest.raises(UserError, match="has a masked-LM head: remove"):
        load(tmp_path)
    assert not load(tmp_path, None).has_new_head


@pytest.mark.parametrize("kind", ["seq_bn", "lora", "full"])
def test_what_was_trained_on_a_new_head_brings_it_along(kind: str, tmp_path: Path) -> None:
    base = encoder("bert", tmp_path / "base")
    model = language_adapter(load(base), Adapter(type=kind)).eval()
    shake(model)
    (tmp_path / "adapter").mkdir()
    save_adapter(model, tmp_path / "adapter")
    again = load_adapter(load(base, None), tmp_path / "adapter").eval()
    torch.testing.assert_close(again(**batch()).logits, model(**batch()).logits)


def test_a_base_with_a_new_head_is_another_base() -> None:
    plain = Recipe.model_validate({"language": "swh", "base": {"model": "owner/e5"}, "corpus": {}}).base
    new = plain.model_copy(update={"new_head": True})
    assert base_identity(plain) == {"model": "owner/e5", "revision": "main"}
    assert base_identity(new) == {"model": "owner/e5", "revision": "main", "new_head": True}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"adapter": {"train_head": False}}, "the new head has to be trained"),
        ({"base": {"from_scratch": {}, "new_head": True}}, "from_scratch makes one"),
    ],
)
def test_recipes_with_an_untrained_or_needless_new_head_are_refused(changes: dict, message: str) -> None:
    recipe = {"language": "swh", "base": {"model": "owner/e5", "new_head": True}, "corpus": {}}
    with pytest.raises(ValueError, match=message):
        Recipe.model_validate(recipe | changes)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_full_fine_tuning_leaves_frozen_parts_alone(family: str) -> None:
    model = language_adapter(tiny(family), Adapter(type="full", freeze=["embeddings", 1]))
    assert not model.get_input_embeddings().weight.requires_grad
    blocks: dict[int, set[bool]] = {}
    for name, parameter in model.base_model.named_parameters():
        if "layer." in name or "layers." in name:
            blocks.setdefault(block_number(name), set()).add(parameter.requires_grad)
    assert blocks == {0: {True}, 1: {False}}


def test_freezing_changes_the_settings_only_where_it_is_asked_for() -> None:
    assert Adapter(type="full").settings() == {"type": "full"}
    assert Adapter(type="full", freeze=["embeddings"]).settings() == {"type": "full", "freeze": ["embeddings"]}
    assert "freeze" not in Adapter(type="seq_bn", freeze=["embeddings"]).settings()
