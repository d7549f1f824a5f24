"""The models of controls."""

from pathlib import Path

import pytest
import torch
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training.adapters import language_adapter, load_adapter
from lrl_adapt.training.adapters.controls import head_alone, randomise_identity
from lrl_adapt.training.adapters.files import save_adapter
from torch import Tensor

from .models import batch, shake, tiny


def hidden_states(model) -> Tensor:
    with torch.no_grad():
        return model.get_base_model().base_model(**batch()).last_hidden_state


def base_states(family: str) -> Tensor:
    with torch.no_grad():
        return tiny(family).base_model(**batch()).last_hidden_state


@pytest.mark.parametrize("kind", ["seq_bn", "seq_bn_inv", "double_seq_bn", "par_bn", "lora", "ia3"])
def test_an_untrained_adapter_changes_the_hidden_states(kind: str) -> None:
    torch.manual_seed(0)
    model = language_adapter(tiny("bert"), Adapter(type=kind, reduction_factor=4)).eval()
    starts_as_identity = kind in ("par_bn", "lora", "ia3")
    assert torch.equal(hidden_states(model), base_states("bert")) == starts_as_identity
    before = [parameter.clone() for parameter in model.parameters()]
    randomise_identity(model)
    change = (hidden_states(model) - base_states("bert")).norm() / base_states("bert").norm()
    assert 1e-4 < change < 0.5
    same = all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))
    assert same != starts_as_identity


@pytest.mark.parametrize("family", ["bert", "xlm-roberta", "distilbert"])
def test_the_head_alone_is_trained_saved_and_loaded(family: str, tmp_path: Path) -> None:
    model = head_alone(tiny(family)).eval()
    trainable = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trainable
    assert all("modules_to_save" in name for name in trainable)
    shake(model)
    assert torch.equal(hidden_states(model), base_states(family))
    save_adapter(model, tmp_path)
    loaded = load_adapter(tiny(family), tmp_path)
    with torch.no_grad():
        logits = model(**batch()).logits
        assert torch.equal(loaded(**batch()).logits, logits)
        assert not torch.allclose(tiny(family)(**batch()).logits, logits)
