"""Adapters against their formulas written out a second time, and through PEFT's own saving and loading."""

import copy
from pathlib import Path

import pytest
import torch
from huggingface_hub import HfApi
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training.adapters import BottleneckConfig, language_adapter, load_adapter, stack_task_adapter
from lrl_adapt.training.adapters.build import LANGUAGE, merge_adapter
from lrl_adapt.training.adapters.files import save_adapter
from lrl_adapt.training.families import FAMILIES, check_family, family_of
from lrl_adapt.training.mlm import MaskedLM
from lrl_adapt.workspace.errors import UserError
from peft import PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForMaskedLM

from ..hub import Hub
from .models import FAMILIES as SHAPES
from .models import batch, shake, tiny

BOTTLENECKS = ("seq_bn", "seq_bn_inv", "double_seq_bn", "par_bn")
KINDS = (*BOTTLENECKS, "lora", "ia3", "full")
CASES = [(f, k) for f in FAMILIES for k in KINDS if (f, k) != ("modernbert", "ia3")]


def adapted(family: str, kind: str, seed: int = 1, **settings):
    model = language_adapter(tiny(family), Adapter(type=kind, **settings)).eval()
    shake(model, seed)
    return model


def save(model, folder: Path) -> Path:
    folder.mkdir()
    save_adapter(model, folder)
    return folder


def normed(hidden: Tensor, layer_norm) -> Tensor:
    return nn.functional.layer_norm(
        hidden, layer_norm.normalized_shape, layer_norm.weight, layer_norm.bias, layer_norm.eps
    )


@pytest.mark.parametrize("active", [["first"], ["first", "second"], ["second", "first"]])
@pytest.mark.parametrize("norm_before", [True, False])
def test_sequential_bottleneck_is_its_formula(active: list[str], norm_before: bool) -> None:
    """a = f + up(relu(down(LN(f + r)))), or of f itself, from the weights alone."""
    base = tiny("bert")
    config = BottleneckConfig(reduction_factor=4, norm_before=norm_before, scaling=1.5)
    model = get_peft_model(base, config, adapter_name="first")
    model.add_adapter("second", config)
    model.base_model.set_adapter(["first", "second"])
    shake(model)
    model.base_model.set_adapter(active)
    block = base.bert.encoder.layer[0].output.eval()
    inner, given = torch.randn(2, 5, 64), torch.randn(2, 5, 32)
    hidden = block.base_layer.dense(inner)
    for name in active:
        own = block.bottleneck_adapters[name]
        x = normed(hidden + given, block.base_layer.LayerNorm) if norm_before else hidden
        change = (x @ own.down.weight.T + own.down.bias).clamp(min=0) @ own.up.weight.T + own.up.bias
        hidden = hidden + 1.5 * change
    torch.testing.assert_close(block(inner, given), normed(hidden + given, block.base_layer.LayerNorm))


@pytest.mark.parametrize("family", ["distilbert", "modernbert"])
def test_bottlenecks_of_other_blocks_are_their_formula(family: str) -> None:
    """DistilBERT's LayerNorm stands beside the feed-forward; ModernBERT has none after it."""
    model = adapted(family, "seq_bn", reduction_factor=4).get_base_model()
    block = model.distilbert.transformer.layer[1] if family == "distilbert" else model.model.layers[1]
    layer = block.ffn if family == "distilbert" else block.mlp
    own, given = layer.bottleneck_adapters[LANGUAGE], torch.randn(2, 5, 32)
    f = layer.base_layer(given)
    x = normed(f + given, block.output_layer_norm) if family == "distilbert" else f
    change = (x @ own.down.weight.T + own.down.bias).clamp(min=0) @ own.up.weight.T + own.up.bias
    torch.testing.assert_close(layer(given), f + change)


@pytest.mark.parametrize(("family", "kind"), CASES)
@pytest.mark.slow
def test_saved_adapter_gives_the_same_logits(family: str, kind: str, tmp_path: Path) -> None:
    model = adapted(family, kind)
    want = model(**batch()).logits
    again = load_adapter(tiny(family), save(model, tmp_path / "a")).eval()
    assert torch.equal(again(**batch()).logits, want)
    assert not torch.allclose(tiny(family)(**batch()).logits, want, atol=1e-2)
    assert {file.suffix for file in (tmp_path / "a").iterdir()} <= {".safetensors", ".json"}
    if kind != "full":
        with again.disable_adapter():
            torch.testing.assert_close(again(**batch()).logits, tiny(family)(**batch()).logits)


