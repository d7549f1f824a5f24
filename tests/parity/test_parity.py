"""Our adapters against AdapterHub's, on weights and results that make_fixture.py took from adapters 1.3.0."""

from pathlib import Path

import pytest
import torch
from lrl_adapt.pipeline.merge import merge
from lrl_adapt.training.adapters.adapterhub import import_adapterhub
from lrl_adapt.training.adapters.adapterhub.names import peft_name
from lrl_adapt.training.adapters.build import LANGUAGE
from lrl_adapt.training.import_adapter import import_adapter
from lrl_adapt.training.masking import IGNORE_INDEX
from lrl_adapt.training.mlm import MaskedLM
from peft import PeftModel
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForMaskedLM, PreTrainedModel

FIXTURES = Path(__file__).parent / "fixtures"
FAMILIES = ("bert", "xlm-roberta")
KINDS = ("seq_bn", "seq_bn_inv", "double_seq_bn", "par_bn", "lora", "ia3")
CLOSE = {"atol": 1e-5, "rtol": 1e-5}


def base_of(family: str) -> PreTrainedModel:
    return AutoModelForMaskedLM.from_pretrained(FIXTURES / family / "base")


def expected_of(family: str, case: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The batch, and what AdapterHub makes of it."""
    expected = load_file(FIXTURES / family / case / "expected.safetensors")
    return {key: expected[key] for key in ("input_ids", "attention_mask", "labels")}, expected


def trainable(model: PeftModel) -> PeftModel:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(f".{LANGUAGE}." in f"{name}.")
    return model.eval()


def compare(model: PeftModel, family: str, case: str, weights: dict[str, str]) -> None:
    """Hidden states, logits, loss and gradients; `weights` gives our names of the weights by theirs."""
    batch, expected = expected_of(family, case)
    output = model(**batch, output_hidden_states=True)
    for number, state in enumerate(output.hidden_states):
        torch.testing.assert_close(state, expected[f"hidden.{number}"], **CLOSE)
    torch.testing.assert_close(output.logits, expected["logits"], **CLOSE)
    places = (batch["labels"] != IGNORE_INDEX).sum()
    loss = MaskedLM(model).eval()(**batch) / places  # the fast path, not the model's own loss
    torch.testing.assert_close(loss, expected["loss"], **CLOSE)
    loss.backward()
    parameters = dict(model.named_parameters())
    gradients = {name.removeprefix("grad."): value for name, value in expected.items() if name.startswith("grad.")}
    assert set(gradients) == set(weights)
    for name, gradient in gradients.items():
        torch.testing.assert_close(parameters[weights[name]].grad, gradient, **CLOSE)
    assert any(gradient.abs().max() > 1e-3 for gradient in gradients.values())


def ours_by_theirs(expected: dict[str, Tensor], adapters: dict[str, str], family: str, scales: bool) -> dict[str, str]:
    """Names of our parameters by those of AdapterHub's, for every weight it gives a gradient of."""
    result = {}
    for name in (key.removeprefix("grad.") for key in expected if key.startswith("grad.")):
        for adapter, inside in adapters.items():
            ours = peft_name(name, adapter, family, is_ia3=scales)
            if ours is not None:
                ours = ours.replace("bottleneck_adapters.", f"bottleneck_adapters.{LANGUAGE}.{inside}")
                ours = ours.replace("bottleneck_couplings.", f"bottleneck_couplings.{LANGUAGE}.")
                ours = ours.replace(".weight", f".{LANGUAGE}.weight") if ".lora_" in ours else ours
                ours = ours.replace(".ia3_l", f".ia3_l.{LANGUAGE}")
                result[name] = f"base_model.model.{ours}"
    return result


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", KINDS)
def test_hidden_states_logits_loss_and_gradients(family: str, kind: str) -> None:
    """AdapterHub's model with its own head leaves the coupling as it is: `invert_before_head` is false here."""
    folder = FIXTURES / family / kind / kind
    model, notes = import_adapterhub(base_of(family), folder, invert_before_head=False)
    assert notes == []
    _, expected = expected_of(family, kind)
    weights = ours_by_theirs(expected, {kind: ""}, family, kind == "ia3")
    compare(trainable(model), family, kind, weights)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("saved", ["static", "flexible"])
@pytest.mark.parametrize("kind", ["seq_bn", "seq_bn_inv"])
def test_the_flexible_heads_logits_and_the_coupling_undone(family: str, saved: str, kind: str) -> None:
    folder = FIXTURES / family / kind / (kind if saved == "static" else "flexible")
    batch, expected = expected_of(family, kind)
    for invert, logits in ((True, "logits_flexible"), (False, "logits")):
        model, _ = import_adapterhub(base_of(family), folder, invert_before_head=invert)
        torch.testing.assert_close(model.eval()(**batch).logits, expected[logits], **CLOSE)
    assert (kind == "seq_bn_inv") != torch.allclose(expected["logits"], expected["logits_flexible"], atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stack(family: str) -> None:
    folder = FIXTURES / family / "stack"
    model, _ = import_adapterhub(base_of(family), folder / "below")
    above, _ = import_adapterhub(base_of(family), folder / "above")
    add(model, above, "above")
    batch, expected = expected_of(family, "stack")
    torch.testing.assert_close(model.eval()(**batch).logits, expected["logits"], **CLOSE)


def add(model: PeftModel, other: PeftModel, name: str) -> None:
    """Stack the adapter of `other` on that of `model`."""
    model.add_adapter(name, other.peft_config[LANGUAGE])
    weights = {key.replace(f".{LANGUAGE}.", f".{name}."): value for key, value in other.state_dict().items()}
    model.load_state_dict({key: value for key, value in weights.items() if f".{name}." in key}, strict=False)
    model.base_model.set_adapter([LANGUAGE, name])


@pytest.mark.parametrize("family", FAMILIES)
def test_fusion(family: str) -> None:
    """The fused adapters' order, the query's source, the values' place: and `text` couples, as it does there."""
    model, notes = import_adapterhub(
        base_of(family), FIXTURES / family / "fusion" / "fusion", invert_before_head=False, coupling="text"
    )
    assert notes == []
    _, expected = expected_of(family, "fusion")
    names = {"text,graph": "", "text": "experts.fused_text.", "graph": "experts.fused_graph."}
    compare(trainable(model), family, "fusion", ours_by_theirs(expected, names, family, scales=False))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_task_adapter_on_a_fusion(family: str) -> None:
    folder = FIXTURES / family / "fusion_stack"
    model, _ = import_adapterhub(base_of(family), folder / "fusion", invert_before_head=False, coupling="text")
    task, _ = import_adapterhub(base_of(family), folder / "task")
    add(model, task, "task")
    batch, expected = expected_of(family, "fusion_stack")
    torch.testing.assert_close(model.eval()(**batch).logits, expected["logits"], **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_merge_equals_average_adapter(kind: str, tmp_path: Path) -> None:
    for name in ("first", "second", "average"):
        import_adapter(FIXTURES / "average" / kind / name, FIXTURES / "bert" / "base", tmp_path / name)
    merged = merge([tmp_path / "first", tmp_path / "second"], tmp_path / "merged", weights=[0.7, -0.2])
    assert merged.weights == pytest.approx([1.4, -0.4])
    ours, theirs = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("merged", "average"))
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name], weight, atol=1e-6, rtol=1e-6)
