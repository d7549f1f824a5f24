"""Our adapters against AdapterHub's, on weights and results that make_fixture.py took from adapters 1.3.0."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training.adapters import language_adapter
from lrl_adapt.training.families import family_of
from lrl_adapt.training.mlm import MaskedLM
from peft import PeftModel
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForMaskedLM

FIXTURES = Path(__file__).parent / "fixtures"
FAMILIES = ("bert", "xlm-roberta")
CLOSE = {"atol": 1e-5, "rtol": 1e-5}


def theirs_to_ours(name: str, adapter: str) -> str:
    """AdapterHub's name of a weight as PEFT's, without the active adapter's name."""
    for old, new in (
        (f".adapters.{adapter}.adapter_down.0.", ".seq_bn_down."),
        (f".adapters.{adapter}.adapter_up.", ".seq_bn_up."),
        (f".loras.{adapter}.lora_A", ".lora_A.weight"),
        (f".loras.{adapter}.lora_B", ".lora_B.weight"),
    ):
        name = name.replace(old, new)
    return f"base_model.model.{name}"


def build(family: str, kind: str) -> tuple[PeftModel, dict[str, Tensor], dict[str, str]]:
    """The base with AdapterHub's adapter in our form, what is expected, and our names of its weights by theirs."""
    folder = FIXTURES / family / kind
    base = AutoModelForMaskedLM.from_pretrained(FIXTURES / family / "base")
    config = json.loads((folder / kind / "adapter_config.json").read_text())["config"]
    sizes: dict[str, Any] = {"rank": config["r"], "alpha": config["alpha"]} if kind == "lora" else {}
    sizes |= {"reduction_factor": config["reduction_factor"]} if kind == "seq_bn" else {}
    model = language_adapter(base, Adapter(type=kind, **sizes)).eval()
    theirs = torch.load(folder / kind / "pytorch_adapter.bin", weights_only=True)
    names = {name: _named(theirs_to_ours(name, kind)) for name in theirs}
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in theirs.items():
            parameters[names[name]].copy_(tensor)
    return model, load_file(folder / "expected.safetensors"), names


def _named(name: str) -> str:
    stem, _, last = name.rpartition(".")
    return f"{stem}.language.{last}"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["seq_bn", "lora"])
def test_hidden_states_logits_loss_and_gradients(family: str, kind: str) -> None:
    model, expected, names = build(family, kind)
    batch = {key: expected[key] for key in ("input_ids", "attention_mask", "labels")}
    output = model(**batch, output_hidden_states=True)
    for number, state in enumerate(output.hidden_states):
        torch.testing.assert_close(state, expected[f"hidden.{number}"], **CLOSE)
    torch.testing.assert_close(output.logits, expected["logits"], **CLOSE)
    torch.testing.assert_close(output.logits, expected["logits_flexible"], **CLOSE)
    loss = MaskedLM(model)(**batch)  # the fast path, not the model's own loss
    torch.testing.assert_close(loss, expected["loss"], **CLOSE)
    loss.backward()
    parameters = dict(model.named_parameters())
    gradients = {name.removeprefix("grad."): value for name, value in expected.items() if name.startswith("grad.")}
    assert set(gradients) == set(names)
    for name, gradient in gradients.items():
        torch.testing.assert_close(parameters[names[name]].grad, gradient, **CLOSE)
    assert any(gradient.abs().max() > 1e-3 for gradient in gradients.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stack(family: str) -> None:
    folder = FIXTURES / family / "stack"
    base = AutoModelForMaskedLM.from_pretrained(FIXTURES / family / "base")
    model = language_adapter(base, Adapter(train_head=False))
    model.add_adapter("above", model.peft_config["language"])
    for name, ours in (("below", "language"), ("above", "above")):
        theirs = torch.load(folder / name / "pytorch_adapter.bin", weights_only=True)
        parameters = dict(model.named_parameters())
        with torch.no_grad():
            for key, tensor in theirs.items():
                parameters[_named(theirs_to_ours(key, name)).replace(".language.", f".{ours}.")].copy_(tensor)
    model.base_model.set_adapter(["language", "above"])
    expected = load_file(folder / "expected.safetensors")
    output = model.eval()(input_ids=expected["input_ids"], attention_mask=expected["attention_mask"])
    torch.testing.assert_close(output.logits, expected["logits"], **CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_heads_transform_is_what_adapterhub_saves_besides_the_decoder(family: str) -> None:
    head = torch.load(FIXTURES / family / "seq_bn" / "seq_bn" / "pytorch_model_head.bin", weights_only=True)
    transform = {
        name for name in head if "decoder" not in name and not name.endswith((".predictions.bias", "lm_head.bias"))
    }
    modules = family_of(family).head_modules
    assert transform
    assert all(name.startswith(tuple(f"{module}." for module in modules)) for name in transform)