@pytest.mark.parametrize(("family", "kind"), CASES)
@pytest.mark.slow
def test_the_fast_path_is_the_models_own_forward(family: str, kind: str) -> None:
    """One forward for training and evaluation: what MaskedLM scores is what the model says, coupling undone or not."""
    asked = torch.zeros(3, 9, dtype=torch.bool)
    asked[0, 2] = asked[2, 1] = True
    for invert in (True, False):
        model = adapted(family, kind, invert_before_head=invert)
        full = model(**batch()).logits
        torch.testing.assert_close(
            MaskedLM(model).logits(**batch(), positions=asked), full[asked], atol=1e-5, rtol=1e-5
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_only_the_adapter_and_the_heads_transform_are_trained(family: str) -> None:
    count = lambda model: sum(p.numel() for p in model.parameters() if p.requires_grad)  # noqa: E731
    without = language_adapter(tiny(family), Adapter(reduction_factor=4, train_head=False))
    assert count(without) == 2 * (32 * 8 + 8 + 8 * 32 + 32)
    with_head = language_adapter(tiny(family), Adapter(reduction_factor=4))
    base = tiny(family)
    head = {name: p for name, p in base.named_parameters() if name.startswith(family_of(family).head_modules)}
    assert head
    assert not any(parameter is base.get_output_embeddings().weight for parameter in head.values())
    assert count(with_head) == count(without) + sum(parameter.numel() for parameter in head.values())


@pytest.mark.parametrize(("kind", "size"), [("seq_bn", 894_528), ("seq_bn_inv", 1_190_592), ("lora", 294_912)])
@pytest.mark.parametrize("family", ["bert", "xlm-roberta"])
@pytest.mark.slow
def test_the_papers_sizes_at_the_base_models_shapes(family: str, kind: str, size: int) -> None:
    def trainable(train_head: bool) -> int:
        with torch.device("meta"):
            base = AutoModelForMaskedLM.from_config(AutoConfig.for_model(family, vocab_size=1000))
            model = language_adapter(base, Adapter(type=kind, train_head=train_head))
        return sum(p.numel() for p in model.parameters() if p.requires_grad)

    assert trainable(train_head=False) == size
    assert trainable(train_head=True) == size + 592_128


@pytest.mark.parametrize("width", [32, 31])
@pytest.mark.parametrize("family", ["bert", "electra"])
def test_the_coupling_is_its_formula_and_inverts(family: str, width: int) -> None:
    from lrl_adapt.training.adapters.bottleneck.coupling import Coupling

    coupling = Coupling(BottleneckConfig(coupling=True), width)
    shake(coupling)
    x = torch.randn(2, 5, width)
    x1, x2 = x[..., : width // 2], x[..., width // 2 :]
    y1 = x1 + coupling.F[2](coupling.F[0](x2).relu())
    torch.testing.assert_close(coupling(x), torch.cat([y1, x2 + coupling.G[2](coupling.G[0](y1).relu())], dim=-1))
    torch.testing.assert_close(coupling.inverse(coupling(x)), x, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(coupling(x), x, atol=1e-2)


@pytest.mark.parametrize("kind", ["seq_bn", "seq_bn_inv", "lora", "ia3", "full"])
def test_task_adapter_stands_on_a_frozen_language_adapter(kind: str, tmp_path: Path) -> None:
    language = adapted("bert", kind)
    encoder = lambda model: getattr(model, "get_base_model", lambda: model)().bert(**batch()).last_hidden_state  # noqa: E731
    want = encoder(language)
    stacked = stack_task_adapter(tiny("bert"), save(language, tmp_path / "a"), 16).eval()
    trainable = {name for name, p in stacked.named_parameters() if p.requires_grad}
    assert trainable
    assert all(".task." in name for name in trainable)
    with torch.no_grad():  # a task adapter of zeros leaves what is below it as it is
        for name, parameter in stacked.named_parameters():
            if ".task." in name:
                parameter.zero_()
    torch.testing.assert_close(encoder(stacked), want, atol=1e-5, rtol=1e-5)
    shake(stacked)
    assert not torch.allclose(encoder(stacked), want, atol=1e-3)


@pytest.mark.parametrize("kind", ["seq_bn", "seq_bn_inv", "double_seq_bn", "par_bn"])
@pytest.mark.parametrize("family", ["bert", "modernbert"])
@pytest.mark.slow
def test_adapters_per_sample_equal_one_adapter_at_a_time(family: str, kind: str) -> None:
    model = adapted(family, kind)
    model.add_adapter("other", model.peft_config[LANGUAGE])
    model.set_adapter("other")
    shake(model, seed=5)
    alone = {}
    for name in (LANGUAGE, "other"):
        model.set_adapter(name)
        alone[name] = model.eval()(**batch()).logits
    with model.disable_adapter():
        alone["__base__"] = model(**batch()).logits
    names = ["other", "__base__", LANGUAGE]
    mixed = model(**batch(), adapter_names=names).logits
    for row, name in enumerate(names):
        torch.testing.assert_close(mixed[row], alone[name][row], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(alone["other"], alone[LANGUAGE], atol=1e-2)
    torch.testing.assert_close(model(**batch()).logits, alone["other"])  # and afterwards the active one again
    with pytest.raises(ValueError, match="no adapter named nobody; loaded: language, other"):
        model(**batch(), adapter_names=["nobody"] * 3)
    with pytest.raises(ValueError, match="2 adapter_names for a batch of 3"):
        model(**batch(), adapter_names=["other"] * 2)
    with pytest.raises(ValueError, match="call eval"):
        model.train()(**batch(), adapter_names=names)


def test_a_deep_copy_and_an_unloaded_model_have_hooks_of_their_own() -> None:
    model = adapted("bert", "seq_bn_inv", train_head=False)
    want = model(**batch()).logits
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "coupling" in name:
                parameter.add_(1.0)
    assert not torch.allclose(model(**batch()).logits, want, atol=1e-2)
    assert torch.equal(twin(**batch()).logits, want)
    torch.testing.assert_close(twin.unload()(**batch()).logits, tiny("bert")(**batch()).logits)


def test_a_deleted_adapter_is_gone() -> None:
    model = adapted("bert", "seq_bn_inv")
    model.add_adapter("other", model.peft_config[LANGUAGE])
    model.delete_adapter(LANGUAGE)
    assert not [name for name, _ in model.named_parameters() if LANGUAGE in name]
    model.set_adapter("other")
    assert model(**batch()).logits.shape == (3, 9, 97)


def test_settings_by_block(tmp_path: Path) -> None:
    model = adapted("bert", "seq_bn", reduction_factor={0: 8, "default": 2}, train_head=False)
    widths = [block.output.bottleneck_adapters[LANGUAGE].down.out_features for block in blocks(model)]
    assert widths == [4, 16]
    again = load_adapter(tiny("bert"), save(model, tmp_path / "a"))
    assert torch.equal(again.eval()(**batch()).logits, model(**batch()).logits)
    model = adapted("bert", "double_seq_bn", leave_out=[1])
    assert [hasattr(block.output, "bottleneck_adapters") for block in blocks(model)] == [True, False]
    assert [hasattr(block.attention.output, "bottleneck_adapters") for block in blocks(model)] == [True, False]


def blocks(model):
    return model.get_base_model().bert.encoder.layer


def test_sparse_groups_train_one_group_and_their_mean_is_the_whole() -> None:
    model = adapted("bert", "seq_bn", reduction_factor=4, sparse_groups=4)
    own = blocks(model)[0].output.bottleneck_adapters[LANGUAGE]
    state = type("State", (), {"f": torch.randn(2, 5, 32), "parallel": None, "norm": staticmethod(lambda f: f)})
    whole = own.eval().change(state)
    own.train()
    seen = {}
    for _ in range(60):
        change = own.change(state)
        seen[round(float(change.sum().detach()), 3)] = change
    assert len(seen) == 4
    torch.testing.assert_close(torch.stack(list(seen.values())).mean(0), whole)
    own.change(state).sum().backward()
    assert int((own.up.weight.grad.abs().sum(0) > 0).sum()) <= 2  # 8 units in 4 groups


@pytest.mark.parametrize("kind", BOTTLENECKS)
def test_a_bottleneck_says_why_it_cannot_be_merged(kind: str) -> None:
    with pytest.raises(NotImplementedError, match="non-linearity"):
        language_adapter(tiny("bert"), Adapter(type=kind)).merge_and_unload()


@pytest.mark.parametrize("kind", ["lora", "ia3"])
@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_linear_adapters_merge(family: str, kind: str) -> None:
    model = adapted(family, kind)
    want = model(**batch()).logits
    torch.testing.assert_close(merge_adapter(model)(**batch()).logits, want, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reduction_factor": 0}, "above 0"),
        ({"reduction_factor": {}}, "above 0"),
        ({"attention": True, "parallel": True, "norm_before": False}, "beside the feed-forward only"),
        ({"feed_forward": False}, "there would be no bottleneck"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\)"),
        ({"non_linearity": "relow"}, "'relow' is not an activation of transformers"),
        ({"sparse_groups": 0}, "at least 1"),
        ({"init": "zeros"}, "one of bert, mam"),
        ({"fused": [{"name": "only"}]}, "at least two"),
    ],
)
def test_nonsense_is_refused(settings, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BottleneckConfig(**settings)


def test_what_does_not_fit_the_base_is_refused() -> None:
    with pytest.raises(UserError, match="leaves 0 units of 32"):
        language_adapter(tiny("bert"), Adapter(reduction_factor=64))
    with pytest.raises(UserError, match="leaves 2 units of 32, fewer than 4"):
        language_adapter(tiny("bert"), Adapter(sparse_groups=4))
    with pytest.raises(UserError, match="neither block 1 nor 'default'"):
        language_adapter(tiny("bert"), Adapter(reduction_factor={0: 8}))
    with pytest.raises(UserError, match="ia3 needs separate key, value and intermediate"):
        language_adapter(tiny("modernbert"), Adapter(type="ia3"))
    with pytest.raises(UserError, match="'gpt2' is not supported; choose a base of bert"):
        family_of("gpt2")


@pytest.mark.parametrize("kind", ["seq_bn_inv", "lora"])
def test_pushed_to_the_hub_and_loaded_from_there(kind: str, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.utils.hub.hf_api", lambda: HfApi(endpoint=hub.address))
    model = adapted("bert", kind)
    model.push_to_hub("owner/adapter", token="hf_not_a_token")
    again = PeftModel.from_pretrained(tiny("bert"), "owner/adapter", subfolder=LANGUAGE).eval()
    assert torch.equal(again(**batch()).logits, model(**batch()).logits)


def test_saving_does_not_ask_the_hub_for_the_base(hub: Hub, tmp_path: Path) -> None:
    model = adapted("bert", "seq_bn")
    model.peft_config[LANGUAGE].base_model_name_or_path = "owner/small"
    save_adapter(model, tmp_path)
    assert (tmp_path / "adapter_model.safetensors").is_file()
    assert hub.requests == []


@pytest.mark.parametrize("kind", BOTTLENECKS)
def test_adapters_in_fp32_on_a_base_in_bf16(kind: str) -> None:
    model = language_adapter(tiny("bert").to(torch.bfloat16), Adapter(type=kind, train_head=False))
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    shake(model)
    logits = model.eval()(**batch()).logits
    assert logits.dtype == torch.bfloat16
    want = adapted("bert", kind, train_head=False)(**batch()).logits
    assert (logits.float() - want).abs().mean() < 0.1 * want.abs().mean()


def test_a_head_that_is_not_where_the_family_keeps_it_is_refused() -> None:
    check_family(tiny("deberta-v2"), "deberta-v2")
    odd = AutoModelForMaskedLM.from_config(AutoConfig.for_model("deberta-v2", **SHAPES["deberta-v2"], legacy=False))
    with pytest.raises(UserError, match="this deberta-v2 has no cls"):
        check_family(odd, "deberta-v2")


def test_a_saved_adapter_loads_with_peft_alone(tmp_path: Path) -> None:
    model = adapted("xlm-roberta", "seq_bn_inv", invert_before_head=False)
    folder = save(model, tmp_path / "a")
    again = PeftModel.from_pretrained(tiny("xlm-roberta"), folder).eval()
    assert again.peft_config["default"].invert_before_head is False
    assert torch.equal(again(**batch()).logits, model(**batch()).logits)
