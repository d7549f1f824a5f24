"""The private interfaces of other libraries that training uses are there in the installed versions."""

import inspect

import accelerate
import pytest
import torch
from accelerate.state import AcceleratorState
from lrl_adapt.training import compat
from lrl_adapt.training.adapters import BottleneckConfig
from lrl_adapt.training.adapters.bottleneck import BottleneckModel
from peft import PeftConfig, PeftModel, get_peft_model, mapping
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface

from .models import tiny

# Private methods of PEFT's BaseTuner (0.21.2) that `BottleneckModel` overrides, as PEFT's own tuners do: PEFT calls
# them when it adds, saves and unloads adapters. When one is renamed, rename ours.
OVERRIDES = (
    "_create_and_replace",
    "_prepare_adapter_config",
    "_remove_adapter_name_from_key",
    "_replace_module",
)
# The context manager of a tuner that PeftModel (0.21.2) enters around each forward; used for `adapter_names`.
FORWARD_HOOKS = "_enable_peft_forward_hooks"


@pytest.mark.parametrize("name", OVERRIDES)
def test_the_methods_that_bottlenecks_override_are_pefts(name: str) -> None:
    assert callable(getattr(BaseTuner, name))
    assert name in vars(BottleneckModel)


@pytest.mark.parametrize("name", ["_disable_adapters", "_active_adapter", "merged_adapters"])
def test_the_state_of_a_tuner_layer_is_pefts(name: str) -> None:
    layer = BaseTunerLayer()
    compat.initialise_tuner_layer(layer)
    assert hasattr(BaseTunerLayer, name)
    assert name in vars(layer)


def test_no_other_private_method_of_peft_is_overridden() -> None:
    private = {name for name in vars(BottleneckModel) if name.startswith("_") and not name.startswith("__")}
    overrides = {name for name in private if hasattr(BaseTuner, name) and not name.startswith("_abc")}
    assert overrides == set(OVERRIDES)


def test_pefts_models_enter_the_hooks_of_their_tuner() -> None:
    assert f"self.base_model.{FORWARD_HOOKS}(" in inspect.getsource(PeftModel)
    assert FORWARD_HOOKS in vars(BottleneckModel)


def test_onednns_kernel_is_a_linear_layer() -> None:
    kernel = compat.linear_kernel()
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this PyTorch has no oneDNN")
    assert kernel is not None
    layer, hidden = nn.Linear(8, 6), torch.randn(5, 8)
    output = kernel(hidden, layer.weight.detach(), layer.bias.detach(), "none", [], "")
    torch.testing.assert_close(output, layer(hidden).detach())


def test_attention_can_be_registered_and_is_pytorchs() -> None:
    compat.register_attention("test", compat.sdpa_attention)
    try:
        model, plain = tiny("bert"), tiny("bert")
        model.set_attn_implementation("test")
        ids = torch.arange(5, 13)[None]
        mask = torch.tensor([[1] * 6 + [0] * 2])
        torch.testing.assert_close(
            model(ids, attention_mask=mask).logits[:, :6], plain(ids, attention_mask=mask).logits[:, :6]
        )
    finally:
        del AttentionInterface._global_mapping["test"]
        del AttentionMaskInterface._global_mapping["test"]


def test_accelerates_precision_can_be_chosen_again() -> None:
    for precision in ("bf16", "no"):
        compat.reset_accelerator_state()
        assert accelerate.Accelerator(cpu=True, mixed_precision=precision).mixed_precision == precision
    compat.reset_accelerator_state()
    assert not AcceleratorState._shared_state


def test_a_type_of_ones_own_is_known_to_peft(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG", "TUNER", "PREFIX"):
        known = dict(getattr(mapping, f"PEFT_TYPE_TO_{name}_MAPPING"))
        monkeypatch.setattr(mapping, f"PEFT_TYPE_TO_{name}_MAPPING", known)
    compat.register_peft_type("OURS", PeftConfig, BottleneckModel)
    assert mapping.PEFT_TYPE_TO_TUNER_MAPPING["OURS"] is BottleneckModel
    assert mapping.PEFT_TYPE_TO_CONFIG_MAPPING["OURS"] is PeftConfig
    assert mapping.PEFT_TYPE_TO_PREFIX_MAPPING["OURS"] == "bottleneck_"


def test_several_adapters_are_active_in_their_order() -> None:
    model = get_peft_model(tiny("bert"), BottleneckConfig(reduction_factor=4), adapter_name="first")
    model.add_adapter("second", BottleneckConfig(reduction_factor=4))
    compat.set_active_adapters(model, ["second", "first"])
    assert model.base_model.active_adapters == ["second", "first"]
