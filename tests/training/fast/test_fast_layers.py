"""Replaced layers keep names, parameters, hooks that matter and what the model computes."""

import pytest
import torch
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training.adapters import language_adapter
from lrl_adapt.training.fast.dropout import Dropout
from lrl_adapt.training.fast.fast_layers import use_fast_layers
from lrl_adapt.training.fast.linear import Linear
from lrl_adapt.training.mlm import MaskedLM
from torch import nn

from ..models import batch, shake, tiny


@pytest.mark.parametrize("kind", ["seq_bn_inv", "lora", "ia3", "full"])
def test_names_parameters_modes_and_logits_stay(kind: str) -> None:
    model = language_adapter(tiny("distilbert"), Adapter(type=kind, reduction_factor=4)).train()
    shake(model)
    model.get_submodule("base_model" if kind != "full" else "distilbert").eval()
    before, modes = dict(model.named_parameters()), {name: module.training for name, module in model.named_modules()}
    states, want = list(model.state_dict()), model.eval()(**batch()).logits
    for name, module in model.named_modules():
        module.training = modes[name]
    decoder = getattr(model, "get_base_model", lambda: model)().get_output_embeddings()
    use_fast_layers(model, keep=(decoder,))
    after = dict(model.named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert list(model.state_dict()) == states
    torch.testing.assert_close(model.eval()(**batch()).logits, want, atol=1e-5, rtol=1e-5)


def test_every_plain_layer_is_replaced_once() -> None:
    model = tiny("bert")
    use_fast_layers(model)
    layers = dict(model.named_modules())
    assert not [module for module in layers.values() if type(module) in {nn.Linear, nn.Dropout}]
    assert {type(module) for module in layers.values()} >= {Linear, Dropout}
    use_fast_layers(model)
    assert dict(model.named_modules()) == layers


def test_random_numbers_are_not_drawn() -> None:
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Dropout(0.3))
    before = torch.get_rng_state()
    use_fast_layers(model)
    assert torch.equal(torch.get_rng_state(), before)
    assert (type(model[0]), type(model[1]), model[1].p) == (Linear, Dropout, 0.3)


def test_the_hook_of_an_invertible_adapter_stays() -> None:
    model = language_adapter(tiny("distilbert"), Adapter(type="seq_bn_inv", reduction_factor=4)).eval()
    shake(model)
    want = model(**batch()).logits
    MaskedLM(model)
    torch.testing.assert_close(model(**batch()).logits, want, atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "coupling" in name:
                parameter.zero_()
    assert not torch.allclose(model(**batch()).logits, want, atol=1e-2)
