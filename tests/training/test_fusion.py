"""AdapterFusion: its formula, what is trained, what is saved, under a task adapter."""

from pathlib import Path

import pytest
import torch
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training.adapters import fuse_adapters, language_adapter, load_adapter, stack_task_adapter
from lrl_adapt.training.adapters.bottleneck.fusion import Fusion, fusion_penalty
from lrl_adapt.training.adapters.files import save_adapter
from lrl_adapt.training.masking import IGNORE_INDEX
from lrl_adapt.training.mlm import MaskedLM
from lrl_adapt.workspace.errors import UserError
from torch import nn

from .models import batch, shake, tiny


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """A text adapter with a coupling and a graph adapter without, for a BERT."""
    return {name: saved(tmp_path / name, kind) for name, kind in (("text", "seq_bn_inv"), ("graph", "double_seq_bn"))}


def saved(folder: Path, kind: str) -> Path:
    model = language_adapter(tiny("bert"), Adapter(type=kind, reduction_factor=8))
    shake(model, seed=len(folder.name))
    folder.mkdir()
    save_adapter(model, folder)
    return folder


def test_a_fusion_is_its_formula(folders: dict[str, Path]) -> None:
    model = fuse_adapters(tiny("bert"), folders, coupling="text")
    shake(model)
    block = model.get_base_model().bert.encoder.layer[0].output.eval()
    fusion = block.bottleneck_adapters["language"]
    inner, given = torch.randn(2, 5, 64), torch.randn(2, 5, 32)
    f = block.base_layer.dense(inner)
    norm = block.base_layer.LayerNorm
    x = norm(f + given)
    text, graph = fusion.experts["fused_text"], fusion.experts["fused_graph"]
    z = [text.up(text.down(x).relu()), graph.up(nn.functional.silu(graph.down(f)))]
    query = fusion.query(f)  # what the last adapter reads: double_seq_bn the feed-forward's output itself
    scores = torch.stack([(query * fusion.key(one)).sum(-1) for one in z], dim=-1).softmax(-1)
    mixed = sum(scores[..., n : n + 1] * fusion.value(one) for n, one in enumerate(z))
    torch.testing.assert_close(block(inner, given), norm(f + mixed + given), atol=1e-5, rtol=1e-5)


def test_a_place_of_one_adapter_alone_is_fused_too(folders: dict[str, Path]) -> None:
    model = fuse_adapters(tiny("bert"), folders)
    attention = model.get_base_model().bert.encoder.layer[0].attention.output.bottleneck_adapters["language"]
    assert list(attention.experts) == ["fused_graph"]


def test_only_the_fusion_and_the_head_are_trained(folders: dict[str, Path]) -> None:
    model = fuse_adapters(tiny("bert"), folders, coupling="text")
    trainable = {name for name, p in model.named_parameters() if p.requires_grad}
    assert {part for name in trainable for part in ("query", "key", "value", "transform") if part in name} == {
        "query",
        "key",
        "value",
        "transform",
    }
    assert not [name for name in trainable if "experts" in name or "coupling" in name]
    assert [module for module in model.train().modules() if isinstance(module, Fusion)]
    assert not any(fusion.experts.training for fusion in model.modules() if isinstance(fusion, Fusion))


def test_the_fusion_has_the_papers_size() -> None:
    from lrl_adapt.training.adapters import BottleneckConfig
    from peft import get_peft_model
    from transformers import BertConfig, BertForMaskedLM

    with torch.device("meta"):
        base = BertForMaskedLM(BertConfig(vocab_size=1000))
        model = get_peft_model(base, BottleneckConfig(fused=[{"name": "text"}, {"name": "graph"}]))
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 21_252_096


def test_the_penalty_is_part_of_the_training_loss_alone(folders: dict[str, Path]) -> None:
    model = fuse_adapters(tiny("bert"), folders)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, Fusion):
                module.value.weight.copy_(3 * torch.eye(32))
    assert float(fusion_penalty(model)) == pytest.approx(4 * 0.01 * 32 * 4)  # four layers, 32 entries of (3 - 1)²
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    labels = torch.full_like(batch()["input_ids"], IGNORE_INDEX)
    labels[0, 2] = 7
    lm = MaskedLM(model)
    torch.testing.assert_close(lm.train()(**batch(), labels=labels), lm.eval()(**batch(), labels=labels))
    assert float(lm.penalty()) == pytest.approx(5.12)
    assert MaskedLM(tiny("bert")).penalty() is None


@pytest.mark.parametrize("coupling", ["text", None])
def test_a_saved_fusion_is_the_same_and_carries_its_adapters(
    folders: dict[str, Path], coupling: str | None, tmp_path: Path
) -> None:
    model = fuse_adapters(tiny("bert"), folders, coupling=coupling).eval()
    shake(model)
    want = model(**batch()).logits
    (tmp_path / "fusion").mkdir()
    save_adapter(model, tmp_path / "fusion")
    for folder in folders.values():
        (folder / "adapter_model.safetensors").unlink()
    assert torch.equal(load_adapter(tiny("bert"), tmp_path / "fusion").eval()(**batch()).logits, want)
    stacked = stack_task_adapter(tiny("bert"), tmp_path / "fusion", 16).eval()
    trainable = {name for name, p in stacked.named_parameters() if p.requires_grad}
    assert trainable
    assert all(".task." in name for name in trainable)
    with torch.no_grad():
        for name, parameter in stacked.named_parameters():
            if ".task." in name:
                parameter.zero_()
    hidden = lambda one: one.get_base_model().bert(**batch()).last_hidden_state  # noqa: E731
    torch.testing.assert_close(hidden(stacked), hidden(model), atol=1e-5, rtol=1e-5)


def test_the_coupling_of_the_chosen_adapter_is_used(folders: dict[str, Path]) -> None:
    both = dict.fromkeys(("text", "graph"), folders["text"])
    with_it, without = (fuse_adapters(tiny("bert"), both, coupling=one).eval() for one in ("graph", None))
    alone = load_adapter(tiny("bert"), folders["text"]).eval()
    embedded = lambda model: model.get_base_model().bert.embeddings(input_ids=batch()["input_ids"])  # noqa: E731
    assert torch.equal(embedded(with_it), embedded(alone))
    assert torch.equal(embedded(without), tiny("bert").bert.embeddings(input_ids=batch()["input_ids"]))


def test_what_cannot_be_fused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no adapter graph with a coupling among text, graph"):
        fuse_adapters(tiny("bert"), folders, coupling="graph")
    lora = language_adapter(tiny("bert"), Adapter(type="lora"))
    (tmp_path / "lora").mkdir()
    save_adapter(lora, tmp_path / "lora")
    with pytest.raises(UserError, match="can be fused, but not: other"):
        fuse_adapters(tiny("bert"), {**folders, "other": tmp_path / "lora"})
