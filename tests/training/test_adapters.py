"""Adapters against the formula written out a second time, and through PEFT's own saving and loading."""

from pathlib import Path

import pytest
import torch
from lrl_adapt.recipes.errors import UserError
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training.adapters import SeqBnConfig, language_adapter, load_adapter, stack_task_adapter
from lrl_adapt.training.families import FAMILIES, family_of
from peft import PeftModel, get_peft_model
from torch import Tensor, nn

from .models import batch, shake, tiny

KINDS = ("seq_bn", "lora")


def save(adapted: PeftModel, folder: Path) -> Path:
    adapted.save_pretrained(str(folder))
    return folder / "language"


def bottleneck(block: nn.Module, name: str, hidden: Tensor, given: Tensor) -> Tensor:
    """a = f + up(relu(down(LN(f + r)))), from the weights alone."""
    layer_norm = block.base_layer.LayerNorm
    down, up = block.seq_bn_down[name], block.seq_bn_up[name]
    normed = nn.functional.layer_norm(
        hidden + given, layer_norm.normalized_shape, layer_norm.weight, layer_norm.bias, layer_norm.eps
    )
    return hidden + (normed @ down.weight.T + down.bias).clamp(min=0) @ up.weight.T + up.bias


@pytest.mark.parametrize("active", [["first"], ["first", "second"], ["second", "first"]])
def test_seq_bn_layer_is_its_formula(active: list[str]) -> None:
    base = tiny("bert")
    config = SeqBnConfig(reduction_factor=4, target_modules=FAMILIES["bert"].outputs)
    adapted = get_peft_model(base, config, adapter_name="first")
    adapted.add_adapter("second", config)
    shake(adapted)
    for name, parameter in adapted.named_parameters():
        if ".second." in name:
            parameter.data += torch.randn(parameter.shape, generator=torch.Generator().manual_seed(5)) * 0.2
    adapted.base_model.set_adapter(active)
    block = base.bert.encoder.layer[0].output
    inner, given = torch.randn(2, 5, 64), torch.randn(2, 5, 32)
    hidden = block.base_layer.dense(inner)
    for name in active:
        hidden = bottleneck(block, name, hidden, given)
    torch.testing.assert_close(block.eval()(inner, given), block.base_layer.LayerNorm(hidden + given))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_saved_adapter_gives_the_same_logits(family: str, kind: str, tmp_path: Path) -> None:
    adapted = language_adapter(tiny(family), Adapter(type=kind)).eval()
    shake(adapted)
    want = adapted(**batch()).logits
    again = load_adapter(tiny(family), save(adapted, tmp_path)).eval()
    assert torch.equal(again(**batch()).logits, want)
    assert not torch.allclose(tiny(family)(**batch()).logits, want)
    with again.disable_adapter():
        torch.testing.assert_close(again(**batch()).logits, tiny(family)(**batch()).logits)
    assert [file.suffix for file in (tmp_path / "language").glob("adapter_model*")] == [".safetensors"]


@pytest.mark.parametrize("family", FAMILIES)
def test_only_the_adapter_and_the_heads_transform_are_trained(family: str) -> None:
    with_head = language_adapter(tiny(family), Adapter(reduction_factor=4))
    without = language_adapter(tiny(family), Adapter(reduction_factor=4, train_head=False))
    count = lambda model: sum(p.numel() for p in model.parameters() if p.requires_grad)  # noqa: E731
    bottlenecks = 2 * (32 * 8 + 8 + 8 * 32 + 32)
    assert count(without) == bottlenecks
    assert count(with_head) == bottlenecks + 32 * 32 + 32 + 2 * 32


def test_seq_bn_has_the_papers_size_at_bert_base_shape() -> None:
    from transformers import BertConfig, BertForMaskedLM

    with torch.device("meta"):
        base = BertForMaskedLM(BertConfig(vocab_size=119_547))
        adapted = language_adapter(base, Adapter(train_head=False))
    assert sum(p.numel() for n, p in adapted.named_parameters() if "seq_bn" in n) == 894_528


@pytest.mark.parametrize("kind", KINDS)
def test_task_adapter_stands_on_a_frozen_language_adapter(kind: str, tmp_path: Path) -> None:
    language = language_adapter(tiny("bert"), Adapter(type=kind)).eval()
    shake(language)
    stacked = stack_task_adapter(tiny("bert"), save(language, tmp_path), 16).eval()
    trainable = {name for name, p in stacked.named_parameters() if p.requires_grad}
    assert trainable
    assert all(".task." in name for name in trainable)
    encoder = lambda model: model.get_base_model().bert(**batch()).last_hidden_state  # noqa: E731
    with torch.no_grad():  # a task adapter of zeros leaves what is below it as it is
        for name, parameter in stacked.named_parameters():
            if ".task." in name:
                parameter.zero_()
    torch.testing.assert_close(encoder(stacked), encoder(language), atol=1e-5, rtol=1e-5)
    shake(stacked)
    assert not torch.allclose(encoder(stacked), encoder(language), atol=1e-3)


def test_a_bottleneck_says_why_it_cannot_be_merged() -> None:
    with pytest.raises(NotImplementedError, match="non-linearity"):
        language_adapter(tiny("bert"), Adapter()).merge_and_unload()


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        SeqBnConfig(reduction_factor=0)
    with pytest.raises(ValueError, match="leaves no unit"):
        language_adapter(tiny("bert"), Adapter(reduction_factor=64))
    with pytest.raises(UserError, match="'gpt2' is not supported; known: bert"):
        family_of("gpt2")
